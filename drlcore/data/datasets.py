"""Data sets by name: those of the repository, those a user fetches, and a user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from drlcore.data import own_images, paths, published
from drlcore.data.idx import read_idx
from drlcore.data.image_files import read_cifar, read_image_folder
from drlcore.data.splits import (
    Array,
    Dataset,
    Split,
    array_checksum,
    from_arrays,
    image_factors,
    stratified,
)
from drlcore.errors import DataError, ParameterError
from drlcore.parameters import Registry

__all__ = [
    "DATASETS",
    "MNIST_MD5",
    "Dataset",
    "Source",
    "Split",
    "available",
    "from_arrays",
    "identity",
    "load_dataset",
    "read_idx",
    "require",
    "title",
]

MNIST_MD5 = {  # of the uncompressed files, as published
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_COLOUR_SEEDS = {"train": 1, "test": 2}
# Images of each class, as in LP-DeepSSL and LaplaceNet. Not the few-shot split, which puts whole
# classes aside.
_MINI_IMAGENET = {"train": 500, "test": 100}
_MINI_IMAGENET_CLASSES, _MINI_IMAGENET_SIZE = 100, 84


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
    ``mini-imagenet``: 45,000 / 5,000 / 10,000 images of shape (3, 84, 84), 100 classes; 5 GB.

    A path ending in ``.npz``: the user's own images, see ``own_images``; read again when the file
    changes.

    In memory: ``DATASETS["mine"] = from_arrays("mine", ...)``.

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
        return _load(name)
    except OSError as error:  # taken away while it was read, or not ours to read
        where = own_images.printable(str(error.filename or name))
        raise DataError(f"{where}: {error.strerror or error}") from None


def _load(name: str) -> Dataset:
    require(name)
    if name not in DATASETS:
        path = _own_file(name)
        return _own(path, *_stamp(path))
    found = DATASETS[name]
    return found if isinstance(found, Dataset) else found.read()


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
    path = _own_file(name)
    try:
        return f"own-{_own_checksum(path, *_stamp(path))}"
    except OSError as error:
        raise DataError(f"{own_images.printable(str(path))}: {error.strerror}") from None


def title(name: str) -> str:
    """What figures and tables call a data set: its name, or the stem of an own file's."""
    return name if name in DATASETS else own_images.title(Path(name), tuple(DATASETS))


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
    if isinstance(name, str) and name.endswith(".npz"):
        raise DataError(f"{own_images.printable(name)}: no such file")
    known = ", ".join(DATASETS)
    raise ParameterError(f"unknown dataset {name!r}; known are: {known}, or the path of a .npz")


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


def _mnist_files(folder: Path) -> tuple[Array, Array, Array, Array]:
    """x_train uint8 (60000, 28, 28), y_train, x_test, y_test, as published."""
    try:
        x_train, y_train, x_test, y_test = (
            read_idx(folder / f"{file}.gz", md5) for file, md5 in MNIST_MD5.items()
        )
    except DataError as error:
        raise DataError(f"{error}; restore it with 'git checkout -- data/mnist'") from None
    return x_train, y_train, x_test, y_test


@lru_cache(maxsize=1)  # a quarter of a GB each
def _mnist(folder: Path) -> Dataset:
    return from_arrays("mnist", *_mnist_files(folder))


@lru_cache(maxsize=1)  # 0.7 GB each
def _colored_mnist(folder: Path) -> Dataset:
    from drlcore.data.colored_mnist import draw_colours, paint

    x_train, y_train, x_test, y_test = _mnist_files(folder)
    colours = draw_colours(len(x_train), _COLOUR_SEEDS["train"])
    test_colours = draw_colours(len(x_test), _COLOUR_SEEDS["test"])
    data = from_arrays(
        "colored-mnist", paint(x_train, **colours), y_train, paint(x_test, **test_colours), y_test
    )
    kept, held_out = stratified(y_train)  # as from_arrays drew them

    def known(part: Split, grey: Array, of_grey: dict[str, Array]) -> Split:
        return replace(part, factors=image_factors(torch.from_numpy(grey[:, None]), of_grey))

    def chosen(indices: Array) -> dict[str, Array]:
        return {name: values[indices] for name, values in colours.items()}

    return replace(
        data,
        train=known(data.train, x_train[kept], chosen(kept)),
        validation=known(data.validation, x_train[held_out], chosen(held_out)),
        test=known(data.test, x_test, test_colours),
    )


@lru_cache
def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    raw = load_digits()
    x, y = raw.images / 8 - 1, raw.target
    rest, test = stratified(y, 0.2)
    return from_arrays("digits", x[rest], y[rest], x[test], y[test], validation=0.25)


@lru_cache
def _toy() -> Dataset:
    from drlcore.oracle.toy import sample_toy

    def split(n: int, seed: int) -> Split:
        x, factors = sample_toy(n, seed)
        return Split(x, torch.as_tensor(factors["coarse"], dtype=torch.int64), factors)

    train, validation, test = split(10_000, 1), split(2_000, 2), split(5_000, 3)
    return Dataset(
        name="toy",
        shape=(2,),
        n_classes=int(train.y.max()) + 1,
        train=train,
        validation=validation,
        test=test,
        checksum=array_checksum(*(part.x.numpy() for part in (train, validation, test))),
    )


@lru_cache(maxsize=1)  # up to 5 GB each
def _published(name: str, folder: Path) -> Dataset:
    if name == "mini-imagenet":
        return replace(from_arrays(name, *_mini_imagenet(folder)), mirrored=True)
    files = published.verified(name)
    if name == "fashion-mnist":
        x_train, y_train, x_test, y_test = (read_idx(file) for file in files)
        return replace(from_arrays(name, x_train, y_train, x_test, y_test), mirrored=True)
    data = from_arrays(name, *read_cifar(files[0], label_bytes=1 if name == "cifar10" else 2))
    return replace(data, mirrored=True)


def _mini_imagenet(folder: Path) -> tuple[Array, Array, Array, Array]:
    arrays, classes = [], []
    for part, each in _MINI_IMAGENET.items():
        x, y, names = read_image_folder(folder / part, _MINI_IMAGENET_SIZE)
        counts = np.bincount(y, minlength=len(names))
        if len(names) != _MINI_IMAGENET_CLASSES or (counts != each).any():
            raise DataError(
                f"{folder / part}: {len(names)} classes of {counts.min()} to {counts.max()} "
                f"images; expected {_MINI_IMAGENET_CLASSES} of {each}"
            )
        arrays += [x, y]
        classes.append(names)
    if classes[0] != classes[1]:
        odd = sorted(set(classes[0]) ^ set(classes[1]))
        raise DataError(f"{folder}: train and test must have the same classes; {odd[0]} is in one")
    x_train, y_train, x_test, y_test = arrays
    # The files come class by class; mixed, the first so many training images are of all classes.
    order = np.random.default_rng(0).permutation(len(y_train))
    return x_train[order], y_train[order], x_test, y_test


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was last changed, in ns, and its size in bytes: what keys the caches."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=2)  # up to 2 GB each
def _own(path: Path, changed: int, size: int) -> Dataset:
    return own_images.read(path, title(str(path)))


@lru_cache(maxsize=64)
def _own_checksum(path: Path, changed: int, size: int) -> str:
    return _own(path, changed, size).checksum


@dataclass(frozen=True)
class Source:
    """What is known of a data set before it is read.

    Attributes:
        read: reads it.
        n_classes: of its labels.
        mirrored: see ``Dataset``.
    """

    read: Callable[[], Dataset]
    n_classes: int
    mirrored: bool = False


def _fetched(name: str, n_classes: int) -> Source:
    return Source(lambda: _published(name, paths.published(name)), n_classes, mirrored=True)


DATASETS: Registry[Source | Dataset] = Registry(
    "dataset",
    {
        "mnist": Source(lambda: _mnist(paths.mnist()), 10),
        "digits": Source(_digits, 10),
        "toy": Source(_toy, 3),
        "colored-mnist": Source(lambda: _colored_mnist(paths.mnist()), 10),
        "fashion-mnist": _fetched("fashion-mnist", 10),
        "cifar10": _fetched("cifar10", 10),
        "cifar100": _fetched("cifar100", 100),
        "mini-imagenet": _fetched("mini-imagenet", 100),
    },
)
"""Data sets by name: how each is read, or the data set itself if it is in memory."""
