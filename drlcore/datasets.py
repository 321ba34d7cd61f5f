"""Labelled data with known or measured factors: MNIST, digits, the toy set, and a user's own."""

from __future__ import annotations

import gzip
import hashlib
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from drlcore import paths
from drlcore.errors import DataError, ParameterError
from drlcore.factors import FACTORS, measure_factors

Array = NDArray[Any]
DatasetName = Literal["mnist", "digits", "toy"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)

MNIST_MD5 = {  # of the uncompressed files, as published
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class Split:
    """Part of a dataset.

    Attributes:
        x: float32, shape (N, *shape); images lie in [-1, 1].
        y: int64 class labels, shape (N,), from 0.
        factors: arrays of shape (N,) by name: the generative factors where they are known (toy),
            else those of ``measure_factors``, measured when first asked for.
    """

    x: Tensor
    y: Tensor
    factors: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in three disjoint parts.

    Attributes:
        name: one of ``DATASETS``, or what the user called it.
        shape: of one item: (C, H, W), or (2,) for the toy set.
        n_classes: labels run from 0 to n_classes - 1.
        train, validation, test: the parts.
        checksum: first 16 hex digits of the SHA-256 of the arrays it was made from.
    """

    name: str
    shape: tuple[int, ...]
    n_classes: int
    train: Split
    validation: Split
    test: Split
    checksum: str


def load_dataset(name: DatasetName | str) -> Dataset:
    """The dataset of that name; asked for again, the same object.

    ``mnist``: 54,000 / 6,000 / 10,000 images of shape (1, 28, 28), from the published files.
    ``digits``: scikit-learn's 1,797 images of shape (1, 8, 8), split 60 / 20 / 20 by class.
    ``toy``: 10,000 / 2,000 / 5,000 points of shape (2,), see ``drlcore.toy``; y is ``coarse``.
    A path ending in ``.npz``: the user's own images, arrays x_train, y_train, x_test, y_test as
    for ``from_arrays``; read again when the file changes.

    Raises:
        ParameterError: an unknown name.
        DataError: a file is absent, damaged, or holds something else.
    """
    if name == "mnist":
        return _mnist(paths.mnist())
    if name == "digits":
        return _digits()
    if name == "toy":
        return _toy()
    if isinstance(name, str) and name.endswith(".npz"):
        path = Path(name).resolve()
        if not path.is_file():
            raise DataError(f"{name}: no such file")
        return _npz(name, path, path.stat().st_mtime_ns)
    known = ", ".join(DATASETS)
    raise ParameterError(f"unknown dataset {name!r}; known are: {known}, or the path of a .npz")


def from_arrays(
    name: str,
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike,
    y_test: ArrayLike,
    validation: float = 0.1,
) -> Dataset:
    """A dataset from images in memory.

    The validation part is drawn from the training images with a fixed seed, in proportion to
    the classes; the images keep their order.

    Args:
        name: what to call it.
        x_train, x_test: images, shape (N, H, W) or (N, C, H, W) with C <= 4; uint8, or floats in
            [0, 1], or floats in [-1, 1] if any value of either array is below 0.
        y_train, y_test: integer labels, shape (N,), from 0 without gaps in y_train; y_test may
            lack some.
        validation: fraction of the training images kept for validation, in (0, 0.5].

    Raises:
        DataError: arrays other than that, or a class with too few images to split (fewer than 10
            at the default fraction).
        ParameterError: an impossible fraction.
    """
    if not 0 < validation <= 0.5:
        raise ParameterError(f"validation = {validation}; allowed: above 0, at most 0.5")
    train, test = _images(name, "x_train", x_train), _images(name, "x_test", x_test)
    if train.shape[1:] != test.shape[1:] or train.dtype.kind != test.dtype.kind:
        raise DataError(
            f"{name}: x_train holds {train.dtype} images of shape {train.shape[1:]} but x_test "
            f"{test.dtype} of {test.shape[1:]} (C, H, W); they must agree"
        )
    labels = _labels(name, "y_train", y_train, len(train))
    test_labels = _labels(name, "y_test", y_test, len(test))
    counts = np.unique_counts(labels)
    n_classes = len(counts.values)
    if n_classes < 2 or counts.values[-1] != n_classes - 1:
        raise DataError(
            f"{name}: y_train has the classes {counts.values.tolist()}; "
            "they must be 0, 1, ... without gaps, two or more"
        )
    fewest = math.ceil(1 / validation)
    if counts.counts.min() < fewest:
        raise DataError(
            f"{name}: class {counts.counts.argmin()} has {counts.counts.min()} training images; "
            f"each needs at least {fewest}, since a part is kept for validation"
        )
    if test_labels.max() >= n_classes:
        raise DataError(
            f"{name}: y_test has the class {test_labels.max()}, "
            f"but y_train only 0 to {n_classes - 1}"
        )
    signed = bool(min(train.min(), test.min()) < 0)
    kept, held_out = _stratified(labels, validation)
    return Dataset(
        name=name,
        shape=train.shape[1:],
        n_classes=n_classes,
        train=_image_split(train[kept], labels[kept], signed),
        validation=_image_split(train[held_out], labels[held_out], signed),
        test=_image_split(test, test_labels, signed),
        checksum=_checksum(train, labels, test, test_labels),
    )


def read_idx(path: Path, expected_md5: str | None = None) -> Array:
    """Read a gzip-compressed IDX file, the format of MNIST.

    Args:
        path: the file.
        expected_md5: hex MD5 of the uncompressed bytes; None takes any.

    Returns:
        An array of the shape and type the header names, in the machine's byte order.

    Raises:
        DataError: no such file, not gzip, truncated, another checksum, or not IDX. The message
            names the file, and the expected and found checksum.
    """
    wanted = f"; expected MD5 {expected_md5}" if expected_md5 else ""
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file{wanted}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file ({error}){wanted}, found none") from None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if expected_md5 not in (None, found):
        raise DataError(f"{path}: wrong content{wanted}, found {found}")
    start = 4 + 4 * content[3] if len(content) >= 4 else 4
    if len(content) < start or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        raise DataError(f"{path}: not an IDX file: it starts with {content[:4].hex() or 'nothing'}")
    dtype = np.dtype(_IDX_TYPES[content[2]])
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    size = math.prod(shape) * dtype.itemsize
    if len(content) - start != size:
        raise DataError(
            f"{path}: the header names shape {shape}, {size} bytes, "
            f"but {len(content) - start} follow it"
        )
    data = np.frombuffer(content, dtype, offset=start) if size else np.empty(0, dtype)
    return data.reshape(shape).astype(dtype.newbyteorder("="))


@lru_cache(maxsize=1)  # a quarter of a GB each
def _mnist(folder: Path) -> Dataset:
    try:
        x_train, y_train, x_test, y_test = (
            read_idx(folder / f"{file}.gz", md5) for file, md5 in MNIST_MD5.items()
        )
    except DataError as error:
        raise DataError(f"{error}; restore it with 'git checkout -- data/mnist'") from None
    return from_arrays("mnist", x_train, y_train, x_test, y_test)


@lru_cache
def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    raw = load_digits()
    x, y = raw.images / 8 - 1, raw.target
    rest, test = _stratified(y, 0.2)
    return from_arrays("digits", x[rest], y[rest], x[test], y[test], validation=0.25)


@lru_cache
def _toy() -> Dataset:
    from drlcore.toy import sample_toy

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
        checksum=_checksum(*(part.x.numpy() for part in (train, validation, test))),
    )


@lru_cache(maxsize=4)
def _npz(name: str, path: Path, changed: int) -> Dataset:
    """The dataset in a file last ``changed`` at that time, which is there to key the cache."""
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as stored:
            missing = [key for key in _ARRAYS if key not in stored]
            if missing:
                held = ", ".join(stored.files) or "none"
                raise DataError(f"{name}: lacks the arrays {', '.join(missing)}; it holds {held}")
            x_train, y_train, x_test, y_test = (stored[key] for key in _ARRAYS)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{name}: not a readable .npz of plain arrays ({error})") from None
    return from_arrays(name, x_train, y_train, x_test, y_test)


def _images(name: str, key: str, images: ArrayLike) -> Array:
    """``images`` as (N, C, H, W), refused with a DataError if they are not images."""
    x = np.asarray(images)
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or 0 in x.shape or x.shape[1] > 4:
        raise DataError(
            f"{name}: {key} has shape {np.shape(images)}; allowed: (N, H, W), or (N, C, H, W) with "
            "1 to 4 channels before height and width, none of them 0"
        )
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(f"{name}: {key} has type {x.dtype}; allowed: uint8, or floats")
    if x.dtype.kind == "f" and not ((x >= -1) & (x <= 1)).all():
        raise DataError(
            f"{name}: {key} holds floats in [{x.min():g}, {x.max():g}]; allowed: finite, in "
            "[-1, 1] or [0, 1] (give 0 to 255 as uint8)"
        )
    return x


def _labels(name: str, key: str, labels: ArrayLike, n: int) -> Array:
    """``labels`` as int64, refused with a DataError if they are not ``n`` of them, from 0."""
    y = np.asarray(labels)
    if y.shape != (n,) or y.dtype.kind not in "iu" or y.min() < 0:
        raise DataError(
            f"{name}: {key} has shape {y.shape} and type {y.dtype}; "
            f"allowed: {n} integers, one for each image, none below 0"
        )
    return y.astype(np.int64)


def _stratified(labels: Array, fraction: float) -> tuple[Array, Array]:
    """Indices kept and held out, each in order: ``fraction`` of every class, drawn by seed 0."""
    from sklearn.model_selection import train_test_split

    size = math.ceil(fraction * len(labels))  # rounded up, so that no class goes without
    kept, held_out = train_test_split(
        np.arange(len(labels)), test_size=size, stratify=labels, random_state=0
    )
    return np.sort(kept), np.sort(held_out)


def _image_split(images: Array, labels: Array, signed: bool) -> Split:
    """Scaled to [-1, 1]: uint8 from 0 to 255; floats, unless they are ``signed``, from 0 to 1."""
    x = torch.from_numpy(images.astype(np.float32))
    if images.dtype == np.uint8:
        x.div_(127.5).sub_(1)
    elif not signed:
        x.mul_(2).sub_(1)
    return Split(x, torch.from_numpy(labels), _Measured(x))


def _checksum(*arrays: Array) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


class _Measured(Mapping[str, Array]):
    """The factors of images in [-1, 1], measured when the first value is asked for."""

    def __init__(self, x: Tensor) -> None:
        self._x = x

    @cached_property
    def _values(self) -> dict[str, NDArray[np.float64]]:
        return measure_factors(((self._x + 1) / 2).numpy())

    def __getitem__(self, name: str) -> Array:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(FACTORS)

    def __len__(self) -> int:
        return len(FACTORS)
