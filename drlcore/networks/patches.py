"""Space to depth, the entrance of the U-Net and of its encoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def patch_of(shape: tuple[int, ...]) -> int:
    """Side, a power of two, of the patches of which at most 16 lie on a side of an image."""
    return 2 ** max(0, math.ceil(math.log2(max(shape[-2:]) / 16)))


def patches_of(x: Tensor, patch: int) -> Tensor:
    """Space to depth: (B, C, H, W) to (B, C patch^2, H' / patch, W' / patch), channels last.

    H' and W' are the next multiples of twice the patch, so that the patches can be halved once
    more; the border's values are repeated for it.
    """
    height, breadth = x.shape[-2:]
    bottom, right = -height % (2 * patch), -breadth % (2 * patch)
    padded = F.pad(x, (0, right, 0, bottom), mode="replicate")
    # Weights stay as they are: Adam's state must lie in memory as they do, also when resumed.
    return F.pixel_unshuffle(padded, patch).contiguous(memory_format=torch.channels_last)
