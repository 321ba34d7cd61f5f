"""The statistics a claim may be judged by: from rows of a result table to one number a seed.

What each means is said in ``entries``, for the readers of ``claims.toml``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy import stats

from drlcore.errors import DataError
from drlcore.paper.tables import paired

Where = Mapping[str, object]  # the value wanted by column
Statistic = Callable[..., "pd.Series[float]"]
COMPARISONS = {"<": operator.lt, ">=": operator.ge, "!=": operator.ne}


def rows(table: pd.DataFrame, where: Where) -> pd.DataFrame:
    """Rows that match. Raises DataError if there are none, or no such column: 'not run'.

    Args:
        table: a result table.
        where: for each column the value, a tuple of values that must all occur, or a comparison
            as text: ``"< 1"``, ``">= 1"``, ``"!= toy"``.
    """
    matching = np.ones(len(table), dtype=bool)
    for column, wanted in where.items():
        if column not in table:
            raise DataError(f"the table has no column {column}")
        matching &= _matches(table[column], wanted).to_numpy(dtype=bool)
    found = table[matching]
    several = {column: wanted for column, wanted in where.items() if isinstance(wanted, tuple)}
    if found.empty or any(set(wanted) - set(found[c]) for c, wanted in several.items()):
        raise DataError(f"no rows with {_in_words(where)}")
    return found


def values(table: pd.DataFrame, where: Where) -> pd.Series[float]:
    """Values of the rows that match, indexed by seed. Raises DataError if there are none."""
    return rows(table, where).set_index("seed").value


def by_level(table: pd.DataFrame, where: Where, level: str) -> pd.DataFrame:
    """Values of the rows that match: a row for each seed, a column for each ``level``, ascending.

    Raises:
        DataError: no such rows, a seed twice at a level, or one that lacks a level.
    """
    found = rows(table, where)
    if level not in found or found[level].isna().any():
        raise DataError(f"rows with {_in_words(where)} do not say their {level}")
    if found.duplicated(["seed", level]).any():
        raise DataError(f"more than one row with {_in_words(where)} for a seed and {level}")
    wide = found.pivot(index="seed", columns=level, values="value")
    if wide.isna().any(axis=None):
        raise DataError(f"{_in_words(where)}: {level} differs from seed to seed; allowed: the same")
    return wide


def rank_correlation(by_level: pd.DataFrame) -> pd.Series[float]:
    """Spearman's of each row with the columns' names, in [-1, 1]; 0 for a row without any change.

    Raises:
        DataError: fewer than 3 different names, of which two would always be in order.
    """
    level = pd.Series(by_level.columns.to_numpy(dtype=float))
    if level.nunique() < 3:
        raise DataError(f"{level.nunique()} levels: a rank correlation takes at least 3")
    changes = by_level.nunique(axis=1) > 1  # that of no change is not defined, and no trend
    found = [stats.spearmanr(level, row).statistic for row in by_level[changes].to_numpy()]
    of_changes = pd.Series(found, by_level.index[changes], dtype=float)
    return of_changes.reindex(by_level.index, fill_value=0.0)


def _matches(column: pd.Series, wanted: object) -> pd.Series[bool]:
    if isinstance(wanted, tuple):
        return column.isin(wanted)
    sign, _, bound = str(wanted).partition(" ")
    if sign in COMPARISONS:
        number = is_numeric_dtype(column)
        return COMPARISONS[sign](column, float(bound) if number else bound)
    return column == wanted


def _in_words(where: Where) -> str:
    return ", ".join(f"{column} = {wanted}" for column, wanted in where.items()) or "any value"


# Statistics: (table, where, options) -> one number for each seed.


def _of_levels(
    reduce: Callable[[pd.DataFrame], pd.Series[float]],
    table: pd.DataFrame,
    where: Where,
    over: str,
    minus: Where | None = None,
    below: Where | None = None,
) -> pd.Series[float]:
    found = by_level(table, where, over)
    if minus:
        found = found - by_level(table, {**where, **minus}, over)
    if below:
        found = 1 - found / by_level(table, {**where, **below}, over)
    if found.isna().any(axis=None):
        raise DataError(f"{_in_words(where)}: not the seeds and {over} of what it is held to")
    return reduce(found)


_mean = partial(_of_levels, lambda by_level: by_level.mean(axis=1))


def _best_time(table: pd.DataFrame, where: Where) -> pd.Series[float]:
    of = {column: wanted for column, wanted in where.items() if column not in ("metric", "split")}
    found = paired.best_time(rows(table, of), str(where["metric"]))
    return found.set_index("seed")[where["split"]]


def _errors_at_best_time(table: pd.DataFrame, where: Where, chance: float) -> pd.Series[float]:
    return (1 - _best_time(table, where)) / (1 - chance)


def _largest_residual(
    table: pd.DataFrame, where: Where, over: str, terms: Sequence[str]
) -> pd.Series[float]:
    whole = residual = by_level(table, where, over)
    for term in terms:
        residual = residual - by_level(table, {**where, "metric": term}, over)
    return (residual.abs() / whole).max(axis=1)


def _worth_kept(table: pd.DataFrame, where: Where, over: str) -> pd.Series[float]:
    shuffled = {"metric": "loss_shuffled"}
    worth = float(_mean(table, {**where, "metric": "loss_own"}, over, below=shuffled).mean())
    left = _mean(table, where, over, below=shuffled)
    return left / worth if worth > 0 else 0 * left


def _order_in_distance(table: pd.DataFrame, where: Where) -> pd.Series[float]:
    of = rows(table, where)
    apart = of[of.t != of.t_j].assign(pair=lambda r: list(zip(r.t, r.t_j, strict=True)))
    wide = by_level(apart, {}, "pair")
    return rank_correlation(wide.set_axis([round(abs(a - b), 6) for a, b in wide], axis=1))


def _held_and_predicted(table: pd.DataFrame, where: Where) -> tuple[pd.DataFrame, np.ndarray]:
    """By seed and (factor, sigma) whether z holds the factor, and whether theory says so."""
    held, pays = [], []
    for factor in ("coarse", "middle", "fine"):
        trained = {**where, "metric": f"{factor}_accuracy", "split": "test"}
        accuracy = by_level(table, trained, "sigma_max")
        theory = by_level(table, {**where, "metric": f"pays_{factor}"}, "sigma_max").mean()
        if lost := set(accuracy) - set(theory.index):
            raise DataError(f"theory says nothing of {factor} at sigma {sorted(lost)}")
        held.append(accuracy > 2 / 3)
        pays.append(theory[accuracy.columns] > 0.5)
    return pd.concat(held, axis=1), pd.concat(pays).to_numpy()


def _share_as_predicted(table: pd.DataFrame, where: Where) -> pd.Series[float]:
    held, predicted = _held_and_predicted(table, where)
    return (held == predicted).mean(axis=1)


def _best_same_answer(table: pd.DataFrame, where: Where) -> pd.Series[float]:
    held = _held_and_predicted(table, where)[0].mean(axis=1)
    return held.where(held > 0.5, 1 - held)


STATISTICS: dict[str, Statistic] = {
    "value": values,
    "mean": _mean,
    "largest": partial(_of_levels, lambda by_level: by_level.max(axis=1)),
    "log10_of_peak": partial(_of_levels, lambda by_level: np.log10(by_level.idxmax(axis=1))),
    "rank_correlation": partial(_of_levels, rank_correlation),
    "best_time": _best_time,
    "errors_at_best_time": _errors_at_best_time,
    "largest_residual": _largest_residual,
    "worth_kept": _worth_kept,
    "order_in_distance": _order_in_distance,
    "share_as_predicted": _share_as_predicted,
    "best_same_answer": _best_same_answer,
}
