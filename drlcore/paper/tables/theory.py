"""Tables of what is known in closed form: the floor of notebook 02, the gains of notebook 04."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from drlcore.oracle.gaussian_mixture import Prop1


def floor_rows(
    sde: str,
    seed: int,
    levels: Sequence[float],
    terms: Sequence[Prop1],
    floors: pd.DataFrame,
    gains: pd.DataFrame,
) -> pd.DataFrame:
    """Notebook 02's numbers of one seed, one row each; ``split`` is ``monte-carlo``.

    Metrics, at level ``sigma_max``: ``dsm``, ``constant``, ``esm``, ``error`` and the control
    ``error_without_constant`` of ``Prop1``, the two errors' ``<error>_standard_error``;
    ``floor_<told>`` and ``gain_<factor>``, both with the control ``shuffled``, see ``toy.TOLD``.
    """
    rows: list[tuple[float, str, float]] = []
    for sigma, term in zip(levels, terms, strict=True):
        for name in ("dsm", "constant", "esm", "error", "error_without_constant"):
            rows.append((sigma, name, getattr(term, name).mean))
        for name in ("error", "error_without_constant"):
            rows.append((sigma, f"{name}_standard_error", getattr(term, name).standard_error))
    for column in floors.columns:
        rows += [(s, f"floor_{column}", v) for s, v in floors[column].items()]
    rows += [(r.sigma, f"gain_{r.factor}", r.gain) for r in gains.itertuples()]
    return toy_rows(rows, "dsm", sde, seed)


def gain_rows(gains: pd.DataFrame, price: float) -> pd.DataFrame:
    """Theory of the toy dial: each factor's gain, and whether it exceeds its price (1 or 0)."""
    rows: list[tuple[float, str, float]] = []
    for r in gains.itertuples():
        rows += [(r.sigma, f"gain_{r.factor}", r.gain)]
        rows += [(r.sigma, f"pays_{r.factor}", float(r.gain > price))]
    return toy_rows(rows, "theory", "ve", 0)


def toy_rows(
    rows: Sequence[tuple[float, str, float]], method: str, sde: str, seed: int
) -> pd.DataFrame:
    """Rows of (level, metric, value) as rows of a result table."""
    table = pd.DataFrame(rows, columns=["sigma_max", "metric", "value"])
    return table.assign(
        dataset="toy", method=method, sde=sde, t_sampler="single", sigma_min=table.sigma_max,
        latent_dim=0, seed=seed, split="monte-carlo",
    )  # fmt: skip
