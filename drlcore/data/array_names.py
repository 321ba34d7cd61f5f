"""What the arrays of a user's own images may be called."""

from __future__ import annotations

from collections.abc import Iterable

from drlcore.errors import DataError

# Names of what ``from_arrays`` takes, in each convention; the first decides which one it is.
_TAKEN = ("x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test")
_CONVENTIONS = (
    _TAKEN,
    ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),
    ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"),
    ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
    ("images", "labels"),
    ("x", "y"),
    ("data", "target"),
    ("data", "targets"),
    ("data", "labels"),
    ("arr_0", "arr_1"),  # numpy.savez without names
)
_KNOWN = {name for names in _CONVENTIONS for name in names}
ALLOWED = "x_train (y_train, x_test, y_test), images (labels), x (y), data (target), or MedMNIST's"


def arranged(held: Iterable[str], label: str) -> dict[str, str]:
    """Which of the arrays ``held`` is which: what ``from_arrays`` calls it -> its own name.

    Capitals do not count: ``X`` is ``x``. Arrays with other names are left alone.

    Args:
        held: names of arrays.
        label: what messages call the data.

    Raises:
        DataError: none of the names is known, or they belong to no one convention.

    Example:
        >>> from drlcore.data.array_names import arranged
        >>> arranged(["X", "y", "author"], "mine")
        {'x_train': 'X', 'y_train': 'y'}
    """
    names = [*held]
    small: dict[str, str] = {}
    for name in names:
        if small.setdefault(name.lower(), name) != name and name.lower() in _KNOWN:
            raise DataError(f"{label}: holds both {small[name.lower()]} and {name}; leave one out")
    if set(_TAKEN[:2] + _TAKEN[4:]) <= set(names):
        return {name: name for name in (*_TAKEN[:2], *_TAKEN[4:])}
    known = [name for name in small if name in _KNOWN or name.startswith("arr_")]
    fitting = [each for each in _CONVENTIONS if each[0] in small and set(known) <= set(each)]
    if not fitting:
        shown = ", ".join(names[:10])[:200] or "none"
        together = f"; {', '.join(known)} do not belong together" if len(known) > 1 else ""
        raise DataError(f"{label}: holds the arrays {shown}{together}; allowed: {ALLOWED}")
    pairs = zip(_TAKEN, fitting[0], strict=False)
    return {taken: small[name] for taken, name in pairs if name in small}
