"""Made-up tables that figures of notebooks 17 to 19 are drawn from."""

from __future__ import annotations

import pandas as pd

STARTS = (0.5, 1.0)


def of_starts() -> pd.DataFrame:
    """Two stand-ins, twice as far at .5 as at 1, with and without a code; and on the toy set."""
    samples = [
        {"dataset": "cifar10", "method": method, "stand_in": name, "start": start, "seed": seed,
         "metric": "sample_frechet", "value": scale * (1.5 - start + 0.5) + 0.1 * seed}
        for method, scale in (("dsm", 2.0), ("vdrl", 1.0))
        for name in ("black", "uniform")
        for start in STARTS
        for seed in (0, 1)
    ]  # fmt: skip
    errors = [
        {"dataset": "toy", "method": "exact", "stand_in": "black", "start": start, "seed": seed,
         "metric": metric, "value": 1 - start + offset}
        for metric, offset in (("error_foretold", 0.0), ("error_measured", 0.05))
        for start in STARTS
        for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(samples + errors)


def of_games() -> tuple[pd.DataFrame, dict[float, list[pd.DataFrame]]]:
    """Losses and quality at p_KL 0 and 1, half as large at 0; and alpha's way down."""
    rows = [
        {"p_kl": p_kl, "seed": seed, "metric": metric, "at_sigma": at, "value": value * (seed + 1)}
        for p_kl, value in ((0.0, 1.0), (1.0, 2.0))
        for seed in (0, 1)
        for metric, sigmas in (("loss_own", (0.1, 1.0)), ("sample_frechet", (float("nan"),)))
        for at in sigmas
    ]  # fmt: skip
    history = pd.DataFrame({"step": [50, 100], "alpha": [-0.5, -0.9]})
    return pd.DataFrame(rows), {
        p_kl: [history, history.assign(alpha=history.alpha - 0.01)] for p_kl in (0.0, 1.0)
    }
