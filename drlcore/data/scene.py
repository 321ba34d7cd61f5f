"""What is measured of a photograph: light and colour, of the whole and of its border, and edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drlcore.errors import ParameterError

SCENE = ("brightness", "warmth", "contrast", "border_brightness", "border_warmth", "edges")
BORDER = 1 / 8  # of a side


def measure_scene(x: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Six factors of each image that need no figure on a ground, unlike ``measure_factors``.

    ``brightness``: mean over pixels of grey, the mean of the colours, in [0, 1].
    ``warmth``: mean of red less blue, in [-1, 1]: along it the colours of photographs differ most.
    ``contrast``: standard deviation of grey over pixels.
    ``border_brightness``, ``border_warmth``: the same over the ``frame``, where the background is.
    ``edges``: mean length of grey's gradient, from pixel to pixel.

    Args:
        x: intensities in [0, 1], shape (N, C, H, W) with C = 1 or 3; grey images have no warmth.

    Returns:
        One float64 array of shape (N,) for each name in ``SCENE``.

    Raises:
        ParameterError: another shape.

    Example:
        >>> import numpy as np
        >>> from drlcore.data.scene import measure_scene
        >>> sunset = np.zeros((1, 3, 8, 8))
        >>> sunset[:, 0] = 0.6  # red
        >>> {name: round(float(value[0]), 2) for name, value in measure_scene(sunset).items()}
        {'brightness': 0.2, 'warmth': 0.6, 'contrast': 0.0, 'border_brightness': 0.2, \
'border_warmth': 0.6, 'edges': 0.0}
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < 2:
        raise ParameterError(
            f"images have shape {x.shape}; allowed: (N, C, H, W) with C = 1 or 3 and sides from 2"
        )
    grey = x.mean(axis=1, dtype=np.float64)
    warm = np.subtract(x[:, 0], x[:, -1], dtype=np.float64)
    border = frame(*grey.shape[1:])
    down, right = np.diff(grey, axis=1)[:, :, :-1], np.diff(grey, axis=2)[:, :-1]
    return {
        "brightness": grey.mean(axis=(1, 2)),
        "warmth": warm.mean(axis=(1, 2)),
        "contrast": grey.std(axis=(1, 2)),
        "border_brightness": grey[:, border].mean(axis=1),
        "border_warmth": warm[:, border].mean(axis=1),
        "edges": np.hypot(down, right).mean(axis=(1, 2)),
    }


def frame(height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels of an image are its border, an eighth of its side wide: (height, width)."""
    high, wide = max(1, round(BORDER * height)), max(1, round(BORDER * width))
    border = np.ones((height, width), dtype=bool)
    border[high : height - high, wide : width - wide] = False
    return border
