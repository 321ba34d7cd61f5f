"""A user's own images: which file a name means, and whether every notebook can use what it holds.

All of it is checked before anything is trained, so that nothing fails halfway for want of images.
"""

from __future__ import annotations

import errno
import math
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from drlcore.data import paths
from drlcore.data.npz import read_npz
from drlcore.data.splits import Array, Dataset, from_arrays
from drlcore.errors import DataError, ParameterError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
# Probes ask for the 20 nearest training codes, and t-SNE's perplexity of 20 needs more than 20.
NEIGHBOURS = 20
# The smoke preset fits probes on 500 images: with more classes some would be in none of them.
CLASSES = 500
# SimCLR's views blur over 3 x 3 pixels, which needs a neighbour to reflect.
SMALLEST_SIDE = 2
# 1,000 samples drawn or 2,000 images encoded at once take about 60 kB for each value of an image.
BYTES_A_VALUE = 60_000
LARGEST_IMAGE = 2**16
LARGEST = 2**29


def find(name: str) -> Path | None:
    """The absolute path of the file of that name; None if there is none.

    A relative one is looked for in the current folder, then in the repository: the batch runs in
    one, notebooks in another.

    Raises:
        ParameterError: there is something of that name, but no ``.npz`` file.
        DataError: it cannot be looked at.
    """
    if not name:
        return None
    places = [Path.cwd()]
    with suppress(DataError, OSError):  # an installed package has no checkout
        places.append(paths.root())
    for place in places:
        path = place / name
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: no name of a file
            continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                continue
            raise DataError(f"{printable(str(path))}: {error.strerror}") from None
        _require_npz(name, path, mode)
        return path.parent.resolve() / path.name
    return None


def is_own(name: str) -> bool:
    """Whether ``name`` is that of own images; what is in them is not looked at."""
    try:
        return find(name) is not None
    except (DataError, ParameterError):
        return False


def _require_npz(name: str, path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        what = "a folder"
    elif not stat.S_ISREG(mode):
        what = "no regular file"
    elif path.suffix.lower() != ".npz":
        what = f"a {path.suffix} file" if path.suffix else "a file without an ending"
    else:
        return
    raise ParameterError(
        f"{name!r} is {what}; own images come as an .npz file with {', '.join(ARRAYS)}"
    )


def printable(text: str) -> str:
    """``text`` in one line, whatever a file may be called."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def title(path: Path, taken: tuple[str, ...]) -> str:
    """What figures call the file: its stem, or its whole name where the stem is ``taken``.

    A dollar sign would be mathematics in a figure.
    """
    name = path.name if path.stem in taken else path.stem
    return printable(name).replace("$", "_")


def read(path: Path, name: str) -> Dataset:
    """The data set in the file, called ``name``, its classes mixed.

    Arrays as for ``from_arrays``. In all parts the classes come in turn, so that the first so many
    images are of all of them, in whatever order they were saved.

    Raises:
        DataError: the file, its arrays or its numbers are other than that.
    """
    label = printable(str(path))
    x_train, y_train, x_test, y_test = read_npz(path, ARRAYS, LARGEST, label)
    for key, x in (("x_train", x_train), ("x_test", x_test)):
        _require_size(label, key, x)
    data = from_arrays(label, x_train, y_train, x_test, y_test, in_turn=True)
    _require_usable(label, data)
    return replace(data, name=name)


def _require_size(label: str, key: str, x: Array) -> None:
    """Neither too small for the networks nor too large for the memory, if ``x`` are images."""
    shape = x.shape[1:]
    values = math.prod(shape)
    if values > LARGEST_IMAGE:
        gigabytes, most = (v * BYTES_A_VALUE / 1e9 for v in (values, LARGEST_IMAGE))
        raise DataError(
            f"{label}: {key} holds images of shape {shape}, {values:,} values, which take about "
            f"{gigabytes:.1f} GB of memory; allowed: {LARGEST_IMAGE:,} values ({most:.1f} GB), "
            "such as 256 x 256 grey ones; make them smaller"
        )
    if len(shape) in (2, 3) and 0 < min(shape[-2:]) < SMALLEST_SIDE:
        raise DataError(
            f"{label}: {key} holds images of shape {shape}; allowed: {SMALLEST_SIDE} x "
            f"{SMALLEST_SIDE} pixels or more, since views of them are blurred"
        )


def _require_usable(label: str, data: Dataset) -> None:
    """Images that can be drawn, and as many of them and classes as every notebook's probes need."""
    if data.shape[0] not in (1, 3):
        raise DataError(
            f"{label}: images have {data.shape[0]} channels; allowed: 1 or 3, which can be drawn"
        )
    train, validation, test = data.train, data.validation, data.test
    x_train = f"{label}: x_train has {len(train.y) + len(validation.y)} images"
    if data.n_classes > CLASSES:
        raise DataError(f"{label}: y_train has {data.n_classes} classes; allowed: 2 to {CLASSES}")
    if len(train.y) <= NEIGHBOURS:
        raise DataError(
            f"{x_train}, {len(train.y)} of them beside those kept for validation; allowed: "
            f"{NEIGHBOURS + 1} or more, since probes ask for the {NEIGHBOURS} nearest"
        )
    if len(validation.y) <= data.n_classes:
        raise DataError(
            f"{x_train} of {data.n_classes} classes, of which a tenth is kept for validation; "
            f"allowed: more than {10 * data.n_classes}, since the silhouette takes more images "
            "than classes"
        )
    classes = len(test.y.unique())
    if classes < 2 or len(test.y) <= classes:
        raise DataError(
            f"{label}: x_test has {len(test.y)} images of {classes} classes; allowed: 2 classes "
            "or more, and more images than classes, since the silhouette compares them"
        )
    for key, part in (("x_train", train), ("x_test", test)):
        if part.x.min() == part.x.max():
            raise DataError(
                f"{label}: all values of {key} are {float(part.x.min()):g} when scaled to [-1, 1]; "
                "allowed: images that differ"
            )
