"""The paper's networks for MNIST and 2-d codes, from the authors' first code (JAX, f208912).

There the score network returns the score; here it is the raw network of a preconditioned Denoiser,
so nothing divides by sigma. What touches z keeps flax's initial weights, normal ones of variance
1 / fan_in, where all else has the variance 1 / fan_avg of NCSN++.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from drlcore.encoder import ENCODERS, CodeHead, Encoder
from drlcore.networks.blocks import Attention, Middle, ResBlock, Trunk, conv, lowest_size, mlp
from drlcore.score_network import SCORE_NETWORKS, ScoreNetwork


class MNISTScoreNetwork(ScoreNetwork):
    """The MNIST U-Net of the authors' released code (JAX, first commit f208912).

    Two resolutions, attention only at the lowest. z enters twice: its embedding joins that of
    sigma in every ResBlock, and a ResBlock, attention, ResBlock that see z alone come before the
    usual middle. The published network returns the score itself; this one is preconditioned.
    1,232,929 parameters for a 2-d code, as published, apart from the layers that embed sigma
    (20,736) and z (14,688).

    Args:
        shape: (C, H, W) of an image.
        latent_dim: size of z; 0 for none, which drops both ways in.
        embedding_dim: width of the time embedding.
        width: channels of the first level.

    Shape: x (B, C, H, W), embedding (B, embedding_dim), z (B, latent_dim) -> (B, C, H, W).
    """

    revision = 1  # flax's start of what touches z

    def __init__(
        self, shape: tuple[int, ...], latent_dim: int, embedding_dim: int, width: int = 32
    ) -> None:
        super().__init__()
        condition = 4 * width
        self.time = mlp([embedding_dim, condition, condition])
        self.code: nn.Module | None = None
        if latent_dim:
            first = width if latent_dim < width else 2 * width
            self.code = mlp([latent_dim, first, 2 * width, 2 * width, condition], layer=_dense)
            self.code_middle = Middle(2 * width, condition)
        total = condition * (2 if latent_dim else 1)
        self.trunk = Trunk(shape, total, width, (1, 2))

    def forward(self, x: Tensor, embedding: Tensor, z: Tensor) -> Tensor:
        condition = self.time(embedding)
        code = None if self.code is None else self.code(z)
        if code is not None:
            condition = torch.cat([condition, code], dim=1)
        maps = self.trunk.down(x, condition)
        h = maps[-1] if code is None else self.code_middle(maps[-1], code)
        return self.trunk.up(self.trunk.middle(h, condition), condition, maps)


class MNISTEncoder(Encoder):
    """The MNIST encoder of the authors' released code (JAX, first commit f208912).

    626,978 parameters for a 2-d point, 629,252 for a Gaussian, as published. The Gaussian's log
    variance is what the last layer returns, less 5: VDRL begins with a nearly certain code, of
    standard deviation about 0.08. (The PyTorch code has no such offset.) The published
    E(x0, t) takes sigma's embedding from the score network; this one has its own two layers
    (20,736 parameters) on top of the published 660,002.

    Args:
        shape: (C, H, W) of an image.
        latent_dim: size of z.
        probabilistic: VDRL's Gaussian head instead of a point.
        embedding_dim: width of the time embedding for E(x0, t); None for E(x0).
        width: channels of the first level.
    """

    large = True
    revision = 1  # SiLU before its dense layers, log variance from -5; flax's start

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        probabilistic: bool = False,
        embedding_dim: int | None = None,
        width: int = 32,
    ) -> None:
        super().__init__()
        condition = 0 if embedding_dim is None else 4 * width
        self.time = None if embedding_dim is None else mlp([embedding_dim, condition, condition])
        self.enter = conv(shape[0], width)
        self.blocks = nn.ModuleList(
            [
                ResBlock(width, width, condition),
                ResBlock(width, width, condition),
                ResBlock(width, width, condition, "down"),
                ResBlock(width, 2 * width, condition),
                ResBlock(2 * width, 2 * width, condition),
                ResBlock(2 * width, width, condition),
            ]
        )
        self.attention = Attention(width)
        flat = width * math.prod(lowest_size(shape, 2))
        hidden = 2 * width if probabilistic or latent_dim >= width else width
        self.dense = nn.Sequential(
            nn.SiLU(), *mlp([flat, 2 * width, hidden], last=True, layer=_dense)
        )
        self.n_features = hidden
        self.head = CodeHead(hidden, latent_dim, probabilistic, logvar_offset=-5.0)
        _as_flax(self.head.linear)

    def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
        condition = None if self.time is None else self.time(embedding)
        h = self.enter(x0)
        for block in self.blocks:
            h = block(h, condition)
        return self.dense(self.attention(h).flatten(1))


def _dense(inputs: int, outputs: int) -> nn.Linear:
    return _as_flax(nn.Linear(inputs, outputs))


def _as_flax(layer: nn.Linear) -> nn.Linear:
    """Initial weights of flax's Dense: normal of variance 1 / fan_in, cut at 2 sd; no bias."""
    sd = 1 / (0.87962566 * math.sqrt(layer.in_features))  # the cut takes the variance down again
    nn.init.trunc_normal_(layer.weight, std=sd, a=-2 * sd, b=2 * sd)
    nn.init.zeros_(layer.bias)
    return layer


ENCODERS["mnist-paper"] = MNISTEncoder
SCORE_NETWORKS["mnist-paper"] = MNISTScoreNetwork
