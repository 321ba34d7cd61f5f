"""The contrasts that a claim is judged by, and the one judge.

A verdict rests on contrasts: a statistic against a control, which is whatever could have the
statistic without the claim being true (an untrained encoder, a shuffled code, another method).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from drlcore.errors import DataError
from drlcore.paper.tables.paired import over_seeds

REPRODUCED, TREND, FAILED = "reproduced", "trend only", "did not reproduce"
OPPOSITE, ABSENT = "opposite", "not run"
VERDICTS = (REPRODUCED, TREND, FAILED, OPPOSITE, ABSENT)  # in the order they are shown
LEVEL = 0.05  # of every test, after Holm's correction over the contrasts of a claim
ENOUGH = 3  # seeds below which nothing is more than a trend
SHOWN = 6  # contrasts told one by one; of more, the extremes and how many came out which way

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
        DataError: on construction, without values, with one that is not finite, or with other
            seeds in the control.
    """

    name: str
    values: pd.Series[float]
    control: pd.Series[float] | float
    rises: bool = True
    margin: float = 0.0
    bound: float | None = None

    def __post_init__(self) -> None:  # noqa: D105
        if not len(self.values):
            raise DataError(f"{self.name}: no values")
        if not (np.isfinite(self.values).all() and np.isfinite(self.control).all()):
            raise DataError(f"{self.name}: a value or a control is not finite")
        index = self.values.index
        control = self.control.index if isinstance(self.control, pd.Series) else index
        if index.has_duplicates or control.has_duplicates or set(control) != set(index):
            raise DataError(
                f"{self.name}: seeds {sorted(index)} against {sorted(control)}; allowed: the same, "
                "once each"
            )

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
        claimed = self.claimed
        p = over_seeds(claimed, 0 * claimed + against).p
        return 0.0 if np.isnan(p) and self.n > 1 else p

    @property
    def standard_error(self) -> float:
        """Of the mean of ``claimed``; 0 for one seed, which shows none."""
        return float(self.claimed.sem()) if self.n > 1 else 0.0

    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean of values minus control; nan from one seed."""
        difference = self.values - self.control
        found = over_seeds(difference, 0 * difference)
        return found.low, found.high

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


def judge(contrasts: Sequence[Contrast], needs: Needs = "all") -> Finding:
    """The verdict on contrasts, whatever the claim.

    With 3 seeds or more in every contrast, one is *right* if its difference is above its margin
    with p <= .05 after Holm's correction over all contrasts of the claim, and its mean is beyond
    its bound where the control's is not; *above* or *wrong* if its difference is above or below 0
    with p <= .05, corrected alike.

    reproduced: all contrasts are right (needs = all), or any (needs = any), or one is above and
        one wrong (needs = both signs).
    opposite: one is wrong and none above (all), or one is wrong and no mean on the claimed side
        (any); never for both signs.
    trend only: short of that, all means (any) lie on the claimed side by more than their standard
        error (one seed has none), or both signs occur so.
    did not reproduce: anything else.

    Raises:
        DataError: no contrasts.
    """
    if not contrasts:
        raise DataError("nothing to compare")
    enough = all(c.n >= ENOUGH for c in contrasts)
    p_margin = holm([c.p(c.margin) for c in contrasts])
    p_zero = holm([c.p(0.0) for c in contrasts])
    mean = np.array([c.claimed.mean() for c in contrasts])
    mean[np.abs(mean) < 1e-12] = 0.0  # rounding has no sign
    lean = np.sign(mean) * (np.abs(mean) > [c.standard_error for c in contrasts])
    apart = enough & (p_margin <= LEVEL) & (mean > [c.margin for c in contrasts])
    right = apart & [c.beyond_bound() for c in contrasts]
    above = enough & (p_zero <= LEVEL) & (mean > 0)
    wrong = enough & (p_zero <= LEVEL) & (mean < 0)
    if needs == "both signs":
        reproduced, opposite = bool(above.any() and wrong.any()), False
        trend = bool((lean > 0).any() and (lean < 0).any())
    elif needs == "any":
        reproduced, trend = bool(right.any()), bool((lean > 0).any())
        opposite = bool(wrong.any()) and not (mean > 0).any()
    else:
        reproduced, trend = bool(right.all()), bool((lean > 0).all())
        opposite = bool(wrong.any() and not above.any())
    verdict = REPRODUCED if reproduced else OPPOSITE if opposite else TREND if trend else FAILED
    outcomes = np.select(
        [right, apart, wrong, above, np.full(len(contrasts), enough)],
        ["as claimed", "apart, bound not met", "the other way", "within its margin", "unclear"],
        "too few seeds",
    )
    spread = float(contrasts[0].claimed.std()) if contrasts[0].n > 1 else float("nan")
    return Finding(_in_words(contrasts, outcomes), verdict, spread, min(c.n for c in contrasts))


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values after Holm's correction (Holm 1979), in their order; nan counts as 1."""
    values = np.nan_to_num(np.asarray(p, dtype=float), nan=1.0)
    order = np.argsort(values, kind="stable")
    stepped = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def _in_words(contrasts: Sequence[Contrast], outcomes: Iterable[str]) -> str:
    came = list(outcomes)
    told = [f"{c}: {outcome}" for c, outcome in zip(contrasts, came, strict=True)]
    if len(told) <= SHOWN:
        return "; ".join(told)
    order = np.argsort([float(c.claimed.mean()) for c in contrasts])
    counts = ", ".join(f"{n} {outcome}" for outcome, n in Counter(came).most_common())
    return f"of {len(told)}: {counts}. Largest: {told[order[-1]]}; smallest: {told[order[0]]}"


def _signed(number: float) -> str:
    return f"{number:+.3g}"
