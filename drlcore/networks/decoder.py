"""Decoders of the autoencoders: the image a code stands for. They see z alone, never t."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from drlcore.networks.blocks import ResBlock, conv, group_norm, lowest_size, mlp


class MLPDecoder(nn.Module):
    """Two hidden layers, for data of any shape: the laptop's decoder.

    Args:
        shape: shape of one sample.
        latent_dim: size of z.
        width: of the hidden layers.

    Shape: z (B, latent_dim) -> (B, *shape).
    """

    def __init__(self, shape: tuple[int, ...], latent_dim: int, width: int = 256) -> None:
        super().__init__()
        self.shape = shape
        self.layers = mlp([latent_dim, width, width, math.prod(shape)], layer=nn.Linear)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).view(-1, *self.shape)


class ConvDecoder(nn.Module):
    """A linear map to a quarter of the resolution and residual blocks up: the paper scale's.

    The up path of a small NCSN++ without skips, as in the authors' released code, but without its
    time: their autoencoder is conditioned on t in encoder and decoder.

    Args:
        shape: (C, H, W) of an image.
        latent_dim: size of z.
        width: channels at full resolution; twice as many below.

    Shape: z (B, latent_dim) -> (B, C, H, W).
    """

    def __init__(self, shape: tuple[int, ...], latent_dim: int, width: int = 32) -> None:
        super().__init__()
        self.sizes = [lowest_size(shape, levels) for levels in (3, 2, 1)]
        self.channels = 2 * width
        self.enter = nn.Linear(latent_dim, self.channels * math.prod(self.sizes[0]))
        self.blocks = nn.ModuleList(
            [
                ResBlock(2 * width, 2 * width, dropout=0),
                ResBlock(2 * width, 2 * width, resample="up", dropout=0),
                ResBlock(2 * width, width, resample="up", dropout=0),
            ]
        )
        self.norm, self.leave = group_norm(width), conv(width, shape[0])

    def forward(self, z: Tensor) -> Tensor:
        h = self.enter(z).view(-1, self.channels, *self.sizes[0])
        for block, size in zip(self.blocks, self.sizes, strict=True):
            h = block(h, size=size)
        return self.leave(F.silu(self.norm(h)))
