"""Score networks: a raw network in EDM preconditioning, conditioned on sigma and z."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drlcore.encoder import FourierFeatures
from drlcore.noise_range import NoiseRange
from drlcore.parameters import Registry
from drlcore.time_embedding import TimeEmbedding, TimeEmbeddingKind


class Denoiser(nn.Module):
    """D(x; sigma, z), an estimate of E[x0 | x, z] for x = x0 + sigma * noise (DRL Sec. 3).

    Preconditioned as in Karras et al. 2022 (EDM), Eq. 7, so that the raw network sees inputs and
    regresses targets of unit variance at every noise level:
        D = c_skip x + c_out F(c_in x, embedding(sigma), z),
        c_skip = sd^2 / (sigma^2 + sd^2),  c_out = sigma sd / sqrt(sigma^2 + sd^2),
        c_in = 1 / sqrt(sigma^2 + sd^2),  sd = sigma_data.
    Other SDEs reach it through x = xt / a(t), which has exactly this noise. (The paper's networks
    return the score, sigma times it, or the noise; for a given D these are linear maps, see SDE.)

    Args:
        network: F, called as ``network(x, embedding, z)``.
        embedding: the model's clock.
        sigma_data: standard deviation of the data, > 0; images in [-1, 1] have about 0.5.
        latent_dim: size of z; 0 for an unconditional denoiser.
        pixelwise: added to F where the network has no path for single pixels. Where it reads a
            context, the network returns twice as many channels: F, then the context.

    Shape: x (B, ...), sigma (B,), z (B, latent_dim) -> (B, ...).
    """

    def __init__(
        self,
        network: nn.Module,
        embedding: TimeEmbedding,
        sigma_data: float,
        latent_dim: int,
        pixelwise: PixelwisePath | None = None,
    ) -> None:
        super().__init__()
        self.network, self.embedding, self.pixelwise = network, embedding, pixelwise
        self.sigma_data, self.latent_dim = sigma_data, latent_dim

    @classmethod
    def build(
        cls,
        shape: tuple[int, ...],
        latent_dim: int,
        noise: NoiseRange,
        network: str = "mlp-pixelwise",
        width: int = 128,
        time_embedding: TimeEmbeddingKind = "log_sigma",
        sigma_data: float = 0.5,
    ) -> Self:
        """A denoiser of samples of ``shape`` around a network of ``SCORE_NETWORKS``.

        Example:
            >>> import torch
            >>> from drlcore import Denoiser, NoiseRange
            >>> denoiser = Denoiser.build((1, 28, 28), latent_dim=2, noise=NoiseRange())
            >>> x, sigma, z = torch.zeros(5, 1, 28, 28), torch.ones(5), torch.zeros(5, 2)
            >>> denoiser(x, sigma, z).shape
            torch.Size([5, 1, 28, 28])
        """
        kind, embedding = SCORE_NETWORKS[network], TimeEmbedding(noise, time_embedding)
        pixelwise = None
        if kind.pixelwise:
            pixelwise = PixelwisePath(latent_dim, embedding.dim, kind.reads_context)
        options = {"width": width} if kind.has_width else {}
        raw = kind(shape, latent_dim, embedding.dim, **options)
        return cls(raw, embedding, sigma_data, latent_dim, pixelwise)

    def forward(self, x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        s = sigma.reshape(-1, *[1] * (x.ndim - 1))
        total = torch.sqrt(s**2 + self.sigma_data**2)
        embedding = self.embedding(sigma)
        ends = near_ends(x, s) if getattr(self.network, "near_ends", False) else None
        inputs = x / total
        raw = self.network(inputs if ends is None else torch.cat([inputs, ends], 1), embedding, z)
        if ends is not None:
            raw, weights = raw.split([x.shape[1], ends.shape[1]], dim=1)
            raw = raw + (weights * ends).unflatten(1, (2, -1)).sum(1)
        if self.pixelwise is not None:
            raw, context = raw.chunk(2, dim=1) if self.pixelwise.reads_context else (raw, None)
            raw = raw + self.pixelwise(x, sigma, embedding, z, context)
        return (self.sigma_data / total) ** 2 * x + s * self.sigma_data / total * raw


class ScoreNetwork(nn.Module):
    """What all raw networks share; they are called as ``network(x, embedding, z)``.

    A new one is a subclass built from (shape, latent_dim, embedding_dim) and a line
    ``SCORE_NETWORKS[name] = Subclass``.

    Attributes:
        images_only: whether it takes images alone, of shape (C, H, W).
        has_width: whether it is built with a ``width`` too.
        pixelwise: whether a PixelwisePath is added to it.
        reads_context: whether it returns that path's context too, after F.
        near_ends: whether it is given ``near_ends`` after x, and returns a weight for each of its
            values after F, to which their weighted sum is added.
        revision: see ``Encoder.revision``.

    Shape: x (B, C, ...), embedding (B, embedding_dim), z (B, latent_dim) -> (B, C, ...);
    (B, 2C, ...) with a context; with ``near_ends`` 3C channels both ways.
    """

    images_only: ClassVar[bool] = True
    has_width: ClassVar[bool] = False
    pixelwise: ClassVar[bool] = False
    reads_context: ClassVar[bool] = False
    near_ends: ClassVar[bool] = False
    revision: ClassVar[int] = 0


def near_ends(x: Tensor, sigma: Tensor) -> Tensor:
    """u exp(-u^2 / 8), u = (x - end) / sigma: how far each pixel is from the ends of the data.

    In units of the noise, and nothing for a pixel that is too far from an end to have come from
    there. Pixels pile up at -1 and 1, and one that has come from an end differs from it by noise
    alone: at small sigma these values are almost the whole of what the raw network regresses, and
    too steep in x for it to find them. They know of no other pixel and of no code; the network
    decides by what it sees, noise level and code, how much each counts.

    Shape: x (B, C, ...), sigma broadcast to it -> (B, 2C, ...), first for -1, then for 1.
    """
    u = torch.cat([(x + 1) / sigma, (x - 1) / sigma], dim=1)
    return u * torch.exp(-u.square() / 8)


class PixelwisePath(nn.Module):
    """What a pixel's own noisy value says about it, for pixels that pile up at -1 and 1.

    A narrow MLP cannot carry every pixel's value past its bottleneck, so at small noise it would
    leave untouched the one thing anyone can tell there: that ink is 1 and paper is -1. This adds
        sum_k c_k tanh(s_k (x - end_k) / sigma + b_k + h)
    with c, s, b read from sigma and z, alike for all pixels. The context h is a field that the
    network returns, or 0. A pixel that is -1 or 1 has E[x0 | x] = tanh(x / sigma^2 + h) with h half
    the log odds of ink there; without it, single pixels of a sample stray.

    Args:
        latent_dim: size of z.
        embedding_dim: width of the time embedding.
        reads_context: whether h is given.

    Shape: x, context (B, ...), sigma (B,), embedding (B, E), z (B, latent_dim) -> (B, ...).
    """

    ends: Tensor

    def __init__(self, latent_dim: int, embedding_dim: int, reads_context: bool = False) -> None:
        super().__init__()
        self.reads_context = reads_context
        self.register_buffer("ends", torch.tensor([-1.0, 1.0]), persistent=False)
        self.coefficients = _mlp(embedding_dim + latent_dim, 128, 128, 3 * len(self.ends))

    def forward(
        self, x: Tensor, sigma: Tensor, embedding: Tensor, z: Tensor, context: Tensor | None = None
    ) -> Tensor:
        coefficients = self.coefficients(torch.cat([embedding, z], dim=1))
        scale, shift, height = coefficients.view(len(x), 3, -1).unbind(1)
        slope = 0.25 * (1 + scale) / sigma[:, None]
        offset = shift - slope * self.ends
        logits = torch.baddbmm(offset[:, :, None], slope[:, :, None], x.flatten(1)[:, None])
        if context is not None:
            logits = logits + context.flatten(1)[:, None]
        return torch.bmm(height[:, None], torch.tanh(logits)).view_as(x)


class MLPScoreNetwork(ScoreNetwork):
    """Residual MLP on the flattened input; sigma and z scale and shift every block (FiLM).

    The last layer of each block and of the network start at zero. The first step wakes the
    network's, the second the blocks', so only from the third does the loss have a gradient into
    the encoder; a PixelwisePath beside this network gives it one from the first.

    Args:
        shape: shape of one sample.
        latent_dim: size of z; 0 for none.
        embedding_dim: width of the time embedding.
        width: of the residual trunk, of three blocks.
    """

    has_width = True
    fourier: ClassVar[bool] = False

    def __init__(
        self, shape: tuple[int, ...], latent_dim: int, embedding_dim: int, width: int = 256
    ) -> None:
        super().__init__()
        flat, hidden = math.prod(shape), 128
        self.time = nn.Linear(embedding_dim, hidden)
        self.code = _mlp(latent_dim, hidden, hidden, hidden) if latent_dim else None
        self.features = FourierFeatures() if self.fourier else nn.Identity()
        self.enter = nn.Linear(flat * (FourierFeatures.factor if self.fourier else 1), width)
        self.blocks = nn.ModuleList(_FiLMBlock(width, hidden) for _ in range(3))
        self.leave = nn.Linear(width, flat * (2 if self.reads_context else 1))
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, embedding: Tensor, z: Tensor) -> Tensor:
        condition = self.time(embedding)
        if self.code is not None:
            condition = condition + self.code(z)
        condition = F.silu(condition)
        h = self.enter(self.features(x.flatten(1)))
        for block in self.blocks:
            h = block(h, condition)
        return self.leave(F.silu(h)).view(len(x), -1, *x.shape[2:])


class FourierMLP(MLPScoreNetwork):
    """Enters through Fourier features, for vectors with structure at several scales."""

    images_only = False
    fourier = True


class PixelwiseMLP(MLPScoreNetwork):
    """With a PixelwisePath beside it."""

    pixelwise = True


class ContextMLP(PixelwiseMLP):
    """With a PixelwisePath beside it, and that path's context: where samples are drawn."""

    reads_context = True


SCORE_NETWORKS: Registry[type[ScoreNetwork]] = Registry(
    "score_network",
    ScoreNetwork,
    {"mlp-fourier": FourierMLP, "mlp-pixelwise": PixelwiseMLP, "mlp-context": ContextMLP},
)


def _mlp(*widths: int) -> nn.Sequential:
    """Linear maps from each of the ``widths`` to the next, SiLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.SiLU(), nn.Linear(before, after)]
    return nn.Sequential(*layers[1:])


class _FiLMBlock(nn.Module):
    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.film = nn.Linear(condition, 2 * width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition).chunk(2, dim=1)
        return h + self.second(F.silu(self.first(self.norm(h) * (1 + scale) + shift)))
