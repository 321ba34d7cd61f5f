"""What the whole curve t -> E(x0, t) tells: accuracy, attention over t, and its ablation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from drlcore.errors import ParameterError
from drlcore.probes.neural import DEFAULT, ProbeName, ProbeTraining, fit_probe
from drlcore.probes.over_time import TIME_COLUMNS
from drlcore.probes.static import METRIC_COLUMNS
from drlcore.probes.trajectory import Trajectories


def probe_trajectory(
    codes: Trajectories,
    seed: int,
    names: Sequence[ProbeName] = ("gru", "transformer"),
    settings: ProbeTraining = DEFAULT,
) -> pd.DataFrame:
    """Accuracy of probes that read all times (DRL ICML, trajectories).

    ``gru_accuracy`` and ``transformer_accuracy``: columns split, metric, value.
    """
    rows = []
    for name in names:
        probe = fit_probe(codes, name, seed, settings)
        rows.append(("validation", f"{name}_accuracy", probe.validation_accuracy))
        rows.append(("test", f"{name}_accuracy", probe.accuracy(codes.test)))
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def attention_over_time(
    codes: Trajectories, seed: int, settings: ProbeTraining = DEFAULT
) -> pd.DataFrame:
    """What a one-iteration transformer looks at, on test codes (DRL ICML, trajectories).

    Columns t, sigma, split, metric, value; metrics ``attention`` and ``importance``, see
    ``FittedProbe``.
    """
    probe = fit_probe(codes, "transformer", seed, settings.updated(iterations=1))
    table = pd.DataFrame({"t": codes.t, "sigma": codes.sigma, "split": "test"})
    table["attention"] = probe.attention(codes.test)
    table["importance"] = probe.importance(codes.test)
    return table.melt(["t", "sigma", "split"], var_name="metric")


def ablate_times(
    codes: Trajectories, seed: int, times: Sequence[int], settings: ProbeTraining = DEFAULT
) -> pd.DataFrame:
    """The transformer without one time, and with only one (DRL ICML, trajectories).

    Each mask is trained afresh. Columns t, sigma, split, metric, value. Metric
    ``transformer_without_accuracy`` hides the time of the row, ``transformer_only_accuracy`` shows
    it alone; ``transformer_accuracy`` sees all, t is nan.

    Args:
        times: indices of the times to ablate, at two trainings each.
        settings: the paper's code takes one iteration of the transformer.
    """
    every = range(len(codes.t))
    rows = []

    def add(t: float, sigma: float, metric: str, seen: Sequence[int]) -> None:
        probe = fit_probe(codes, "transformer", seed, settings, seen)
        rows.append((t, sigma, "validation", metric, probe.validation_accuracy))
        rows.append((t, sigma, "test", metric, probe.accuracy(codes.test)))

    add(np.nan, np.nan, "transformer_accuracy", every)
    for i in times:
        if i not in every:
            raise ParameterError(f"times = {times}: allowed are indices from 0 to {every[-1]}")
        at = codes.t[i], codes.sigma[i]
        add(*at, "transformer_without_accuracy", [j for j in every if j != i])
        add(*at, "transformer_only_accuracy", [i])
    return pd.DataFrame(rows, columns=TIME_COLUMNS)
