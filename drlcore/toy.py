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

from drlcore.gaussian_mixture import GaussianMixture, prop1_terms
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


def sample_toy(n: int, seed: int) -> tuple[Tensor, dict[str, np.ndarray]]:
    """``n`` points (n, 2) in float32, data units, and each factor's values (n,), 0 to 2."""
    x, component = TOY.sample(n, torch.Generator().manual_seed(seed))
    return x.float(), {name: labels[component].numpy() for name, labels in FACTORS.items()}


def factor_gain(sigma_grid: Sequence[float], sde: SDE, n: int, seed: int) -> pd.DataFrame:
    """How much each noise level rewards a z that tells one factor.

    The gain is floor(z tells nothing) - floor(z tells the factor), the most by which the DRL loss
    at that sigma can fall. It equals E std^2 |grad log p_t(. | factor) - grad log p_t|^2, mean over
    dimensions, which is what is estimated: never negative, and precise where the floors are close.

    Args:
        sigma_grid: noise levels relative to the data, data units.
        n: Monte-Carlo draws per level, >= 2. All levels and factors share ``seed``.

    Returns:
        Columns sigma, factor, gain, standard_error; one row per level and factor.
    """
    rows = []
    for sigma in sigma_grid:
        t = float(sde.t(torch.tensor(sigma, dtype=torch.float64)))
        for name, labels in FACTORS.items():
            gain = prop1_terms(
                TOY,
                sde,
                t,
                n,
                torch.Generator().manual_seed(seed),
                score=TOY.score_function(sde),
                labels=labels,
            ).esm
            rows.append((float(sigma), name, gain.mean, gain.standard_error))
    return pd.DataFrame(rows, columns=["sigma", "factor", "gain", "standard_error"])
