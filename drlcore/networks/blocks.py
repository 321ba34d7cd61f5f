"""Convolutional blocks conditioned on a vector: those of NCSN++ (Song et al. 2021).

The paper's networks are built from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

QUIET = 1e-10  # variance scale of a branch's last layer: it starts as good as zero
BLOCKS = 2  # ResBlocks a level on the way down; one more on the way up

Resample = Literal["none", "down", "up"]
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class ResBlock(nn.Module):
    """Pre-activation residual block with BigGAN-style resampling, (skip + branch) / sqrt 2.

    The conditioning vector adds a bias per channel after the first convolution. Halving rounds
    up, so that sides of any length work.

    Args:
        inputs, outputs: numbers of channels.
        condition: width of the conditioning vector; 0 for none.
        resample: halve or double the resolution inside the block.
        dropout: rate before the second convolution.

    Shape: h (B, inputs, H, W), condition (B, condition) -> (B, outputs, H', W').
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        condition: int = 0,
        resample: Resample = "none",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.resample = resample
        self.norm1, self.norm2 = group_norm(inputs), group_norm(outputs)
        self.conv1 = conv(inputs, outputs)
        self.conv2 = conv(outputs, outputs, scale=QUIET)
        self.bias = linear(condition, outputs) if condition else None
        self.dropout = nn.Dropout(dropout)
        changed = inputs != outputs or resample != "none"
        self.skip = conv(inputs, outputs, 1) if changed else nn.Identity()

    def forward(
        self, h: Tensor, condition: Tensor | None = None, size: tuple[int, ...] | None = None
    ) -> Tensor:
        """``size`` is (H', W') when doubling."""
        branch = self.conv1(self._resized(F.silu(self.norm1(h)), size))
        if self.bias is not None:
            assert condition is not None
            branch = branch + self.bias(F.silu(condition))[:, :, None, None]
        branch = self.conv2(self.dropout(F.silu(self.norm2(branch))))
        return (self.skip(self._resized(h, size)) + branch) / math.sqrt(2)

    def _resized(self, h: Tensor, size: tuple[int, ...] | None) -> Tensor:
        if self.resample == "down":
            return F.avg_pool2d(h, 2, ceil_mode=True)
        if self.resample == "up":
            return F.interpolate(h, size)
        return h


class FiLMBlock(nn.Module):
    """Two convolutions, one norm; the last convolution starts at zero.

    The conditioning vector scales and shifts what the norm gives.

    Args:
        channels: in and out.
        condition: width of the conditioning vector; 0 for none.

    Shape: h (B, channels, H, W), condition (B, condition) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.film = linear(condition, 2 * channels) if condition else None
        self.norm = group_norm(channels)
        self.first, self.second = conv(channels, channels), conv(channels, channels)
        nn.init.zeros_(self.second.weight)

    def forward(self, h: Tensor, condition: Tensor | None = None) -> Tensor:
        branch = self.norm(self.first(F.silu(h)))
        if self.film is not None:
            assert condition is not None
            scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
            branch = branch * (1 + scale) + shift
        return h + self.second(F.silu(branch))


class Attention(nn.Module):
    """Single-head self-attention over the pixels, (skip + branch) / sqrt 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.query, self.key, self.value = (conv(channels, channels, 1, 0.1) for _ in range(3))
        self.out = conv(channels, channels, 1, QUIET)

    def forward(self, h: Tensor) -> Tensor:
        x = self.norm(h)
        q, k, v = (f(x).flatten(2).transpose(1, 2) for f in (self.query, self.key, self.value))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(h.shape)
        return (h + self.out(mixed)) / math.sqrt(2)


class Middle(nn.Module):
    """ResBlock, attention, ResBlock: the lowest resolution."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.first = ResBlock(channels, channels, condition)
        self.attention = Attention(channels)
        self.second = ResBlock(channels, channels, condition)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        return self.second(self.attention(self.first(h, condition)), condition)


class PyramidDown(nn.Module):
    """The input image beside the trunk: a convolution of stride 2, averaged into the features."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _initialised(nn.Conv2d(inputs, outputs, 3, stride=2))

    def forward(self, image: Tensor, h: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        small = self.conv(F.pad(image, (width % 2, 1, height % 2, 1)))
        return (small + h) / math.sqrt(2)


class Trunk(nn.Module):
    """The U of a U-Net: ``down``, then ``middle``, then ``up``, called one after the other.

    Args:
        shape: (C, H, W) of an image.
        condition: width of the conditioning vector every ResBlock reads.
        width: channels of the first level.
        multipliers: channels of each level, in units of ``width``.
        attend_at: heights at which every level has attention.
        pyramid: whether the image is also fed in at every resolution (``progressive_input``
            ``residual`` of NCSN++).
        extra: channels joined to the lowest map between ``down`` and ``middle``.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        condition: int,
        width: int,
        multipliers: tuple[int, ...],
        attend_at: tuple[int, ...] = (),
        pyramid: bool = False,
        extra: int = 0,
    ) -> None:
        super().__init__()
        colours, height, _ = shape
        channels = [width * m for m in multipliers]
        attends = [math.ceil(height / 2**i) in attend_at for i in range(len(channels))]

        def block(inputs: int, outputs: int, resample: Resample = "none") -> ResBlock:
            return ResBlock(inputs, outputs, condition, resample)

        self.enter = conv(colours, width)
        self.levels_down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.pyramid = nn.ModuleList()
        skips, h, image = [width], width, colours
        for i, (c, attend) in enumerate(zip(channels, attends, strict=True)):
            level = [block(h if j == 0 else c, c) for j in range(BLOCKS)]
            self.levels_down.append(_Level(level, attend))
            skips += [c] * BLOCKS
            h = c
            if i + 1 < len(channels):
                self.shrink.append(block(c, c, "down"))
                skips.append(c)
                if pyramid:
                    self.pyramid.append(PyramidDown(image, c))
                    image = c

        h += extra
        self.middle = Middle(h, condition)

        self.levels_up, self.grow = nn.ModuleList(), nn.ModuleList()
        for i, (c, attend) in enumerate(zip(reversed(channels), reversed(attends), strict=True)):
            level = []
            for _ in range(BLOCKS + 1):
                level.append(block(h + skips.pop(), c))
                h = c
            self.levels_up.append(_Level(level, attend, once=True))
            if i + 1 < len(channels):
                self.grow.append(block(c, c, "up"))
        self.norm, self.leave = group_norm(h), conv(h, colours, scale=QUIET)

    def down(self, x: Tensor, condition: Tensor) -> list[Tensor]:
        """Every map the way up will join, the lowest one last."""
        image, maps = x, [self.enter(x)]
        for i, level in enumerate(self.levels_down):
            maps += level(maps[-1], condition)
            if i < len(self.shrink):
                h = self.shrink[i](maps[-1], condition)
                if i < len(self.pyramid):
                    image = h = self.pyramid[i](image, h)
                maps.append(h)
        return maps

    def up(self, h: Tensor, condition: Tensor, maps: list[Tensor]) -> Tensor:
        """From the lowest map back to an image, joining ``maps`` in reverse."""
        waiting = list(maps)
        for i, level in enumerate(self.levels_up):
            h = level(h, condition, waiting)[-1]
            if i < len(self.grow):
                h = self.grow[i](h, condition, waiting[-1].shape[-2:])
        return self.leave(F.silu(self.norm(h)))


class _Level(nn.Module):
    """The ResBlocks of one resolution, each followed by attention, or only the last (``once``)."""

    def __init__(self, blocks: list[ResBlock], attend: bool, once: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.attention = nn.ModuleList(
            Attention(block.conv2.out_channels)
            if attend and (not once or block is blocks[-1])
            else nn.Identity()
            for block in blocks
        )

    def forward(
        self, h: Tensor, condition: Tensor, join: list[Tensor] | None = None
    ) -> list[Tensor]:
        """The map after every block; each block first takes one map off the end of ``join``."""
        maps = []
        for block, attention in zip(self.blocks, self.attention, strict=True):
            if join is not None:
                h = torch.cat([h, join.pop()], dim=1)
            h = attention(block(h, condition))
            maps.append(h)
        return maps


def lowest_size(shape: tuple[int, ...], levels: int) -> tuple[int, int]:
    """(H, W) of the lowest of so many levels."""
    return math.ceil(shape[-2] / 2 ** (levels - 1)), math.ceil(shape[-1] / 2 ** (levels - 1))


def group_norm(channels: int) -> nn.GroupNorm:
    """Groups of four channels, at most 32 groups."""
    return nn.GroupNorm(min(channels // 4, 32), channels, eps=1e-6)


def conv(inputs: int, outputs: int, kernel: int = 3, scale: float = 1.0) -> nn.Conv2d:
    """Convolution with uniform weights of variance scale / fan_avg and no initial bias."""
    return _initialised(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), scale)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Linear layer initialised as ``conv``."""
    return _initialised(nn.Linear(inputs, outputs))


def mlp(
    widths: Iterable[int], last: bool = False, layer: Callable[[int, int], nn.Linear] = linear
) -> nn.Sequential:
    """Linear layers, made by ``layer``, with SiLU between, and after the last one if asked for."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [layer(a, b), nn.SiLU()]
    return nn.Sequential(*(layers if last else layers[:-1]))


def _initialised(layer: Layer, scale: float = 1.0) -> Layer:
    nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(scale))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
