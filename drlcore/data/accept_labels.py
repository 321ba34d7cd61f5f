"""What labels may look like, and how they become classes from 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drlcore.data.accept import Array, as_array
from drlcore.errors import DataError

_NAMED = 20  # as many classes are named in a message


@dataclass(frozen=True)
class Labels:
    """Labels as they are read.

    Attributes:
        parts: by name, int64 (N,), from 0 to the number of classes - 1.
        classes: their names, numbers by value, texts in alphabetical order.
        notes: what was converted, a line each.
    """

    parts: dict[str, NDArray[np.int64]]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def accept_labels(name: str, given: Mapping[str, ArrayLike], sizes: Mapping[str, int]) -> Labels:
    """Labels as numbers from 0, and the names of the classes, those of the first part.

    Args:
        name: what messages call the data.
        given: by name, the training part first: shape (N,), (N, 1), or one-hot (N, K); integers,
            whole floats, bool, str or bytes.
        sizes: how many images each part has.

    Raises:
        DataError: other labels, fewer than two classes, or one that the first part lacks.

    Example:
        >>> from drlcore.data.accept_labels import accept_labels
        >>> found = accept_labels("mine", {"y": ["dog", "cat", "dog"]}, {"y": 3})
        >>> found.parts["y"].tolist(), found.classes, found.notes
        ([1, 0, 1], ('cat', 'dog'), ('labels are names: cat, dog',))
    """
    flat, forms = {}, []
    for key, labels in given.items():
        flat[key], form = _flat(name, key, _plain(name, key, labels), sizes[key])
        forms.append(form)
    first = next(iter(flat))
    values = np.unique(flat[first])
    if len(values) < 2:
        raise DataError(
            f"{name}: {first} has one class, {values[0]}; give two or more, or no labels"
        )
    parts = {}
    for key, y in flat.items():
        if y.dtype.kind != flat[first].dtype.kind:
            raise DataError(
                f"{name}: {first} holds labels of type {flat[first].dtype} but {key} of {y.dtype}; "
                "they must agree"
            )
        if len(others := np.setdiff1d(y, values)):
            raise DataError(
                f"{name}: {key} has the class {others[0]}, which {first} lacks: "
                f"it has {listed(values)}"
            )
        parts[key] = np.searchsorted(values, y).astype(np.int64)
    notes = [form for form in dict.fromkeys(forms) if form]
    if values.dtype.kind in "Ub":
        notes.append(f"labels are names: {listed(values)}")
    elif values[0] == -1 and values[1] == 0:
        raise DataError(
            f"{name}: {first} has the label -1 beside 0: a class, or images without a label? "
            "Number classes from 0; leave images without a label out"
        )
    elif values[-1] != len(values) - 1:
        notes.append(f"labels {listed(values)} are classes 0 to {len(values) - 1}")
    return Labels(parts, tuple(map(str, values.tolist())), tuple(notes))


def listed(classes: Array) -> str:
    """All of a few classes; of many how many, from which to which."""
    if len(classes) <= _NAMED:
        return ", ".join(map(str, classes.tolist()))[:300]
    return f"{classes[0]} to {classes[-1]}, {len(classes)} of them"


def _plain(name: str, key: str, given: ArrayLike) -> Array:
    """Texts as str; of objects what they all are."""
    y = as_array(name, key, given)
    if y.dtype.kind == "T":  # numpy's strings of any length
        y = y.astype(object)
    if y.dtype.kind == "O":
        kinds = {type(value) for value in y.flat}
        for whole, to in (((str,), str), ((bytes,), bytes), ((bool, np.bool), bool)):
            if all(issubclass(kind, whole) for kind in kinds):
                y = y.astype(to)
                break
        else:
            if not all(issubclass(kind, (int, np.integer)) for kind in kinds):
                types = ", ".join(sorted(kind.__name__ for kind in kinds))
                raise DataError(
                    f"{name}: {key} holds labels of type {types}; allowed: one of int, str, bytes, "
                    "bool, none missing"
                )
            y = as_array(name, key, y.tolist())
    return np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y


def _flat(name: str, key: str, y: Array, n: int) -> tuple[Array, str]:
    """``n`` labels of shape (n,), int64, bool or str, and what they came as."""
    holds = f"{name}: {key} has shape {y.shape} and type {str(y.dtype)[:60]}"
    allowed = f"allowed: {n} labels, one for each image: integers, names, or one-hot rows"
    if y.dtype.kind not in "biufU" or y.ndim not in (1, 2) or len(y) != n or 0 in y.shape:
        raise DataError(f"{holds}; {allowed}")
    if y.dtype.kind == "f":
        if not (y == np.rint(y)).all() or np.abs(y).max() > 2**53:
            raise DataError(
                f"{holds} and values that are not whole, such as {y[y != np.rint(y)][:1]}; "
                f"{allowed}"
            )
        y = y.astype(np.int64)
    if y.dtype.kind == "u" and y.max() > np.iinfo(np.int64).max:
        raise DataError(f"{holds}, up to {y.max()}; allowed: integers below 2**63")
    if y.dtype.kind in "iu":
        y = y.astype(np.int64)
    if y.ndim == 1:
        return y, ""
    if y.shape[1] == 1:
        return y[:, 0], "labels of shape (N, 1): a column"
    one_hot = y.dtype.kind in "bi" and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()
    if not one_hot:
        raise DataError(
            f"{holds}, where not every row is a single 1 among zeros: several labels an image, or "
            f"shares? {allowed}"
        )
    return y.argmax(axis=1).astype(np.int64), "labels are one-hot rows"
