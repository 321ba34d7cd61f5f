"""Every claim on made-up results: true, without effect, opposite, and with something missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from claim_rows import (
    BEST,
    TABLES,
    WITHOUT_OPPOSITE,
    at_best,
    claim_of,
    single,
    table_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import LEVELS, LITTLE, join, rows

from drlcore.errors import DataError
from drlcore.paper import claims
from drlcore.paper.claims import CLAIMS, COLUMNS
from drlcore.paper.claims.judge import (
    ABSENT,
    FAILED,
    OPPOSITE,
    REPRODUCED,
    TREND,
    VERDICTS,
    Finding,
)
from drlcore.paper.experiments import EXPERIMENTS, Verdicts
from drlcore.paper.tables import results

STARTS = sorted(TABLES)


def find(start: str, table: pd.DataFrame) -> Finding:
    return claim_of(start).find(table.reset_index(drop=True))  # as read from a file


def test_every_claim_has_its_tables_here_and_reads_one_that_a_notebook_writes():
    assert sorted(claim_of(start).claim for start in STARTS) == sorted(c.claim for c in CLAIMS)
    written = {name for notebook in Verdicts.reads for name in EXPERIMENTS[notebook].writes}
    written.remove("09_label_splits")  # which images were labelled: nothing is measured in it
    assert {claim.source for claim in CLAIMS} == written


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("e", "verdict"), [(1, REPRODUCED), (0, FAILED), (-1, OPPOSITE)])
def test_a_claim_is_judged_as_it_is(start: str, e: int, verdict: str) -> None:
    if verdict == OPPOSITE and start in WITHOUT_OPPOSITE:
        verdict = FAILED
    finding = find(start, table_of(start, e))
    assert finding.verdict == verdict, finding.measured
    assert finding.n_seeds >= 3
    assert ("as claimed" in finding.measured) or e < 1


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("n_seeds", [1, 2])
def test_fewer_than_three_seeds_show_a_trend_at_most(start: str, n_seeds: int) -> None:
    for e, allowed in ((1, {TREND}), (0, {TREND, FAILED}), (-1, {FAILED})):
        table = table_of(start, e)
        finding = find(start, table[table.seed < n_seeds])
        assert finding.verdict in allowed, finding.measured
        assert finding.n_seeds == n_seeds and np.isnan(finding.spread) == (n_seeds == 1)
        assert "too few seeds" in finding.measured and "nan" not in finding.measured


@pytest.mark.parametrize("start", STARTS)
def test_rows_that_are_missing_are_not_judged(start: str) -> None:
    table = table_of(start, 1)
    for column in ("metric", "method", "split", "t_sampler", "sde", "mixup"):
        for value in table[column].unique() if column in table else ():
            with pytest.raises(DataError):
                find(start, table[table[column] != value])
    later = {"at_sigma", "adam_epsilon"} | ({"steps"} if "label_split" not in table else set())
    for column in later & set(table.columns):
        with pytest.raises(DataError):  # a table from before they were measured
            find(start, table.drop(columns=column))


@pytest.mark.parametrize("start", STARTS)
def test_a_value_that_is_not_finite_is_not_judged(start: str) -> None:
    table = table_of(start, 1)
    for metric in table.metric.unique():
        lost = (table.metric == metric) & (table.seed == 0)
        lost &= (table.split == "test") | metric.startswith("loss_")
        if lost.any():
            with pytest.raises(DataError):
                find(start, table.assign(value=table.value.mask(lost)))


@settings(max_examples=20, deadline=None)
@given(start=st.sampled_from(STARTS), seed=st.integers(0, 1000), e=st.sampled_from([1, 0, -1]))
def test_the_order_of_rows_does_not_matter(start: str, seed: int, e: int) -> None:
    table = table_of(start, e)
    first, again = find(start, table), find(start, table.sample(frac=1, random_state=seed))
    assert first.verdict == again.verdict and first.measured == again.measured


# Notebooks 02 to 04: what decides beside the sign.


def test_prop1_must_hold_at_every_level():
    table = table_of("J_DSM", 1)
    off = table.assign(
        value=table.value - 0.05 * ((table.metric == "constant") & (table.sigma_max == LEVELS[2]))
    )
    assert find("J_DSM", off).verdict == TREND  # nearer than without the constant, but off


def test_the_best_level_is_chosen_on_validation_and_reported_on_test():
    """Test alone would take the last level; validation takes another, where test is poor."""
    table = table_of("noise dial: class", 1)
    is_test = (table.metric == "knn_accuracy") & (table.t_sampler == "single")
    is_test &= table.split == "test"
    poor = at_best("knn_accuracy", 0.6 + LITTLE, 0.9)
    finding = find("noise dial: class", join(table[~is_test], poor))
    assert f"at sigma {BEST:g} against uniform t: 0.6 against 0.5" in finding.measured
    assert finding.verdict == TREND


def test_the_best_level_is_that_of_images_and_of_trained_encoders():
    table = table_of("noise dial: class", 1)
    others = [
        single("knn_accuracy", [0.99] * 4, split="validation", dataset="toy", method="vdrl"),
        rows("knn_accuracy", 0.99, split="validation", method="random", t_sampler="single"),
        rows("knn_accuracy", 0.99, split="validation", t_sampler="interval", sigma_max=3.0),
    ]
    assert find("noise dial: class", join(table, others)) == find("noise dial: class", table)


def test_class_at_high_noise_must_be_paid_for():
    table = table_of("noise dial: class", 1)
    swapped = {"loss_same_class": "loss_same_ink", "loss_same_ink": "loss_same_class"}
    unpaid = table.assign(metric=table.metric.replace(swapped))
    finding = find("noise dial: class", unpaid)
    assert finding.verdict == FAILED and "the other way" in finding.measured


def test_a_code_that_is_worth_nothing_keeps_nothing():
    table = table_of("uniform t: z is about strokes", 1)
    unused = table.assign(value=table.value.mask(table.metric.str.startswith("loss_"), 1.0))
    finding = find("uniform t: z is about strokes", unused)
    assert finding.verdict == FAILED and "0 against 0" in finding.measured


@pytest.mark.parametrize("untrained", [0.85, 0.9])
def test_an_untrained_encoder_that_is_as_good_refutes(untrained: float) -> None:
    table = table_of("uniform t: z is about strokes", 1)
    as_good = table.assign(value=table.value.mask(table.method == "random", untrained))
    assert find("uniform t: z is about strokes", as_good).verdict == FAILED


def test_a_bound_that_is_not_met_leaves_a_trend():
    """Nine levels with two swaps, as the dial was found: rank correlation about .75."""
    table = table_of("noise dial: monotone", 1)
    swapped = table.sigma_max.map(dict(zip(LEVELS, (1.0, 0.1, 50.0, 10.0), strict=True)))
    finding = find("noise dial: monotone", table.assign(sigma_max=swapped, sigma_min=swapped))
    assert finding.verdict == TREND and "bound not met" in finding.measured


def test_the_toy_claim_must_beat_the_answer_that_is_the_same_everywhere():
    table = table_of("toy set", 1)
    never = table.assign(value=table.value.where(table.method == "theory", 0.4))
    rare = never.assign(value=never.value.where(never.method != "theory", 0.0))
    assert find("toy set", rare).verdict == FAILED  # all as predicted, as never is


# All of them together.


def test_a_missing_table_is_not_a_failure(output: Path) -> None:
    table = claims.verdicts("made-up")
    assert list(table.columns) == COLUMNS
    assert table.claim.tolist() == [claim.claim for claim in CLAIMS]
    assert (table.verdict == ABSENT).all() and (table.n_seeds == 0).all()
    assert table.measured.str.contains("no results of").all() and table.spread.isna().all()


def test_what_is_there_is_judged_and_written(output: Path) -> None:
    results.write("made-up", "02_score_matching_floor", [table_of("J_DSM", 1)])
    results.write("made-up", "08_sde_ablation", [table_of("the benefit persists", -1)])
    written = claims.write_claims("made-up")
    found = written.set_index("claim").verdict
    assert found["J_DSM = constant + J_ESM"] == REPRODUCED
    assert found["the benefit persists under another SDE"] == OPPOSITE
    assert found.value_counts().to_dict() == {ABSENT: len(CLAIMS) - 2, REPRODUCED: 1, OPPOSITE: 1}
    assert set(found) <= set(VERDICTS)
    floor = written[written.claim.str.startswith("information on x0")].iloc[0]
    assert floor.measured == "no rows with metric = floor_coarse"
    stored = pd.read_csv(output / "data/results/made-up/claims.csv", keep_default_na=False)
    text = [c for c in COLUMNS if c not in ("spread", "n_seeds")]
    pd.testing.assert_frame_equal(stored[text], written[text])
    pd.testing.assert_frame_equal(written, claims.verdicts("made-up"))  # the tables alone decide
