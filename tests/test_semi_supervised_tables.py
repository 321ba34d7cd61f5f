"""Tables of notebook 09, and the paper's Table 1 that stands beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from semi_supervised_rows import FEW_STEPS, LABELS, STEPS, condition, full_table, rows

from drlcore.errors import DataError
from drlcore.paper.published import published_table_1
from drlcore.paper.tables import results
from drlcore.paper.tables.semi_supervised import (
    ARMS,
    accuracies,
    accuracy_table,
    arm_name,
    gains,
    main_grid,
    paired_accuracies,
)

# The published table.


def test_published_table_has_each_cell_once():
    table = published_table_1()
    assert table.columns.tolist() == [
        "dataset", "n_images", "n_labels", "method", "mixup", "accuracy",
    ]  # fmt: skip
    budgets = {
        "cifar10": [100, 500, 1000, 2000, 4000],
        "cifar100": [1000, 4000, 10_000, 20_000],
        "mini-imagenet": [4000, 10_000],
    }
    arms = [("none", "off"), ("none", "on"), ("drl", "off"), ("drl", "on"), ("vdrl", "off")]
    wanted = [(d, 50_000, n, *arm) for d, labels in budgets.items() for n in labels for arm in arms]
    assert list(table.iloc[:, :5].itertuples(index=False, name=None)) == wanted


@pytest.mark.parametrize(
    ("method", "mixup", "total"),  # sums of a column of 11 in the printed table
    [
        ("none", "off", 843.00),
        ("none", "on", 846.92),
        ("drl", "off", 848.28),
        ("drl", "on", 839.20),
        ("vdrl", "off", 857.73),
    ],
)
def test_published_columns_add_up(method, mixup, total):
    table = published_table_1()
    column = table[(table.method == method) & (table.mixup == mixup)].accuracy
    assert len(column) == 11 and column.sum() == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize(
    ("cell", "accuracy"),
    [
        (("cifar10", 100, "none", "off"), 73.68),
        (("cifar10", 100, "drl", "on"), 64.67),
        (("cifar10", 100, "vdrl", "off"), 81.63),
        (("cifar10", 4000, "drl", "on"), 95.22),
        (("cifar100", 10_000, "none", "on"), 72.84),
        (("cifar100", 20_000, "drl", "on"), 76.88),
        (("mini-imagenet", 10_000, "drl", "on"), 66.63),
        (("mini-imagenet", 10_000, "vdrl", "off"), 67.46),
    ],
)
def test_published_values(cell, accuracy):
    table = published_table_1().set_index(["dataset", "n_labels", "method", "mixup"])
    assert table.accuracy[cell] == accuracy


def test_a_lost_table_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path))
    with pytest.raises(DataError, match="table_1.csv is absent"):
        published_table_1()


# Ours.


def test_arms_survive_writing_and_reading(output: Path):
    """'none', 'off' and 'on' are words in the CSV, not nothing and truth values."""
    table = full_table()
    results.write("smoke", "09_semi_supervised", [table])
    again = results.read("smoke", "09_semi_supervised")
    for column in ("method", "mixup", "pretrained_on", "encoder_time", "label_split"):
        assert again[column].tolist() == table[column].tolist()
    np.testing.assert_allclose(gains(again).difference, gains(table).difference, atol=1e-5)


def test_accuracies_are_test_top_1_with_their_share_of_compute():
    table = full_table()
    kept = accuracies(table)
    assert len(kept) == ((table.split == "test") & (table.metric == "accuracy")).sum()
    assert set(kept.compute[kept.steps == STEPS]) == {1.0}
    assert set(kept.compute[kept.steps == FEW_STEPS]) == {FEW_STEPS / STEPS}


def test_full_compute_is_that_of_the_label_budget():
    """Steps may grow with the labels: each budget's most steps are its full compute."""
    table = pd.concat(
        [
            rows([0.5], "none", n_labels=10, steps=300),
            rows([0.6], "none", n_labels=100, steps=901),
            rows([0.6], "none", n_labels=100, steps=300),
        ]
    )
    assert accuracies(table).compute.tolist() == [1.0, 1.0, 0.33]


def test_main_grid_is_tables_1_6_and_7():
    grid = main_grid(full_table())
    assert len(grid) == len(LABELS) * 2 * len(ARMS) * 5
    assert set(grid.mixup) == {"off", "on"} and set(grid.steps) == {STEPS}
    assert set(grid.pretrained_on) == {"all", "none"} and set(grid.encoder_time) == {"learned"}


def test_gains_are_paired_by_label_split():
    more = np.array([0.03, 0.01, 0.04, 0.02, 0.05])
    table = condition({"drl": more, "vdrl": 0.02 + 0 * more}, 100)
    shuffled = table.sample(frac=1, random_state=1)  # the order of rows says nothing
    found = gains(shuffled).set_index("method")
    assert found.index.tolist() == ["drl", "vdrl"]
    none = table[table.method == "none"].value.to_numpy()
    drl = found.loc["drl"]
    half = stats.t.ppf(0.975, 4) * more.std(ddof=1) / np.sqrt(5)
    assert drl.difference == pytest.approx(0.03)
    assert (drl.low, drl.high) == pytest.approx((0.03 - half, 0.03 + half))
    assert drl.p == pytest.approx(stats.ttest_1samp(more, 0).pvalue)
    assert drl["mean"] == pytest.approx((none + more).mean())
    assert drl["sd"] == pytest.approx((none + more).std(ddof=1)) and drl.n == 5
    assert found.difference["vdrl"] == pytest.approx(0.02)
    assert found.low["vdrl"] == pytest.approx(0.02)  # the same in every split


def test_each_condition_has_its_own_baseline():
    table = pd.concat(
        [
            condition({"drl": 0.01}, 100, 0.5),
            condition({"drl": 0.02}, 100, 0.6, mixup="on"),
            condition({"drl": 0.03}, 100, 0.7, mixup="released"),
            condition({"drl": 0.04}, 100, 0.3, steps=FEW_STEPS),
            condition({"drl": 0.05}, 50, 0.8),
            condition({"drl": 0.06}, 100, 0.9, dataset="cifar10"),
        ]
    )
    found = gains(table)
    got = {
        (r.dataset, r.mixup, r.n_labels, r.steps): round(r.difference, 6)
        for r in found.itertuples()
    }
    assert got == {
        ("mnist", "off", 100, STEPS): 0.01,
        ("mnist", "on", 100, STEPS): 0.02,
        ("mnist", "released", 100, STEPS): 0.03,
        ("mnist", "off", 100, FEW_STEPS): 0.04,
        ("mnist", "off", 50, STEPS): 0.05,
        ("cifar10", "off", 100, STEPS): 0.06,
    }


def test_other_pretraining_is_compared_with_the_same_baseline():
    table = pd.concat(
        [
            condition({"drl": 0.05}, 100, 0.5),
            rows(condition({}, 100, 0.52).value, "drl", pretrained_on="labelled"),
            rows(condition({}, 100, 0.49).value, "drl", encoder_time="fixed"),
        ]
    )
    found = gains(table).set_index(["pretrained_on", "encoder_time"]).difference
    assert found["all", "learned"] == pytest.approx(0.05)
    assert found["labelled", "learned"] == pytest.approx(0.02)
    assert found["all", "fixed"] == pytest.approx(-0.01)


def test_any_method_can_be_the_baseline():
    table = condition({"drl": 0.05, "drl-mixup": 0.03}, 100)
    found = gains(table, baseline="drl").set_index("method").difference
    assert found["drl-mixup"] == pytest.approx(-0.02) and found["none"] == pytest.approx(-0.05)
    assert len(found) == 2


def test_gains_come_in_the_order_of_the_arms_and_of_the_labels():
    found = gains(full_table().sample(frac=1, random_state=0))
    methods = list(dict.fromkeys(found.method))
    assert methods == [m for m in ARMS if m != "none"]
    of_drl = found[(found.method == "drl") & (found.mixup == "on")]
    assert of_drl.n_labels.tolist() == list(LABELS)


def test_an_arm_without_its_baseline_is_left_out():
    table = pd.concat([condition({"drl": 0.1}, 100), rows([0.5] * 5, "drl", n_labels=50)])
    assert gains(table).n_labels.tolist() == [100]
    assert gains(rows([0.5, 0.6], "drl")).empty


def test_one_split_has_a_difference_and_no_interval():
    (row,) = gains(condition({"drl": 0.1}, 100, n_splits=1)).itertuples()
    assert row.difference == pytest.approx(0.1) and row.n == 1
    assert np.isnan([row.low, row.high, row.p, row.sd]).all()


@pytest.mark.parametrize("method", ["none", "drl"])
def test_other_label_splits_are_refused(method):
    table = condition({"drl": 0.1}, 100)
    lost = (table.method == method) & (table.label_split == 3)
    with pytest.raises(DataError, match="label splits .* allowed: the same"):
        paired_accuracies(table[~lost])


def test_a_classifier_twice_is_refused():
    table = condition({"drl": 0.1}, 100)
    with pytest.raises(DataError, match="more than once"):
        gains(pd.concat([table, table.tail(1)]))


def test_a_table_without_test_accuracies_is_refused():
    with pytest.raises(DataError, match="no test accuracies"):
        main_grid(full_table().query("split == 'validation'"))


def test_accuracy_table_says_mean_and_sd_in_percent():
    table = pd.concat([condition({"drl": 0.1}, 100, 0.5), condition({"vdrl": 0.0}, 50, mixup="on")])
    shown = accuracy_table(table)
    none = table[(table.method == "none") & (table.n_labels == 100)].value * 100
    assert shown.columns.tolist() == ["LaplaceNet", "DRL", "LaplaceNet + mixup", "VDRL + mixup"]
    assert shown.index.tolist() == [("mnist", 50), ("mnist", 100)]
    cell = ("mnist", 100)
    assert shown.loc[cell, "LaplaceNet"] == f"{none.mean():.1f} ({none.std(ddof=1):.1f})"
    assert shown.loc[cell, "DRL"].startswith("60.0 (")
    assert shown.loc[cell, "LaplaceNet + mixup"] == ""


def test_accuracy_table_of_one_split_shows_no_spread():
    shown = accuracy_table(condition({"drl": 0.1}, 100, 0.5, n_splits=1))
    assert shown.DRL.tolist() == ["61.3"]  # 0.5 + 0.1, and 0.04 / sqrt(10) of the split


def test_published_numbers_stand_beside_ours_where_they_belong():
    ours = pd.concat([condition({"drl": 0.1}, n, 0.5, dataset="cifar10") for n in (100, 50)])
    shown = accuracy_table(ours, published_table_1())
    assert shown.columns.tolist() == [
        "LaplaceNet", "LaplaceNet, published", "DRL", "DRL, published", "VDRL, published",
        "LaplaceNet + mixup, published", "DRL + mixup, published",
    ]  # fmt: skip
    assert shown.loc[("cifar10", 100), "DRL, published"] == "74.31"
    assert shown.loc[("cifar10", 50), "DRL, published"] == ""
    assert len(shown) == 2  # no row of theirs alone
    on_mnist = accuracy_table(full_table(), published_table_1())
    assert not on_mnist.columns.str.contains("published").any()


def test_every_arm_has_a_name_of_its_own():
    names = [arm_name(m, mixup) for m in ARMS for mixup in ("off", "on", "released")]
    assert len(set(names)) == len(names)
    assert names[:3] == ["LaplaceNet", "LaplaceNet + mixup", "LaplaceNet + released mixup"]
