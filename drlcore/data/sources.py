"""How each data set that has a name is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from drlcore.data import canonical, forms, paths, published
from drlcore.data.class_names import CLASS_NAMES
from drlcore.data.factors import FIGURES, SCENES, image_factors
from drlcore.data.idx import read_idx
from drlcore.data.image_files import read_image_folder
from drlcore.data.splits import (
    Array,
    Dataset,
    Split,
    array_checksum,
    from_arrays,
    stratified,
)
from drlcore.errors import DataError
from drlcore.parameters import Registry

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

    def known(part: Split, grey: Array, drawn: dict[str, Array], places: Array | slice) -> Split:
        of_part = {name: values[places] for name, values in drawn.items()}
        return replace(part, factors=image_factors(torch.from_numpy(grey[places, None]), of_part))

    return replace(
        data,
        train=known(data.train, x_train, colours, kept),
        validation=known(data.validation, x_train, colours, held_out),
        test=known(data.test, x_test, test_colours, slice(None)),
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
        classes=tuple(map(str, range(int(train.y.max()) + 1))),
        train=train,
        validation=validation,
        test=test,
        checksum=array_checksum(*(part.x.numpy() for part in (train, validation, test))),
    )


@lru_cache(maxsize=1)  # up to 2 GB each
def _published(name: str, folder: Path) -> Dataset:
    classes = CLASS_NAMES.get(name, ())
    if name == "mini-imagenet":
        arrays, classes = _mini_imagenet(folder)
    elif name == "fashion-mnist":
        x_train, y_train, x_test, y_test = map(read_idx, published.verified(name))
        arrays = x_train, y_train, x_test, y_test
    else:
        return _cifar(name)
    measure = SCENES if name == "mini-imagenet" else FIGURES
    data = from_arrays(name, *arrays, measure=measure)
    return replace(data, mirrored=True, classes=classes or data.classes)


def _cifar(name: str) -> Dataset:
    """In canonical order, from what was imported or else from the published archive."""
    if published.imported(name):
        arrays, checksum = canonical.stored(name)
    else:
        archive = published.verified(name)[0]
        arrays = canonical.ordered(forms.read(name, archive))
        checksum = canonical.verified(name, arrays, archive)
    x_train, y_train, x_test, y_test = arrays
    # Contiguous: how tensors lie in memory decides how sums over them are rounded.
    x_train, x_test = (np.ascontiguousarray(np.moveaxis(x, 3, 1)) for x in (x_train, x_test))
    data = from_arrays(name, x_train, y_train, x_test, y_test, measure=SCENES)
    return replace(data, checksum=checksum, mirrored=True, classes=CLASS_NAMES[name])


def _mini_imagenet(folder: Path) -> tuple[tuple[Array, Array, Array, Array], tuple[str, ...]]:
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
    return (x_train[order], y_train[order], x_test, y_test), tuple(classes[0])


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
    (Source, Dataset),
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
