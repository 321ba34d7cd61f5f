"""The benchmarks, at sizes that take no time."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch

from drlcore.baselines import METHODS
from drlcore.data import paths
from drlcore.data.datasets import load_dataset
from drlcore.networks.paper_cifar import NCSNppSmall, WideResNetEncoder
from drlcore.paper.experiments import EXPERIMENTS
from drlcore.paper.experiments.comparison import COMPARED
from drlcore.paper.presets import PRESETS
from drlcore.training.run import RunParameters, build_model

TINY = (3, 16, 16)


@pytest.fixture(scope="module")
def paper_size() -> Iterator[ModuleType]:
    yield from benchmark("paper_size")


@pytest.fixture(scope="module")
def label_graph() -> Iterator[ModuleType]:
    yield from benchmark("label_graph")


@pytest.fixture(scope="module")
def semi_supervised_size() -> Iterator[ModuleType]:
    yield from benchmark("semi_supervised_size")


@pytest.fixture(scope="module")
def score_networks() -> Iterator[ModuleType]:
    yield from benchmark("score_networks")


@pytest.fixture(scope="module")
def training() -> Iterator[ModuleType]:
    yield from benchmark("training")


@pytest.fixture(scope="module")
def work() -> Iterator[ModuleType]:
    yield from benchmark("work")


def benchmark(name: str) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(paths.root() / "benchmarks")
        yield importlib.import_module(name)


def test_rows_are_the_comparison_s_methods_at_the_published_shapes(paper_size: ModuleType) -> None:
    assert {compared for _, compared in paper_size.ROWS} < set(COMPARED)
    assert {name for name, _ in paper_size.ROWS} < set(PRESETS["paper"].comparison.datasets)
    timed = {compared.method for name, compared in paper_size.ROWS if name == "cifar10"}
    assert timed == {compared.method for compared in COMPARED} - {"random"}  # it takes no steps
    for name, shape in paper_size.SHAPES.items():
        data = paper_size.generated(name, shape, paper_size.CLASSES[name])
        assert (data.name, data.shape) == (name, shape)
        assert data.n_classes == paper_size.CLASSES[name]
        for part in (data.train, data.validation, data.test):
            assert set(part.y.tolist()) == set(range(data.n_classes))


@pytest.mark.parametrize("row", range(8))
def test_every_row_is_the_paper_preset_s_run(paper_size: ModuleType, row: int) -> None:
    name, compared = paper_size.ROWS[row]
    run, paper = paper_size.paper_run(name, compared), PRESETS["paper"].comparison
    assert (run.steps, run.batch_size, run.latent_dim) == (250_000, 100, 128)
    assert (run.dataset, run.method, run.learning_rate) == (name, compared.method, 2e-4)
    assert (run.encoder, run.score_network) == (paper.encoder, paper.score_network)


@pytest.mark.parametrize("method", ["drl", "simclr"])
def test_a_row_says_what_was_trained(paper_size: ModuleType, method: str) -> None:
    (compared,) = (c for n, c in paper_size.ROWS if n == "cifar10" and c.method == method)
    data = paper_size.generated("cifar10", TINY, 10)  # the encoder is the same at any size
    run = paper_size.paper_run("cifar10", compared, steps=1, batch_size=2)
    row = paper_size.measure(run, data, "cpu")
    model = build_model(run, data)
    assert isinstance(model.encoder, WideResNetEncoder)
    assert row["encoder"] == sum(p.numel() for p in model.encoder.parameters())
    assert row["encoder"] + row["rest"] == sum(p.numel() for p in model.parameters())
    assert (row["shape"], row["batch"], row["device"]) == ("3x16x16", 2, "cpu")
    assert torch.isfinite(torch.tensor(row["loss"])) and row["loss"] > 0
    assert row["images_per_s"] > 0 and row["peak_GB"] > 0
    if method == "drl":
        assert isinstance(model.denoiser.network, NCSNppSmall)
        assert row["encoder"] == 1_532_865 - 1  # as published, without the scalar param_t


def test_both_ways_to_pseudo_labels_are_the_same_graph_and_labels(label_graph: ModuleType) -> None:
    x, y = label_graph.clustered(700)
    ours, plain = label_graph.normalised_affinity(x), label_graph.plain_affinity(x)
    np.testing.assert_allclose(ours.toarray(), plain.toarray(), atol=1e-6)
    (row, found), (plain_row, plain_found) = (
        label_graph.measure(way, 700, threads=1) for way in ("ours", "plain")
    )
    assert list(row) == list(plain_row)
    assert np.mean(found == plain_found) > 0.95  # alignment may enlarge a turned tie
    assert row["accuracy"] == round(float(np.mean(found == y)), 4) > 2 / label_graph.CLASSES
    assert row["seconds"] == pytest.approx(row["search"] + row["spread"] + row["align"], abs=0.02)
    assert 0 < row["before_GB"] <= row["peak_GB"] < 4


def test_laplacenet_is_timed_with_the_paper_preset_s_settings(
    semi_supervised_size: ModuleType,
) -> None:
    paper = PRESETS["paper"].semi_supervised
    settings, run = semi_supervised_size.settings_of(3), semi_supervised_size.run_on("cifar10", 3)
    few = {"n_labels", "supervised_epochs", "passes", "steps"}
    assert settings == paper.fine_tuning.updated(**settings.model_dump(include=few))
    assert (settings.batch_size, settings.copies, settings.neighbours) == (100, 3, 50)
    assert (run.encoder, run.latent_dim, run.time_conditioned) == ("wrn-28-2", 128, True)
    assert (settings.epochs(run.train_images), settings.supervised_steps) == (3, 3)


def test_a_row_of_laplacenet_says_what_was_trained(
    semi_supervised_size: ModuleType, paper_size: ModuleType
) -> None:
    settings = semi_supervised_size.settings_of(2).updated(
        n_labels=20, passes=1, batch_size=10, copies=1, neighbours=5, steps=6
    )
    run = semi_supervised_size.run_on("cifar10", 2).updated(train_images=30)
    data = paper_size.generated("cifar10", (3, 8, 8), 10)
    row = semi_supervised_size.measure(run, data, settings, "cpu")
    # As published: encoder, its scalar param_t, and the class head.
    assert row["weights"] == 1_532_865 + 10 * 128 + 10
    assert (row["shape"], row["views"], row["images"], row["device"]) == ("3x8x8", 10, 30, "cpu")
    assert row["loss"] > 0 and np.isfinite(row["loss"])
    assert min(row[k] for k in ("supervised_ms", "mixed_ms", "images_per_s", "peak_GB")) > 0


def test_score_networks_are_timed_at_their_batch_and_at_the_same(
    score_networks: ModuleType,
) -> None:
    table = score_networks.speeds((1, 8, 8), threads=1, rounds=1, steps=2)
    assert set(table.network) == set(score_networks.NETWORKS)
    assert table.batch.eq(128).sum() == len(score_networks.NETWORKS)
    own = PRESETS["laptop"].drawn.batch_size
    assert set(table.network[table.batch == own]) == {"unet 64", "unet 128"}
    rate = 1000 * table.batch / table.ms_per_step
    np.testing.assert_allclose(table.images_per_s, rate, rtol=0.05)


def test_the_loss_after_some_seconds_is_that_of_the_trained_model(
    score_networks: ModuleType,
) -> None:
    data = load_dataset("digits")
    row = score_networks.loss_after("unet 64", 1.0, data)
    assert row["images"] == row["steps"] * PRESETS["laptop"].drawn.batch_size
    levels = [value for name, value in row.items() if name[0].isdigit()]
    assert len(levels) == score_networks.LEVELS
    assert row["loss"] == pytest.approx(np.mean(levels), abs=1e-4)
    assert 0 < row["loss"] < 1  # the data's own variance where nothing is learnt


def test_pairs_are_those_that_presets_train(training: ModuleType) -> None:
    named = {(preset, name, run.dataset) for preset, name, run in training.pairs()}
    assert named == {
        ("laptop", "conv+mlp-pixelwise", "mnist"),
        ("laptop", "conv+unet", "mnist"),
        ("laptop", "conv+mlp-pixelwise", "cifar10"),
        ("paper", "mnist-paper+mnist-paper", "mnist"),
        ("paper", "wrn-28-2+ncsnpp-small", "cifar10"),
    }


def test_a_step_s_arithmetic_is_that_of_its_products(training: ModuleType) -> None:
    """Two linear layers there; back twice as much, but for the first one's input."""
    run = RunParameters(
        dataset="toy", method="dsm", encoder="mlp", score_network="mlp-fourier", batch_size=64
    )
    toy = load_dataset("toy")
    model = build_model(run, toy)
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    there = sum(2 * 64 * layer.in_features * layer.out_features for layer in layers)
    assert 2 * there < training.flops_of_a_step(run, toy) <= 3 * there


def test_hours_count_every_training_of_the_preset_once(training: ModuleType) -> None:
    runs = {
        str(run): run
        for cls in EXPERIMENTS.values()
        for run in cls(preset="laptop").runs()
        if run.score_network == "unet" and run.dataset == "mnist" and run.encoder == "conv"
        and METHODS[run.method].denoises
    }  # fmt: skip
    like = next(run for preset, name, run in training.pairs() if name == "conv+unet")
    counted = training.steps_of_preset("laptop", like)
    assert counted == sum(run.steps_taken for run in runs.values()) > 100_000


def test_the_peak_is_more_than_nothing_and_memory_is_this_process_s(training: ModuleType) -> None:
    cpu = torch.device("cpu")
    assert training.peak_flops(cpu, "float32") > 1e9
    assert 100 < training.memory_mb(cpu) < 1e5


def test_work_changes_one_number(work: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained has it, and as many images; the rest is as usual."""
    assert all(work.USUAL[axis] in values for axis, values in work.AXES.items())
    made = []
    monkeypatch.setattr(work, "USUAL", work.USUAL | {"images": 100, "image_size": 8})
    monkeypatch.setattr(
        work, "seconds_of_steps", lambda run, data, _: [made.append((run, data)) or 0.25]
    )
    for axis, value in (("images", 130), ("image_size", 16), ("batch_size", 5), ("latent_dim", 7)):
        row = work.trained(axis, value, steps=3)
        run, data = made[-1]
        assert row["changed"] == axis and row["ms_per_step"] == 250
        assert row["images_per_s"] == 4 * run.batch_size and row["memory_mb"] > 100
        seen = {
            "images": len(data.train.x) + len(data.validation.x), "image_size": data.shape[-1],
            "batch_size": run.batch_size, "latent_dim": run.latent_dim,
        }  # fmt: skip
        assert seen == work.USUAL | {axis: value}


def test_a_plan_counts_runs_and_results_once(work: ModuleType) -> None:
    row, dial = work.planned(4, 2), EXPERIMENTS["04_noise_dial"](n_levels=4, n_seeds=2)
    assert row["runs"] == len(set(dial.runs())) and row["results"] == len(dial.products())
