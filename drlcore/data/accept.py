"""What images may look like, and how they are read; for labels see ``accept_labels``.

What has one reading is converted, and a note says how. What has two is refused, with both named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drlcore.errors import DataError, ParameterError

Array = NDArray[Any]
Channels = Literal["first", "last"]
CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Images:
    """Images as they are read.

    Attributes:
        parts: by name, shape (N, C, H, W) with 1 or 3 channels: uint8, or floats.
        signed: whether floats lie in [-1, 1]; else in [0, 1].
        notes: what was converted, a line each.
    """

    parts: dict[str, Array]
    signed: bool
    notes: tuple[str, ...]


def accept_images(
    name: str, given: Mapping[str, ArrayLike], channels: Channels | None = None
) -> Images:
    """Images in the one form that everything else reads; nothing given is changed.

    All parts are read alike: what black and white are is decided over all of them.

    Args:
        name: what messages call the data.
        given: by name, the training part first: shape (N, H, W), (N, C, H, W) or (N, H, W, C)
            with 1, 3 or 4 channels; bool, uint8, uint16, other integers from 0 to 255, floats in
            [0, 1], [-1, 1] or [0, 255].
        channels: where the channels stand, if shape alone does not tell.

    Raises:
        DataError: other arrays, parts that do not agree, or values with two readings.
        ParameterError: ``channels`` is something else.

    Example:
        >>> import numpy as np
        >>> from drlcore.data.accept import accept_images
        >>> found = accept_images("mine", {"x": np.ones((5, 8, 9, 3), dtype=bool)})
        >>> found.parts["x"].shape, found.notes
        ((5, 3, 8, 9), ('channels stand last: moved first', 'bool: True is white, 255'))
    """
    if channels not in (None, "first", "last"):
        raise ParameterError(f"channels = {channels!r}; allowed: 'first', 'last', or None")
    parts: dict[str, Array] = {}
    kinds, any_last = {}, False
    for key, images in given.items():
        x = as_array(name, key, images)
        kinds[key] = _kind(name, key, x)
        if kinds[key] == "float":
            _require_finite(name, key, x)
        last = _channels_last(name, key, x, channels)
        any_last |= last
        parts[key] = x[:, None] if x.ndim == 3 else np.moveaxis(x, 3, 1) if last else x
    first = next(iter(parts))
    for key, x in parts.items():
        if x.shape[1:] != parts[first].shape[1:] or kinds[key] != kinds[first]:
            raise DataError(
                f"{name}: {first} holds {parts[first].dtype} images of shape "
                f"{parts[first].shape[1:]} but {key} {x.dtype} of {x.shape[1:]} (C, H, W); "
                "they must agree"
            )
    notes = ["channels stand last: moved first"] if any_last else []
    parts, signed, how = _scaled(name, " and ".join(parts), parts, kinds[first])
    if parts[first].shape[1] == 4:
        parts, signed, of_alpha = _without_alpha(parts, signed)
        how = [*how, of_alpha]
    return Images(parts, signed, (*notes, *how))


def as_array(name: str, key: str, given: ArrayLike) -> Array:
    """``given`` as numpy has it. Raises DataError if it cannot."""
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:  # rows of several lengths
        what = " ".join(str(error).split())[:200]
        raise DataError(f"{name}: {key} is no array ({what})") from None


def _channels_last(name: str, key: str, x: Array, channels: Channels | None) -> bool:
    shape = x.shape
    if x.ndim in (3, 4) and 0 not in shape:
        if x.ndim == 3:
            return False
        first, last = (shape[axis] in CHANNELS for axis in (1, 3))
        if first and last and channels is None:
            raise DataError(
                f"{name}: {key} has shape {shape}, which is (N, C, H, W) with {shape[1]} channels "
                f"or (N, H, W, C) with {shape[3]}; transpose it to (N, C, H, W) and say so: "
                "from_arrays(..., channels='first'), or channels='last' as it is"
            )
        if (first and channels != "last") or (last and channels != "first"):
            return bool(last) and (channels == "last" or not first)
    raise DataError(
        f"{name}: {key} has shape {shape}; allowed: (N, H, W), or with 1, 3 or 4 channels "
        "(N, C, H, W) or (N, H, W, C), none of them 0"
    )


def _kind(name: str, key: str, x: Array) -> str:
    kind = "float" if x.dtype.kind == "f" else str(np.dtype(x.dtype.type))
    if kind in ("float", "bool", "uint8", "uint16"):
        return kind
    if x.dtype.kind in "iu":
        return "integer"
    raise DataError(
        f"{name}: {key} has type {str(x.dtype)[:60]}; allowed: plain numbers, as uint8, uint16, "
        "floats, bool, or integers from 0 to 255"
    )


def _scaled(
    name: str, where: str, parts: dict[str, Array], kind: str
) -> tuple[dict[str, Array], bool, list[str]]:
    """The parts as uint8 or floats, whether these are signed, and what was done."""
    if kind == "bool":
        whole = {key: x.astype(np.uint8) * np.uint8(255) for key, x in parts.items()}
        return whole, False, ["bool: True is white, 255"]
    low = min(x.min() for x in parts.values())
    high = max(x.max() for x in parts.values())
    holds = f"{name}: {where}"
    if kind == "float":
        return _floats(holds, parts, float(low), float(high))
    if low < 0 or (kind == "integer" and high > 255):
        raise DataError(
            f"{holds} hold integers from {low} to {high}; allowed: 0 to 255 "
            "(16-bit images as uint16)"
        )
    if high == 1:
        raise DataError(
            f"{holds} hold integers, 0 and 1 alone: masks, or nearly black ones of 0 to 255? "
            "Masks: give bool, x.astype(bool); else divide by 255"
        )
    if kind == "uint16" and 0 < high <= 255:
        raise DataError(
            f"{holds} hold uint16 up to {high}: images of 0 to 255, or nearly black ones of "
            "0 to 65,535? Give x.astype('uint8'), or x / 65535"
        )
    if kind == "uint16" and high > 255:
        floats = {key: x.astype(np.float32) / np.float32(65535) for key, x in parts.items()}
        return floats, False, ["uint16: divided by 65,535, which is white"]
    said = [] if kind == "uint8" else [f"integers from {low} to {high}: 255 is white"]
    return {key: x.astype(np.uint8, copy=False) for key, x in parts.items()}, False, said


def _require_finite(name: str, key: str, x: Array) -> None:
    if odd := x.size - np.count_nonzero(np.isfinite(x)):
        raise DataError(
            f"{name}: {key} has {odd:,} values of {x.size:,} that are nan or infinite; "
            "allowed: finite ones; leave these images out or fill them in"
        )


def _floats(
    holds: str, parts: dict[str, Array], low: float, high: float
) -> tuple[dict[str, Array], bool, list[str]]:
    between = f"{holds} hold floats in [{low:g}, {high:g}]"
    if low < 0 and (low < -1 or high > 1):
        raise DataError(
            f"{between}, as if standardised: undo it (x * std + mean); allowed: [0, 1], [-1, 1] or "
            "[0, 255]"
        )
    if low < 0:
        return parts, True, ["floats in [-1, 1]: -1 is black, 1 is white"]
    if high <= 1:
        return parts, False, ["floats in [0, 1]: 0 is black, 1 is white"]
    if high <= 2:
        raise DataError(
            f"{between}: images of 0 to 1 with values too large, or nearly black ones of 0 to 255? "
            "Clip them to [0, 1], or divide by 255"
        )
    if high > 255:
        raise DataError(f"{between}; allowed: [0, 1], [-1, 1] or [0, 255]; divide by what is white")
    said = [f"floats from {low:g} to {high:g}: 255 is white"]
    if all((x == np.rint(x)).all() for x in parts.values()):  # then they are the same data as uint8
        return {key: x.astype(np.uint8) for key, x in parts.items()}, False, said
    return {key: x.astype(np.float32) / np.float32(255) for key, x in parts.items()}, False, said


def _without_alpha(parts: dict[str, Array], signed: bool) -> tuple[dict[str, Array], bool, str]:
    """RGB of RGBA, on white."""
    white = 255 if all(x.dtype == np.uint8 for x in parts.values()) else 1
    if all((x[:, 3] == white).all() for x in parts.values()):
        opaque = {key: x[:, :3] for key, x in parts.items()}
        return opaque, signed, "fourth channel is an opacity of 1 everywhere: left out"
    found = {}
    for key, x in parts.items():
        unit = (x.astype(np.float32) + 1) / 2 if signed else x.astype(np.float32) / white
        colour = 1 - unit[:, 3:] * (1 - unit[:, :3])
        found[key] = np.rint(colour * 255).astype(np.uint8) if white == 255 else colour
    return found, False, "fourth channel is the opacity: put on white"
