"""The network's clock: noise-level features, shared by encoder and score network."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange

TimeEmbeddingKind = Literal["log_sigma", "gaussian_fourier", "positional"]


class TimeEmbedding(nn.Module):
    """Features of sigma by which E(x0, t) tells the time; no trained weights (DRL Sec. 3).

    One instance serves both networks of a model, so that they always tell the same time; the
    ``log_sigma`` clock is also scaled to the range. (The authors' encoder hard-codes 0.01 and 50,
    whatever the SDE's range.)

    Args:
        noise: the range sigma is measured against.
        kind: ``log_sigma`` sine and cosine of pi f u, u in [0, 1] the position of log sigma in the
            range, f from 0.5 to 16; ``gaussian_fourier`` of 2 pi f log sigma, f ~ N(0, 16^2)
            (paper, CIFAR); ``positional`` sinusoidal of sigma itself, base 1e4 (paper, MNIST).
        dim: number of features, even.

    Shape: sigma (B,) in data units -> (B, dim).

    Raises:
        ParameterError: an odd dim.
    """

    frequencies: Tensor

    def __init__(
        self, noise: NoiseRange, kind: TimeEmbeddingKind = "log_sigma", dim: int = 32
    ) -> None:
        super().__init__()
        if dim % 2:
            raise ParameterError(f"dim = {dim}: a sine and a cosine each take half, so it is even")
        self.noise, self.kind, self.dim = noise, kind, dim
        half = dim // 2
        if kind == "log_sigma":
            frequencies = math.pi * torch.logspace(-1, 4, half, base=2)
        elif kind == "gaussian_fourier":
            generator = torch.Generator().manual_seed(0)
            frequencies = 2 * math.pi * 16 * torch.randn(half, generator=generator)
        else:
            frequencies = torch.logspace(0, -1, half, base=1e4)
        self.register_buffer("frequencies", frequencies)

    def forward(self, sigma: Tensor) -> Tensor:
        if self.kind == "log_sigma":
            position = self.noise.fraction(sigma)
        else:
            position = torch.log(sigma) if self.kind == "gaussian_fourier" else sigma
        angle = position[:, None] * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], dim=1)
