"""A residual encoder, built as the U-Net is: for two CPU cores as well as a GPU."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from drlcore.encoder import ENCODERS, CodeHead, Encoder
from drlcore.networks.blocks import FiLMBlock, conv, linear
from drlcore.networks.patches import patch_of, patches_of


class ResidualEncoder(Encoder):
    """The way down of ``UNet``: blocks at two resolutions, then all positions joined.

    The image enters by space-to-depth, in ``UNet``'s patches. Group norm, not batch norm: a code is
    of one image, whatever else is in its batch, and E(x0, t) mixes times in a batch; there are no
    running statistics either, for the average over weights to disagree with. In E(x0, t) the noise
    level scales and shifts every block (FiLM).

    Arguments as for ConvEncoder, and

    Args:
        width: channels of the lower resolution, a multiple of 8; the upper has half as many.
        depth: residual blocks at the lower resolution; the upper has one.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        probabilistic: bool = False,
        embedding_dim: int | None = None,
        width: int = 64,
        depth: int = 2,
    ) -> None:
        super().__init__()
        colours, height, breadth = shape
        self.patch = patch_of(shape)
        lowest = [math.ceil(side / (2 * self.patch)) for side in (height, breadth)]
        upper, self.n_features = width // 2, 128
        hidden = 0 if embedding_dim is None else self.n_features
        self.time = linear(embedding_dim, hidden) if embedding_dim is not None else None
        self.enter = conv(colours * self.patch**2, upper)
        self.upper = FiLMBlock(upper, hidden)
        self.shrink = conv(4 * upper, width, 1)
        self.lower = nn.ModuleList(FiLMBlock(width, hidden) for _ in range(depth))
        self.join = linear(width * math.prod(lowest), self.n_features)
        self.head = CodeHead(self.n_features, latent_dim, probabilistic)

    def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
        condition = None if self.time is None else F.silu(self.time(embedding))
        h = self.enter(patches_of(x0, self.patch))
        h = self.shrink(F.pixel_unshuffle(self.upper(h, condition), 2))
        for block in self.lower:
            h = block(h, condition)
        return F.silu(self.join(F.silu(h).flatten(1)))


ENCODERS["residual"] = ResidualEncoder
