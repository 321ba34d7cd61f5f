"""Tables of notebooks 17 to 19: samples by start, by adversary and by prior, what is exchanged."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from drlcore.paper.tables.results import add_run_columns
from drlcore.paper.tables.theory import toy_rows
from drlcore.training.run import RunParameters


def start_rows(run: RunParameters, judged: pd.DataFrame) -> pd.DataFrame:
    """Samples by where the walk began: a table of ``quality_by_start``, tidy.

    Metrics ``sample_<name>``; beside ``COLUMNS`` the columns ``stand_in``, ``start``, ``at_sigma``
    and ``nfe``.
    """
    return add_run_columns(run, judged.assign(metric="sample_" + judged.metric, split="validation"))


def error_rows(found: Sequence[tuple[int, str, float, float, float]]) -> pd.DataFrame:
    """What a start costs on the toy set: ``error_foretold`` and ``error_measured``.

    Args:
        found: seed, stand-in, start, foretold, measured, of each in turn.
    """
    tables = []
    for seed, name, start, *errors in found:
        metrics = zip(("error_foretold", "error_measured"), errors, strict=True)
        rows = [(50.0, metric, error) for metric, error in metrics]
        tables.append(toy_rows(rows, "exact", "ve", seed).assign(stand_in=name, start=start))
    return pd.concat(tables, ignore_index=True)


def alpha_rows(run: RunParameters, history: pd.DataFrame) -> pd.DataFrame:
    """The adversary's last ``alpha``; beside ``COLUMNS`` the column ``p_kl``."""
    last = {"metric": "alpha", "value": history.alpha.iloc[-1], "split": "train"}
    return add_run_columns(run, pd.DataFrame([last])).assign(p_kl=run.adversary)


def toy_alpha_rows(alphas: pd.DataFrame) -> pd.DataFrame:
    """The last alpha where the constant is known: ``alpha_of_loss`` and ``..._less_constant``.

    Args:
        alphas: columns data, weighting, seed, against, step, alpha.
    """
    by = ["data", "weighting", "seed", "against"]
    last = alphas.sort_values("step").groupby(by, sort=False).last()
    tables = []
    for row in last.reset_index().itertuples():
        metric = f"alpha_of_{str(row.against).replace(' ', '_')}"
        one = toy_rows([(50.0, metric, float(row.alpha))], "dsm", "ve", int(row.seed))
        tables.append(one.assign(dataset=row.data, weighting=row.weighting))
    return pd.concat(tables, ignore_index=True)


def prior_rows(run: RunParameters, judged: pd.DataFrame) -> pd.DataFrame:
    """Samples of codes that no image gave: a table of ``quality_by_prior``, tidy.

    Metrics ``sample_<name>``, and ``components`` of the fitted mixture; beside ``COLUMNS`` the
    column ``prior``.
    """
    prefix = judged.metric.map(lambda name: "" if name == "components" else "sample_")
    rows = judged.assign(metric=prefix + judged.metric, split="validation")
    return add_run_columns(run, rows)


def exchange_rows(run: RunParameters, found: pd.DataFrame) -> pd.DataFrame:
    """Whose class and pixels: a table of ``exchanged``, tidy; ``levels`` are those of the walk."""
    return add_run_columns(run, found.rename(columns={"steps": "levels"}).assign(split="test"))
