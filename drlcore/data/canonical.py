"""A data set is its images, not the file they came in: one order, by content, and one checksum.

Whatever form CIFAR-10 is had in, binary, pickled, pictures or Parquet, in this order it is the same
arrays, hence the same split and the same runs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from drlcore.data import published
from drlcore.data.npz import read_npz
from drlcore.data.splits import Array, array_checksum
from drlcore.errors import DataError

Arrays = tuple[Array, Array, Array, Array]  # x_train, y_train, x_test, y_test
KEYS = ("x_train", "y_train", "x_test", "y_test")
_LARGEST = 2**28  # numbers; CIFAR has 184 million


def ordered(arrays: Arrays) -> Arrays:
    """The images of each part sorted by the SHA-256 of their bytes, equal ones by label.

    Args:
        arrays: x uint8 (N, H, W, C) and y, any integers (N,), of train and of test.

    Returns:
        The same, contiguous, y as int64.

    Example:
        >>> import numpy as np
        >>> from drlcore.data.canonical import ordered
        >>> x, y = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1), np.arange(3)
        >>> ordered((x, y, x[::-1], y[::-1]))[1::2]
        (array([1, 0, 2]), array([1, 0, 2]))
    """
    x_train, y_train, x_test, y_test = arrays
    return *_sorted(x_train, y_train), *_sorted(x_test, y_test)


def _sorted(x: Array, y: Array) -> tuple[Array, Array]:
    x = np.ascontiguousarray(x)
    keys = [
        (hashlib.sha256(image.data).digest(), int(label)) for image, label in zip(x, y, strict=True)
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    return x[order], y[order].astype(np.int64)


def verified(name: str, arrays: Arrays, where: Path) -> str:
    """The checksum of the arrays, which is that of the data set ``name`` if it has a known one.

    Args:
        name: of ``published.PUBLISHED``.
        arrays: as ``ordered`` returns them.
        where: what they were read from, for the message.

    Raises:
        DataError: it is another; the message says what was found.
    """
    found, expected = array_checksum(*arrays), published.IMAGES.get(name)
    if expected not in (None, found):
        train, test = (f"{len(y):,} of {len(np.unique(y))} classes" for y in arrays[1::2])
        raise DataError(
            f"{where}: not the images of {name}: {train} for training and {test} for test, whose "
            f"content has the checksum {found}; expected {expected}"
        )
    return found


def stored(name: str) -> tuple[Arrays, str]:
    """What was imported of the data set ``name``, see ``published.stored``, and its checksum.

    Raises:
        DataError: it is damaged.
    """
    path = published.stored(name)
    try:
        x_train, y_train, x_test, y_test = read_npz(path, KEYS, _LARGEST)
        arrays = x_train, y_train, x_test, y_test
        return arrays, verified(name, arrays, path)
    except DataError as error:
        raise DataError(f"{error}; delete it, then 'make data DATASET={name}' as before") from None
