"""Claims of notebook 09: harm is counted, splits are paired, and texts say what was published.

That each verdict can be reached, and none without its rows, is in ``test_claims.py``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from claim_rows import BUDGETS, FIVE, claim_of, condition, grid
from semi_supervised_rows import FEW_STEPS, LABELS, full_table

from drlcore.errors import DataError
from drlcore.paper.claims import CLAIMS
from drlcore.paper.claims.judge import FAILED, OPPOSITE, REPRODUCED, TREND, Finding
from drlcore.paper.published import published_table_1

SEMI_SUPERVISED = [claim for claim in CLAIMS if claim.source == "09_semi_supervised"]
EVERY = "pretraining by DRL raises LaplaceNet's accuracy at every number of labels"


def find(start: str, table: pd.DataFrame) -> Finding:
    return claim_of(start).find(table.reset_index(drop=True))


def each(gains: dict[str, list[float]], **about: object) -> pd.DataFrame:
    """Each method's gain at every number of labels."""
    return pd.concat(
        condition({m: g[i] + FIVE for m, g in gains.items()}, n, **about)  # type: ignore[arg-type]
        for i, n in enumerate(LABELS)
    )


def test_published_shares_and_gains_are_those_of_table_1():
    table = published_table_1().set_index(["dataset", "n_labels", "method", "mixup"]).accuracy
    cells = sorted({key[:2] for key in table.index})
    for method, mixup, words in (
        ("drl", "off", " (no mixup)"), ("drl", "on", " (with mixup)"), ("vdrl", "off", ""),
    ):  # fmt: skip
        above = sum(table[(*c, method, mixup)] > table[(*c, "none", mixup)] for c in cells)
        said = claim_of(EVERY.replace("DRL", method.upper()) + words).published
        assert said == f"above in {above} of {len(cells)} cells"
    cifar = table["cifar10"].xs("off", level="mixup").unstack("method")
    for method in ("drl", "vdrl"):
        of_claim = claim_of(f"pretraining by {method.upper()} raises LaplaceNet's accuracy (fewest")
        assert f"{cifar.none[100]:.2f} % to {cifar[method][100]:.2f} %" in of_claim.published
    drl, vdrl = cifar.drl - cifar.none, cifar.vdrl - cifar.none
    assert drl.idxmax() == 500 and vdrl.idxmax() == 100
    assert claim_of("the gain is largest").published.startswith(
        f"CIFAR-10, no mixup: VDRL {vdrl[100]:+.2f} points at 100 labels, at most "
        f"{vdrl.drop(100).max():+.2f} with more; DRL {drl[100]:+.2f} at 100, but {drl[500]:+.2f} "
        "at 500"
    )


def test_harm_at_one_number_of_labels_is_not_hidden_by_what_is_unclear():
    """As it was found: unclear with few labels, clearly worse with many."""
    harm = each({"drl": [0.001, 0.001, -0.001, 0.001, -0.02]})
    finding = find(f"{EVERY} (no mixup)", harm)
    assert finding.verdict == OPPOSITE
    assert "400 labels: 94 against 96, -2 [" in finding.measured
    mixed = each({"drl": [0.05, 0.05, 0.05, 0.05, -0.02]})
    finding = find(f"{EVERY} (no mixup)", mixed)
    assert finding.verdict == FAILED and "the other way" in finding.measured


def test_each_mixup_is_a_claim_of_its_own():
    table = pd.concat([grid({"drl": 0.05 + FIVE}, "off"), grid({"drl": -0.05 + FIVE}, "on")])
    assert find(f"{EVERY} (no", table).verdict == REPRODUCED
    assert find(f"{EVERY} (with", table).verdict == OPPOSITE


def test_the_fewest_labels_alone_decide_on_the_fewest():
    for method in ("DRL", "VDRL"):
        start = f"pretraining by {method} raises LaplaceNet's accuracy (fewest"
        finding = find(start, each({method.lower(): [0.05, -0.1, -0.1, -0.1, -0.1]}))
        assert finding.verdict == REPRODUCED
        assert finding.measured.startswith("10 labels: 65 against 60, +5 [")
        assert finding.n_seeds == 5 and finding.spread == pytest.approx(100 * FIVE.std(ddof=1))


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([0.10, 0.05, 0.03, 0.02, 0.01], REPRODUCED),
        ([0.05, 0.06, 0.00, 0.00, 0.00], FAILED),  # above the mean of the others only
        ([-0.01, -0.02, -0.02, -0.03, -0.03], FAILED),  # the smallest loss is no gain
    ],
)
def test_where_the_gain_is_largest(gains, verdict):
    rng = np.random.default_rng(0)  # each cell's scatter lies otherwise over the splits
    cells = zip(LABELS, gains, strict=True)
    table = pd.concat(condition({"vdrl": g + rng.permutation(FIVE)}, n) for n, g in cells)
    assert find("the gain is largest", table).verdict == verdict
    with pytest.raises(DataError, match="no other to compare"):
        find("the gain is largest", table[table.n_labels == 10])


def test_little_compute_is_judged_over_all_budgets_and_at_each():
    """One cell with a large gain and one with harm are no gain."""
    full = grid({"drl": 0.004 + FIVE}, "off")
    few = {n: g for n, g in zip(BUDGETS, (0.07, -0.02), strict=True)}
    little = [condition({"drl": g + FIVE[::-1]}, n, 0.5, steps=FEW_STEPS) for n, g in few.items()]
    finding = find("with little compute", pd.concat([full, *little]))
    assert finding.verdict == FAILED
    assert "25% of the steps, mean over numbers of labels" in finding.measured
    assert finding.measured.count("as claimed") == 3  # both means, and the first cell
    assert finding.measured.endswith("the other way")


@pytest.mark.parametrize(
    ("ae", "drl", "scatter", "verdict"),
    [
        (-0.02, 0.05, FIVE, REPRODUCED),
        (-0.02, 0.004, 10 * FIVE, TREND),  # as it was found: DRL's own gain is not told from 0
        (0.0, 0.0, FIVE, FAILED),  # no gain, as DRL
        (0.02, 0.05, FIVE, FAILED),  # a gain, less than DRL's
        (0.02, 0.0, FIVE, OPPOSITE),
    ],
)
def test_no_gain_must_be_shown_by_what_a_null_does_not_pass(ae, drl, scatter, verdict):
    table = grid({"ae": ae + scatter, "drl": drl - scatter}, "off")
    assert find("autoencoder pretraining", table).verdict == verdict


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ([0.05, -0.05, 0.05, -0.05, 0.05], REPRODUCED),
        ([0.05, -0.0015, 0.05, 0.05, 0.05], TREND),
        ([0.0005] * 5, FAILED),  # no effect is not inconsistent
        ([-0.05] * 5, FAILED),
    ],
)
def test_inconsistent_is_both_signs_beyond_the_spread(more, verdict):
    """Against DRL, not against no pretraining."""
    table = pd.concat(
        condition({"drl": 0.1, "drl-mixup": 0.1 + m + FIVE}, n, base=0.5, mixup=mixup)
        for m, n in zip(more, LABELS, strict=True)
        for mixup in ("off", "on")
    )
    assert find("mixup inside DRL", table).verdict == verdict
    one = table[(table.n_labels == 10)]
    assert find("mixup inside DRL", one).verdict != REPRODUCED


@pytest.mark.parametrize("claim", SEMI_SUPERVISED, ids=lambda claim: claim.claim)
def test_the_first_data_set_is_judged(claim):
    table = full_table()
    other = table.assign(dataset="cifar10", value=1 - table.value)
    assert claim.find(pd.concat([table, other], ignore_index=True)) == claim.find(table)


@pytest.mark.parametrize("claim", SEMI_SUPERVISED, ids=lambda claim: claim.claim)
def test_uneven_label_splits_are_not_judged(claim):
    """Four splits with 10 labels and five with more: no cell is averaged over other splits."""
    table = full_table()
    with pytest.raises(DataError):
        claim.find(table[(table.n_labels != 10) | (table.label_split < 4)])


def test_claims_stand_together():
    assert len(SEMI_SUPERVISED) == 10
    first = CLAIMS.index(SEMI_SUPERVISED[0])
    assert list(CLAIMS[first : first + 10]) == SEMI_SUPERVISED
