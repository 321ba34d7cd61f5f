"""Notebook 09's grid: which classifiers are trained, from which runs, and what is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch

from drlcore.data.datasets import DATASETS, Dataset, load_dataset
from drlcore.data.label_splits import LabelSplit, label_split
from drlcore.errors import ParameterError
from drlcore.laplacenet.classifier import FineTuning
from drlcore.paper import label_graph_sheet
from drlcore.paper.experiments import (
    NaturalSemiSupervised,
    SemiSupervised,
    comparison,
    semi_supervised,
)
from drlcore.paper.experiments.semi_supervised import ARMS, Variant
from drlcore.paper.presets import PRESETS, PresetName
from drlcore.paper.products import label_graph
from drlcore.paper.tables.semi_supervised import cell_rows, label_split_rows
from drlcore.training import store
from drlcore.training.run import RunParameters, build_model

DIGITS = load_dataset("digits")
SMOKE = SemiSupervised(preset="smoke")
TABLE_1 = {
    "cifar10": [100, 500, 1000, 2000, 4000],
    "cifar100": [1000, 4000, 10_000, 20_000],
    "mini-imagenet": [4000, 10_000],
}


def nothing_is_read(name: str) -> Dataset:
    raise AssertionError(f"{name} was read")


# Numbers of labels.


def test_budgets_of_a_laptop_are_the_same_shares_of_fewer_images() -> None:
    laptop = SemiSupervised()
    assert laptop.datasets == ["mnist"]
    assert laptop.images_of("mnist") == 5000
    assert laptop.budgets("mnist") == [10, 50, 400]
    assert [n / 5000 for n in laptop.budgets("mnist")] == [n / 50_000 for n in (100, 500, 4000)]


@pytest.mark.parametrize("preset", get_args(PresetName))
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
@pytest.mark.parametrize("notebook", [SemiSupervised, NaturalSemiSupervised])
def test_every_preset_can_be_asked_for_the_paper_s_photographs(
    monkeypatch: pytest.MonkeyPatch,
    notebook: type[SemiSupervised],
    dataset: str,
    preset: PresetName,
) -> None:
    """The table's own numbers are of 50,000 images; most presets have fewer."""
    monkeypatch.setattr(comparison, "available", lambda _: True)
    monkeypatch.setattr(semi_supervised, "load_dataset", nothing_is_read)
    experiment = notebook(preset=preset, dataset=dataset)
    assert experiment.cells()
    budgets, images = experiment.budgets(dataset), experiment.images_of(dataset)
    assert max(budgets) <= images / 2
    if max(TABLE_1[dataset]) <= images / 2:
        assert set(budgets) <= set(TABLE_1[dataset])
    else:
        classes = DATASETS[dataset].n_classes
        shares = [of * images / 50_000 for of in TABLE_1[dataset]]
        assert all(min(abs(n - s) for s in shares) <= classes / 2 or n == classes for n in budgets)


def test_a_small_data_set_has_no_budget_twice() -> None:
    """100 and 500 of 50,000 are both less than a label a class of 600."""
    experiment = SemiSupervised(dataset="digits", n_images=600, n_seeds=1, fine_tuning_steps=400)
    assert experiment.budgets("digits") == [10, 50]
    cells = experiment.cells()
    assert len({cell.product.name for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("given", "budgets"),
    [(20, [20]), ("20", [20]), ("20, 100", [20, 100]), ("100,20,20", [20, 100])],
)
def test_numbers_of_labels_can_be_given(given: str | int, budgets: list[int]) -> None:
    experiment = SMOKE.updated(n_labels=given, fine_tuning_steps=200)
    assert experiment.budgets("digits") == budgets
    assert {cell.settings.n_labels for cell in experiment.cells()} == set(budgets)


@pytest.mark.parametrize(
    ("given", "named"),
    [("few", "'few'"), ("", "''"), ("20,", "''"), ("20;100", "'20;100'"), ("-20", "'-20'"),
     (0, "'0'"), ("²", "'²'"), ("1e2", "'1e2'"), (25, "25; allowed: multiples of the 10 classes"),
     ("20,35", "35; allowed: multiples"), (600, "600; allowed: leave 50 or more of the 600")],
)  # fmt: skip
def test_impossible_numbers_of_labels_are_refused_at_once(given: str | int, named: str) -> None:
    with pytest.raises(ParameterError, match=f"n_labels = {named}"):
        SMOKE.updated(n_labels=given)


def test_too_few_steps_are_refused_at_once() -> None:
    """Half of them too, which the tables of less compute take."""
    least = max(
        SMOKE.numbers_compared.fine_tuning.updated(n_labels=n).supervised_steps + (600 - n) // 50
        for n in SMOKE.budgets("digits")
    )
    assert SMOKE.updated(fine_tuning_steps=2 * least).cells()
    with pytest.raises(ParameterError, match=f"steps = {least - 1}; allowed: {least} or more"):
        SMOKE.updated(fine_tuning_steps=2 * least - 2)


@pytest.mark.parametrize(
    ("n_images", "expected"), [(None, 600), (300, 300), (1000, 1000), (len(DIGITS.train.y),) * 2]
)
def test_images_are_at_most_those_that_are_there(n_images: int | None, expected: int) -> None:
    experiment = SemiSupervised(
        preset="smoke", n_images=n_images, n_labels=20, fine_tuning_steps=100
    )
    assert experiment.images_of("digits") == expected
    assert {cell.run.train_images for cell in experiment.cells()} == {expected}
    with pytest.raises(ParameterError, match=r"n_images = 9999; allowed: up to the \d+ training"):
        experiment.updated(n_images=9999)


# The grid.


@pytest.mark.parametrize("preset", ["smoke", "laptop"])
def test_every_arm_is_trained_at_each_budget_split_and_mixup(preset: str) -> None:
    experiment = SemiSupervised(preset=preset)  # type: ignore[arg-type]
    (dataset,), cells = experiment.datasets, experiment.cells()
    numbers, seeds = experiment.numbers_compared, range(experiment.numbers_compared.n_seeds)
    steps = numbers.fine_tuning.steps
    grid = {
        (c.variant.method, c.settings.mixup, c.settings.n_labels, c.settings.label_split)
        for c in cells
        if c.settings.steps == steps and c.variant == Variant(*c.variant[:3])
        and c.settings.mixup != "released"
    }  # fmt: skip
    assert grid == {
        (method, mixup, n, seed)
        for method in ("none", "drl", "vdrl", "drl-mixup", "ae", "simclr")
        for mixup in ("off", "on")
        for n in experiment.budgets(dataset)
        for seed in seeds
    }
    per_split = 6 * 2 + 3 * len(numbers.less_compute) + 3 + 1
    assert len(cells) == per_split * len(experiment.budgets(dataset)) * len(seeds)
    assert len({cell.product.name for cell in cells}) == len(cells)
    less = {(c.variant.method, c.settings.steps) for c in cells if c.settings.steps != steps}
    assert less == {
        (method, round(share * steps))
        for share in numbers.less_compute
        for method in ("none", "drl", "vdrl")
    }


def test_the_paper_s_grid_is_table_1_s_and_lists_itself_without_an_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "available", lambda _: True)
    monkeypatch.setattr(semi_supervised, "load_dataset", nothing_is_read)
    paper = SemiSupervised(preset="paper", n_seeds=1)
    assert paper.datasets == list(TABLE_1)
    for dataset, budgets in TABLE_1.items():
        assert paper.budgets(dataset) == budgets
        assert paper.images_of(dataset) == 45_000  # of 50,000; a tenth is for validation
        assert all(n % DATASETS[dataset].n_classes == 0 for n in budgets)
    cells = paper.cells()
    assert len(cells) == (6 * 2 + 3 * 2 + 3 + 1) * (5 + 4 + 2)
    assert {cell.settings.steps for cell in cells} == {250_000, 100_000, 50_000}
    assert {(cell.run.encoder, cell.run.steps) for cell in cells} == {("wrn-28-2", 70_000)}
    published = FineTuning()
    changed = {"n_labels", "label_split", "seed", "steps", "mixup", "encoder_time"}
    for cell in cells:
        kept = cell.settings.model_dump(include=changed)
        assert cell.settings == published.updated(**kept)


def test_pairs_share_split_seed_and_pretraining() -> None:
    for cell in SMOKE.cells():
        variant, run, settings = cell
        assert run.seed == settings.seed == settings.label_split
        assert run.time_conditioned and run.train_images == 600
        assert run.method == ("random" if variant.method == "none" else variant.method)
        assert (settings.mixup, settings.encoder_time) == (variant.mixup, variant.encoder_time)
    assert {compared.time_conditioned for compared in ARMS.values()} == {True}
    for seed in SMOKE.seeds:
        runs = [SMOKE.pretrained(method, "digits", seed) for method in ARMS]
        assert len({run.updated(method="drl", lambda_z=0.0).key for run in runs}) == 1
        assert len({run.key for run in runs}) == len(ARMS)


def test_released_pretraining_sees_a_split_that_no_fine_tuning_has() -> None:
    cells = SMOKE.cells()
    fine_tuned = {(c.settings.n_labels, c.settings.label_split) for c in cells}
    splits = {c.run.label_split for c in cells if c.variant.pretrained_on == "labelled"}
    assert splits == {LabelSplit(n_labels=50, index=i) for i in (1000, 1001)}  # 8 % of 600
    assert not fine_tuned & {(s.n_labels, s.index) for s in splits if s is not None}
    rest = {c.run.label_split for c in cells if c.variant.pretrained_on != "labelled"}
    assert rest == {None}


def test_runs_and_products_are_those_of_the_cells() -> None:
    cells, runs = SMOKE.cells(), SMOKE.runs()
    assert {run.key for run in runs} == {cell.run.key for cell in cells}
    assert len(runs) == len({run.key for run in runs}) == (len(ARMS) + 1) * len(SMOKE.seeds)
    graph, *products = SMOKE.products()
    assert graph.name == label_graph(SMOKE.pretrained("drl", "digits", 0)).name
    assert [product.name for product in products] == [cell.product.name for cell in cells]


def test_presets_have_encoders_with_batch_norm_and_times_to_choose_from() -> None:
    for name, preset in PRESETS.items():
        numbers = preset.semi_supervised
        assert len(numbers.fine_tuning.times) > 1
        expected = "wrn-28-2" if name == "paper" else "conv-norm"
        assert numbers.encoder == expected


# What is stored.


def test_cells_make_tidy_rows_of_the_last_epoch(output: Path) -> None:
    wanted = {
        Variant("none", 26),
        Variant("drl", 26, "on"),
        Variant("drl", 26, pretrained_on="labelled"),
        Variant("drl", 26, encoder_time="chosen"),
    }
    cells = [
        cell
        for cell in SMOKE.cells()
        if cell.variant in wanted and cell.settings.n_labels == 10 and cell.settings.seed == 1
    ]
    assert len(cells) == 4
    table = cell_rows(cells)
    assert len(table) == 6 * len(cells)
    for cell in cells:
        mine = table[
            (table.run == cell.run.key) & (table.encoder_time == cell.settings.encoder_time)
        ]
        last = cell.product.load().iloc[-1]
        assert last.epoch == cell.settings.epochs(600)
        method = cell.variant.method
        about = mine.drop(columns=["split", "metric", "value"]).drop_duplicates()
        assert len(about) == 1
        expected = {
            "dataset": "digits", "method": method, "mixup": cell.settings.mixup,
            "n_labels": 10, "label_split": 1, "seed": 1, "n_images": 600, "steps": 26,
            "pretrained_on": "none" if method == "none" else cell.variant.pretrained_on,
        }  # fmt: skip
        assert about.iloc[0][list(expected)].to_dict() == expected
        values = mine.set_index(["split", "metric"]).value.to_dict()
        assert values == {
            ("test", "accuracy"): last.test_accuracy,
            ("test", "top5_accuracy"): last.test_top5,
            ("validation", "accuracy"): last.validation_accuracy,
            ("validation", "top5_accuracy"): last.validation_top5,
            ("train", "pseudo_label_accuracy"): last.pseudo_label_accuracy,
            ("train", "t"): last.t,
        }


def test_stored_label_splits_are_those_drawn_again(tmp_path: Path) -> None:
    cells = SMOKE.cells()
    label_split_rows(cells).to_csv(tmp_path / "splits.csv", index=False)
    stored = pd.read_csv(tmp_path / "splits.csv")
    pairs = stored[["n_labels", "label_split"]].itertuples(index=False, name=None)
    assert sorted(pairs) == [(10, 0), (10, 1), (50, 0), (50, 1)]
    for row in stored.itertuples():
        assert (row.dataset, row.data_checksum) == ("digits", DIGITS.checksum)
        split = LabelSplit(n_labels=row.n_labels, index=row.label_split)
        again = label_split(DIGITS.train.y[: row.n_images], split, 10)
        assert [int(i) for i in row.indices.split()] == again.tolist()
        assert max(again) < row.n_images == 600


# The picture of label spreading.


def sheet_of(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    run = RunParameters(dataset="digits", encoder="conv-norm", time_conditioned=True)
    monkeypatch.setattr(label_graph_sheet, "load_dataset", lambda _: data)
    return label_graph_sheet.label_graph_sheet(run, build_model(run, data).eval())


@pytest.mark.parametrize("classes", [10, 20])
def test_the_label_graph_shows_one_graph_and_its_labels(
    classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more classes, only the first ten are shown; images in order of class are no matter."""
    data = DIGITS
    if classes == 20:
        order = DIGITS.train.y.argsort(stable=True)
        y = torch.arange(len(order)) // (len(order) // 20 + 1)
        train = replace(DIGITS.train, x=DIGITS.train.x[order], y=y)
        data = replace(DIGITS, train=train, n_classes=20)
    sheet = sheet_of(data, monkeypatch)
    n, true, given, spread = (
        len(sheet["positions"]), sheet["true"], sheet["given"], sheet["spread"]
    )  # fmt: skip
    assert n == 300 and sheet["positions"].shape == (n, 2)
    assert np.isfinite(sheet["positions"]).all()
    assert true.dtype == given.dtype == spread.dtype == sheet["edges"].dtype == np.int64
    assert np.bincount(true).tolist() == [30] * 10
    known = given >= 0
    assert np.bincount(given[known]).tolist() == [2] * 10
    assert np.array_equal(given[known], true[known])
    assert np.array_equal(spread[known], true[known])
    assert set(spread) <= set(range(10))
    assert np.mean(spread[~known] == true[~known]) > 0.2  # chance: 0.1
    first, second = sheet["edges"].T
    assert (first < second).all() and first.min() >= 0 and second.max() < n
    assert len(np.unique(sheet["edges"], axis=0)) == len(first)
    degree = np.bincount(sheet["edges"].ravel(), minlength=n)
    assert degree.min() >= 8 and len(first) <= 8 * n


def test_the_label_graph_is_stored_and_read_back(output: Path) -> None:
    product = label_graph(SMOKE.pretrained("drl", "digits", 0))
    computed, stored = product.load(progress=False), product.load(progress=False)
    assert product.stored is not None
    assert product.stored.path == store.folder(product.run) / product.file
    assert computed.keys() == stored.keys()
    for name in computed:
        assert np.array_equal(computed[name], stored[name])
