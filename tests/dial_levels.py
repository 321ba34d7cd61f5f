"""Made-up positions of a dial, all pixels and codes random, and how a sprite is read back."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from drlcore.paper.dial_page import Level

EVIL = "</script><script>alert(1)</script><!--{{data}}\"'&\u2028"
NUMBERS = {"knn_accuracy": 0.5, "ink_r2": -0.25, "worth": 0.6, "kept_class": 0.4, "kept_ink": 0.1}


def level(sigma: float = 0.5, k: int = 3, shape: tuple[int, ...] = (1, 8, 8), **of: Any) -> Level:
    """K images, 6 neighbours, 2 samples, a cloud of 50 codes in 4 classes; all random."""
    draw = np.random.default_rng(round(1000 * sigma))
    some = np.random.default_rng(0).integers(0, 256, (k, *shape), dtype=np.uint8)
    values: dict[str, Any] = {
        "clean": some,
        "noisy": draw.integers(0, 256, (k, *shape), dtype=np.uint8),
        "codes": draw.normal(size=(50, 2)),
        "own": draw.normal(size=(k, 2)),
        "neighbours": draw.integers(0, 256, (k, 6, *shape), dtype=np.uint8),
        "labels": draw.integers(0, 4, 50),
        "picture_labels": np.arange(k) % 4,
        "neighbour_labels": draw.integers(0, 4, (k, 6)),
        "samples": draw.integers(0, 256, (k, 2, *shape), dtype=np.uint8),
        "numbers": NUMBERS,
    }
    return Level(sigma, **(values | of))


THREE = [level(sigma) for sigma in (0.1, 1.0, 10.0)]


def pixels(content: str) -> np.ndarray:
    """A sprite as (H, W, C)."""
    picture = np.asarray(Image.open(BytesIO(base64.b64decode(content))))
    return picture[..., None] if picture.ndim == 2 else picture
