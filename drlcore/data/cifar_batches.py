"""CIFAR's own files: binary records, and Python batches, which are read as data and not as code."""

from __future__ import annotations

import io
import math
import pickle
import re
from typing import Any

import numpy as np

from drlcore.data.splits import Array

CIFAR_SHAPE = (3, 32, 32)


def read_records(content: bytes, _: re.Match[str] | None, label_bytes: int) -> tuple[Array, Array]:
    """The images of a ``.bin`` file.

    A record is ``label_bytes`` labels and an image's 3,072 bytes: channel, row, column.

    Args:
        content: of the file.
        label_bytes: 1 for CIFAR-10; 2 for CIFAR-100, whose labels are the coarse class, which is
            left out, and the class.

    Returns:
        x uint8 (N, 32, 32, 3), y uint8 (N,).

    Raises:
        ValueError: no records, or a broken one.
    """
    size = label_bytes + math.prod(CIFAR_SHAPE)
    if not content or len(content) % size:
        raise ValueError(f"{len(content)} bytes, not a multiple of a record's {size}")
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    return _channels_last(records[:, label_bytes:]), records[:, label_bytes - 1]


def read_pickled(content: bytes, _: re.Match[str] | None = None) -> tuple[Array, Array]:
    """The images of a Python batch of CIFAR-10: a pickled dictionary of ``data`` and ``labels``.

    Returns:
        x uint8 (N, 32, 32, 3), y int64 (N,).

    Raises:
        pickle.UnpicklingError: it asks for anything that arrays are not made of.
        Exception: what else a broken pickle makes its reader raise.
    """
    batch = _DataOnly(io.BytesIO(content), encoding="bytes").load()
    # Pickled by Python 2, as published, the keys are bytes.
    held = {key.decode() if isinstance(key, bytes) else key: batch[key] for key in batch}
    return _channels_last(held["data"].uint8()), np.array(held["labels"], np.int64)


def _channels_last(flat: Array) -> Array:
    return np.moveaxis(flat.reshape(-1, *CIFAR_SHAPE), 1, 3)


class _DataOnly(pickle.Unpickler):
    """A pickle names what is to be called, which can be anything; here it is never called.

    An array is made by the functions below, for which ``_Made`` keeps what they are given: numpy
    itself would believe any state that a file has for a dtype.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module.replace("numpy._core", "numpy.core"), name) in _MAKE_ARRAYS:
            return _Made
        if (module, name) == ("_codecs", "encode"):  # bytes as Python 3 writes them for Python 2
            return lambda text, encoding: text.encode("latin-1")
        raise pickle.UnpicklingError(
            f"it asks for {module}.{name}, which arrays are not made of; nothing of it was run"
        )


_MAKE_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
}


class _Made:
    """An array or a dtype of a pickle, as what it is made of."""

    def __init__(self, *of: Any) -> None:
        self.of = of

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def uint8(self) -> Array:
        """The array, if it is one of uint8."""
        if len(self.of) == 4:  # _frombuffer: protocol 5
            content, dtype, shape, order = self.of
        else:  # _reconstruct, which makes an empty one
            _, shape, dtype, in_columns, content = self.state
            order = "F" if in_columns else "C"
        if dtype.of[0] not in (b"u1", "u1"):
            raise ValueError(f"its data is of type {dtype.of[0]}; allowed: uint8")
        return np.frombuffer(content, np.uint8).reshape(shape, order=order)
