"""Verdicts on made-up results: each of them can be reached, and validation alone selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drlcore import claims, results
from drlcore.claims import ABSENT, CLAIMS, COLUMNS, FAILED, REPRODUCED, TREND, Finding
from drlcore.claims.judge import values
from drlcore.experiments import EXPERIMENTS, Verdicts

DIAL, LATENT, FLOOR = "04_noise_dial", "03_train_drl", "02_score_matching_floor"


def judge(words: str, table: pd.DataFrame) -> Finding:
    """The finding of the one claim whose text has these words."""
    (claim,) = (c for c in CLAIMS if words in c.claim)
    return claim.find(table.reset_index(drop=True))  # as read from a file


def rows(values: Mapping[str, float | Sequence[float]], **about: Any) -> pd.DataFrame:
    """One row for each metric, or, given several values, for each metric and seed."""
    defaults = {
        "dataset": "mnist", "method": "drl", "sde": "ve", "t_sampler": "single", "sigma_min": 0.01,
        "sigma_max": 50.0, "latent_dim": 2, "split": "test", "run": "0" * 12,
    }  # fmt: skip
    table = [
        {**defaults, **about, "metric": metric, "seed": seed, "value": float(value)}
        for metric, of_seeds in values.items()
        for seed, value in enumerate(np.atleast_1d(of_seeds))
    ]
    return pd.DataFrame(table).reindex(columns=results.COLUMNS)


def test_every_claim_reads_a_table_that_a_notebook_writes():
    written = {name for notebook in Verdicts.reads for name in EXPERIMENTS[notebook].writes}
    written.remove("10_label_splits")  # which images were labelled: nothing is measured in it
    assert {claim.source for claim in CLAIMS} == written
    assert len({claim.claim for claim in CLAIMS}) == len(CLAIMS)


# Notebook 02.


def monte_carlo(values: Mapping[str, float], sigma: float) -> pd.DataFrame:
    return rows(values, dataset="toy", method="dsm", sigma_max=sigma, split="monte-carlo")


def prop1(off: float) -> pd.DataFrame:
    """Two levels, the second ``off`` standard errors away from agreement."""
    return pd.concat(
        [
            monte_carlo(
                {"dsm": 1.0 + d * 0.01, "constant": 0.7, "esm": 0.3, "error_standard_error": 0.01},
                sigma,
            )
            for sigma, d in ((0.1, 0.5), (1.0, off))
        ]
    )


@pytest.mark.parametrize(
    ("off", "verdict"), [(3.9, REPRODUCED), (-3.9, REPRODUCED), (4.1, FAILED), (-4.1, FAILED)]
)
def test_prop1_is_judged_by_the_worst_level(off, verdict):
    finding = judge("J_DSM", prop1(off))
    assert finding.verdict == verdict
    assert f"{abs(off):.1f} standard errors" in finding.measured
    assert finding.spread == 0.01


@pytest.mark.parametrize(
    ("told", "verdict", "words"),
    [
        ({"coarse": 0.8, "middle": 0.3, "fine": 1.0}, REPRODUCED, "up to 70 % .*at most 0.00 %"),
        ({"coarse": 0.8, "middle": 0.6, "fine": 1.0}, FAILED, "up to 40 % .*at most 0.00 %"),
        ({"coarse": 0.8, "middle": 0.3, "fine": 1.1}, FAILED, "up to 70 % .*at most 10.00 %"),
    ],
)
def test_floor_must_fall_well_and_never_rise(told, verdict, words):
    table = monte_carlo(
        {"floor_nothing": 1.0, **{f"floor_{name}": v for name, v in told.items()}}, 1.0
    )
    finding = judge("lowers the floor", table)
    assert finding.verdict == verdict
    assert pd.Series([finding.measured]).str.contains(words).all(), finding.measured


@pytest.mark.parametrize(
    ("peaks", "verdict"),
    [((0.1, 1.0, 10.0), REPRODUCED), ((1.0, 0.1, 10.0), FAILED), ((0.1, 1.0, 1.0), FAILED)],
)
def test_gains_must_peak_in_order_of_scale(peaks, verdict):
    tables = []
    for factor, peak in zip(("fine", "middle", "coarse"), peaks, strict=True):
        for sigma in (0.1, 1.0, 10.0):
            tables.append(monte_carlo({f"gain_{factor}": 0.5 if sigma == peak else 0.1}, sigma))
    finding = judge("own scale", pd.concat(tables))
    assert finding.verdict == verdict
    for peak in peaks:
        assert f"{peak:.2g}" in finding.measured


# Notebook 03.


def losses(own: Sequence[float], shuffled: Sequence[float], no_code: float) -> pd.DataFrame:
    tables = []
    for sigma, a, b in zip((0.1, 1.0), own, shuffled, strict=True):
        drl = {"loss_own": a, "loss_shuffled": b, "loss_constant": 1.0}
        about = {"sigma_max": sigma, "split": "validation", "t_sampler": "uniform_t"}
        tables.append(rows(drl, **about))
        tables.append(rows({"loss_own": no_code}, method="dsm", **about))
    return pd.concat(tables)


@pytest.mark.parametrize(
    ("own", "shuffled", "no_code", "verdict"),
    [
        ((0.8, 0.6), (1.0, 1.2), 0.9, REPRODUCED),
        ((0.8, 0.6), (1.0, 0.6), 0.9, TREND),  # not lower at one level
        ((0.8, 0.6), (1.0, 1.2), 0.5, TREND),  # nowhere lower than without a code
        ((0.8, 0.6), (0.8, 0.5), 0.9, FAILED),
    ],
)
def test_code_must_beat_another_images_at_every_level_and_none_at_all(
    own, shuffled, no_code, verdict
):
    finding = judge("code is used", losses(own, shuffled, no_code))
    assert finding.verdict == verdict
    lower = sum(a < b for a, b in zip(own, shuffled, strict=True))
    assert f"at {lower} of 2 levels" in finding.measured


def latent(method: str, low: float, high: float, **about: Any) -> pd.DataFrame:
    return pd.concat(
        rows({"knn_accuracy": value}, method=method, t_sampler=t_sampler, **about)
        for t_sampler, value in (("uniform_t", low), ("uniform_sigma", high))
    )


@pytest.mark.parametrize("method", ["drl", "vdrl"])
@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.3, 0.41, REPRODUCED), (0.3, 0.35, TREND), (0.3, 0.3, FAILED), (0.4, 0.3, FAILED)],
)
def test_classes_must_separate_at_high_noise_in_their_own_method(method, low, high, verdict):
    other = "vdrl" if method == "drl" else "drl"
    table = pd.concat(
        [
            latent(method, low, high),
            latent(other, 0.9, 0.1),
            latent(method, 0.9, 0.1, split="validation"),
        ]
    )
    words = f"high-noise {method.upper()} separates"
    assert judge(words, table).verdict == verdict
    assert judge(words, table).n_seeds == 1


@pytest.mark.parametrize(
    ("ink", "accuracy", "verdict"),
    [(0.9, 0.4, REPRODUCED), (0.7, 0.4, FAILED), (0.9, 0.6, FAILED)],
)
def test_uniform_t_code_must_hold_ink_and_little_class(ink, accuracy, verdict):
    values = {"ink_r2": ink, "thickness_r2": 0.5, "knn_accuracy": accuracy}
    table = pd.concat(
        [
            rows(values, t_sampler="uniform_t"),
            rows({"ink_r2": 0.0, "thickness_r2": 0.0, "knn_accuracy": 1.0}, t_sampler="uniform_t",
                 method="vdrl"),
        ]
    )  # fmt: skip
    finding = judge("about strokes", table)
    assert finding.verdict == verdict
    assert f"ink R2 {ink:.2f}" in finding.measured


@pytest.mark.parametrize(
    ("follows", "verdict"),
    [
        ((0.1, 0.5, 0.9), REPRODUCED),
        ((0.3, 0.5, 0.9), TREND),
        ((0.1, 0.5, 0.7), TREND),
        ((0.5, 0.9, 0.5), FAILED),
        ((0.9, 0.5, 0.1), FAILED),
    ],
)
def test_swapped_codes_must_take_over_as_noise_grows(follows, verdict):
    tables = [
        rows({"follows_code": value}, t_sampler="uniform_sigma", sigma_max=sigma)
        for sigma, value in reversed(list(zip((0.5, 2.0, 10.0), follows, strict=True)))
    ]
    tables.append(rows({"follows_code": 0.0}, t_sampler="uniform_t", sigma_max=10.0))
    finding = judge("follows the code", pd.concat(tables))
    assert finding.verdict == verdict
    assert f"{100 * follows[0]:.0f} % at sigma 0.5" in finding.measured
    assert f"{100 * follows[-1]:.0f} % at sigma 10" in finding.measured


@pytest.mark.parametrize(
    ("spreads", "verdict"),
    [
        ((0.4, 0.3, 0.2, 0.1), REPRODUCED),
        ((0.4, 0.2, 0.3, 0.1), TREND),
        ((0.1, 0.2, 0.3, 0.4), FAILED),
    ],
)
def test_samples_must_differ_less_with_every_larger_code(spreads, verdict):
    tables = [
        rows({"sample_diversity": value}, latent_dim=dimension)
        for dimension, value in zip((16, 8, 4, 2), reversed(spreads), strict=True)
    ]
    finding = judge("latent dimension", pd.concat(tables))
    assert finding.verdict == verdict
    assert "2: " in finding.measured.split(",")[0]  # in order of dimension


# Notebook 04.

LEVELS = (0.1, 1.0, 10.0)


def dial(
    accuracy: Sequence[Any], ink: Sequence[Any], uniform: Mapping[str, Any], **options: Any
) -> pd.DataFrame:
    """Single levels (class accuracy and ink on both splits) and uniform t; and toy rows beside."""
    validation = options.get("validation", accuracy)
    silhouette = options.get("silhouette", np.zeros_like(accuracy))
    tables = [rows(uniform, t_sampler="uniform_t")]
    for i, sigma in enumerate(LEVELS):
        about = {"sigma_min": sigma, "sigma_max": sigma}
        values = {"knn_accuracy": accuracy[i], "ink_r2": ink[i], "silhouette": silhouette[i]}
        tables.append(rows(values, **about))
        tables.append(rows({"knn_accuracy": validation[i]}, split="validation", **about))
        # The toy set has no say in what holds for images.
        for split in ("validation", "test"):
            toy = {"knn_accuracy": [1.0, 1.0], "ink_r2": [0.0, 0.0]}
            tables.append(rows(toy, dataset="toy", method="vdrl", split=split, **about))
    return pd.concat(tables)


UNIFORM = {"knn_accuracy": [0.40, 0.42], "ink_r2": [0.97, 0.96], "silhouette": [0.0, 0.01]}


@pytest.mark.parametrize(
    ("high", "uniform", "verdict"),
    [
        ([0.80, 0.82], [0.40, 0.42], REPRODUCED),
        ([0.60, 0.62], [0.40, 0.42], TREND),
        ([0.80, 0.82], [0.50, 0.52], TREND),
        ([0.40, 0.60], [0.40, 0.42], FAILED),  # above, but by less than the spread
        ([0.30, 0.32], [0.40, 0.42], FAILED),
    ],
)
def test_class_must_appear_at_the_best_level(high, uniform, verdict):
    accuracy = [[0.2, 0.2], high, [0.25, 0.25]]
    table = dial(accuracy, [[0.9, 0.9]] * 3, {**UNIFORM, "knn_accuracy": uniform})
    finding = judge("class appears", table)
    assert finding.verdict == verdict
    assert finding.n_seeds == 2
    assert finding.spread == pytest.approx(np.std(high, ddof=1))
    assert f"{np.mean(high):.3f} at sigma = 1" in finding.measured
    assert f"{np.mean(uniform):.3f} at uniform t" in finding.measured


@pytest.mark.parametrize(
    ("high", "uniform", "verdict"),
    [
        ([0.50, 0.52], [0.97, 0.96], REPRODUCED),
        ([0.70, 0.72], [0.97, 0.96], TREND),
        ([0.50, 0.52], [0.80, 0.82], TREND),
        ([0.60, 0.99], [0.80, 0.82], FAILED),
        ([0.99, 0.99], [0.97, 0.96], FAILED),
    ],
)
def test_detail_must_disappear_at_the_best_level_for_class(high, uniform, verdict):
    ink = [[0.9, 0.9], high, [0.0, 0.0]]  # least ink at 10, but class is best at 1
    table = dial([[0.2, 0.2], [0.8, 0.8], [0.3, 0.3]], ink, {**UNIFORM, "ink_r2": uniform})
    finding = judge("fine detail disappears", table)
    assert finding.verdict == verdict
    assert f"{np.mean(high):.3f} at sigma = 1" in finding.measured


@pytest.mark.parametrize(
    ("high", "verdict"),
    [([0.2, 0.22], REPRODUCED), ([0.0, 0.3], FAILED), ([-0.2, -0.22], FAILED)],
)
def test_silhouette_must_rise_by_more_than_the_spread(high, verdict):
    silhouette = [[0.5, 0.5], high, [0.5, 0.5]]
    accuracy = [[0.2, 0.2], [0.8, 0.8], [0.3, 0.3]]
    table = dial(accuracy, [[0.9, 0.9]] * 3, UNIFORM, silhouette=silhouette)
    assert judge("silhouette", table).verdict == verdict


@pytest.mark.parametrize(
    ("accuracy", "ink", "verdict"),
    [
        ([[0.2, 0.21], [0.5, 0.51], [0.8, 0.81]], [0.9, 0.5, 0.1], REPRODUCED),
        ([[0.2, 0.21], [0.1, 0.11], [0.8, 0.81]], [0.9, 0.5, 0.1], TREND),
        ([[0.2, 0.9], [0.5, 0.51], [0.6, 0.9]], [0.9, 0.5, 0.1], TREND),  # spread above the effect
        ([[0.8, 0.81], [0.5, 0.51], [0.2, 0.21]], [0.5, 0.6, 0.9], FAILED),
    ],
)
def test_dial_must_be_monotone_between_the_best_level_for_ink_and_for_class(accuracy, ink, verdict):
    table = dial(accuracy, [[v, v] for v in ink], UNIFORM)
    finding = judge("monotone", table)
    assert finding.verdict == verdict
    assert finding.n_seeds == 2
    assert "from sigma 0.1 to 10" in finding.measured


def test_one_seed_shows_no_spread_and_so_a_trend_at_most_where_spread_decides():
    uniform = {"knn_accuracy": 0.5, "ink_r2": 0.7, "silhouette": 0.0}
    table = dial([0.2, 0.6, 0.65], [0.9, 0.5, 0.1], uniform, silhouette=[0.0, 0.1, 0.3])
    for words in ("class appears", "fine detail disappears", "monotone", "silhouette"):
        finding = judge(words, table)
        assert finding.verdict == TREND, words
        assert np.isnan(finding.spread) and finding.n_seeds == 1
    worse = {"knn_accuracy": 0.7, "ink_r2": 0.05, "silhouette": 0.4}
    table = dial([0.2, 0.6, 0.65], [0.9, 0.5, 0.1], worse, silhouette=[0.0, 0.1, 0.3])
    for words in ("class appears", "fine detail disappears", "silhouette"):
        assert judge(words, table).verdict == FAILED, words


def test_best_level_is_chosen_on_validation_and_reported_on_test():
    """Test alone would take 10 and reproduce; validation takes 1, where test is poorer."""
    accuracy = [[0.2, 0.2], [0.6, 0.62], [0.9, 0.9]]
    ink = [[0.9, 0.9], [0.7, 0.7], [0.1, 0.1]]
    table = dial(accuracy, ink, UNIFORM, validation=[[0.2, 0.2], [0.8, 0.8], [0.7, 0.7]])
    assert results.best_level(table) == 1
    for words, value in (("class appears", "0.610"), ("fine detail disappears", "0.700")):
        finding = judge(words, table)
        assert f"{value} at sigma = 1" in finding.measured
        assert finding.verdict == TREND
    assert "at sigma = 1" in judge("silhouette", table).measured
    assert "to 1 (ink" in judge("monotone", table).measured
    swapped = dial(accuracy, ink, UNIFORM)
    assert results.best_level(swapped) == 10
    assert judge("class appears", swapped).verdict == REPRODUCED


def test_best_level_is_the_best_mean_over_seeds_of_single_levels_of_images():
    table = dial([[0.2, 0.9], [0.6, 0.62], [0.1, 0.1]], [[0.5, 0.5]] * 3, UNIFORM)
    assert results.best_level(table) == 1  # not the luckiest seed, at 0.1
    ranges = rows({"knn_accuracy": 0.99}, t_sampler="interval", split="validation", sigma_max=3.0)
    assert results.best_level(pd.concat([table, ranges])) == 1


def toy(right: int, of: int = 10) -> pd.DataFrame:
    """Factor x level cells, of which so many behave as theory says, and images beside."""
    tables = [dial([[0.2, 0.2]] * 3, [[0.5, 0.5]] * 3, UNIFORM)]
    for k in range(of):
        pays = k % 2
        held = pays if k < right else 1 - pays
        about = {"dataset": "toy", "sigma_max": float(k + 1)}
        tables.append(rows({"fine_accuracy": [0.6 + 0.3 * held, 0.2 + 0.5 * held]}, **about))
        tables.append(rows({"fine_accuracy": 1.0 - held}, split="validation", **about))
        theory = {"pays_fine": float(pays), "gain_fine": 1.0}
        tables.append(rows(theory, split="monte-carlo", method="theory", **about))
    return pd.concat(tables)


@pytest.mark.parametrize(
    ("right", "verdict"), [(10, REPRODUCED), (9, REPRODUCED), (8, TREND), (7, TREND), (6, FAILED)]
)
def test_toy_code_must_hold_what_pays(right, verdict):
    finding = judge("toy set", toy(right))
    assert finding.verdict == verdict
    assert f"{10 * right} % of 10" in finding.measured
    assert finding.n_seeds == 2


# All of them together.


def test_a_missing_table_is_not_a_failure(output: Path) -> None:
    table = claims.verdicts("made-up")
    assert list(table.columns) == COLUMNS
    assert table.claim.tolist() == [claim.claim for claim in CLAIMS]
    assert (table.verdict == ABSENT).all()
    assert (table.measured == "").all() and (table.n_seeds == 0).all() and table.spread.isna().all()


def test_what_is_there_is_judged_and_written(output: Path) -> None:
    results.write("made-up", FLOOR, _notebook_02())
    results.write("made-up", DIAL, [toy(10)])
    written = claims.write_claims("made-up")
    by_source = written.groupby([claim.source for claim in CLAIMS]).verdict.unique()
    assert ABSENT not in by_source[FLOOR] and ABSENT not in by_source[DIAL]
    assert by_source[LATENT].tolist() == [ABSENT]
    stored = pd.read_csv(output / "data/results/made-up/claims.csv", keep_default_na=False)
    assert stored.claim.tolist() == written.claim.tolist()
    assert stored.verdict.tolist() == written.verdict.tolist()
    assert stored.measured.tolist() == written.measured.tolist()
    again = claims.verdicts("made-up")
    pd.testing.assert_frame_equal(written, again)  # nothing but the tables decides


def _notebook_02() -> list[pd.DataFrame]:
    floors = {"floor_nothing": 1.0, "floor_coarse": 0.2, "floor_middle": 0.9, "floor_fine": 1.0}
    gains = [
        monte_carlo({"gain_fine": 3 - i, "gain_middle": 2 - abs(i - 1), "gain_coarse": i}, sigma)
        for i, sigma in enumerate((0.1, 1.0))
    ]
    extra = monte_carlo({"gain_fine": 0.0, "gain_middle": 0.0, "gain_coarse": 9.0}, 10.0)
    return [prop1(1.0), *(monte_carlo(floors, sigma) for sigma in (0.1, 1.0)), *gains, extra]


def test_values_are_of_the_rows_that_match_by_seed():
    table = rows({"a": [1.0, 2.0], "b": [3.0, 4.0]}, t_sampler="uniform_t")
    found = values(table, metric="b", t_sampler="uniform_t")
    assert found.to_dict() == {0: 3.0, 1: 4.0}
    assert values(table, metric="b", t_sampler="single").empty
