"""Colored-MNIST: MNIST with a colour for the digit and one for the background, known exactly.

Class, digit colour and background colour are independent: both colours are drawn uniformly, five
each, by a fixed seed. Digit colours are bright and background colours dark, so that any two of
them differ by a luminance contrast of 4.5 or more (WCAG's threshold for readable text), and no
digit is ever lost in its background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

DIGIT_COLOURS = {
    "white": (255, 255, 255),
    "yellow": (255, 220, 0),
    "cyan": (0, 230, 255),
    "pink": (255, 140, 200),
    "green": (90, 255, 90),
}
BACKGROUND_COLOURS = {
    "black": (0, 0, 0),
    "red": (130, 0, 0),
    "green": (0, 80, 0),
    "blue": (0, 0, 150),
    "purple": (90, 0, 110),
}
"""sRGB, 0 to 255. A factor's value is the place of its colour here, 0 to 4."""


def draw_colours(n: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """``digit_colour`` and ``background_colour`` of ``n`` images, int64 (n,), independent."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {"digit_colour": len(DIGIT_COLOURS), "background_colour": len(BACKGROUND_COLOURS)}
    return {
        name: torch.randint(size, (n,), generator=generator).numpy() for name, size in sizes.items()
    }


def paint(
    grey: NDArray[np.uint8], digit_colour: NDArray[Any], background_colour: NDArray[Any]
) -> NDArray[np.uint8]:
    """Each image between its two colours: background + (digit - background) grey / 255, rounded.

    In whole numbers, so that the bytes are the same on every machine.

    Args:
        grey: shape (N, H, W), 0 the background, 255 the digit.
        digit_colour, background_colour: places in the palettes, shape (N,).

    Returns:
        RGB of shape (N, 3, H, W).
    """
    ink = np.array(list(DIGIT_COLOURS.values()), np.uint16)[digit_colour]
    ground = np.array(list(BACKGROUND_COLOURS.values()), np.uint16)[background_colour]
    painted = np.empty((len(grey), 3, *grey.shape[1:]), np.uint8)
    for channel in range(3):  # one at a time, in 16 bits (255 x 255 + 127 fits), to spare memory
        low, high = (c[:, channel, None, None] for c in (ground, ink))
        painted[:, channel] = (low * (255 - grey) + high * grey + 127) // 255
    return painted
