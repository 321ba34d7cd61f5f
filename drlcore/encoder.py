"""Encoders E(x0) and E(x0, t): the code z of a clean image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from drlcore.parameters import Registry


@dataclass(frozen=True)
class Code:
    """What an encoder returns: a point, or a diagonal Gaussian.

    Attributes:
        mean: shape (B, latent_dim).
        logvar: log variances, same shape; None for a deterministic code.
    """

    mean: Tensor
    logvar: Tensor | None = None

    def sample(self, generator: torch.Generator) -> Tensor:
        """z ~ E(z | x0) (DRL Sec. 3), or the point itself; shape (B, latent_dim)."""
        if self.logvar is None:
            return self.mean
        draw = torch.randn(self.mean.shape, generator=generator, device=generator.device)
        draw = draw.to(self.mean)
        return self.mean + torch.exp(0.5 * self.logvar) * draw


class CodeHead(nn.Module):
    """Linear map from features to a code; twice as wide for a probabilistic one.

    Args:
        features: width of the input, shape (B, features).
        latent_dim: size of z.
        probabilistic: whether the code carries a variance (VDRL).
        logvar_offset: added to the log variances, so that they start near it.
    """

    def __init__(
        self, features: int, latent_dim: int, probabilistic: bool, logvar_offset: float = 0.0
    ) -> None:
        super().__init__()
        self.probabilistic, self.logvar_offset = probabilistic, logvar_offset
        self.linear = nn.Linear(features, latent_dim * (2 if probabilistic else 1))

    def forward(self, h: Tensor) -> Code:
        if not self.probabilistic:
            return Code(self.linear(h))
        mean, logvar = self.linear(h).chunk(2, dim=1)
        return Code(mean, logvar + self.logvar_offset)


class Encoder(nn.Module):
    """What all encoders share: a code is a head's reading of features (DRL Sec. 3).

    A new one is a subclass with ConvEncoder's arguments and a line ``ENCODERS[name] = Subclass``.

    Attributes:
        images_only: whether it takes images alone, of shape (C, H, W).
        batch_norm: whether it compares the images of a batch.
        large: whether it is of the paper's size; an autoencoder's decoder is then too.
        revision: counts the changes in what it trains to, so that weights of the old one are not
            taken for the new one's: part of the key of every run that uses it.
        n_features: width of the features.
        head: reads the code from them; None where the features are the code.

    Shape: x0 (B, C, H, W), embedding (B, embedding_dim) -> features (B, n_features).

    Example:
        >>> import torch
        >>> from drlcore import Encoder
        >>> class InkEncoder(Encoder):
        ...     n_features, head = 1, None  # the feature is the code
        ...
        ...     def features(self, x0, embedding=None):
        ...         return x0.flatten(1).mean(1, keepdim=True)
        >>> InkEncoder()(torch.full((2, 1, 8, 8), 0.5)).mean.tolist()
        [[0.5], [0.5]]
    """

    images_only: ClassVar[bool] = True
    batch_norm: ClassVar[bool] = False
    large: ClassVar[bool] = False
    revision: ClassVar[int] = 0
    n_features: int
    head: CodeHead | None

    def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
        """What the head reads, shape (B, n_features); E(x0, t) must be given the embedding of t."""
        raise NotImplementedError

    def forward(self, x0: Tensor, embedding: Tensor | None = None) -> Code:
        h = self.features(x0, embedding)
        return Code(h) if self.head is None else self.head(h)


_CHANNELS = (8, 16, 32)  # of the convolutions of the two small encoders


class ConvEncoder(Encoder):
    """Three strided convolutions and two linear layers: small enough for a laptop core.

    Where the code depends on time, sigma scales and shifts the features (FiLM) and two more layers
    mix them, so that another noise level can read other features.

    Args:
        shape: (C, H, W) of an image.
        latent_dim: size of z.
        probabilistic: VDRL's Gaussian head instead of a point.
        embedding_dim: width of the time embedding for E(x0, t); None for E(x0).

    Example:
        >>> import torch
        >>> from drlcore import ConvEncoder
        >>> encoder = ConvEncoder((1, 28, 28), latent_dim=2)
        >>> encoder(torch.zeros(5, 1, 28, 28)).mean.shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        probabilistic: bool = False,
        embedding_dim: int | None = None,
    ) -> None:
        super().__init__()
        colours, height, width = shape
        layers: list[nn.Module] = []
        for before, after in pairwise((colours, *_CHANNELS)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.SiLU()]
        flat = _CHANNELS[-1] * math.ceil(height / 8) * math.ceil(width / 8)
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, 128))
        self.time = TimeMix(128, embedding_dim) if embedding_dim is not None else None
        self.n_features = 128
        self.head = CodeHead(128, latent_dim, probabilistic)

    def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
        return nn.functional.silu(_join(self.trunk(x0), self.time, embedding))


class ConvNormEncoder(Encoder):
    """ConvEncoder's convolutions with batch norm, so that SGD trains it from a random start too.

    Where the code depends on time, the embedding adds to each channel, as in WideResNetEncoder,
    whose place it takes on a laptop.

    Arguments as for ConvEncoder.
    """

    batch_norm = True
    revision = 1  # running statistics are averaged with the weights

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        probabilistic: bool = False,
        embedding_dim: int | None = None,
    ) -> None:
        super().__init__()
        colours, height, width = shape
        widths = [colours, *_CHANNELS]
        flat = widths[-1] * math.ceil(height / 8) * math.ceil(width / 8)
        self.n_features = 128
        convolutions = [nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths)]
        self.layers = nn.ModuleList([*convolutions, nn.Linear(flat, self.n_features)])
        norms = [nn.BatchNorm2d(n) for n in widths[1:]]
        self.norms = nn.ModuleList([*norms, nn.BatchNorm1d(self.n_features)])
        self.biases = None
        if embedding_dim is not None:
            outputs = [*widths[1:], self.n_features]
            self.biases = nn.ModuleList([nn.Linear(embedding_dim, n) for n in outputs])
        self.head = CodeHead(self.n_features, latent_dim, probabilistic)

    def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
        h = x0
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            flat = isinstance(layer, nn.Linear)
            h = norm(layer(h.flatten(1) if flat else h))
            if self.biases is not None:
                bias = self.biases[i](embedding)
                h = h + (bias if flat else bias[:, :, None, None])
            h = nn.functional.relu(h)
        return h


class FourierFeatures(nn.Module):
    """x, and sine and cosine of 2 pi f x for f = 2^-5 ... 2^4 cycles a unit (Tancik et al. 2020).

    A plain MLP learns coarse structure long before fine; with these, structure of every scale from
    1/16 to 32 units is equally near.

    Shape: (B, d) -> (B, 21 d).
    """

    frequencies: Tensor
    factor = 21

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** torch.arange(-5, 5), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        angle = (2 * math.pi * x[:, :, None] * self.frequencies).flatten(1)
        return torch.cat([x, angle.sin(), angle.cos()], dim=1)


class MLPEncoder(Encoder):
    """Fourier features and two hidden layers, for vectors such as the toy set.

    Arguments as for ConvEncoder.
    """

    images_only = False

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        probabilistic: bool = False,
        embedding_dim: int | None = None,
    ) -> None:
        super().__init__()
        flat, width = math.prod(shape), 128
        self.trunk = nn.Sequential(
            nn.Flatten(),
            FourierFeatures(),
            nn.Linear(FourierFeatures.factor * flat, width),
            nn.SiLU(),
            nn.Linear(width, width),
        )
        self.time = TimeMix(width, embedding_dim) if embedding_dim is not None else None
        self.n_features = width
        self.head = CodeHead(width, latent_dim, probabilistic)

    def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
        return nn.functional.silu(_join(self.trunk(x0), self.time, embedding))


class TimeMix(nn.Module):
    """Features h of x0 under the time embedding e: W2 SiLU(W1 SiLU(h (1 + a(e)) + b(e))).

    Shape: h (B, width), embedding (B, embedding_dim) -> (B, width).
    """

    def __init__(self, width: int, embedding_dim: int) -> None:
        super().__init__()
        self.film = nn.Linear(embedding_dim, 2 * width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.film(embedding).chunk(2, dim=1)
        h = nn.functional.silu(h * (1 + scale) + shift)
        return self.second(nn.functional.silu(self.first(h)))


def _join(h: Tensor, time: nn.Module | None, embedding: Tensor | None) -> Tensor:
    return h if time is None else time(h, embedding)


ENCODERS: Registry[type[Encoder]] = Registry(
    "encoder", Encoder, {"conv": ConvEncoder, "conv-norm": ConvNormEncoder, "mlp": MLPEncoder}
)
