"""The runs of notebooks 11 to 16, and that they are shown without the images they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from drlcore.data.class_names import CIFAR10
from drlcore.data.datasets import classes
from drlcore.errors import DataError
from drlcore.paper.experiments import (
    EXPERIMENTS,
    DataSets,
    Downstream,
    LearningCurves,
    NaturalDownstream,
    NaturalImages,
    NaturalSemiSupervised,
    NaturalTrajectory,
    NetworkDial,
    NoiseDial,
    SDEAblation,
    SemiSupervised,
    Trajectory,
)
from drlcore.paper.experiments.base import Experiment
from drlcore.paper.experiments.latent_space import SETTINGS


def every_natural() -> list[Experiment]:
    return [cls() for cls in EXPERIMENTS.values() if not cls.needs_images]


def test_every_setting_has_its_seeds_and_each_sampler_its_first_stage():
    experiment = NaturalImages(n_seeds=3)
    runs = {run.key: run for run in experiment.runs()}
    assert len(runs) == len(experiment.runs()) == 3 * (2 * 5 + 5 + 2) + 4 + 1
    assert experiment.levels == NaturalImages().noise.grid(9)[::2]
    for setting in SETTINGS:
        method, t_sampler = setting
        first = experiment.on_range(*setting)[0]
        assert (first.method, first.noise.t_sampler.name) == setting
        assert experiment.sampler(*setting).first_stage == first and first.key in runs
        assert (first.lambda_z > 0) == (method == "vdrl")
        assert experiment.sampler(*setting).noise == experiment.noise
    assert {p.run.key for p in experiment.products()} <= runs.keys()


def test_the_other_network_is_the_best_that_notebook_10_tries_and_all_else_is_the_same():
    experiment = NaturalImages(n_seeds=2)
    of_mlp = [run for sigma in experiment.levels for run in experiment.at_level(sigma)]
    of_mlp += experiment.on_range("drl", "uniform_t")
    other = {"score_network": "unet", "width": 32}
    assert experiment.with_network() == [run.updated(**other) for run in of_mlp]
    assert experiment.network.title in NetworkDial().networks
    assert experiment.sampler_with_network().first_stage == experiment.with_network()[-2]
    middle, uniform = experiment.side_by_side().values()
    assert middle == [run.updated(seed=0) for run in (of_mlp[4], experiment.with_network()[4])]
    assert uniform == [of_mlp[-2], experiment.with_network()[-2]]


def test_what_is_compared_has_the_encoder_code_and_steps_of_the_rest():
    experiment = NaturalImages(latent_dim=3, steps=7, n_seeds=2)
    (of_drl,) = {(r.encoder, r.latent_dim, r.batch_size, r.steps) for r in experiment.dial()}
    for run in experiment.autoencoder():
        assert (run.encoder, run.latent_dim, run.batch_size, run.steps) == of_drl
    assert {run.latent_dim for run in experiment.control()} == {3}


def test_without_the_images_it_is_planned_and_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("drlcore.data.paths.published", lambda dataset: tmp_path / dataset)
    for experiment in every_natural():
        assert experiment.runs() and experiment.products()
    experiment = NaturalImages()
    assert experiment.dataset_names == experiment.absent == ["cifar10"]
    assert classes("cifar10") == CIFAR10
    monkeypatch.setenv("DRLCORE_ARTEFACTS", str(tmp_path))
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path))
    with pytest.raises(DataError, match="make data DATASET=cifar10"):
        experiment.compute()


def test_downstream_is_notebook_06_s_on_other_images_with_more_numbers_of_labels():
    ours, of_mnist = NaturalDownstream(), Downstream(dataset="mnist")
    assert [run.updated(dataset="mnist") for run in ours.runs()] == of_mnist.runs()
    assert ours.protocol.n_labels == (100, 1000, 10_000)
    assert ours.protocol.updated(n_labels=of_mnist.protocol.n_labels) == of_mnist.protocol


def test_learning_curves_change_what_they_say_and_nothing_else():
    experiment = LearningCurves(n_seeds=2)
    autoencoder, drl = experiment.compared
    for way in experiment.ways:
        further = [12_000, 36_000] if way in experiment.with_large_code else []
        further = [12_000] if way in experiment.compared else further
        assert experiment.step_counts(way) == [120, 360, 1200, 3600, *further]
    base = experiment.of(drl)[0]
    assert base in NaturalDownstream().runs() and experiment.of(autoencoder)[0].method == "ae"
    assert [run.seed for run in experiment.of(drl)] == [0, 1]
    for way, how in experiment.ways.items():
        if "autoencoder" not in way:
            assert experiment.of(way, steps=7) == [
                base.updated(steps=7, seed=seed, **how) for seed in (0, 1)
            ]
    codes = ["as above", "code of 8", "code of 128"]
    assert list(experiment.varied(autoencoder)) == [*codes, "residual encoder"]
    assert experiment.varied(drl)["residual encoder"][0] == base.updated(encoder="residual")
    assert experiment.varied(drl)["unet, width 32"][0].score_network == "unet"
    assert experiment.varied(drl)["λ = std2"][0] == base.updated(weighting="std2")
    assert experiment.varied(drl)["as above"][0] == base
    asked = [(product.run.steps, product.run.latent_dim) for product in experiment.worth()]
    assert asked == [(steps, 128) for steps in (3600, 12_000, 36_000) for _ in range(2)]
    assert {product.kind for product in experiment.products()} == {"single_times", "usage"}
    assert len(experiment.runs()) == len(set(experiment.runs())) == 2 * (6 * 4 + 4 + 2 + 1 + 3 + 3)


def test_several_sets_have_the_runs_of_the_notebooks_on_each():
    experiment = DataSets()
    runs = experiment.runs()
    assert len(runs) == len(set(runs)) == 3 * (3 * 5 + 2 * 3 + 10 * 3 + 4 * 3)
    of_mnist = experiment.at_levels("mnist")
    assert set(of_mnist) < set(NoiseDial().dial()) and len(of_mnist) == 15
    assert experiment.at_levels("cifar10") == [r for s in NaturalImages().levels
                                               for r in NaturalImages().at_level(s)]  # fmt: skip
    assert experiment.methods("cifar10") == NaturalDownstream().runs()
    large = experiment.with_large_code("cifar10")
    assert set(large) < set(LearningCurves().runs())
    lengths = [(run.method, run.latent_dim, run.steps) for run in large if run.seed == 0]
    assert lengths == [(m, 128, n) for m in ("ae", "drl") for n in (1200, 36_000)]
    assert {run.dataset for run in runs} == {"mnist", "cifar10", "fashion-mnist"}
    assert {product.run for product in experiment.products()} == set(runs)
    narrow = DataSets(dataset="digits", sigma_min=1.0, sigma_max=2.0, n_seeds=1, steps=7)
    for run in narrow.runs():
        longest = 30 * 7 if run.latent_dim == 128 else 7
        assert run.dataset == "digits" and run.seed == 0 and run.steps_taken in (0, 7, longest)
        if run.sees_noise:
            low, high = run.noise.window
            assert 1.0 <= low <= high <= 2.0


def test_the_trajectory_is_notebooks_07_and_08_on_other_images():
    experiment = NaturalTrajectory()
    of_mnist = {"dataset": "mnist"}
    assert [run.updated(**of_mnist) for run in experiment.compared()] == SDEAblation().runs()
    both = experiment.trained() + experiment.untrained()
    assert [run.updated(**of_mnist) for run in both] == Trajectory().runs()
    assert {product.run for product in experiment.products()} == set(experiment.runs())


def test_few_labels_are_table_1_s_without_mixup():
    experiment = NaturalSemiSupervised()
    assert experiment.budgets("cifar10") == [100, 500, 4000]
    assert experiment.images_of("cifar10") == 10_000
    cells = experiment.cells()
    assert len(cells) == len({(cell.run, cell.settings) for cell in cells}) == 5 * 3 * 3
    assert {cell.variant.method for cell in cells} == {"none", "drl", "vdrl", "ae", "simclr"}
    assert {cell.settings.mixup for cell in cells} == {"off"}
    for cell in cells:
        of_mnist = SemiSupervised().cell(cell.variant, "mnist", 100, cell.settings.seed)
        same = {"dataset": "cifar10", "train_images": 10_000}
        assert of_mnist.run.updated(**same) == cell.run
        differing = {"n_labels", "steps"}
        assert of_mnist.settings.model_dump(exclude=differing) == cell.settings.model_dump(
            exclude=differing
        )
    assert len(NaturalSemiSupervised(preset="paper").cells()) == 5 * 5 * 5


def test_learning_curves_of_a_narrow_range_stay_in_it():
    experiment = LearningCurves(sigma_min=1.0, sigma_max=2.0)
    for run in experiment.runs():
        if run.sees_noise:
            low, high = run.noise.window
            assert 1.0 <= low <= high <= 2.0


def test_what_is_committed_is_read_without_the_images(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("drlcore.data.paths.published", lambda dataset: tmp_path / dataset)
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path))
    for experiment in every_natural():
        assert "cifar10" in experiment.absent
        assert [p.run.title for p in experiment.products() if p.stored is None] == []
        experiment.compute()  # so nothing is trained, and no image asked for
        for product in experiment.products()[::20]:
            assert len(product.load()) > 0
