"""The one judge: corrections, intervals, seeds, controls, and every verdict."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from drlcore.errors import DataError
from drlcore.paper.claims.judge import (
    FAILED,
    LEVEL,
    OPPOSITE,
    REPRODUCED,
    SHOWN,
    TREND,
    Contrast,
    holm,
    judge,
)
from drlcore.paper.claims.statistics import by_level, rank_correlation, rows, values

SCATTER = np.array([-1.0, 0.0, 1.0])


def series(of_seeds: object, seeds: object = None) -> pd.Series:
    array = np.atleast_1d(np.asarray(of_seeds, dtype=float))
    return pd.Series(array, index=range(len(array)) if seeds is None else seeds)


def contrast(mean: float, scatter: float = 0.01, **about: object) -> Contrast:
    return Contrast("it", series(mean + scatter * SCATTER), 0.0, **about)  # type: ignore[arg-type]


# Holm's correction.


def test_holm_is_holms_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # 3p, then 2p, no less
    assert holm([0.2, 0.9]) == pytest.approx([0.4, 0.9])
    assert holm([0.7, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == pytest.approx([0.02])
    assert holm([0.01, float("nan")]) == pytest.approx([0.02, 1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_stepping_down_rejects(p: list[float], level: float) -> None:
    left, rejected = sorted(range(len(p)), key=lambda i: p[i]), set()
    while left and p[left[0]] * len(left) <= level:
        rejected.add(left.pop(0))
    assert set(np.flatnonzero(holm(p) <= level)) == rejected


# One contrast.


def test_p_and_interval_are_students_paired():
    ours, theirs = series([0.5, 0.9, 0.6, 0.8]), series([0.4, 0.7, 0.3, 0.7])
    of = Contrast("it", ours, theirs[::-1])  # paired by seed, not by position
    assert of.p(0.0) == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    low, high = of.interval()
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high))
    falls = Contrast("it", ours, theirs, rises=False)
    assert falls.interval() == (low, high) and falls.claimed.mean() < 0 < of.claimed.mean()
    assert (of.p(0.05) > of.p(0.0)) and f"[{low:+.3g}, {high:+.3g}]" in str(of)


def test_without_scatter_the_mean_is_certain():
    assert contrast(0.1, 0.0).p(0.0) == 0 and contrast(0.1, 0.0).p(0.1) == 1
    assert judge([contrast(0.1, 0.0)]).verdict == REPRODUCED
    assert judge([contrast(0.0, 0.0)]).verdict == FAILED
    assert judge([contrast(-0.1, 0.0)]).verdict == OPPOSITE
    assert judge([contrast(0.1, 0.0, margin=0.1)]).verdict == TREND  # not beyond it
    assert contrast(0.1, 0.0).interval() == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_cannot_be_compared_is_refused(wrong: float) -> None:
    good = series([1, 2, 3])
    for ours, control, words in (
        (series([]), 0.0, "no values"),
        (series([1, wrong, 3]), 0.0, "not finite"),
        (good, wrong, "not finite"),
        (good, series([1, wrong, 3]), "not finite"),
        (good, series([1, 2, 3], [0, 1, 4]), r"seeds \[0, 1, 2\] against \[0, 1, 4\]"),
        (good, series([1, 2]), "allowed: the same"),
        (series([1, 2], [0, 0]), 0.0, "once each"),
        (good, series([1, 2, 3, 4], [0, 1, 2, 2]), "once each"),
    ):
        with pytest.raises(DataError, match=words):
            Contrast("it", ours, control)
    with pytest.raises(DataError, match="nothing to compare"):
        judge([])


# Verdicts on one contrast.


@pytest.mark.parametrize(
    ("mean", "verdict", "outcome"),
    [
        (0.1, REPRODUCED, "as claimed"), (0.01, TREND, "unclear"), (-0.01, FAILED, "unclear"),
        (-0.1, OPPOSITE, "the other way"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rises", [True, False])
def test_one_contrast_is_what_its_interval_says(mean, verdict, outcome, rises):
    finding = judge([contrast(mean if rises else -mean, rises=rises)])
    assert finding.verdict == verdict and finding.measured.endswith(outcome)
    assert finding.n_seeds == 3 and finding.spread == pytest.approx(0.01)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("sign", "verdict"), [(1, TREND), (-1, FAILED)])
def test_fewer_than_three_seeds_decide_nothing(n, sign, verdict):
    few = Contrast("it", series(sign * (1 + 1e-6 * np.arange(n))), 0.0)
    finding = judge([few, contrast(sign * 0.1)])
    assert finding.verdict == verdict and finding.n_seeds == n
    assert "nan" not in finding.measured and finding.measured.count("too few seeds") == 2


@pytest.mark.parametrize("needs", ["all", "any"])
def test_within_its_standard_error_a_mean_is_no_trend(needs):
    error = contrast(0.0, 0.01).standard_error
    assert error == pytest.approx(0.01 / np.sqrt(3))
    assert judge([contrast(1.01 * error, 0.01)], needs).verdict == TREND
    assert judge([contrast(0.99 * error, 0.01)], needs).verdict == FAILED
    leaning = [contrast(sign * 0.99 * error, 0.01) for sign in (1, -1)]
    assert judge(leaning, "both signs").verdict == FAILED


def test_a_margin_must_be_exceeded_beyond_the_spread():
    assert judge([contrast(0.2, margin=0.1)]).verdict == REPRODUCED
    for mean in (0.05, 0.11):  # below it, and above it by less than the spread
        finding = judge([contrast(mean, margin=0.1)])
        assert finding.verdict == TREND and finding.measured.endswith("within its margin")
    assert judge([contrast(-0.05, margin=0.1)]).verdict == OPPOSITE  # below 0 is enough for that


@pytest.mark.parametrize("rises", [True, False])
def test_a_bound_must_be_reached_and_not_by_the_control(rises):
    sign = 1 if rises else -1

    def found(ours: float, control: float) -> str:
        of = series(sign * ours + 0.01 * SCATTER), series(sign * control + 0.001 * SCATTER)
        return judge([Contrast("it", *of, rises=rises, bound=sign * 0.8)]).verdict

    assert found(0.85, 0.6) == REPRODUCED
    assert found(0.75, 0.6) == TREND  # apart, and short of it
    assert found(0.95, 0.85) == TREND  # apart, and the control reaches it too
    assert found(0.6, 0.85) == OPPOSITE


# Several contrasts.


def test_several_contrasts_are_corrected():
    """Each alone is beyond 95 %; two together are not."""
    each = contrast(0.03)
    assert LEVEL / 2 < each.p(0.0) <= LEVEL
    assert judge([each]).verdict == REPRODUCED
    assert judge([each, each]).verdict == TREND
    assert judge([contrast(-0.03)] * 2).verdict == FAILED
    assert judge([each, contrast(0.1)]).verdict == REPRODUCED  # the surer one is tested first


YES, MAYBE, NOT, NO = 0.1, 0.004, -0.004, -0.1  # MAYBE and NOT: 1.4 standard errors of 0.0029


@pytest.mark.parametrize(
    ("means", "of_all", "of_any", "of_both"),
    [
        ((YES, YES), REPRODUCED, REPRODUCED, FAILED),
        ((YES, MAYBE), TREND, REPRODUCED, FAILED),
        ((YES, NOT), FAILED, REPRODUCED, TREND),
        ((YES, NO), FAILED, REPRODUCED, REPRODUCED),
        ((MAYBE, MAYBE), TREND, TREND, FAILED),
        ((MAYBE, NOT), FAILED, TREND, TREND),
        ((MAYBE, NO), OPPOSITE, TREND, TREND),
        ((NOT, NOT), FAILED, FAILED, FAILED),
        ((NOT, NO), OPPOSITE, OPPOSITE, FAILED),
        ((NO, NO), OPPOSITE, OPPOSITE, FAILED),
    ],
)
def test_contrasts_together(means, of_all, of_any, of_both):
    for order in (means, means[::-1]):
        contrasts = [contrast(mean, 0.005) for mean in order]
        assert judge(contrasts).verdict == of_all
        assert judge(contrasts, "any").verdict == of_any
        assert judge(contrasts, "both signs").verdict == of_both


@settings(max_examples=50, deadline=None)
@given(
    means=st.lists(st.sampled_from([YES, 0.03, MAYBE, 0.0, NOT, NO]), min_size=1, max_size=9),
    order=st.randoms(use_true_random=False),
    seeds=st.permutations([0, 1, 2]),
    needs=st.sampled_from(["all", "any", "both signs"]),
)
def test_neither_the_order_of_contrasts_nor_of_seeds_matters(means, order, seeds, needs):
    contrasts = [contrast(mean) for mean in means]
    turned = [Contrast(c.name, c.values.loc[list(seeds)], c.control) for c in contrasts]
    order.shuffle(turned)
    assert judge(turned, needs).verdict == judge(contrasts, needs).verdict


def test_chance_alone_reproduces_and_opposes_rarely():
    """Of no effect each verdict is wrong in half of 5 % of the cases; three contrasts, no more."""
    rng = np.random.default_rng(0)
    found = [
        judge([Contrast("it", series(rng.normal(size=5)), 0.0) for _ in range(3)], needs).verdict
        for needs in ("all", "any")
        for _ in range(150)
    ]
    of_all, of_any = found[:150], found[150:]
    assert of_all.count(REPRODUCED) <= 2
    assert of_any.count(REPRODUCED) <= 0.05 * 150
    assert of_all.count(OPPOSITE) <= 0.05 * 150 and of_any.count(OPPOSITE) <= 0.05 * 150


def test_many_contrasts_are_counted_and_the_extremes_are_told():
    means = [0.01 * (-1) ** k * k for k in range(SHOWN + 2)]
    contrasts = [
        Contrast(f"cell {k}", series(m + 1e-4 * SCATTER), 0.0) for k, m in enumerate(means)
    ]
    words = judge(contrasts).measured
    assert words.startswith(f"of {len(means)}: ")
    assert f"Largest: cell {np.argmax(means)}:" in words
    assert f"smallest: cell {np.argmin(means)}:" in words
    few = judge(contrasts[:SHOWN]).measured
    assert all(f"cell {k}: " in few for k in range(SHOWN))


# Statistics of one seed.


def tidy() -> pd.DataFrame:
    cells = itertools.product((0, 1, 2), (0.1, 1.0, 10.0))
    return pd.DataFrame(
        [{"seed": s, "level": x, "metric": "a", "value": s + x} for s, x in cells]
    ).sample(frac=1, random_state=0)


def test_rows_are_found_or_refused():
    table = tidy()
    assert values(table, {"metric": "a", "level": 1.0}).sort_index().tolist() == [1.0, 2.0, 3.0]
    wide = by_level(table, {"metric": "a"}, "level")
    assert wide.columns.tolist() == [0.1, 1.0, 10.0] and wide.loc[2, 10.0] == 12.0
    for words, refused in (
        ("no rows with metric = b", lambda: rows(table, {"metric": "b"})),
        ("no column method", lambda: rows(table, {"method": "drl"})),
        ("do not say their sigma", lambda: by_level(table, {}, "sigma")),
        ("more than one row", lambda: by_level(pd.concat([table, table]), {}, "level")),
        ("differs from seed to seed", lambda: by_level(table.iloc[1:], {}, "level")),
    ):
        with pytest.raises(DataError, match=words):
            refused()


def test_rank_correlation_is_spearmans_by_seed():
    wide = pd.DataFrame([[1, 2, 3, 4], [4, 3, 2, 1], [1, 3, 2, 4], [5, 5, 5, 5]])
    wide.columns = pd.Index([0.1, 1.0, 10.0, 50.0])
    assert rank_correlation(wide).tolist() == pytest.approx([1.0, -1.0, 0.8, 0.0])
    assert rank_correlation(wide[wide.columns[::-1]]).tolist() == pytest.approx([1, -1, 0.8, 0])
    with pytest.raises(DataError, match="2 levels"):
        rank_correlation(wide[[0.1, 1.0]])
