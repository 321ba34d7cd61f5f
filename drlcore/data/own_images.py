"""A user's own images: which file or folder a name means, and whether every notebook can use it.

All of it is checked before anything is trained, so that nothing fails halfway for want of images.
"""

from __future__ import annotations

import errno
import math
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drlcore.data import paths, picture_folder
from drlcore.data.array_names import arranged
from drlcore.data.npz import read_npy, read_npz
from drlcore.data.picture_cache import LARGEST
from drlcore.data.splits import Dataset, from_arrays
from drlcore.errors import DataError, ParameterError

FILES = (".npz", ".npy")
_PACKED = (".tar", ".gz", ".tgz", ".zip", ".parquet")
# Probes ask for the 20 nearest training codes, and t-SNE's perplexity of 20 needs more than 20.
NEIGHBOURS = 20
# The smoke preset fits probes on 500 images: with more classes some would be in none of them.
CLASSES = 500
# SimCLR's views blur over 3 x 3 pixels, which needs a neighbour to reflect.
SMALLEST_SIDE = 2
# 1,000 samples drawn or 2,000 images encoded at once take about 60 kB for each value of an image.
BYTES_A_VALUE = 60_000
LARGEST_IMAGE = 2**16
_SOME = 500  # images looked at together


def find(name: str) -> Path | None:
    """The absolute path of the file or folder of that name; None if there is none.

    A relative one is looked for in the current folder, then in the repository: the batch runs in
    one, notebooks in another.

    Raises:
        ParameterError: there is something of that name, but no folder, ``.npz`` or ``.npy``.
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
            raise DataError(f"{paths.printable(str(path))}: {error.strerror}") from None
        _require_images(name, path, mode)
        return path.parent.resolve() / path.name
    return None


def is_own(name: str) -> bool:
    """Whether ``name`` is that of own images; what is in them is not looked at."""
    try:
        return find(name) is not None
    except (DataError, ParameterError):
        return False


def _require_images(name: str, path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        return
    if not stat.S_ISREG(mode):
        what = "no regular file"
    elif path.suffix.lower() not in FILES:
        what = f"a {path.suffix} file" if path.suffix else "a file without an ending"
    else:
        return
    known = "; if it is CIFAR-10: 'make data DATASET=cifar10 FROM=path', then dataset = 'cifar10'"
    raise ParameterError(
        f"{name!r} is {what}; own images come as an .npz or .npy file, or a folder of pictures"
        f"{known if path.suffix in _PACKED else ''}"
    )


def title(path: Path, taken: tuple[str, ...]) -> str:
    """What figures call the images: the file's stem, or its whole name where that is ``taken``.

    A dollar sign would be mathematics in a figure.
    """
    stem = path.stem if path.suffix.lower() in FILES else path.name  # a folder's
    name = path.name if stem in taken else stem
    return paths.printable(name).replace("$", "_")


def read(path: Path, name: str) -> Dataset:
    """The data set in the file or folder, called ``name``, its classes mixed.

    Arrays as for ``from_arrays``, called as ``array_names`` knows; folders as for
    ``picture_folder.read``. In all parts the classes come in turn, so that the first so many images
    are of all of them, in whatever order they were saved.

    Raises:
        DataError: the file, its arrays, its pictures or their numbers are other than that.
    """
    label = paths.printable(str(path))
    if path.is_dir():
        data = picture_folder.read(path, name=label)
    else:
        data = _of_arrays(label, *arrays_in(path, label))
    require_usable(label, data)
    return replace(data, name=name)


def arrays_in(path: Path, label: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays of an ``.npz`` or ``.npy``, as ``from_arrays`` calls them, and their own names."""
    if path.suffix.lower() == ".npy":
        return {"x_train": read_npy(path, LARGEST, label)}, {}
    names: dict[str, str] = {}

    def pick(held: list[str]) -> list[str]:
        names.update(arranged(held, label))
        return [*names.values()]

    return dict(zip(names, read_npz(path, pick, LARGEST, label), strict=False)), names


def of_arrays(label: str, arrays: Mapping[str, Any], **options: Any) -> Dataset:
    """``from_arrays`` of arrays by any of the names that ``array_names`` knows."""
    names = arranged(arrays, label)
    found = {taken: arrays[own] for taken, own in names.items()}
    return _of_arrays(label, found, names, **options)


def _of_arrays(
    label: str, arrays: Mapping[str, Any], names: Mapping[str, str], **options: Any
) -> Dataset:
    for key, x in arrays.items():
        if key.startswith("x_"):
            _require_size(label, key, np.shape(x))
    data = from_arrays(label, **arrays, in_turn=True, **options)
    renamed = [f"{own} is {taken}" for taken, own in names.items() if own != taken]
    return replace(data, notes=(*([", ".join(renamed)] if renamed else []), *data.notes))


def _require_size(label: str, key: str, whole: tuple[int, ...]) -> None:
    """Not too large for the memory, if arrays of that shape are images."""
    shape = whole[1:]
    values = math.prod(shape)
    if values > LARGEST_IMAGE:
        gigabytes, most = (v * BYTES_A_VALUE / 1e9 for v in (values, LARGEST_IMAGE))
        raise DataError(
            f"{label}: {key} holds images of shape {shape}, {values:,} values, which take about "
            f"{gigabytes:.1f} GB of memory; allowed: {LARGEST_IMAGE:,} values ({most:.1f} GB), "
            "such as 256 x 256 grey ones; make them smaller"
        )


def require_usable(label: str, data: Dataset) -> None:
    """Nothing if every notebook's probes have as many images and classes as they need.

    Raises:
        DataError: what they lack.
    """
    if len(data.shape) != 3:
        raise DataError(f"{label}: items of shape {data.shape}; allowed: images, (C, H, W)")
    if min(data.shape[-2:]) < SMALLEST_SIDE:
        raise DataError(
            f"{label}: images of shape {data.shape}; allowed: {SMALLEST_SIDE} x {SMALLEST_SIDE} "
            "pixels or more, since views of them are blurred"
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
    if data.labelled:
        _require_classes(label, data, x_train)
    elif min(len(validation.y), len(test.y)) < 2:
        raise DataError(
            f"{x_train}, with {len(validation.y)} for validation and {len(test.y)} for test; "
            "allowed: 2 or more of each, since they are compared with each other"
        )
    for key, part in (("x_train", train), ("x_test", test)):
        ends = {float(end) for some in part.x.split(_SOME) for end in some.aminmax()}
        if len(ends) == 1:
            raise DataError(
                f"{label}: all values of {key} are {ends.pop():g} when scaled to [-1, 1]; "
                "allowed: images that differ"
            )


def _require_classes(label: str, data: Dataset, x_train: str) -> None:
    validation, test = data.validation, data.test
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
