"""What made-up result tables are built from, see ``claim_rows``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

N = 3
LITTLE = 0.003 * np.array([-1.0, 0.0, 1.0])  # scatter over seeds
LEVELS = (0.1, 1.0, 10.0, 50.0)

Values = float | Sequence[float] | np.ndarray


def effect(e: int, size: float) -> np.ndarray:
    """``size`` in the direction e, over seeds; of none a little less than nothing."""
    return e * size + LITTLE - (0.001 if e == 0 else 0.0)


def in_order(e: int, n: int) -> np.ndarray:
    """(seeds, n): rising, falling, or, without effect, one of each and one that stands still."""
    up = np.linspace(0.1, 0.9, n)
    return np.array([up * e] * N if e else [up, -up, 0 * up])


def rows(metric: str, values: Values, **about: Any) -> pd.DataFrame:
    """A row for each seed."""
    defaults = {
        "dataset": "mnist", "method": "drl", "sde": "ve", "t_sampler": "uniform_t",
        "sigma_min": 0.01, "sigma_max": 50.0, "latent_dim": 2, "split": "test", "run": "0" * 12,
    }  # fmt: skip
    of_seeds = np.broadcast_to(np.asarray(values, dtype=float), N)
    return pd.DataFrame(
        [{**defaults, **about, "metric": metric, "seed": s, "value": v}
         for s, v in enumerate(of_seeds)]
    )  # fmt: skip


def join(*tables: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    flat = [t for each in tables for t in ([each] if isinstance(each, pd.DataFrame) else each)]
    return pd.concat(flat, ignore_index=True)


def monte_carlo(metric: str, values: Values, sigma: float) -> pd.DataFrame:
    about = {"dataset": "toy", "method": "dsm", "t_sampler": "single", "split": "monte-carlo"}
    return rows(metric, values, sigma_min=sigma, sigma_max=sigma, **about)
