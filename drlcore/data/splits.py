"""Labelled data in three disjoint parts, and how images in memory become that."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from drlcore.data.factors import FACTORS, measure_factors
from drlcore.errors import DataError, ParameterError

Array = NDArray[Any]
VALIDATION = 0.1
_CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Split:
    """Part of a dataset.

    Attributes:
        x: float32, shape (N, *shape); images lie in [-1, 1].
        y: int64 class labels, shape (N,), from 0.
        factors: arrays of shape (N,) by name: generative factors where they are known, as
            integers (toy, colored-mnist), and for images those of ``measure_factors``, as reals,
            measured when first asked for.
    """

    x: Tensor
    y: Tensor
    factors: Mapping[str, Array]

    def first(self, n: int | None) -> Split:
        """The first ``n`` of it; itself for None."""
        if n is None:
            return self
        factors = {name: values[:n] for name, values in self.factors.items()}
        return Split(self.x[:n], self.y[:n], factors)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in three disjoint parts.

    Attributes:
        name: one of ``drlcore.data.datasets.DATASETS``, or what the user called it.
        shape: of one item: (C, H, W), or (2,) for the toy set.
        n_classes: labels run from 0 to n_classes - 1.
        train, validation, test: the parts.
        checksum: first 16 hex digits of the SHA-256 of the arrays it was made from.
        mirrored: whether a mirrored item is one of the same kind, for augmentations: a mirrored
            digit or letter is another sign or none, and of a user's own images we do not know.
    """

    name: str
    shape: tuple[int, ...]
    n_classes: int
    train: Split
    validation: Split
    test: Split
    checksum: str
    mirrored: bool = False


def from_arrays(
    name: str,
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike,
    y_test: ArrayLike,
    validation: float = VALIDATION,
    in_turn: bool = False,
) -> Dataset:
    """A dataset from images in memory.

    The validation part is drawn from the training images with a fixed seed, in proportion to
    the classes; the images keep their order, unless they are put ``in_turn``.

    Args:
        name: what to call it.
        x_train, x_test: images, shape (N, H, W) or (N, C, H, W) with C <= 4; uint8, or floats in
            [0, 1], or floats in [-1, 1] if any value of either array is below 0.
        y_train, y_test: integer labels, shape (N,), from 0 without gaps in y_train; y_test may
            lack some.
        validation: fraction of the training images kept for validation, in (0, 0.5].
        in_turn: put the images of each part in an order in which the first so many are of all
            classes, in proportion.

    Raises:
        DataError: arrays other than that, or a class with too few images to split (fewer than 10
            at the default fraction).
        ParameterError: an impossible fraction.

    Example:
        >>> import numpy as np
        >>> from drlcore import from_arrays
        >>> x, y = np.zeros((40, 8, 8), dtype=np.uint8), np.arange(40) % 2
        >>> from_arrays("squares", x, y, x, y).train.x.shape
        torch.Size([36, 1, 8, 8])
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
            f"{name}: y_train has the classes {_listed(counts.values)}; "
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
    kept, held_out = stratified(labels, validation)
    whole = np.arange(len(test_labels))
    if in_turn:
        kept, held_out = (part[_in_turn(labels[part])] for part in (kept, held_out))
        whole = _in_turn(test_labels)
    return Dataset(
        name=name,
        shape=train.shape[1:],
        n_classes=n_classes,
        train=_image_split(train[kept], labels[kept], signed),
        validation=_image_split(train[held_out], labels[held_out], signed),
        test=_image_split(test[whole], test_labels[whole], signed),
        checksum=array_checksum(train, labels, test, test_labels),
    )


def stratified(labels: Array, fraction: float = VALIDATION) -> tuple[Array, Array]:
    """Indices kept and held out, each in order: ``fraction`` of every class, drawn by seed 0."""
    from sklearn.model_selection import train_test_split

    # The held out are rounded up, so that no class goes without.
    kept, held_out = train_test_split(
        np.arange(len(labels)), test_size=fraction, stratify=labels, random_state=0
    )
    return np.sort(kept), np.sort(held_out)


def _in_turn(labels: Array) -> Array:
    """Indices in which the j-th of the n images of a class stands at j / n, equals by class."""
    place = pd.Series(labels).groupby(labels).cumcount() / np.bincount(labels)[labels]
    return np.lexsort((labels, place))


def array_checksum(*arrays: Array) -> str:
    """First 16 hex digits of the SHA-256 of the arrays' bytes, one after the other."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def image_factors(x: Tensor, known: Mapping[str, Array] | None = None) -> Mapping[str, Array]:
    """Factors of images: the known ones, then those measured when the first of them is asked for.

    Args:
        x: images to measure, shape (N, C, H, W): floats in [-1, 1], or uint8.
        known: arrays of shape (N,) by name.
    """
    return _ImageFactors(x, known or {})


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
    fits = y.shape == (n,) and y.dtype.kind in "iu"
    if not fits or y.min() < 0 or y.max() > np.iinfo(np.int64).max:
        raise DataError(
            f"{name}: {key} has shape {y.shape} and type {y.dtype}; "
            f"allowed: {n} integers, one for each image, none below 0"
        )
    return y.astype(np.int64)


def _listed(classes: Array) -> str:
    """All of a few classes; of many how many, from which to which."""
    if len(classes) <= 20:
        return str(classes.tolist())
    return f"{classes[0]} to {classes[-1]}, {len(classes)} of them"


def _image_split(images: Array, labels: Array, signed: bool) -> Split:
    """Scaled to [-1, 1]: uint8 from 0 to 255; floats, unless they are ``signed``, from 0 to 1."""
    x = torch.from_numpy(images.astype(np.float32))
    if images.dtype == np.uint8:
        x.div_(127.5).sub_(1)
    elif not signed:
        x.mul_(2).sub_(1)
    return Split(x, torch.from_numpy(labels), image_factors(x))


class _ImageFactors(Mapping[str, Array]):
    """See ``image_factors``."""

    def __init__(self, x: Tensor, known: Mapping[str, Array]) -> None:
        self._x = x
        self._known = dict(known)

    @cached_property
    def _measured(self) -> dict[str, Array]:
        parts = []
        for x in self._x.split(_CHUNK):  # a copy of all images would take gigabytes
            intensities = x.float().div(255) if x.dtype == torch.uint8 else (x + 1) / 2
            parts.append(measure_factors(intensities.numpy()))
        return {name: np.concatenate([part[name] for part in parts]) for name in FACTORS}

    def __getitem__(self, name: str) -> Array:
        return self._known[name] if name in self._known else self._measured[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._known, *FACTORS])

    def __len__(self) -> int:
        return len(self._known) + len(FACTORS)
