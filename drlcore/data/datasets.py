"""Data sets by name: those of the repository, those a user fetches, and a user's own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from drlcore.data import own_images, paths, picture_folder, published
from drlcore.data.class_names import CLASS_NAMES
from drlcore.data.sources import DATASETS
from drlcore.data.splits import Dataset, Split, from_arrays
from drlcore.errors import DataError, ParameterError

__all__ = [
    "DATASETS",
    "Dataset",
    "Split",
    "available",
    "classes",
    "from_arrays",
    "identity",
    "load_dataset",
    "n_classes",
    "require",
    "title",
]


def load_dataset(name: str) -> Dataset:
    """The dataset of that name; asked for again, the same object.

    Of the repository:

    ``mnist``: 54,000 / 6,000 / 10,000 images of shape (1, 28, 28), from the published files.
    ``colored-mnist``: the same images in the same order, shape (3, 28, 28), each in one of five
    colours on one of five, see ``drlcore.data.colored_mnist``; ``digit_colour`` and
    ``background_colour`` are known, the other factors those of the grey image.
    ``digits``: scikit-learn's 1,797 images of shape (1, 8, 8), split 60 / 20 / 20 by class.
    ``toy``: 10,000 / 2,000 / 5,000 points of shape (2,), see ``oracle.toy``; y is ``coarse``.

    Fetched by the user, see ``drlcore.data.published``; of these the last one asked for is kept:

    ``fashion-mnist``: 54,000 / 6,000 / 10,000 images of shape (1, 28, 28).
    ``cifar10``, ``cifar100``: 45,000 / 5,000 / 10,000 images of shape (3, 32, 32).
    ``mini-imagenet``: 45,000 / 5,000 / 10,000 images of shape (3, 84, 84), 100 classes; 2 GB.

    A path of a ``.npz`` or ``.npy``, or of a folder of pictures: the user's own images, see
    ``own_images`` and ``picture_folder``; read again when they change. ``notes`` say how.

    In memory: ``DATASETS["mine"] = as_dataset(...)``, see ``in_memory``.

    Raises:
        ParameterError: an unknown name.
        DataError: a file is absent, damaged, or holds something else.

    Example:
        >>> from drlcore import load_dataset
        >>> digits = load_dataset("digits")
        >>> digits.shape, len(digits.train.x)
        ((1, 8, 8), 1077)
    """
    try:
        if name not in DATASETS:
            return _own(*_stamp(name))
        published.require(name)
        found = DATASETS[name]
        return found if isinstance(found, Dataset) else found.read()
    except OSError as error:
        raise _unreadable(name, error) from None


def identity(name: str) -> str:
    """What a run's key calls the data: a known name, or ``own-`` and the checksum of own data.

    The same images are the same data, wherever and however they are stored; a changed file is
    other data.

    Raises:
        ParameterError, DataError: see ``load_dataset``.
    """
    if name in DATASETS:
        found = DATASETS[name]
        return f"own-{found.checksum}" if isinstance(found, Dataset) else name
    try:
        return f"own-{_own_checksum(*_stamp(name))}"
    except OSError as error:
        raise _unreadable(name, error) from None


def title(name: str) -> str:
    """What figures and tables call a data set: its name, or the stem of an own file's."""
    return name if name in DATASETS else own_images.title(Path(name), tuple(DATASETS))


def n_classes(name: str) -> int:
    """How many classes a data set has; 0 without labels. Reads own images alone.

    Raises:
        ParameterError, DataError: see ``load_dataset``.
    """
    return (DATASETS[name] if name in DATASETS else load_dataset(name)).n_classes


def classes(name: str) -> tuple[str, ...]:
    """What the classes of a data set are called, in the order of their labels; none without labels.

    Raises:
        ParameterError, DataError: see ``load_dataset``; names that are known need no images.
    """
    return CLASS_NAMES.get(name) or load_dataset(name).classes


def require(name: str) -> None:
    """Nothing if ``load_dataset(name)`` has what it needs; reads no images.

    Raises:
        ParameterError: an unknown name.
        DataError: files are absent. The message names the first, and the command that fetches it.
    """
    if name in DATASETS:
        published.require(name)
    else:
        _own_file(name)


def _own_file(name: str) -> Path:
    """Where a user's own images are."""
    path = own_images.find(name) if isinstance(name, str) else None
    if path is not None:
        return path
    if isinstance(name, str) and name.endswith((*own_images.FILES, "/")):
        raise DataError(f"{paths.printable(name)}: no such file or folder")
    known = ", ".join(DATASETS)
    raise ParameterError(
        f"unknown dataset {name!r}; known are: {known}, or the path of a .npz, a .npy or a folder "
        "of pictures"
    )


def available(name: str) -> bool:
    """Whether the files of a dataset are there; what is in them is not looked at.

    Raises:
        ParameterError: an unknown name.
    """
    try:
        require(name)
    except DataError:
        return False
    return True


def _unreadable(name: str, error: OSError) -> DataError:
    """A file was taken away while it was read, or is not ours to read."""
    where = paths.printable(str(error.filename or name))
    return DataError(f"{where}: {error.strerror or error}")


def _stamp(name: str) -> tuple[Path, str]:
    """A user's own file or folder, and what changes when its content does: what keys the caches."""
    path = _own_file(name)
    if path.is_dir():
        return path, picture_folder.stamp(path)
    found = path.stat()
    return path, f"{found.st_mtime_ns} {found.st_size}"


@lru_cache(maxsize=2)  # up to 2 GB each
def _own(path: Path, stamp: str) -> Dataset:
    return own_images.read(path, title(str(path)))


@lru_cache(maxsize=64)
def _own_checksum(path: Path, stamp: str) -> str:
    return _own(path, stamp).checksum
