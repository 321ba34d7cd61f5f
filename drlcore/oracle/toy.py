"""A hierarchical toy set in the plane: three factors at three scales, known exactly.

Each point is coarse + middle + fine + noise: at every level one of three offsets, the corners of a
triangle of radius 8, 1 and 0.125, each level turned by 40 degrees against the one above so that no
two align. That makes 27 equally likely components, each of standard deviation 0.01.

Coordinates are in data units as they stand, NOT scaled to [-1, 1]: the standard deviation per
coordinate is 5.70 (= sqrt((8^2 + 1^2 + 0.125^2) / 2 + 0.01^2)), the mean 0. A noise range of 0.01
to 50, the paper's, covers all levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from drlcore.oracle.gaussian_mixture import GaussianMixture, floor, prop1_terms
from drlcore.sde import SDE

RADII = {"coarse": 8.0, "middle": 1.0, "fine": 0.125}
"""Radius of each factor's triangle of offsets, data units."""

_DIGITS = torch.cartesian_prod(*[torch.arange(3)] * 3)
FACTORS: dict[str, Tensor] = {name: _DIGITS[:, i] for i, name in enumerate(RADII)}
"""Each factor's value, 0 to 2, at each of the 27 components, shape (27,)."""


def _means() -> Tensor:
    means = torch.zeros(len(_DIGITS), 2, dtype=torch.float64)
    for level, (name, radius) in enumerate(RADII.items()):
        angle = 2 * math.pi * (FACTORS[name].double() / 3 + level / 9)
        means += radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    return means


TOY = GaussianMixture(_means(), std=0.01)
"""The toy set's law."""

_SHUFFLED = GaussianMixture(TOY.means.repeat(3, 1), TOY.std)
_SHUFFLED_LABELS = torch.arange(3).repeat_interleave(len(_DIGITS))

TOLD: dict[str, tuple[GaussianMixture, Tensor | None]] = {
    "nothing": (TOY, None),
    **{name: (TOY, labels) for name, labels in FACTORS.items()},
    "shuffled": (_SHUFFLED, _SHUFFLED_LABELS),
}
"""What z may tell: the law and its labels.

``shuffled`` is the control: a factor whose values are permuted among the draws. Every component is
there once under each value, so the law of x0 is the toy set's and z tells nothing of it, while the
computation is that of a factor. Its floor must be that of ``nothing``, its gain 0.
"""


def sample_toy(n: int, seed: int) -> tuple[Tensor, dict[str, np.ndarray]]:
    """``n`` points (n, 2) in float32, data units, and each factor's values (n,), 0 to 2."""
    x, component = TOY.sample(n, torch.Generator().manual_seed(seed))
    return x.float(), {name: labels[component].numpy() for name, labels in FACTORS.items()}


def floors(sigma_grid: Sequence[float], sde: SDE, n: int, seed: int) -> pd.DataFrame:
    """The floor, see ``floor``, at each noise level (rows) for each of ``TOLD`` (columns).

    Args:
        sigma_grid: noise levels relative to the data, data units.
        n: Monte-Carlo draws per level, >= 2. All levels and columns share ``seed``.
    """
    times = _times(sigma_grid, sde)
    found = {}
    for name, (law, labels) in TOLD.items():
        noised = law.noised(sde, labels)
        draws = (floor(noised, t, n, torch.Generator().manual_seed(seed)) for t in times)
        found[name] = [estimate.mean for estimate in draws]
    return pd.DataFrame(found, index=list(sigma_grid))


def factor_gain(
    sigma_grid: Sequence[float],
    sde: SDE,
    n: int,
    seed: int,
    factors: Sequence[str] = tuple(FACTORS),
) -> pd.DataFrame:
    """How much each noise level rewards a z that tells one factor.

    The gain is floor(z tells nothing) - floor(z tells the factor), the most by which the DRL loss
    at that sigma can fall. It equals E std^2 |grad log p_t(. | factor) - grad log p_t|^2, mean over
    dimensions, which is what is estimated: never negative, and precise where the floors are close.

    Args:
        sigma_grid: noise levels relative to the data, data units.
        n: Monte-Carlo draws per level, >= 2. All levels and factors share ``seed``.
        factors: names of ``FACTORS``, and ``shuffled`` for the control of ``TOLD``.

    Returns:
        Columns sigma, factor, gain, standard_error; one row per level and factor.
    """
    rows = []
    for sigma, t in zip(sigma_grid, _times(sigma_grid, sde), strict=True):
        for name in factors:
            law, labels = TOLD[name]
            generator = torch.Generator().manual_seed(seed)
            gain = prop1_terms(law.noised(sde, labels), t, n, generator, TOY.noised(sde).score).esm
            rows.append((float(sigma), name, gain.mean, gain.standard_error))
    return pd.DataFrame(rows, columns=["sigma", "factor", "gain", "standard_error"])


def _times(sigma_grid: Sequence[float], sde: SDE) -> list[float]:
    return [float(sde.t(torch.tensor(sigma, dtype=torch.float64))) for sigma in sigma_grid]
