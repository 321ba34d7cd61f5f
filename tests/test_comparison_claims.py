"""Verdicts of notebooks 06 to 09 on made-up results: each can be reached, none without its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drlcore import claims, results
from drlcore.claims import ABSENT, CLAIMS, FAILED, REPRODUCED, TREND, Finding
from drlcore.claims.comparison import COMPARISON, NEAR
from drlcore.errors import DataError

TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)
LITTLE = np.array([-0.01, 0.0, 0.01])  # scatter over seeds
PAIRED = 0.1 * LITTLE  # of differences: an interval of +- 0.0025

Values = float | Sequence[float] | np.ndarray


def judge(words: str, table: pd.DataFrame) -> Finding:
    """The finding of the one claim whose text has these words, from a table as it is read."""
    (claim,) = (c for c in COMPARISON if words in c.claim)
    return claim.find(table.reset_index(drop=True))


def rows(metric: str, values: Values, **about: Any) -> pd.DataFrame:
    """A row for each seed."""
    defaults = {
        "dataset": "mnist", "method": "drl", "sde": "ve", "split": "test", "t": 0.0,
        "time_conditioned": True, "weighting": "edm", "run": "0" * 12,
    }  # fmt: skip
    about = {**defaults, **about}
    return pd.DataFrame(
        [{**about, "sigma": 0.01 * 5000 ** about["t"], "metric": metric, "seed": seed, "value": v}
         for seed, v in enumerate(np.atleast_1d(values).astype(float))]
    )  # fmt: skip


def curve(
    metric: str, test: Sequence[Values], validation: Sequence[Values] | None = None, **about: Any
) -> pd.DataFrame:
    """E(x0, t): a value (for each seed) at each time, on validation as on test unless given."""
    both = {"test": test, "validation": test if validation is None else validation}
    return pd.concat(
        rows(metric, values, t=t, split=split, **about)
        for split, of_times in both.items()
        for t, values in zip(TIMES, of_times, strict=True)
    )


def level(metric: str, values: Values, method: str, **about: Any) -> pd.DataFrame:
    """E(x0): the same at every time."""
    return curve(metric, [values] * len(TIMES), method=method, time_conditioned=False, **about)


def peaked(height: Values, at: int = 2, foot: float = 0.2) -> list[Values]:
    """Low everywhere but at one time."""
    height = np.atleast_1d(height)
    return [height if i == at else np.full(len(height), foot) for i in range(len(TIMES))]


# Notebook 06.


@pytest.mark.parametrize(
    ("accuracy", "ink", "verdict"),
    [
        ([0.2, 0.3, 0.4, 0.6, 0.7], [0.9, 0.8, 0.5, 0.4, 0.1], REPRODUCED),
        ([0.3, 0.2, 0.4, 0.6, 0.7], [0.9, 0.8, 0.4, 0.5, 0.1], REPRODUCED),  # correlation 0.9
        ([0.3, 0.7, 0.2, 0.6, 0.5], [0.9, 0.8, 0.5, 0.4, 0.1], TREND),
        ([0.2, 0.3, 0.4, 0.6, 0.7], [0.5, 0.9, 0.8, 0.1, 0.4], TREND),
        ([0.2, 0.3, 0.4, 0.6, 0.7], [0.5, 0.1, 0.5, 0.4, 0.9], FAILED),
        ([0.7, 0.3, 0.4, 0.6, 0.2], [0.9, 0.8, 0.5, 0.4, 0.1], FAILED),
        ([0.5] * 5, [0.9] * 5, FAILED),
    ],
)
@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
def test_the_dial_must_be_run_through_along_t(accuracy, ink, verdict):
    rising = [0.2, 0.3, 0.4, 0.6, 0.7]
    table = pd.concat(
        [
            curve("knn_accuracy", [a + LITTLE for a in accuracy], rising),
            curve("ink_r2", [i + LITTLE for i in ink], rising[::-1]),
            curve("knn_accuracy", rising, method="vdrl"),  # the claim is on DRL
            curve("ink_r2", rising[::-1], method="vdrl"),
        ]
    )
    finding = judge("through the dial", table)
    assert finding.verdict == verdict
    assert f"kNN accuracy {accuracy[0]:.2f} to {accuracy[-1]:.2f}" in finding.measured
    assert f"ink R2 {ink[0]:.2f} to {ink[-1]:.2f}" in finding.measured
    assert finding.n_seeds == 3 and finding.spread == pytest.approx(0.01)


def test_the_papers_weighting_is_told_beside_and_does_not_decide():
    ours = [
        curve("knn_accuracy", [a + LITTLE for a in (0.2, 0.3, 0.4, 0.6, 0.7)]),
        curve("ink_r2", [0.9, 0.8, 0.5, 0.4, 0.1]),
    ]
    papers = [
        curve("knn_accuracy", [0.33, 0.3, 0.3, 0.3, 0.31], weighting="std2"),
        curve("ink_r2", [0.97, 0.9, 0.9, 0.9, 0.96], weighting="std2"),
    ]
    alone, both = (judge("through the dial", pd.concat(t)) for t in (ours, ours + papers))
    assert alone.verdict == both.verdict == REPRODUCED
    assert "paper's lambda, as few steps: kNN accuracy not run, ink R2 not run" in alone.measured
    assert "kNN accuracy 0.33 to 0.31, ink R2 0.97 to 0.96" in both.measured
    with pytest.raises(DataError):  # none of ours
        judge("through the dial", pd.concat(papers))


# Notebook 07.

BASELINES = {"ae": 0.6, "vae": 0.5, "simclr-gauss": 0.55}


def downstream(
    drl: Values, *, metric: str = "mlp_accuracy", dataset: str = "mnist", **levels: Any
) -> pd.DataFrame:
    """DRL peaks at its best time, VDRL stays low, and baselines where they are put."""
    n = len(np.atleast_1d(drl))
    of = BASELINES | {k.replace("_", "-"): v for k, v in levels.items()}
    return pd.concat(
        [
            curve(metric, peaked(drl), dataset=dataset),
            curve(metric, peaked(np.full(n, 0.3)), dataset=dataset, method="vdrl"),
            # E(x0) of DRL would beat all; the claims are on E(x0, t).
            level(metric, np.full(n, 0.99), "drl", dataset=dataset),
            *[
                level(metric, np.full(n, v) if np.ndim(v) == 0 else v, name, dataset=dataset)
                for name, v in of.items()
            ],
        ]
    )


BEATS = [
    ("MNIST: diffusion", "mnist", "mlp_accuracy", ("ae", "vae", "simclr-gauss")),
    ("Colored-MNIST: diffusion", "colored-mnist", "mlp_accuracy", ("ae", "vae", "simclr-gauss")),
    ("few labels", "mnist", "few_shot_100_accuracy", ("ae", "vae")),
]


def judge_exactly(start: str, table: pd.DataFrame) -> Finding:
    """As ``judge``; by how the text starts, since MNIST is also in Colored-MNIST."""
    (claim,) = (c for c in COMPARISON if c.claim.startswith(start))
    return claim.find(table.reset_index(drop=True))


@pytest.mark.parametrize(("start", "dataset", "metric", "against"), BEATS)
@pytest.mark.parametrize(
    ("drl", "verdict", "ahead", "beaten"),
    [
        (0.70 + LITTLE, REPRODUCED, ("ae", "vae", "simclr-gauss"), ("ae", "vae", "simclr-gauss")),
        # Above the autoencoder in the mean, its interval reaches below.
        (0.61 + LITTLE, TREND, ("ae", "vae", "simclr-gauss"), ("vae", "simclr-gauss")),
        (0.58 + LITTLE, FAILED, ("vae", "simclr-gauss"), ("vae", "simclr-gauss")),  # behind one
        (0.40 + LITTLE, FAILED, (), ()),
    ],
)
def test_diffusion_codes_must_beat_every_baseline(
    start, dataset, metric, against, drl, verdict, ahead, beaten
):
    table = downstream(drl, dataset=dataset, metric=metric)
    finding = judge_exactly(start, table)
    assert finding.verdict == verdict
    counted = [len([m for m in names if m in against]) for names in (ahead, beaten)]
    assert f"ahead of {counted[0]} of {len(against)}, " in finding.measured
    assert finding.measured.endswith(f"of {counted[1]}")
    assert finding.measured.startswith(f"drl at its best t {drl.mean():.3f}; ")
    for method in against:
        assert f"{method} {BASELINES[method]:.3f}" in finding.measured
    assert finding.n_seeds == 3 and finding.spread == pytest.approx(0.01)


def test_few_labels_are_not_judged_by_simclr():
    table = downstream(0.7 + LITTLE, metric="few_shot_100_accuracy", simclr_gauss=0.9)
    assert judge_exactly("few labels", table).verdict == REPRODUCED
    behind = downstream(0.7 + LITTLE, simclr_gauss=0.9)
    assert judge_exactly("MNIST: diffusion", behind).verdict == FAILED


def test_beyond_an_interval_means_students_paired_over_seeds():
    """Seeds shift both alike: the scatter of each is large, that of the difference is not."""
    common = np.array([-0.1, 0.0, 0.1])
    difference = 0.02 + PAIRED
    low = stats.ttest_1samp(difference, 0).confidence_interval(0.95).low
    assert low > 0
    table = downstream(0.6 + common + difference, ae=0.6 + common, vae=0.3, simclr_gauss=0.3)
    assert judge_exactly("MNIST: diffusion", table).verdict == REPRODUCED
    turned = downstream(0.6 + common[::-1] + difference, ae=0.6 + common, vae=0.3, simclr_gauss=0.3)
    assert judge_exactly("MNIST: diffusion", turned).verdict == TREND


@pytest.mark.parametrize(("start", "dataset", "metric", "against"), BEATS)
def test_the_time_is_chosen_on_validation(start, dataset, metric, against):
    """Test alone would take the time of 0.9; validation takes another, where it is 0.4."""
    table = downstream(0.9 + LITTLE, dataset=dataset, metric=metric)
    drl = (table.method == "drl") & table.time_conditioned
    misled = curve(
        metric,
        peaked(0.9 + LITTLE, at=3, foot=0.4),
        peaked(0.9 + LITTLE, at=1),
        dataset=dataset,
    )
    finding = judge_exactly(start, pd.concat([table[~drl], misled]))
    assert finding.verdict == FAILED
    assert finding.measured.startswith("drl at its best t 0.400; ")
    assert judge_exactly(start, table).verdict == REPRODUCED


def test_the_diffusion_method_is_chosen_on_validation_too():
    table = downstream(0.3 + LITTLE)
    others = table[(table.method != "vdrl")]
    luck = curve(
        "mlp_accuracy", peaked(0.9 + LITTLE), peaked(0.25 + LITTLE, foot=0.1), method="vdrl"
    )
    finding = judge_exactly("MNIST: diffusion", pd.concat([others, luck]))
    assert finding.verdict == FAILED and finding.measured.startswith("drl at its best t 0.300")
    better = curve("mlp_accuracy", peaked(0.9 + LITTLE), method="vdrl")
    finding = judge_exactly("MNIST: diffusion", pd.concat([others, better]))
    assert finding.verdict == REPRODUCED
    assert finding.measured.startswith("vdrl at its best t 0.900")


@pytest.mark.parametrize(
    ("last", "verdict"),
    [(0.60 + 0.9 * NEAR, REPRODUCED), (0.60 - 0.9 * NEAR, REPRODUCED),
     (0.60 + 1.1 * NEAR, FAILED), (0.60 - 1.1 * NEAR, FAILED)],
)  # fmt: skip
def test_the_last_time_must_be_near_the_autoencoder(last, verdict):
    of_times = [0.6 + LITTLE] * 4 + [last + LITTLE]
    table = pd.concat(
        [
            curve("mlp_accuracy", of_times, [0.6] * 5),
            curve("knn_accuracy", [0.6] * 5),
            level("mlp_accuracy", 0.60 + LITTLE, "ae"),
        ]
    )
    finding = judge("near the autoencoder's", table)
    assert finding.verdict == verdict
    assert finding.measured == f"drl at t = 1 {last:.3f}, ae 0.600"
    assert finding.n_seeds == 3 and finding.spread == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("simclr", "verdict", "drl"), [(0.8, REPRODUCED, 0.7), (0.8, FAILED, 0.85), (0.58, FAILED, 0.5)]
)
def test_simclr_must_be_above_all_that_need_no_labels(simclr, verdict, drl):
    table = pd.concat(
        [
            downstream(drl + LITTLE),
            level("mlp_accuracy", simclr + LITTLE, "simclr"),
            level("mlp_accuracy", 0.97 + LITTLE, "supervised"),
        ]
    )
    finding = judge("SimCLR with full augmentation", table)
    assert finding.verdict == verdict
    best, value = max({"drl": drl, **BASELINES}.items(), key=lambda item: item[1])
    assert finding.measured == f"simclr {simclr:.3f}, best of the others {best} {value:.3f}"
    assert finding.n_seeds == 3


@pytest.mark.parametrize(
    ("test", "at", "verdict"),
    [
        ([0.5, 0.6, 0.8, 0.7, 0.6], 2, REPRODUCED),
        ([0.5, 0.6, 0.605, 0.7, 0.6], 2, TREND),  # above the last by less than the interval
        ([0.5, 0.6, 0.55, 0.7, 0.6], 2, FAILED),  # not above it
        ([0.9, 0.6, 0.5, 0.7, 0.6], 0, FAILED),
        ([0.5, 0.6, 0.8, 0.7, 0.9], 4, FAILED),
        ([0.5, 0.6, 0.9, 0.7, 0.6], 4, FAILED),  # on test alone it would be inside
    ],
)
def test_the_peak_on_validation_must_stand_out_on_test(test, at, verdict):
    of_times = [value + (LITTLE if i == 2 else -LITTLE) for i, value in enumerate(test)]
    finding = judge("intermediate", curve("mlp_accuracy", of_times, peaked([0.9] * 3, at=at)))
    assert finding.verdict == verdict
    assert f"peak at t = {TIMES[at]:.2f} (chosen on validation): {test[at]:.3f} on test" in (
        finding.measured
    )
    assert f"against {test[0]:.3f} and {test[-1]:.3f} at the ends" in finding.measured
    assert finding.n_seeds == 3 and finding.spread == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("colour", "digit", "verdict"),
    [(0.95, 0.5, REPRODUCED), (0.85, 0.5, FAILED), (0.95, 0.97, FAILED)],
)
def test_the_background_colour_must_be_held_better_than_the_digit(colour, digit, verdict):
    about = {"dataset": "colored-mnist"}
    table = pd.concat(
        [
            curve("background_colour_accuracy", peaked(colour + LITTLE), **about),
            curve("knn_accuracy", peaked(digit + LITTLE, at=4), **about),  # each at its own best
            curve("background_colour_accuracy", [0.2] * 5, method="vdrl", **about),
        ]
    )
    finding = judge("background's colour", table)
    assert finding.verdict == verdict
    assert f"background colour {colour:.3f} (chance 0.2)" in finding.measured
    assert f"digit class {digit:.3f} (chance 0.1)" in finding.measured
    assert finding.n_seeds == 3


def test_a_data_set_that_is_absent_has_no_say_and_gets_no_verdict():
    mnist = pd.concat([downstream(0.7 + LITTLE), level("mlp_accuracy", 0.9 + LITTLE, "simclr")])
    other = mnist.assign(dataset="digits", value=1 - mnist.value)
    about_mnist = ("MNIST: diffusion", "diffusion codes are near", "SimCLR with", "accuracy peaks")
    for start in about_mnist:
        assert judge_exactly(start, pd.concat([other, mnist])) == judge_exactly(start, mnist)
        with pytest.raises(DataError):
            judge_exactly(start, other)
    for start in ("Colored-MNIST", "the code holds"):
        with pytest.raises(DataError):
            judge_exactly(start, pd.concat([other, mnist]))


# Notebook 08.


def information(nmi: Callable[[float, int], float], n_seeds: int = 3) -> pd.DataFrame:
    """Pairs of times, shared as ``nmi(distance, seed)``."""
    return pd.concat(
        rows(
            "nmi",
            [1.0 if a == b else nmi(abs(a - b), seed) for seed in range(n_seeds)],
            t=a,
        ).assign(t_j=b)
        for a in TIMES
        for b in TIMES
    )


@pytest.mark.parametrize(
    ("nmi", "verdict"),
    [
        (lambda d, seed: 0.9 - 0.5 * d - 0.01 * seed, REPRODUCED),
        (lambda d, seed: 0.9 - 0.5 * d if seed else 0.4 + 0.1 * d, TREND),  # mean of -1, -1, 1
        (lambda d, seed: 0.4 + 0.5 * d, FAILED),
    ],
)
def test_information_must_fall_with_distance(nmi, verdict):
    table = information(nmi)
    noise = table.assign(method="vdrl", value=table.value[::-1].to_numpy())
    finding = judge("share less", pd.concat([table, noise, table.assign(metric="mi", value=7.0)]))
    assert finding.verdict == verdict
    near, far = (np.mean([nmi(d, seed) for seed in range(3)]) for d in (0.25, 1.0))
    assert f"{near:.2f} between neighbouring times, {far:.2f} between the first" in finding.measured
    per_seed = [np.sign(nmi(1.0, seed) - nmi(0.25, seed)) for seed in range(3)]
    assert f"distance in t {np.mean(per_seed):.2f}" in finding.measured
    assert finding.spread == pytest.approx(np.std(per_seed, ddof=1))
    assert finding.n_seeds == 3


def test_two_times_have_no_distances_to_compare():
    table = information(lambda d, seed: 0.5)
    ends = table[table.t.isin([0.0, 1.0]) & table.t_j.isin([0.0, 1.0])]
    with pytest.raises(DataError, match="two times"):
        judge("share less", ends)


def trajectory(gru: Values, transformer: Values, single: Values = 0.6 + LITTLE) -> pd.DataFrame:
    nowhen = {"t": np.nan}
    return pd.concat(
        [
            curve("mlp_accuracy", peaked(single)),
            rows("gru_accuracy", gru, **nowhen),
            rows("transformer_accuracy", transformer, **nowhen),
            rows("gru_accuracy", 0.99, split="validation", **nowhen),
            rows("gru_accuracy", [0.99] * 3, method="vdrl", **nowhen),
        ]
    )


@pytest.mark.parametrize(
    ("gru", "transformer", "verdict"),
    [
        (0.7 + LITTLE + PAIRED, 0.5 + LITTLE, REPRODUCED),
        (0.5 + LITTLE, 0.7 + LITTLE + PAIRED, REPRODUCED),
        (0.61 - LITTLE, 0.5 + LITTLE, TREND),
        (0.55 + LITTLE, 0.5 + LITTLE, FAILED),
    ],
)
def test_all_times_must_tell_more_than_the_best(gru, transformer, verdict):
    finding = judge("trajectory tells more", trajectory(gru, transformer))
    assert finding.verdict == verdict
    assert finding.measured.startswith("best single time 0.600; ")
    for name, values in (("gru", gru), ("transformer", transformer)):
        assert f"{name} {values.mean() - 0.6:+.3f} (95 % interval " in finding.measured
    interval = stats.ttest_rel(0.61 - LITTLE, 0.6 + LITTLE).confidence_interval(0.95)
    shown = f"{interval.low:+.3f} to {interval.high:+.3f}"
    assert (shown in finding.measured) == (verdict == TREND)
    assert finding.n_seeds == 3 and finding.spread == pytest.approx(0.01)


def test_the_single_time_is_chosen_on_validation():
    table = trajectory(0.7 + LITTLE + PAIRED, 0.5 + LITTLE)
    point = curve("mlp_accuracy", peaked(0.9 + LITTLE, at=3), peaked([0.9] * 3, at=1))
    misled = pd.concat([table[table.metric != "mlp_accuracy"], point])
    finding = judge("trajectory tells more", misled)
    assert finding.measured.startswith("best single time 0.200; ")


# Notebook 09.


def by_sde(vp: Values, subvp: Values, **levels: Values) -> pd.DataFrame:
    tables = [
        curve("mlp_accuracy", peaked(values), sde=sde)
        for sde, values in (("ve", 0.9 + LITTLE), ("vp", vp), ("subvp", subvp))
    ]
    tables += [curve("mlp_accuracy", peaked(np.full(3, 0.1)), sde="vp", method="vdrl")]
    of = {"ae": 0.6 + np.zeros(len(np.atleast_1d(vp))), "vae": 0.5 + np.zeros_like(vp), **levels}
    return pd.concat([*tables, *[level("mlp_accuracy", v, m) for m, v in of.items()]])


@pytest.mark.parametrize(
    ("vp", "subvp", "verdict"),
    [
        (0.70, 0.80, REPRODUCED),
        (0.70, 0.61, TREND),  # above, but its interval reaches below
        (0.61, 0.61, TREND),
        (0.70, 0.55, FAILED),  # above the VAE only
        (0.55, 0.70, FAILED),
    ],
)
def test_the_benefit_must_persist_under_both_other_sdes(vp, subvp, verdict):
    finding = judge("another SDE", by_sde(vp + LITTLE, subvp + LITTLE))
    assert finding.verdict == verdict
    assert finding.measured == (
        f"drl at its best t: ve 0.900, vp {vp:.3f}, subvp {subvp:.3f}; ae 0.600"
    )
    assert finding.n_seeds == 3 and finding.spread == pytest.approx(0.01)


def test_the_better_of_the_baselines_is_the_one_to_beat():
    table = by_sde(0.7 + LITTLE, 0.7 + LITTLE, vae=np.full(3, 0.75))
    finding = judge("another SDE", table)
    assert finding.verdict == FAILED and finding.measured.endswith("; vae 0.750")


@pytest.mark.parametrize("without", ["ve", "vp", "subvp"])
def test_an_sde_that_was_not_run_is_not_judged(without):
    table = by_sde(0.7 + LITTLE, 0.7 + LITTLE)
    with pytest.raises(DataError):
        judge("another SDE", table[~((table.sde == without) & (table.method == "drl"))])


# All of them.


@cache
def everything() -> dict[str, pd.DataFrame]:
    """A table for each notebook, on which every claim is reproduced."""
    background = {"dataset": "colored-mnist"}
    mnist = [0.55 + LITTLE, 0.7 + LITTLE, 0.8 + LITTLE + PAIRED, 0.7 + LITTLE, 0.61 + LITTLE]
    few = "few_shot_100_accuracy"
    return {
        "06_code_as_a_curve": pd.concat(
            [
                curve("knn_accuracy", [a + LITTLE for a in (0.2, 0.3, 0.4, 0.6, 0.7)]),
                curve("ink_r2", [a + LITTLE for a in (0.9, 0.8, 0.5, 0.4, 0.1)]),
            ]
        ),
        "07_downstream": pd.concat(
            [
                downstream(0.8 + LITTLE).query("~(method == 'drl' and time_conditioned)"),
                curve("mlp_accuracy", mnist),
                level("mlp_accuracy", 0.9 + LITTLE, "simclr"),
                downstream(0.7 + LITTLE, metric=few),
                downstream(0.7 + LITTLE, **background),
                curve("background_colour_accuracy", peaked(0.95 + LITTLE), **background),
                curve("knn_accuracy", peaked(0.5 + LITTLE), **background),
            ]
        ),
        "08_trajectory": pd.concat(
            [
                trajectory(0.7 + LITTLE + PAIRED, 0.5 + LITTLE),
                information(lambda d, seed: 0.9 - 0.5 * d),
            ]
        ),
        "09_sde_ablation": by_sde(0.7 + LITTLE, 0.8 + LITTLE),
    }


def write(tables: Mapping[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        results.write("made-up", name, [table])


def verdicts() -> dict[str, str]:
    table = claims.verdicts("made-up").set_index("claim")
    return {c.claim: table.verdict[c.claim] for c in COMPARISON}


def test_what_is_written_is_judged_as_it_was_computed(output: Path) -> None:
    write(everything())
    assert set(verdicts().values()) == {REPRODUCED}
    judged = claims.verdicts("made-up").set_index("claim")
    for claim in COMPARISON:
        computed = claim.find(everything()[claim.source].reset_index(drop=True))
        assert judged.measured[claim.claim] == computed.measured
        assert judged.n_seeds[claim.claim] == 3


def test_one_seed_is_a_trend_at_most(output: Path) -> None:
    write({name: table[table.seed == 1] for name, table in everything().items()})
    assert set(verdicts().values()) == {TREND}
    judged = claims.verdicts("made-up")
    ours = judged[judged.claim.isin(verdicts())]
    assert (ours.n_seeds == 1).all() and ours.spread.isna().all()


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_one_seed_can_still_fail(n_seeds):
    seeds = LITTLE[:n_seeds]
    low = downstream(0.3 + seeds)
    assert judge_exactly("MNIST: diffusion", low).verdict == FAILED
    assert judge_exactly("few labels", low.assign(metric="few_shot_100_accuracy")).verdict == FAILED
    assert judge("near the autoencoder's", low).verdict == FAILED
    simclr = level("mlp_accuracy", 0.4 + seeds, "simclr")
    assert judge("SimCLR with", pd.concat([low, simclr])).verdict == FAILED
    end = curve("mlp_accuracy", peaked(0.3 + seeds, at=4))
    assert judge("intermediate", end).verdict == FAILED
    table = trajectory(0.5 + seeds, 0.5 + seeds, 0.6 + seeds)
    assert judge("trajectory tells more", table).verdict == FAILED
    rising = information(lambda d, seed: 0.4 + 0.5 * d, n_seeds)
    assert judge("share less", rising).verdict == FAILED
    poor = by_sde(0.3 + LITTLE, 0.3 + LITTLE)
    assert judge("another SDE", poor[poor.seed < n_seeds]).verdict == FAILED


@pytest.mark.parametrize("missing", sorted(everything()))
def test_a_missing_table_is_not_run(missing: str, output: Path) -> None:
    write({name: table for name, table in everything().items() if name != missing})
    expected = {c.claim: ABSENT if c.source == missing else REPRODUCED for c in COMPARISON}
    assert verdicts() == expected


NEEDED = {
    "through the dial": ["knn_accuracy", "ink_r2", "drl", "test"],
    "Colored-MNIST": ["drl", "vdrl", "ae", "vae", "simclr-gauss", "test", "validation"],
    "few labels": ["few_shot_100_accuracy", "drl", "vdrl", "ae", "vae", "test", "validation"],
    "near the autoencoder's": ["drl", "ae", "mlp_accuracy", "test"],
    "SimCLR with": ["simclr", "ae", "vae", "simclr-gauss", "drl", "vdrl", "test", "validation"],
    "intermediate": ["drl", "mlp_accuracy", "test", "validation"],
    "background's": ["drl", "background_colour_accuracy", "knn_accuracy", "test", "validation"],
    "share less": ["drl", "nmi"],
    "trajectory tells": [
        "drl", "mlp_accuracy", "gru_accuracy", "transformer_accuracy", "test", "validation",
    ],
    "another SDE": ["drl", "ae", "vae", "vp", "mlp_accuracy", "test", "validation"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "missing"), [(words, one) for words, needed in NEEDED.items() for one in needed]
)
def test_missing_rows_are_refused(words: str, missing: str) -> None:
    (claim,) = (c for c in COMPARISON if words in c.claim)
    table = everything()[claim.source]
    gone = (table[["method", "metric", "split", "sde"]] == missing).any(axis=1)
    assert gone.any()
    with pytest.raises(DataError):
        judge(words, table[~gone])


def test_refused_rows_are_not_run(output: Path) -> None:
    write({name: table[table.split == "made-up"] for name, table in everything().items()})
    assert set(verdicts().values()) == {ABSENT}


def test_every_claim_is_among_all_claims_and_lacks_rows_somewhere():
    assert set(COMPARISON) <= set(CLAIMS)
    tried = {c.claim for c in COMPARISON for words in NEEDED if words in c.claim}
    assert {c.claim for c in COMPARISON} - tried == {
        "MNIST: diffusion codes beat AE, VAE and SimCLR-Gauss at some encoder time"
    }  # judged by the same function as Colored-MNIST
