"""The paper's networks for CIFAR-10, CIFAR-100 and mini-ImageNet, from the authors' PyTorch code.

There the score network divides by sigma itself; here it is the raw network of a preconditioned
Denoiser, so nothing does. What touches z keeps PyTorch's initial weights, uniform ones of variance
1 / (3 fan_in), where all else has the variance 1 / fan_avg of NCSN++.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drlcore.encoder import ENCODERS, CodeHead, Encoder
from drlcore.networks.blocks import Trunk, linear, lowest_size, mlp
from drlcore.score_network import SCORE_NETWORKS, ScoreNetwork


class NCSNppSmall(ScoreNetwork):
    """The small NCSN++ of the authors' released code (PyTorch).

    z enters twice: its embedding joins that of sigma in every ResBlock, and both together, through
    three layers, make a map that is joined to the lowest one, so that the middle is twice as wide.
    The published network divides by sigma; this one is preconditioned. Parameters for 3x32x32, as
    published: 638,355 without z; with a 128-d z 831,571, and 8,256 and 99,072 for its two ways in.

    Args:
        shape: (C, H, W) of an image.
        latent_dim: size of z; 0 for none, which drops both ways in.
        embedding_dim: width of the time embedding.
        width: channels of the first level; those of the others are (2, 2, 2) times as many for
            32x32 and (2, 2) for other sizes.

    Shape: x (B, C, H, W), embedding (B, embedding_dim), z (B, latent_dim) -> (B, C, H, W).
    """

    revision = 1  # initial scale of the two ways z comes in

    def __init__(
        self, shape: tuple[int, ...], latent_dim: int, embedding_dim: int, width: int = 16
    ) -> None:
        super().__init__()
        multipliers = (1, 2, 2, 2) if shape[1:] == (32, 32) else (1, 2, 2)
        condition = 4 * width
        self.time = mlp([embedding_dim, condition, condition])
        self.code = nn.Linear(latent_dim, condition) if latent_dim else None
        channels = width * multipliers[-1] if latent_dim else 0
        if latent_dim:
            condition *= 2
            height, breadth = lowest_size(shape, len(multipliers))
            hidden = channels * height
            widths = [condition, hidden, hidden, hidden * breadth]
            self.bottleneck = mlp(widths, last=True, layer=nn.Linear)
        self.trunk = Trunk(
            shape, condition, width, multipliers, attend_at=(16,), pyramid=True, extra=channels
        )

    def forward(self, x: Tensor, embedding: Tensor, z: Tensor) -> Tensor:
        condition = self.time(embedding)
        if self.code is not None:
            condition = torch.cat([condition, self.code(z)], dim=1)
        maps = self.trunk.down(x, condition)
        h = maps[-1]
        if self.code is not None:
            injected = self.bottleneck(condition).view(len(h), -1, *h.shape[-2:])
            h = torch.cat([h, injected], dim=1)
        return self.trunk.up(self.trunk.middle(h, condition), condition, maps)


class WideResNetEncoder(Encoder):
    """The Wide-ResNet 28-2 encoder of the authors' released code (PyTorch).

    z is the pooled 128-d feature itself, which is non-negative, when a point of that size is
    asked for; otherwise a linear head follows (VDRL: 128 -> 256, as published). 1,532,864
    parameters for E(x0, t), one fewer than published: the scalar ``param_t``, which only the
    semi-supervised stage uses, is left out, and so is the class head, which pretraining never
    trains.

    Args:
        shape: (C, H, W) of an image.
        latent_dim: size of z.
        probabilistic: VDRL's Gaussian head instead of a point.
        embedding_dim: width of the time embedding for E(x0, t); None for E(x0).
        widen: channels of the three groups in units of (16, 32, 64).
    """

    large, batch_norm = True, True
    revision = 1  # running statistics are averaged with the weights

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        probabilistic: bool = False,
        embedding_dim: int | None = None,
        widen: int = 2,
    ) -> None:
        super().__init__()
        condition = 0 if embedding_dim is None else 64
        self.time = None if embedding_dim is None else mlp([embedding_dim, condition, condition])
        self.enter = nn.Conv2d(shape[0], 16, 3, padding=1)
        blocks, previous = [], 16
        for i in range(3):
            width = widen * 16 * 2**i
            for j in range(4):
                stride = 2 if i > 0 and j == 0 else 1
                blocks.append(_WideBlock(previous, width, stride, condition))
                previous = width
        self.blocks = nn.ModuleList(blocks)
        # As published. It looks like a decay of 0.9 written in PyTorch's opposite convention, whose
        # usual value is 0.1: the running statistics are almost those of the last batch alone, so
        # codes in evaluation mode depend on which batch that was.
        self.norm = nn.BatchNorm2d(previous, momentum=0.9)
        self.n_features = previous
        bare = latent_dim == previous and not probabilistic
        self.head = None if bare else CodeHead(previous, latent_dim, probabilistic)

    def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
        condition = None if self.time is None else self.time(embedding)
        h = self.enter(x0)
        for block in self.blocks:
            h = block(h, condition)
        return F.relu(self.norm(h)).mean(dim=(2, 3))


class _WideBlock(nn.Module):
    """Pre-activation block: two convolutions, the stride on the second, time added between."""

    def __init__(self, inputs: int, outputs: int, stride: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride=stride, padding=1)
        self.bias = linear(condition, outputs) if condition else None
        changed = inputs != outputs or stride != 1
        self.skip = nn.Conv2d(inputs, outputs, 1, stride=stride) if changed else nn.Identity()

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        branch = self.conv1(F.relu(self.norm1(h)))
        if self.bias is not None:
            assert condition is not None
            branch = branch + self.bias(F.silu(condition))[:, :, None, None]
        return self.skip(h) + self.conv2(F.relu(self.norm2(branch)))


ENCODERS["wrn-28-2"] = WideResNetEncoder
SCORE_NETWORKS["ncsnpp-small"] = NCSNppSmall
