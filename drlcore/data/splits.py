"""Data in three disjoint parts, and how images in memory become that."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from drlcore.data.accept import Channels, Images, accept_images
from drlcore.data.accept_labels import accept_labels
from drlcore.data.factors import FIGURES, Measure, image_factors
from drlcore.data.pixels import as_tensor
from drlcore.errors import DataError, ParameterError

Array = NDArray[Any]
VALIDATION, TEST = 0.1, 0.2
_SOME = 500  # images copied together


@dataclass(frozen=True, eq=False)
class Split:
    """Part of a dataset.

    Attributes:
        x: float32, shape (N, *shape); images lie in [-1, 1]. Of many images ``Pixels``.
        y: int64 class labels, shape (N,), from 0; all 0 without labels.
        factors: arrays of shape (N,) by name: generative factors where they are known, as
            integers (toy, colored-mnist), and for images those of ``measure_factors`` or, for
            photographs, ``measure_scene``, as reals, measured when first asked for.
        labelled: whether y says anything.
    """

    x: Tensor
    y: Tensor
    factors: Mapping[str, Array]
    labelled: bool = True

    def first(self, n: int | None) -> Split:
        """The first ``n`` of it; itself for None."""
        if n is None:
            return self
        factors = {name: values[:n] for name, values in self.factors.items()}
        return replace(self, x=self.x[:n], y=self.y[:n], factors=factors)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in three disjoint parts.

    Attributes:
        name: one of ``drlcore.data.datasets.DATASETS``, or what the user called it.
        shape: of one item: (C, H, W), or (2,) for the toy set.
        n_classes: labels run from 0 to n_classes - 1; 0 without labels.
        train, validation, test: the parts.
        checksum: first 16 hex digits of the SHA-256 of the arrays it was made from.
        mirrored: whether a mirrored item is one of the same kind, for augmentations: a mirrored
            digit or letter is another sign or none, and of a user's own images we do not know.
        classes: what the classes are called, in the order of their labels.
        notes: what was converted or drawn to make it of what was given, a line each.
    """

    name: str
    shape: tuple[int, ...]
    n_classes: int
    train: Split
    validation: Split
    test: Split
    checksum: str
    mirrored: bool = False
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether the images have labels."""
        return self.n_classes > 0


def from_arrays(
    name: str,
    x_train: ArrayLike,
    y_train: ArrayLike | None = None,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    validation: float = VALIDATION,
    in_turn: bool = False,
    *,
    channels: Channels | None = None,
    x_validation: ArrayLike | None = None,
    y_validation: ArrayLike | None = None,
    measure: Measure = FIGURES,
) -> Dataset:
    """A dataset from images in memory; what was converted is in its ``notes``.

    A part that is not given is drawn from the training images with a fixed seed, in proportion to
    the classes if there are any: first a fifth for test, then a tenth for validation. The images
    keep their order, unless they are put ``in_turn``.

    Args:
        name: what to call it.
        x_train, x_validation, x_test: images, (N, H, W), (N, C, H, W) or (N, H, W, C), see
            ``accept.accept_images``.
        y_train, y_validation, y_test: labels, one for each image, see ``accept.accept_labels``;
            those of x_train name the classes. All parts have labels, or none.
        validation: fraction of the training images kept for validation, in (0, 0.5].
        in_turn: put the images of each part in an order in which the first so many are of all
            classes, in proportion; by chance without labels.
        channels: ``first`` or ``last``, for shapes that can be read as both.
        measure: how the factors of the images are measured, see ``factors.image_factors``.

    Raises:
        DataError: arrays other than that, or a class with too few images to split (fewer than 10
            at the default fraction, 13 without a test part).
        ParameterError: an impossible fraction, or other channels.

    Example:
        >>> import numpy as np
        >>> from drlcore import from_arrays
        >>> x, y = np.zeros((40, 8, 8), dtype=np.uint8), np.arange(40) % 2
        >>> from_arrays("squares", x, y, x, y).train.x.shape
        torch.Size([36, 1, 8, 8])
        >>> from_arrays("squares", x).notes[0]
        'no labels'
    """
    if not 0 < validation <= 0.5:
        raise ParameterError(f"validation = {validation}; allowed: above 0, at most 0.5")
    given = {"train": (x_train, y_train), "validation": (x_validation, y_validation)}
    given["test"] = (x_test, y_test)
    images = accept_images(
        name, {f"x_{part}": x for part, (x, _) in given.items() if x is not None}, channels
    )
    parts, classes, notes = _labelled(name, given, images)
    if "test" not in parts:
        least = 1 if x_validation is not None else math.ceil(1 / validation)
        _require_enough(name, parts["train"].y, classes, math.ceil(least / (1 - TEST)), "test")
        parts |= parts["train"].drawn(TEST, "test")
        notes += ["no test part: drawn from the training images, a fifth of them"]
    # Of the parts as given: a validation part that is drawn follows from them.
    checksum = checksum_of(array for part in given if part in parts for array in parts[part].arrays)
    if "validation" not in parts:
        least = math.ceil(1 / validation)
        _require_enough(name, parts["train"].y, classes, least, "validation")
        parts |= parts["train"].drawn(validation, "validation")
    if in_turn:
        for part, of_part in parts.items():
            y = of_part.y
            order = _in_turn(y) if classes else np.random.default_rng(0).permutation(len(y))
            parts[part] = of_part.at(order)
    signed, labelled = images.signed, bool(classes)
    splits = {part: parts[part].split(signed, labelled, measure) for part in parts}
    return Dataset(
        name=name,
        shape=parts["train"].x.shape[1:],
        n_classes=len(classes),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        checksum=checksum,
        classes=classes,
        notes=(*images.notes, *notes),
    )


def require_labels(dataset: Dataset, what: str) -> None:
    """Nothing if ``dataset`` has labels.

    Args:
        what: what needs them, for the message.

    Raises:
        DataError: it has none.

    Example:
        >>> from drlcore.data.datasets import load_dataset
        >>> from drlcore.data.splits import require_labels
        >>> require_labels(load_dataset("digits"), "method 'csm'")
    """
    if not dataset.n_classes:
        raise DataError(f"{dataset.name}: has no labels; {what} needs them")


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
    return checksum_of(arrays)


def checksum_of(arrays: Iterable[Array]) -> str:
    """The same of arrays that need not be in memory together."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class _Part:
    """Images of ``x`` at ``places`` and their labels; none is copied before all are chosen."""

    x: Array
    places: Array
    y: Array

    @property
    def arrays(self) -> Iterator[Array]:
        """Its images, some at a time, and its labels."""
        for start in range(0, len(self.places), _SOME):
            yield self.x[self.places[start : start + _SOME]]
        yield self.y

    def at(self, chosen: Array) -> _Part:
        return _Part(self.x, self.places[chosen], self.y[chosen])

    def drawn(self, fraction: float, part: str) -> dict[str, _Part]:
        """The training part without what was drawn from it, and that."""
        kept, held_out = stratified(self.y, fraction)
        return {"train": self.at(kept), part: self.at(held_out)}

    def split(self, signed: bool, labelled: bool, measure: Measure) -> Split:
        x = as_tensor(self.x, signed, self.places)
        return Split(x, torch.from_numpy(self.y), image_factors(x, measure=measure), labelled)


def _labelled(
    name: str, given: Mapping[str, tuple[ArrayLike | None, ArrayLike | None]], images: Images
) -> tuple[dict[str, _Part], tuple[str, ...], list[str]]:
    """Images and labels of each part that there is, the classes, and what was done to labels."""
    there = [part for part in given if f"x_{part}" in images.parts]
    labels = {part: y for part, (_, y) in given.items() if y is not None}
    if odd := [part for part in labels if part not in there]:
        raise DataError(f"{name}: there is y_{odd[0]} but no x_{odd[0]}; give both or neither")
    x = {part: images.parts[f"x_{part}"] for part in there}
    places = {part: np.arange(len(x[part])) for part in there}
    if not labels:
        none = {part: _Part(x[part], places[part], np.zeros_like(places[part])) for part in there}
        return none, (), ["no labels"]
    if odd := [part for part in there if part not in labels]:
        raise DataError(
            f"{name}: there is no y_{odd[0]} but y_{next(iter(labels))}; give labels of all parts "
            "or of none"
        )
    found = accept_labels(
        name,
        {f"y_{part}": labels[part] for part in there},
        {f"y_{part}": len(x[part]) for part in there},
    )
    parts = {part: _Part(x[part], places[part], found.parts[f"y_{part}"]) for part in there}
    return parts, found.classes, list(found.notes)


def _require_enough(
    name: str, labels: Array, classes: tuple[str, ...], fewest: int, part: str
) -> None:
    counts = np.bincount(labels)
    if counts.min() < fewest:
        who = f"class {classes[counts.argmin()]} has" if classes else "there are"
        raise DataError(
            f"{name}: {who} {counts.min()} training images; {'each' if classes else 'it'} needs at "
            f"least {fewest}, since a part is kept for {part}"
        )
