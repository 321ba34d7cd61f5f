"""A convolutional score network for two CPU cores as well as a GPU."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from drlcore.networks.blocks import FiLMBlock, conv, linear, mlp
from drlcore.networks.patches import patch_of, patches_of
from drlcore.score_network import SCORE_NETWORKS, ScoreNetwork


class UNet(ScoreNetwork):
    """Two resolutions of plain convolutions, below the image's own.

    The image enters by space-to-depth and leaves by pixel shuffle, in patches of a power of two
    that leave at most 16 to a side: 2x2 pixels for MNIST and CIFAR-10, 4x4 for 64x64 images, so
    cost hardly grows with size. On a CPU dense convolutions of few pixels and 32 channels or more
    come nearest to its peak speed; see ``benchmarks/score_networks.py``.

    Sigma and z scale and shift every block (FiLM) and, through a linear map, are added to the map
    of the lowest resolution, where the paper's network has z too. It reads and weighs what
    ``near_ends`` tells of every pixel.

    Args:
        shape: (C, H, W) of an image.
        latent_dim: size of z; 0 for none.
        embedding_dim: width of the time embedding.
        width: channels of the lower resolution, a multiple of 8; the upper has half as many.
        depth: residual blocks at the lower resolution; one before and one after at the upper.

    Shape: x (B, 3C, H, W), embedding (B, embedding_dim), z (B, latent_dim) -> (B, 3C, H, W).
    """

    has_width = True
    near_ends = True

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        embedding_dim: int,
        width: int = 64,
        depth: int = 2,
    ) -> None:
        super().__init__()
        colours, height, breadth = shape
        self.patch = patch_of(shape)
        self.lowest = tuple(math.ceil(side / (2 * self.patch)) for side in (height, breadth))
        hidden, upper = 128, width // 2
        self.time = linear(embedding_dim, hidden)
        self.code = mlp([latent_dim, hidden, hidden], layer=nn.Linear) if latent_dim else None
        values = 3 * colours * self.patch**2
        self.enter, self.leave = conv(values, upper), conv(upper, values)
        self.down, self.up = FiLMBlock(upper, hidden), FiLMBlock(upper, hidden)
        self.shrink, self.grow = conv(4 * upper, width, 1), conv(width, 4 * upper, 1)
        self.map = linear(hidden, width * math.prod(self.lowest))
        self.middle = nn.ModuleList(FiLMBlock(width, hidden) for _ in range(depth))
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor, embedding: Tensor, z: Tensor) -> Tensor:
        condition = self.time(embedding)
        if self.code is not None:
            condition = condition + self.code(z)
        condition = F.silu(condition)
        height, breadth = x.shape[-2:]
        h = self.down(self.enter(patches_of(x, self.patch)), condition)
        low = self.shrink(F.pixel_unshuffle(h, 2))
        low = low + self.map(condition).view_as(low)
        for block in self.middle:
            low = block(low, condition)
        h = h + F.pixel_shuffle(self.grow(F.silu(low)), 2)
        h = self.leave(F.silu(self.up(h, condition)))
        return F.pixel_shuffle(h, self.patch)[..., :height, :breadth]


SCORE_NETWORKS["unet"] = UNet
