"""Verdicts of notebook 10 on made-up results: each can be reached, none without its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from semi_supervised_rows import FEW_STEPS, LABELS, condition, full_table, rows

from drlcore import claims, results
from drlcore.claims import ABSENT, CLAIMS, FAILED, REPRODUCED, TREND, Finding
from drlcore.claims.semi_supervised import SEMI_SUPERVISED, published_share_above
from drlcore.errors import DataError
from drlcore.paper_tables import published_table_1

SCATTER = 0.01 * np.array([-1, -0.5, 0, 0.5, 1])  # of a difference over splits: +- 0.98 points
HALF = float(stats.t.ppf(0.975, 4) * SCATTER.std(ddof=1) / np.sqrt(5))


def judge(words: str, table: pd.DataFrame) -> Finding:
    """The finding of the one claim whose text has these words, from a table as it is read."""
    (claim,) = (c for c in SEMI_SUPERVISED if words in c.claim)
    return claim.find(table.reset_index(drop=True))


def grid(gain: dict[str, Any], mixup: str = "off", **about: Any) -> pd.DataFrame:
    """Each method's gain at every number of labels: a number, or one for each of them."""
    tables = []
    for i, n in enumerate(LABELS):
        here = {m: np.broadcast_to(g, len(LABELS))[i] + SCATTER for m, g in gain.items()}
        tables.append(condition(here, n, mixup=mixup, **about))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("method", ["DRL", "VDRL"])
@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.05, REPRODUCED), (0.5 * HALF, TREND), (-0.01, FAILED), (0.0, FAILED)]
)
def test_gain_with_the_fewest_labels(method, gain, verdict):
    gains = np.array([gain, 0.5, 0.5, 0.5, 0.5])  # the others do not count
    finding = judge(f"by {method} raises LaplaceNet's accuracy (", grid({method.lower(): gains}))
    assert finding.verdict == verdict
    assert f"10 labels: 60.00 % to {60 + 100 * gain:.2f} %" in finding.measured
    low, high = 100 * (gain - HALF), 100 * (gain + HALF)
    assert f"{100 * gain:+.2f} (95 % interval {low:+.2f} to {high:+.2f}) points" in finding.measured
    assert finding.n_seeds == 5 and finding.spread == pytest.approx(SCATTER.std(ddof=1))


def test_shares_of_the_published_table_are_what_is_expected():
    table = published_table_1().set_index(["dataset", "n_labels", "method", "mixup"]).accuracy
    cells = sorted({key[:2] for key in table.index})
    for method, mixup in (("drl", "off"), ("drl", "on"), ("vdrl", "off")):
        above = [table[(*c, method, mixup)] > table[(*c, "none", mixup)] for c in cells]
        assert published_share_above(method, mixup) == (sum(above), len(cells))
    expected = {c.claim: c.expected for c in SEMI_SUPERVISED}
    drl, vdrl = (
        expected[f"pretraining by {m} raises LaplaceNet's accuracy at every number of labels"]
        for m in ("DRL", "VDRL")
    )
    off, on = published_share_above("drl", "off"), published_share_above("drl", "on")
    assert f"{off[0]} of {off[1]} cells without mixup, {on[0]} of {on[1]} with it" in drl
    assert "{} of {} cells".format(*published_share_above("vdrl", "off")) in vdrl


def test_published_gains_are_what_is_expected():
    table = published_table_1().set_index(["dataset", "n_labels", "method", "mixup"]).accuracy
    expected = {c.claim: c.expected for c in SEMI_SUPERVISED}
    cifar = table["cifar10"].xs("off", level="mixup").unstack("method")
    for method in ("drl", "vdrl"):
        words = f"pretraining by {method.upper()} raises LaplaceNet's accuracy (fewest"
        (of_claim,) = (text for claim, text in expected.items() if claim.startswith(words))
        assert f"{cifar.none[100]:.2f} % to {cifar[method][100]:.2f} %" in of_claim
    drl, vdrl = cifar.drl - cifar.none, cifar.vdrl - cifar.none
    assert drl.idxmax() == 500 and vdrl.idxmax() == 100
    assert expected["the gain is largest with the fewest labels"] == (
        f"CIFAR-10, no mixup: VDRL {vdrl[100]:+.2f} points at 100 labels, at most "
        f"{vdrl.drop(100).max():+.2f} with more; DRL {drl[100]:+.2f} at 100, but {drl[500]:+.2f} "
        "at 500"
    )


@pytest.mark.parametrize(
    ("off", "on", "verdict"),
    [
        ([0.05] * 5, [0.05] * 5, REPRODUCED),
        ([0.05] * 5, [0.05] * 4 + [-0.01], REPRODUCED),  # 4 of 5 are more than 7 of 11
        ([0.05] * 5, [0.05] * 3 + [-0.01] * 2, TREND),  # 3 of 5 are fewer
        ([0.05] * 4 + [-0.001], [0.05] * 5, TREND),  # without mixup: all, as published
        ([0.001] * 5, [0.001] * 5, TREND),  # within the interval
        ([0.05] * 3 + [-0.01] * 2, [-0.01] * 3 + [0.05] * 2, FAILED),  # 5 of 10
        ([-0.05] * 5, [-0.05] * 5, FAILED),
    ],
)
def test_gain_at_every_number_of_labels(off, on, verdict):
    table = pd.concat([grid({"drl": off}), grid({"drl": on}, mixup="on")])
    finding = judge("by DRL raises LaplaceNet's accuracy at every", table)
    assert finding.verdict == verdict
    above_off, above_on = (np.array(g) > 0 for g in (off, on))
    assert f"mixup off: above at {above_off.sum()} of 5" in finding.measured
    assert f"mixup on: above at {above_on.sum()} of 5" in finding.measured
    assert f"mean difference {100 * np.mean([*off, *on]):+.2f}" in finding.measured
    clear = sum(g > HALF for g in off)
    assert f"beyond a 95 % interval at {clear}; mixup on" in finding.measured


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([0.05] * 5, REPRODUCED),
        ([0.05] * 4 + [-0.01], TREND),
        ([0.05, 0.05, -0.01, -0.01, -0.01], FAILED),
    ],
)
def test_vdrl_is_judged_without_mixup(gains, verdict):
    table = pd.concat([grid({"vdrl": gains}), grid({"vdrl": -0.1}, mixup="on")])
    finding = judge("by VDRL raises LaplaceNet's accuracy at every", table)
    assert finding.verdict == verdict and "mixup on" not in finding.measured


def test_a_mixup_without_rows_is_not_judged():
    with pytest.raises(DataError, match="no such rows"):
        judge("by DRL raises LaplaceNet's accuracy at every", grid({"drl": 0.05}))


FALLING, RISING = [0.10, 0.05, 0.03, 0.02, 0.01], [0.01, 0.02, 0.03, 0.05, 0.10]


def gains_with_scatter(**gains: list[float]) -> pd.DataFrame:
    """Each cell's scatter lies otherwise over the splits, so that it is left in differences."""
    rng = np.random.default_rng(0)
    tables = []
    for i, n in enumerate(LABELS):
        tables.append(condition({m: g[i] + rng.permutation(SCATTER) for m, g in gains.items()}, n))
    return pd.concat(tables)


@pytest.mark.parametrize(
    ("drl", "vdrl", "verdict"),
    [
        (FALLING, FALLING, REPRODUCED),
        (RISING, FALLING, TREND),
        (FALLING, RISING, TREND),
        (RISING, RISING, FAILED),
        ([0.0301, 0.03, 0.03, 0.03, 0.03], FALLING, TREND),  # within the interval
        ([-0.01, -0.02, -0.02, -0.03, -0.03], RISING, FAILED),  # the smallest loss is no gain
        ([0.05, 0.06, 0.0, 0.0, 0.0], [0.05, 0.06, 0.0, 0.0, 0.0], FAILED),  # above the mean only
    ],
)
def test_where_the_gain_is_largest(drl, vdrl, verdict):
    finding = judge("largest with the fewest", gains_with_scatter(drl=drl, vdrl=vdrl))
    assert finding.verdict == verdict
    for name, of in (("DRL", drl), ("VDRL", vdrl)):
        assert f"{name} {100 * of[0]:+.2f} points at 10 labels" in finding.measured
        assert f"{100 * max(of[1:]):+.2f} at most with more" in finding.measured
        assert f"above their mean by {100 * (of[0] - np.mean(of[1:])):+.2f}" in finding.measured


def test_one_number_of_labels_has_no_largest_gain():
    with pytest.raises(DataError, match="no other to compare"):
        judge("largest with the fewest", condition({"drl": 0.1, "vdrl": 0.1}, 10))


@pytest.mark.parametrize(
    ("little", "full", "verdict"),
    [
        (0.10, 0.05, REPRODUCED),
        (0.055, 0.05, TREND),
        (0.05, 0.06, FAILED),
        (-0.01, -0.05, FAILED),  # less harm is no gain
    ],
)
def test_little_compute(little, full, verdict):
    tables = [grid({"drl": full, "vdrl": 0.9}), grid({"drl": full}, mixup="on")]
    for n in (10, 100):  # only these have fewer steps
        tables.append(condition({"drl": little + SCATTER[::-1]}, n, 0.3, steps=FEW_STEPS))
        tables.append(condition({"drl": 0.5 + SCATTER[::-1]}, n, 0.3, steps=2 * FEW_STEPS))
    finding = judge("with little compute", pd.concat(tables))
    assert finding.verdict == verdict
    assert finding.measured.startswith(f"10, 100 labels: gain {100 * little:+.2f} ")
    half = stats.t.ppf(0.975, 4) * (2 * SCATTER).std(ddof=1) / np.sqrt(5)
    more = little - full
    assert finding.measured.endswith(
        f"difference {100 * more:+.2f} (95 % interval {100 * (more - half):+.2f} to "
        f"{100 * (more + half):+.2f})"
    )
    assert "25 % of the steps" in finding.measured
    assert finding.spread == pytest.approx(2 * SCATTER.std(ddof=1))


@pytest.mark.parametrize(
    ("ae", "verdict"),
    [(-0.02, REPRODUCED), (0.5 * HALF, REPRODUCED), (2 * HALF, FAILED), (0.0, REPRODUCED)],
)
def test_autoencoder(ae, verdict):
    finding = judge("autoencoder", grid({"ae": ae, "drl": 0.05}))
    assert finding.verdict == verdict
    assert f"AE {100 * ae:+.2f} " in finding.measured and "DRL +5.00 " in finding.measured


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ([0.05, -0.05, 0.05, -0.05, 0.05], REPRODUCED),
        ([0.2 * HALF] * 5, REPRODUCED),  # none can be told from 0
        ([0.05, 0.001, 0.001, 0.001, 0.001], FAILED),
        ([-0.05] * 5, FAILED),
    ],
)
def test_mixup_in_pretraining(more, verdict):
    """Against DRL, not against no pretraining."""
    tables = [
        condition({"drl": 0.1, "drl-mixup": 0.1 + m + SCATTER}, n)
        for m, n in zip(more, LABELS, strict=True)
    ]
    finding = judge("mixup inside DRL", pd.concat(tables))
    assert finding.verdict == verdict
    above, clear = sum(m > 0 for m in more), sum(abs(m) > HALF for m in more)
    assert f"above in {above} and below in {5 - above} of 5 cells" in finding.measured
    assert f"beyond a 95 % interval in {clear};" in finding.measured


def test_one_cell_is_not_inconsistent():
    with pytest.raises(DataError, match="no other to be inconsistent"):
        judge("mixup inside DRL", condition({"drl": 0.1, "drl-mixup": 0.1}, 10))


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.05, REPRODUCED), (0.5 * HALF, TREND), (-0.01, FAILED)]
)
def test_labelled_subset(gain, verdict):
    table = grid({"drl": 0.07})
    none = table[(table.method == "none") & (table.n_labels == 50)].value.to_numpy()
    subset = rows(none + gain + SCATTER, "drl", n_labels=50, pretrained_on="labelled")
    finding = judge("labelled subset", pd.concat([table, subset]))
    assert finding.verdict == verdict
    assert finding.measured.startswith(f"50 labels: {100 * gain:+.2f} ")
    assert "every image +7.00 " in finding.measured


@pytest.mark.parametrize("claim", SEMI_SUPERVISED, ids=lambda claim: claim.claim)
def test_one_split_is_at_best_a_trend(claim):
    finding = claim.find(full_table(n_splits=1))
    assert finding.verdict in (TREND, FAILED)
    assert np.isnan(finding.spread) and finding.n_seeds == 1
    assert "interval +" not in finding.measured and "nan" not in finding.measured


@pytest.mark.parametrize("claim", SEMI_SUPERVISED, ids=lambda claim: claim.claim)
def test_the_first_data_set_is_judged(claim):
    table = full_table()
    other = table.assign(dataset="cifar10", value=1 - table.value)
    assert claim.find(pd.concat([table, other], ignore_index=True)) == claim.find(table)


@pytest.mark.parametrize("claim", SEMI_SUPERVISED, ids=lambda claim: claim.claim)
@pytest.mark.parametrize("kept", ["nothing", "no baseline", "baseline alone", "validation"])
def test_missing_rows_are_not_run(claim, kept):
    table = full_table()
    table = {
        "nothing": table.head(0),
        "no baseline": table[~table.method.isin(["none", "drl"])],
        "baseline alone": table[table.method == "none"],
        "validation": table[table.split == "validation"],
    }[kept]
    with pytest.raises(DataError):
        claim.find(table)


@pytest.mark.parametrize("claim", SEMI_SUPERVISED, ids=lambda claim: claim.claim)
def test_uneven_label_splits_are_not_judged(claim):
    """Four splits with 10 labels and five with more: no cell is averaged over other splits."""
    table = full_table()
    table = table[(table.n_labels != 10) | (table.label_split < 4)]
    if "(fewest labels" in claim.claim:  # one cell
        assert claim.find(table).n_seeds == 4
    else:
        with pytest.raises(DataError):
            claim.find(table)


def test_claims_stand_after_the_others_and_say_not_run_without_a_table(output, monkeypatch):
    assert CLAIMS[-len(SEMI_SUPERVISED) :] == SEMI_SUPERVISED
    assert {claim.source for claim in SEMI_SUPERVISED} == {"10_semi_supervised"}
    tables = {"10_semi_supervised": full_table()}

    def read(preset: str, name: str) -> pd.DataFrame:
        if name not in tables:
            raise results.ArtefactError(name)
        return tables[name]

    monkeypatch.setattr(results, "read", read)
    of_table = claims.verdicts("smoke").tail(len(SEMI_SUPERVISED))
    assert set(of_table.verdict) <= {REPRODUCED, TREND, FAILED}
    tables.clear()
    of_none = claims.verdicts("smoke").tail(len(SEMI_SUPERVISED))
    assert set(of_none.verdict) == {ABSENT}
