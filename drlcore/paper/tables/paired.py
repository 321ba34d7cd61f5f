"""Paired comparison over seeds: does combining times beat the best single time?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from drlcore.errors import DataError


class PairedDifference(NamedTuple):
    """Mean of paired differences, with what n seeds can say about it.

    Attributes:
        difference: mean over seeds.
        low, high: ends of its 95 % confidence interval.
        p: of the two-sided paired t-test that the mean is 0.
        n: number of seeds.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int


def over_seeds(a: pd.Series[float], b: pd.Series[float]) -> PairedDifference:
    """Mean of a - b, both indexed by seed, paired by seed, by Student's t.

    With n = 3 the interval reaches 2.5 standard deviations of the differences to each side, so
    only differences much larger than their scatter stand out, and that they are normal cannot be
    checked. The rank test needs no normality, but cannot get below p = 0.25 there (2^(1-n)).

    One seed has no interval: its ends and p are nan. Equal differences in all pairs have no scatter
    to test against: the interval is that one value, p is 1 for no difference and nan otherwise.

    Raises:
        DataError: other seeds in one than in the other, no seeds, or values that are not finite.
    """
    a, b = a.sort_index(), b.sort_index()
    if not a.index.equals(b.index) or a.index.has_duplicates:
        raise DataError(
            f"the seeds {list(a.index)} against {list(b.index)}; allowed: the same, once each"
        )
    first, second = a.to_numpy(np.float64), b.to_numpy(np.float64)
    n, nan = len(a), float("nan")
    if n == 0:
        raise DataError("no seeds: a paired test takes at least 2 pairs")
    if n == 1:
        return PairedDifference(float(first[0] - second[0]), nan, nan, nan, n)
    if not np.isfinite([first, second]).all():
        raise DataError("a paired test takes finite values")
    differences = first - second
    mean = float(differences.mean())
    if np.ptp(differences) < 1e-12:
        return PairedDifference(mean, mean, mean, 1.0 if abs(mean) < 1e-12 else nan, n)
    test = stats.ttest_rel(first, second)
    interval = test.confidence_interval(0.95)
    return PairedDifference(mean, float(interval.low), float(interval.high), float(test.pvalue), n)


def best_time(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """``metric`` of each seed at the time that is best for it on validation.

    Args:
        table: columns seed, t, sigma, split, metric, value; one row for each.

    Returns:
        Columns seed, t, sigma, validation, test; one row for each seed. The earlier time among
        equals.

    Raises:
        DataError: no such metric, or a time without both splits.
    """
    rows = table[table.metric == metric]
    keys = ["seed", "t", "sigma"]
    if rows.empty or rows.duplicated([*keys, "split"]).any():
        raise DataError(f"metric {metric!r}: no rows, or more than one for a seed, t and split")
    wide = rows.pivot(index=keys, columns="split", values="value").reset_index()
    if not {"validation", "test"} <= set(wide.columns) or wide.isna().any(axis=None):
        raise DataError(f"metric {metric!r}: validation and test are needed at every seed and t")
    chosen = wide.sort_values(keys).groupby("seed")["validation"].idxmax()
    found = wide.loc[chosen, [*keys, "validation", "test"]].reset_index(drop=True)
    return found.rename_axis(columns=None)


def combining_times(
    single: pd.DataFrame, single_metric: str, combined: pd.DataFrame, combined_metric: str
) -> PairedDifference:
    """Test accuracy of a trajectory probe minus that of the best single time, over seeds.

    The best time is chosen on validation, for each seed: choosing it on test would favour it.

    Args:
        single: see ``best_time``.
        combined: columns seed, split, metric, value; one test row for each of the same seeds.

    Raises:
        DataError: see ``best_time`` and ``over_seeds``.
    """
    best = best_time(single, single_metric).set_index("seed")["test"]
    rows = combined[(combined.metric == combined_metric) & (combined.split == "test")]
    return over_seeds(rows.set_index("seed")["value"], best)
