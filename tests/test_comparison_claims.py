"""Claims of notebooks 05 to 08: validation alone selects, and each control can refute.

That each verdict can be reached, and none without its rows, is in ``test_claims.py``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from claim_rows import TIMES, claim_of, curve, peaked, static, table_of
from made_up import LITTLE, join

from drlcore.errors import DataError
from drlcore.paper.claims.judge import FAILED, OPPOSITE, REPRODUCED, TREND, Finding

BEATS = [
    ("MNIST: ", "mnist", "mlp_accuracy"),
    ("Colored-MNIST: ", "colored-mnist", "mlp_accuracy"),
    ("few labels: ", "mnist", "few_shot_100_accuracy"),
]


def find(start: str, table: pd.DataFrame) -> Finding:
    return claim_of(start).find(table.reset_index(drop=True))


def without(table: pd.DataFrame, method: str, time_conditioned: bool) -> pd.DataFrame:
    gone = (table.method == method) & (table.time_conditioned == time_conditioned)
    assert gone.any()
    return table[~gone]


def test_an_untrained_curve_that_does_the_same_refutes_the_dial_along_t():
    start = "E(x0, t) runs through the dial: detail at small t, class at large t (edm"
    table = table_of(start, 1)
    drl = table[table.method == "drl"]
    finding = find(start, join(drl, drl.assign(method="random")))
    assert finding.verdict == FAILED and "against 1, +0 [+0, +0]" in finding.measured


def test_each_weighting_is_judged_by_its_own_rows():
    edm, paper = (
        f"E(x0, t) runs through the dial: detail at small t, class at large t ({words}"
        for words in ("edm", "the paper")
    )
    opposite = table_of(paper, -1)
    both = join(table_of(edm, 1), opposite[opposite.method == "drl"])
    assert find(edm, both).verdict == REPRODUCED and find(paper, both).verdict == OPPOSITE


@pytest.mark.parametrize("off", [-0.03, 0.03])
def test_near_means_on_both_sides(off: float) -> None:
    table = table_of("a code of sigma_max alone", 1)

    def found(off: float) -> Finding:
        ours = table.value.mask(table.method == "drl", table.value + off)
        return find("a code of sigma_max alone", table.assign(value=ours))

    assert found(off).verdict == REPRODUCED and found(3 * off).verdict == FAILED


def test_how_the_end_is_trained_is_chosen_on_validation_at_the_longest_training():
    table = table_of("a code of sigma_max alone", 1)
    lucky = (table.method == "drl") & (table.weighting == "std2") & (table.split == "test")
    lucky |= (table.method == "drl") & (table.steps < table.steps.max())
    finding = find("a code of sigma_max alone", table.assign(value=table.value.mask(lucky, 0.999)))
    assert finding.verdict == REPRODUCED
    assert finding.measured.startswith("DRL (edm, epsilon 1e-12) against AE - 0.05: 0.89 against")


@pytest.mark.parametrize(("start", "dataset", "metric"), BEATS)
def test_the_time_is_chosen_on_validation(start: str, dataset: str, metric: str) -> None:
    """Test alone would take the time of 0.9; validation takes another, where it is 0.4."""
    others = without(table_of(start, 1), "drl", True)
    misled = curve(
        metric, peaked(0.9 + LITTLE, at=3, foot=0.4 + LITTLE), peaked(0.9, at=1), dataset=dataset
    )
    finding = find(start, join(others, misled))
    assert finding.verdict == OPPOSITE
    assert finding.measured.startswith("drl, E(x0, t) against ae: 0.4 against 0.6")


@pytest.mark.parametrize(("start", "dataset", "metric"), BEATS)
def test_the_diffusion_method_is_chosen_on_validation(
    start: str, dataset: str, metric: str
) -> None:
    table = table_of(start, 1)
    lucky = curve(metric, peaked(0.95), peaked(0.25), method="vdrl", dataset=dataset)
    finding = find(start, join(without(table, "vdrl", True), lucky))
    assert finding.measured.startswith("drl, E(x0, t) against ae: 0.7 against 0.6")
    better = static(metric, 0.9 + LITTLE, "vdrl", dataset=dataset)
    finding = find(start, join(without(table, "vdrl", False), better))
    assert finding.measured.startswith("vdrl against ae: 0.9 against 0.6")


@pytest.mark.parametrize(("start", "dataset", "metric"), BEATS)
def test_one_baseline_that_is_as_good_refutes(start: str, dataset: str, metric: str) -> None:
    table = without(table_of(start, 1), "vae", False)
    as_good = static(metric, 0.7 - LITTLE, "vae", dataset=dataset)
    assert find(start, join(table, as_good)).verdict in (TREND, FAILED)
    better = static(metric, 0.8, "vae", dataset=dataset)
    assert find(start, join(table, better)).verdict == FAILED


def test_seeds_are_paired():
    """Seeds shift both alike: the scatter of each is large, that of the difference is not."""
    common = np.array([-0.1, 0.0, 0.1])
    others = table_of("the benefit persists", 1)
    others = without(without(others, "ae", False), "drl", True)

    def found(shift: np.ndarray) -> str:
        ours = [
            curve("mlp_accuracy", peaked(0.62 + shift + LITTLE), sde=s) for s in ("vp", "subvp")
        ]
        table = join(others, *ours, static("mlp_accuracy", 0.6 + common, "ae"))
        return find("the benefit persists", table).verdict

    assert found(common) == REPRODUCED and found(common[::-1]) == FAILED


def test_the_better_baseline_is_the_one_to_beat_and_chosen_on_validation():
    table = without(table_of("the benefit persists", 1), "vae", False)
    better = static("mlp_accuracy", 0.8, "vae")
    assert find("the benefit persists", join(table, better)).verdict == OPPOSITE
    lucky = better.assign(value=better.value.where(better.split == "test", 0.1))
    finding = find("the benefit persists", join(table, lucky))
    assert finding.verdict == REPRODUCED and "vp against ae" in finding.measured


def test_the_peak_is_chosen_on_validation_among_inner_times():
    at_end = curve("mlp_accuracy", [0.6] * 4 + [0.9 + LITTLE], peaked(0.9, at=4))
    finding = find("accuracy peaks", at_end)
    assert finding.verdict == OPPOSITE and finding.measured.count("t = 0.25 against") == 2
    misled = curve("mlp_accuracy", peaked(0.9 + LITTLE, foot=0.6 + LITTLE), peaked(0.9, at=1))
    assert find("accuracy peaks", misled).verdict == FAILED  # on test alone it would stand out


def test_an_untrained_encoder_that_tells_colour_as_well_refutes():
    """Of .96 untrained, .97 is no merit and .99 is one."""
    table = without(table_of("the code holds the background", 1), "random", False)
    metric, about = "background_colour_accuracy", {"dataset": "colored-mnist"}
    untrained = static(metric, 0.96, "random", **about)
    rest = table[table.metric != metric]
    for ours, verdict in ((0.99, REPRODUCED), (0.97, FAILED)):
        of = join(rest, untrained, curve(metric, peaked(ours + LITTLE / 3), **about))
        assert find("the code holds the background", of).verdict == verdict


def test_information_must_fall_more_than_untrained():
    table = table_of("codes far apart", 1)
    drl = table[table.method == "drl"]
    finding = find("codes far apart", join(drl, drl.assign(method="random")))
    assert finding.verdict == FAILED
    ends = table[table.t.isin(TIMES[::4]) & table.t_j.isin(TIMES[::4])]
    with pytest.raises(DataError, match="1 levels"):
        find("codes far apart", ends)


def test_one_trajectory_probe_is_enough():
    table = table_of("a trajectory tells more", 1)
    worse = table.value.mask(table.metric == "gru_accuracy", 0.1)
    finding = find("a trajectory tells more", table.assign(value=worse))
    assert finding.verdict == REPRODUCED and "the other way" in finding.measured


def test_another_data_set_has_no_say():
    for start, other in (("MNIST: ", "colored-mnist"), ("Colored-MNIST: ", "mnist")):
        table = table_of(start, 1)
        opposite = table_of(start, -1).assign(dataset=other)
        assert find(start, join(opposite, table)) == find(start, table)
        with pytest.raises(DataError):
            find(start, opposite)
