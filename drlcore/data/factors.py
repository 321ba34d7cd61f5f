"""Fine detail measured from an image: how a figure is drawn, whatever its class.

The figure is bright on a black ground, and all beyond the border counts as black.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drlcore.data import scene
from drlcore.data.accept import Array
from drlcore.errors import ParameterError

FACTORS = ("ink", "thickness", "slant", "width", "height", "x_position", "y_position")
_CHUNK, _NUMBERS = 2048, 2**23  # images measured together, and numbers of them
_FLAT = 1e-9  # px^2; a variance below this is rounding error


def measure_factors(x: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Seven factors of each image, 1 to 3 s for 70,000 MNIST images on one core.

    Takes some ten times the memory of ``x`` meanwhile: give it many images in parts.

    ``ink``: mean intensity, in [0, 1].
    ``thickness``: of the stroke, in pixels: the short side of the rectangle that has the
    figure's area and outline length, see ``_thickness``. Does not depend on contrast.
    ``slant``: tangent of the angle to the vertical, -mu11 / mu02 of the intensity (rows count
    downwards): 0 upright, positive leaning to the right like "/".
    ``width``, ``height``: in pixels, the sides of the uniform upright box with the figure's
    variance s^2 along x and y, sqrt(12 s^2 + 1); at least 1. Unlike a box around all pixels
    above a threshold they vary smoothly.
    ``x_position``, ``y_position``: centre of intensity minus the image's centre, in pixels,
    positive to the right and downwards. MNIST is centred by mass to the pixel, so there they
    only vary below one, between 0 and 1.

    All are 0 for a blank image, and ``slant`` is 0 for a figure one row high.

    Args:
        x: intensities in [0, 1], shape (N, H, W), or (N, C, H, W) averaged over C.

    Returns:
        One float64 array of shape (N,) for each name in ``FACTORS``, always finite.

    Raises:
        ParameterError: another shape, or values that are not finite or outside [0, 1].
    """
    if x.ndim not in (3, 4) or 0 in x.shape[1:]:
        raise ParameterError(f"images have shape {x.shape}; allowed: (N, H, W) or (N, C, H, W)")
    if not ((x >= 0) & (x <= 1)).all():
        raise ParameterError(f"intensities lie in [{x.min()}, {x.max()}]; allowed: [0, 1]")
    grey = x.astype(np.float64)
    if grey.ndim == 4:
        grey = grey.mean(axis=1)
    columns, rows = grey.sum(axis=1), grey.sum(axis=2)
    x_mean, x_variance, from_x = _spread(columns)
    y_mean, y_variance, from_y = _spread(rows)
    mixed = _ratio(((grey @ from_x[:, :, None])[:, :, 0] * from_y).sum(axis=1), rows.sum(axis=1))
    seen = rows.any(axis=1)
    return {
        "ink": grey.mean(axis=(1, 2)),
        "thickness": _thickness(grey),
        "slant": -_ratio(mixed, np.where(y_variance > _FLAT, y_variance, 0)),
        "width": np.where(seen, np.sqrt(12 * x_variance + 1), 0),
        "height": np.where(seen, np.sqrt(12 * y_variance + 1), 0),
        "x_position": x_mean,
        "y_position": y_mean,
    }


class Measure(NamedTuple):
    """How factors of images are measured.

    Attributes:
        names: of the factors.
        of: intensities (N, C, H, W) in [0, 1] -> an array of shape (N,) for each name.
    """

    names: tuple[str, ...]
    of: Callable[[NDArray[np.floating]], dict[str, NDArray[np.float64]]]


FIGURES = Measure(FACTORS, measure_factors)
SCENES = Measure(scene.SCENE, scene.measure_scene)


def image_factors(
    x: Tensor, known: Mapping[str, Array] | None = None, measure: Measure = FIGURES
) -> Mapping[str, Array]:
    """Factors of images: the known ones, then those measured when the first of them is asked for.

    Args:
        x: images to measure, shape (N, C, H, W): floats in [-1, 1], or uint8.
        known: arrays of shape (N,) by name.
        measure: ``FIGURES``, bright on a black ground, or ``SCENES``, photographs.
    """
    return _ImageFactors(x, known or {}, measure)


def _spread(
    profile: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, variance, and distances to the mean, of weights of shape (N, L) about the centre."""
    at = np.arange(profile.shape[1]) - (profile.shape[1] - 1) / 2
    total = profile.sum(axis=1)
    mean = _ratio(profile @ at, total)
    away = at - mean[:, None]
    return mean, _ratio((profile * away**2).sum(axis=1), total), away


def _thickness(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stroke thickness in pixels, shape (N,), of images of shape (N, H, W).

    After division by the brightest value, the area A is the sum of intensities and the outline P
    their total variation: the gradient's length, taken on every 2 x 2 cell, summed. A rectangle
    of sides w <= l has A = w l and P = 2 (w + l), so w solves w^2 - w P/2 + A = 0. A bent stroke
    is close to a straight one of the same area and outline; a blob more compact than a square,
    where there is no solution, gets P/4. Strokes thinner than two pixels may measure up to half
    a pixel too thick, depending on how they fall on the pixels.
    """
    grey = grey / np.maximum(grey.max(axis=(1, 2), keepdims=True), np.finfo(np.float64).tiny)
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)))
    rising = padded[:, 1:, 1:] - padded[:, :-1, :-1]
    falling = padded[:, 1:, :-1] - padded[:, :-1, 1:]
    outline = np.sqrt((rising**2 + falling**2) / 2).sum(axis=(1, 2))
    root = np.sqrt(np.maximum(outline**2 / 4 - 4 * grey.sum(axis=(1, 2)), 0))
    thickness: NDArray[np.float64] = (outline / 2 - root) / 2
    return thickness


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


class _ImageFactors(Mapping[str, Array]):
    """See ``image_factors``."""

    def __init__(self, x: Tensor, known: Mapping[str, Array], measure: Measure) -> None:
        self._x, self._measure = x, measure
        self._known = dict(known)

    @cached_property
    def _measured(self) -> dict[str, Array]:
        parts = []
        some = max(1, min(_CHUNK, _NUMBERS // max(1, math.prod(self._x.shape[1:]))))
        for x in self._x.split(some):  # a copy of all images would take gigabytes
            intensities = x.float().div(255) if x.dtype == torch.uint8 else (x + 1) / 2
            parts.append(self._measure.of(intensities.numpy()))
        return {
            name: np.concatenate([part[name] for part in parts]) for name in self._measure.names
        }

    def __getitem__(self, name: str) -> Array:
        return self._known[name] if name in self._known else self._measured[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._known, *self._measure.names])

    def __len__(self) -> int:
        return len(self._known) + len(self._measure.names)
