"""What the whole curve t -> E(x0, t) tells: accuracy, attention over t, and its ablation."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from drlcore.errors import ParameterError
from drlcore.probes.neural import ProbeName, ProbeTraining, fit_probe
from drlcore.probes.static import METRIC_COLUMNS
from drlcore.probes.trajectory import Trajectories


def probe_trajectory(
    codes: Trajectories,
    seed: int,
    names: Sequence[ProbeName] = ("gru", "transformer"),
    settings: ProbeTraining | None = None,
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
    codes: Trajectories, seed: int, settings: ProbeTraining | None = None
) -> pd.DataFrame:
    """What a one-iteration transformer looks at, on test codes (DRL ICML, trajectories).

    Columns t, sigma, split, metric, value; metrics ``attention`` and ``importance``, see
    ``FittedProbe``.
    """
    settings = (settings or ProbeTraining()).updated(iterations=1)
    probe = fit_probe(codes, "transformer", seed, settings)
    found = {"attention": probe.attention(codes.test), "importance": probe.importance(codes.test)}
    tables = [
        pd.DataFrame({"t": codes.t, "sigma": codes.sigma}).assign(
            split="test", metric=metric, value=values
        )
        for metric, values in found.items()
    ]
    return pd.concat(tables, ignore_index=True)


def ablate_times(
    codes: Trajectories,
    seed: int,
    times: Sequence[int] | None = None,
    name: ProbeName = "transformer",
    settings: ProbeTraining | None = None,
) -> pd.DataFrame:
    """Accuracy without one time, and with only one (DRL ICML, trajectories).

    Each mask is trained afresh. Columns t, sigma, split, metric, value. Metric
    ``<name>_without_accuracy`` hides the time of the row, ``<name>_only_accuracy`` shows it alone;
    ``<name>_accuracy`` sees all, t is nan.

    Args:
        times: indices of the times to ablate; None for all, at two trainings each.
        settings: one iteration of the transformer if not given, as in the paper's code.
    """
    settings = settings or ProbeTraining(iterations=1)
    every = range(len(codes.t))
    masks: list[tuple[float, float, str, list[int]]] = [
        (float("nan"), float("nan"), f"{name}_accuracy", list(every))
    ]
    for i in every if times is None else times:
        if i not in every:
            raise ParameterError(f"times = {times}: allowed are indices from 0 to {every[-1]}")
        at = (float(codes.t[i]), float(codes.sigma[i]))
        masks.append((*at, f"{name}_without_accuracy", [j for j in every if j != i]))
        masks.append((*at, f"{name}_only_accuracy", [i]))
    rows = []
    for t, sigma, metric, seen in masks:
        probe = fit_probe(codes, name, seed, settings, seen)
        rows.append((t, sigma, "validation", metric, probe.validation_accuracy))
        rows.append((t, sigma, "test", metric, probe.accuracy(codes.test)))
    return pd.DataFrame(rows, columns=["t", "sigma", *METRIC_COLUMNS])
