"""Label splits: the few images whose labels a semi-supervised learner is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from drlcore.data.splits import Array
from drlcore.errors import DataError, ParameterError
from drlcore.parameters import Parameters


class LabelSplit(Parameters):
    """Which labels are known.

    Splits of another index or size are drawn independently: a small one is not part of a large one.

    Attributes:
        n_labels: how many, equally many of each class.
        index: which of the splits of that size.

    Raises:
        ParameterError: naming the parameter, the value and what is allowed.
    """

    n_labels: int = Field(ge=1)
    index: int = Field(default=0, ge=0)


def label_split(y: ArrayLike, split: LabelSplit, n_classes: int) -> Array:
    """Indices of the images of ``split``, ascending int64, shape (n_labels,).

    n_labels / n_classes of each class, drawn without replacement; the same for the same labels,
    whatever the machine.

    Args:
        y: class labels from 0 to n_classes - 1, shape (N,).
        split: how many, and which draw.
        n_classes: number of classes.

    Raises:
        ParameterError: n_labels is not a multiple of the classes.
        DataError: a class has too few images, or there are no classes.
    """
    if n_classes < 1:
        raise DataError(f"n_labels = {split.n_labels}: a label split of images without labels")
    per_class, rest = divmod(split.n_labels, n_classes)
    if rest:
        raise ParameterError(
            f"n_labels = {split.n_labels}; allowed: a multiple of the {n_classes} classes"
        )
    labels = np.asarray(y)
    counts = np.bincount(labels, minlength=n_classes)
    if counts.min() < per_class:
        raise DataError(
            f"n_labels = {split.n_labels} takes {per_class} images of each class; class "
            f"{counts.argmin()} has {counts.min()}"
        )
    generator = np.random.default_rng([split.n_labels, split.index])
    drawn = [
        generator.permutation(np.flatnonzero(labels == c))[:per_class] for c in range(n_classes)
    ]
    return np.sort(np.concatenate(drawn))
