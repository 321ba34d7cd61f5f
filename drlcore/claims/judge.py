"""A claim, the contrasts it is judged by, and the one judge.

A verdict rests on contrasts: a statistic against a control, which is whatever could have the
statistic without the claim being true (an untrained encoder, a shuffled code, another method).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from drlcore.errors import DataError

REPRODUCED, TREND, FAILED = "reproduced", "trend only", "did not reproduce"
OPPOSITE, ABSENT = "opposite", "not run"
LEVEL = 0.05  # of every test, after Holm's correction over the contrasts of a claim
ENOUGH = 3  # seeds below which nothing is more than a trend
SHOWN = 4  # contrasts told one by one; of more, how many came out which way

Needs = Literal["all", "any", "both signs"]


@dataclass(frozen=True)
class Contrast:
    """A statistic over seeds against its control.

    Attributes:
        name: what is compared, in a few words.
        values: the statistic, indexed by seed.
        control: the control's statistic on the same seeds, or one number for chance.
        rises: whether the claim says above the control (else below).
        margin: the least difference that counts, >= 0.
        bound: a level that the mean must reach in the claimed direction, and the control's mean
            must not; None if the difference is all that is claimed.

    Raises:
        DataError: on construction, without values or with other seeds in the control.
    """

    name: str
    values: pd.Series[float]
    control: pd.Series[float] | float
    rises: bool = True
    margin: float = 0.0
    bound: float | None = None

    def __post_init__(self) -> None:  # noqa: D105
        if not len(self.values) or not np.isfinite(self.values).all():
            raise DataError(f"{self.name}: no values, or some that are not finite")
        if self.values.index.has_duplicates:
            raise DataError(f"{self.name}: a seed twice")
        if isinstance(self.control, pd.Series) and (
            set(self.control.index) != set(self.values.index)
            or not np.isfinite(self.control).all()
            or self.control.index.has_duplicates
        ):
            raise DataError(f"{self.name}: the control's seeds are not those of the values")

    @property
    def claimed(self) -> pd.Series[float]:
        """Values minus control by seed, in the claimed direction: positive is as claimed."""
        difference = self.values - self.control
        return difference if self.rises else -difference

    @property
    def n(self) -> int:
        return len(self.values)

    def p(self, against: float) -> float:
        """Of the two-sided t-test that the mean of ``claimed`` is ``against``; nan from one seed.

        Values without any scatter (closed forms, counts) are their own mean: p is 0 or 1.
        """
        claimed = self.claimed.to_numpy(dtype=float)
        if len(claimed) < 2:
            return float("nan")
        if np.ptp(claimed) < 1e-12:
            return float(abs(claimed.mean() - against) < 1e-12)
        return float(stats.ttest_1samp(claimed, against).pvalue)

    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean of values minus control; nan from one seed."""
        difference = (self.values - self.control).to_numpy(dtype=float)
        if len(difference) < 2:
            return float("nan"), float("nan")
        if np.ptp(difference) < 1e-12:
            return float(difference.mean()), float(difference.mean())
        found = stats.ttest_1samp(difference, 0.0).confidence_interval(0.95)
        return float(found.low), float(found.high)

    def beyond_bound(self) -> bool:
        """Whether the mean reaches ``bound`` and the control's does not."""
        if self.bound is None:
            return True
        sign = 1 if self.rises else -1
        control = float(np.mean(self.control))
        return sign * float(self.values.mean()) >= sign * self.bound > sign * control

    def __str__(self) -> str:  # noqa: D105
        difference = float((self.values - self.control).mean())
        low, high = self.interval()
        interval = "" if np.isnan(low) else f" [{_signed(low)}, {_signed(high)}]"
        return (
            f"{self.name}: {self.values.mean():.3g} against {np.mean(self.control):.3g}, "
            f"{_signed(difference)}{interval}"
        )


@dataclass(frozen=True)
class Finding:
    """What a claim came to.

    Attributes:
        measured: numbers in words: means, difference and its 95 % interval for each contrast.
        verdict: one of the five.
        spread: standard deviation over seeds of the first contrast's difference.
        n_seeds: the fewest seeds of a contrast.
    """

    measured: str
    verdict: str
    spread: float = float("nan")
    n_seeds: int = 0


@dataclass(frozen=True)
class Claim:
    """A claim and its criterion, all said before the numbers.

    Attributes:
        claim: what is claimed.
        figure: where the paper does (ICLR-2022 numbering).
        published: what the paper has: numbers, or "in words".
        statistic: what is measured, and on what.
        selection: what is chosen by looking, and on which part of the data.
        control: what could pass without the claim being true.
        threshold: beyond which difference the claim holds, and why there.
        fails: what would refute it.
        source: the result table it is judged from.
        contrasts: that table -> contrasts. Raises DataError if the table lacks them.
        needs: ``all`` contrasts as claimed, ``any`` of them, or ``both signs``: one above and
            one below its control (a claim that something is inconsistent).
    """

    claim: str
    figure: str
    published: str
    statistic: str
    selection: str
    control: str
    threshold: str
    fails: str
    source: str
    contrasts: Callable[[pd.DataFrame], Sequence[Contrast]]
    needs: Needs = "all"

    def find(self, table: pd.DataFrame) -> Finding:
        """Judge the claim. Raises DataError if the table lacks what it needs."""
        return judge(self.contrasts(table), self.needs)


def judge(contrasts: Sequence[Contrast], needs: Needs = "all") -> Finding:
    """The verdict on contrasts, whatever the claim.

    A contrast is *right* if it has 3 seeds or more, its difference is above its margin with
    p <= .05 after Holm's correction over all contrasts of the claim, and its mean is beyond its
    bound where the control's is not; *wrong* if its difference is below 0 with p <= .05, corrected
    alike.

    reproduced: all contrasts are right (needs = all), or any (needs = any), or one is right and
        one wrong (needs = both signs).
    opposite: one is wrong and none above its control beyond the same level (not for both signs).
    trend only: short of that, all means (any) lie on the claimed side, or both signs occur.
    did not reproduce: anything else.

    Raises:
        DataError: no contrasts.
    """
    if not contrasts:
        raise DataError("nothing to compare")
    enough = all(c.n >= ENOUGH for c in contrasts)
    at_margin = holm([c.p(c.margin) for c in contrasts])
    at_zero = holm([c.p(0.0) for c in contrasts])
    mean = np.array([c.claimed.mean() for c in contrasts])
    margin = np.array([c.margin for c in contrasts])
    beyond = np.array([c.beyond_bound() for c in contrasts])
    right = enough & (at_margin <= LEVEL) & (mean > margin) & beyond
    above = enough & (at_zero <= LEVEL) & (mean > 0)
    wrong = enough & (at_zero <= LEVEL) & (mean < 0)
    if needs == "both signs":
        reproduced = bool(above.any() and wrong.any())
        opposite = False
        trend = bool((mean > 0).any() and (mean < 0).any())
    else:
        every = np.all if needs == "all" else np.any
        reproduced, trend = bool(every(right)), bool(every(mean > 0))
        opposite = bool(wrong.any() and not above.any())
    verdict = REPRODUCED if reproduced else OPPOSITE if opposite else TREND if trend else FAILED
    spread = float(contrasts[0].claimed.std()) if contrasts[0].n > 1 else float("nan")
    measured = _in_words(contrasts, above, wrong)
    return Finding(measured, verdict, spread, min(c.n for c in contrasts))


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values after Holm's correction (Holm 1979), in their order; nan counts as 1."""
    values = np.nan_to_num(np.asarray(p, dtype=float), nan=1.0)
    order = np.argsort(values, kind="stable")
    stepped = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def some(table: pd.DataFrame) -> pd.DataFrame:
    """``table``, which has rows. Raises DataError if not: said as 'not run', never judged."""
    if table.empty:
        raise DataError("no such rows")
    return table


def values(table: pd.DataFrame, **where: object) -> pd.Series[float]:
    """Values of the rows that match, indexed by seed. Raises DataError if there are none."""
    keep = np.ones(len(table), dtype=bool)
    for column, wanted in where.items():
        keep &= (table[column] == wanted).to_numpy()
    return some(table[keep]).set_index("seed").value


def _in_words(contrasts: Sequence[Contrast], above: np.ndarray, wrong: np.ndarray) -> str:
    if len(contrasts) <= SHOWN:
        return "; ".join(map(str, contrasts))
    ends = sorted(contrasts, key=lambda c: float(c.claimed.mean()))
    return (
        f"of {len(contrasts)} comparisons {int(above.sum())} as claimed and {int(wrong.sum())} the "
        f"other way beyond {LEVEL:.0%} (Holm). Largest effect: {ends[-1]}; smallest: {ends[0]}"
    )


def _signed(number: float) -> str:
    return f"{number:+.3g}"
