"""Networks that read a class from codes over time (Mittal et al. 2022).

All take codes (B, T, latent_dim), whitened, and ``visible`` (T,), bool; they return logits
(B, n_classes) that depend on visible times alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class MLPProbe(nn.Module):
    """One hidden layer on the code at the one visible time: Linear, ReLU, dropout, Linear."""

    def __init__(self, latent_dim: int, n_classes: int, dropout: float, width: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, n_classes),
        )

    def forward(self, z: Tensor, visible: Tensor) -> Tensor:
        return self.layers(z[:, visible].flatten(1))


class GRUProbe(nn.Module):
    """A GRU over the visible times in increasing t, dropout on its state at each, then linear."""

    def __init__(self, latent_dim: int, n_classes: int, dropout: float, width: int = 128) -> None:
        super().__init__()
        self.cell = nn.GRUCell(latent_dim, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_classes)

    def forward(self, z: Tensor, visible: Tensor) -> Tensor:
        h = z.new_zeros(len(z), self.cell.hidden_size)
        for code in z[:, visible].unbind(1):
            h = self.dropout(self.cell(code, h))
        return self.head(h)


class TransformerProbe(nn.Module):
    """A learned query token over the codes: one post-norm block, passed ``iterations`` times.

    Codes are mapped to ``width`` with dropout and get a sinusoidal position, the index of their
    time; the token comes last. The block (4 heads, feed-forward 2 width, ReLU, dropout) shares its
    weights between passes. Classes are read linearly from the token.
    """

    def __init__(
        self, latent_dim: int, n_classes: int, dropout: float, width: int = 128, iterations: int = 1
    ) -> None:
        super().__init__()
        self.width, self.iterations = width, iterations
        self.embed = nn.Sequential(nn.Linear(latent_dim, width), nn.Dropout(dropout))
        self.token = nn.Parameter(torch.randn(width) / math.sqrt(width))
        self.attend = nn.MultiheadAttention(width, 4, dropout, batch_first=True)
        self.forward_layers = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_classes)

    def forward(self, z: Tensor, visible: Tensor) -> Tensor:
        return self.head(self._read(z, visible, need_weights=False)[0])

    def attention(self, z: Tensor, visible: Tensor) -> Tensor:
        """The token's weight on each time, mean over heads and iterations, shape (B, T)."""
        return self._read(z, visible, need_weights=True)[1]

    def _read(self, z: Tensor, visible: Tensor, need_weights: bool) -> tuple[Tensor, Tensor]:
        """The token after the last pass, (B, width), and its weights, (B, T), or zeros."""
        h = self.embed(z) + _positions(z.shape[1], self.width).to(z)
        h = torch.cat([h, self.token.expand(len(z), 1, -1)], dim=1)
        hidden = torch.cat([~visible, visible.new_zeros(1)]).expand(len(z), -1)
        total = z.new_zeros(len(z), z.shape[1])
        for i in range(self.iterations):
            asking = h[:, -1:] if i + 1 == self.iterations else h  # the token is all that is read
            mixed, weights = self.attend(
                asking, h, h, key_padding_mask=hidden, need_weights=need_weights
            )
            if need_weights:
                total += weights[:, -1, :-1]
            h = self.norms[0](asking + self.dropout(mixed))
            h = self.norms[1](h + self.dropout(self.forward_layers(h)))
        return h[:, -1], total / self.iterations


def _positions(n: int, width: int) -> Tensor:
    """Sine and cosine of i / 1e4^(2j/width), shape (n, width) (Vaswani et al. 2017)."""
    frequencies = torch.exp(-math.log(1e4) * torch.arange(0, width, 2) / width)
    angle = torch.arange(n)[:, None] * frequencies
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width]
