"""The comparison's runs: methods differ in their objective alone, notebooks share what is alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from drlcore.baselines import METHODS
from drlcore.data import paths
from drlcore.data.splits import from_arrays
from drlcore.errors import DataError, ParameterError
from drlcore.paper.experiments import (
    EXPERIMENTS,
    CodeCurve,
    Downstream,
    SDEAblation,
    Trajectory,
    papermill_arguments,
    plan,
)
from drlcore.paper.experiments.comparison import COMPARED, CURVES, Compared, Comparison
from drlcore.paper.presets import PRESETS, PresetName
from drlcore.training.run import build_model

ALL: tuple[type[Comparison], ...] = (CodeCurve, Downstream, Trajectory, SDEAblation)
ONE = (CodeCurve, Trajectory, SDEAblation)  # notebooks that show one data set
PRESENT: dict[str, str | None] = {
    **dict.fromkeys(get_args(PresetName)),
    "paper": "mnist",  # its own data sets are fetched
}


def keys(experiment: Comparison) -> set[str]:
    return {run.key for run in experiment.runs()}


def make(cls: type[Comparison], preset: Any, **values: Any) -> Comparison:
    return cls(preset=preset, dataset=PRESENT[preset], **values)


# What the methods share.


@pytest.mark.parametrize("preset", get_args(PresetName))
def test_methods_differ_in_nothing_but_the_objective(preset: str) -> None:
    experiment = make(Downstream, preset, sigma_min=0.02, sigma_max=30.0)
    runs = [experiment.run(compared, "mnist", 0).model_dump() for compared in COMPARED]
    differ = {name for run in runs for name in run if run[name] != runs[0][name]}
    # Methods that see no noise have the default range and weighting, so they are one run for all.
    unseen = {"noise"} if preset == "paper" else {"noise", "weighting"}
    assert differ == {"method", "time_conditioned", "lambda_z"} | unseen


def test_every_method_of_the_issue_is_compared_with_and_without_time() -> None:
    asked = {"drl", "vdrl", "ae", "vae", "simclr", "simclr-gauss", "random", "supervised"}
    assert {compared.method for compared in COMPARED} == asked <= set(METHODS)
    for method in ("drl", "vdrl"):
        assert {Compared(method, True), Compared(method, False)} < set(COMPARED)
    # The released code's AE is time-conditioned without saying so; here no baseline is.
    assert not any(c.time_conditioned for c in COMPARED if c.method not in ("drl", "vdrl"))
    assert len({compared.label for compared in COMPARED}) == len(COMPARED) == len(set(COMPARED))


def test_only_penalised_methods_have_a_penalty() -> None:
    experiment = Downstream()
    weights = {c.method: experiment.run(c, "mnist", 0).lambda_z for c in COMPARED}
    assert {method for method, weight in weights.items() if weight > 0} == {"vdrl", "vae"}
    # VAE: a KL of weight 1 against half a sum over the d values of an image is 2/d against a mean.
    assert weights["vae"] == pytest.approx(2 / 28**2, rel=0.03)


@pytest.mark.parametrize("compared", COMPARED, ids=lambda c: c.label)
def test_noise_reaches_the_runs_that_see_it_and_no_others(compared: Compared) -> None:
    here = Downstream(sigma_max=20.0, sigma_min=0.1, weighting="std2").run(compared, "mnist", 0)
    there = Downstream(sigma_max=30.0).run(compared, "mnist", 0)
    assert (here.key != there.key) == here.sees_noise == (compared.method in ("drl", "vdrl"))
    if here.sees_noise:
        assert (here.noise.sigma_min, here.noise.sigma_max) == (0.1, 20.0)
        assert (here.weighting, here.noise.t_sampler.name) == ("std2", "uniform_t")


@pytest.mark.parametrize("compared", COMPARED, ids=lambda c: c.label)
def test_every_method_has_the_same_encoder_and_code_size(compared: Compared) -> None:
    x = np.random.default_rng(0).random((20, 1, 28, 28))
    data = from_arrays("mnist", x, np.arange(20) % 2, x, np.arange(20) % 2)
    experiment = Downstream(latent_dim=6)
    model = build_model(experiment.run(compared, "mnist", 0), data)
    random = build_model(experiment.run(Compared("random", False), "mnist", 0), data)
    assert model.encoder is not None and random.encoder is not None
    sizes = {n: p.shape for n, p in model.encoder.named_parameters() if not n.startswith("time.")}
    plain = {n: p.shape for n, p in random.encoder.named_parameters()}
    # A Gaussian head has a log variance beside the mean.
    assert {n for n in plain if sizes[n] != plain[n]} <= {n for n in plain if n.startswith("head")}
    trunk = {n for n in plain if not n.startswith("head")}
    assert trunk <= set(sizes) and trunk
    static = build_model(
        experiment.run(compared._replace(time_conditioned=False), "mnist", 0), data
    )
    assert static.encoder is not None
    assert set(sizes) == {n for n, _ in static.encoder.named_parameters()}
    assert model.time_conditioned == compared.time_conditioned


def test_seeds_are_the_same_for_every_method_and_the_run_says_its_own() -> None:
    experiment = Downstream(n_seeds=4, dataset="mnist")
    for compared in COMPARED:
        runs = experiment.per_seed(compared, dataset="mnist")
        assert [run.seed for run in runs] == [0, 1, 2, 3]
        assert len({run.key for run in runs}) == 4
        assert {run.updated(seed=0) for run in runs} == {runs[0]}
    assert len(experiment.runs()) == 4 * len(COMPARED)


# What the notebooks share.


@pytest.mark.parametrize("preset", get_args(PresetName))
def test_notebooks_share_what_is_alike(preset: str) -> None:
    seven, eight, nine = (make(cls, preset) for cls in (Downstream, Trajectory, SDEAblation))
    trained = {run.key for run in eight.trained()}
    assert trained < keys(seven)
    shared = keys(seven) & keys(nine)
    first = seven.dataset_names[0]
    assert trained < shared
    of_nine = {run.key: run for run in nine.runs()}
    assert {of_nine[key].sde for key in shared} == {"ve"}
    assert {of_nine[key].dataset for key in shared} == {first}
    # Nothing of 09 that 07 could share is trained twice: what is left is under another SDE.
    assert {run.sde for key, run in of_nine.items() if key not in shared} == {"vp", "subvp"}
    names = [{p.name for p in experiment.products()} for experiment in (seven, eight, nine)]
    single = {p.name for p in eight.products() if p.file.startswith("single_times")}
    assert single < names[0] and single < names[2]
    # At the end of 06's curve, the untrained encoder and the autoencoder at one length are 07's.
    of_six = {run.key: run for run in make(CodeCurve, preset).at_end()}
    of_seven = {of_six[key].method for key in of_six.keys() & keys(seven)}
    assert of_seven == {"ae", "random"}


def test_sdes_differ_in_the_sde_alone() -> None:
    experiment = SDEAblation()
    of = {}
    for sde in experiment.sdes:
        runs = experiment.per_seed(*CURVES, dataset="mnist", sde=sde)
        assert {run.sde for run in runs} == {sde} and {run.key for run in runs} <= keys(experiment)
        of[sde] = [{**run.model_dump(), "sde": None} for run in runs]
    assert set(of) == {"ve", "vp", "subvp"}
    assert of["ve"] == of["vp"] == of["subvp"]


@pytest.mark.parametrize("preset", get_args(PresetName))
@pytest.mark.parametrize("cls", ALL)
def test_no_run_or_product_is_asked_for_twice_and_products_are_of_runs(
    cls: type[Comparison], preset: str
) -> None:
    experiment = make(cls, preset)
    assert len(keys(experiment)) == len(experiment.runs())
    products = experiment.products()
    assert len({p.name for p in products}) == len(products) > 0
    assert {p.run.key for p in products} == keys(experiment)  # nothing is trained for nothing
    batched = [run for batch in experiment.batches(experiment.runs()) for run in batch]
    assert batched == experiment.runs()
    assert not any(run.first_stage for run in batched)


def test_the_curve_that_is_drawn_has_two_dimensions_unless_told() -> None:
    assert {run.latent_dim for run in CodeCurve().along_curve()} == {2}
    assert {run.latent_dim for run in CodeCurve(latent_dim=5).along_curve()} == {5}
    preset = PRESETS["laptop"].comparison.latent_dim
    assert {run.latent_dim for run in CodeCurve(latent_dim=None).runs()} == {preset}
    assert {run.latent_dim for run in CodeCurve(latent_dim=5).at_end()} == {preset}
    assert {run.latent_dim for run in Trajectory().runs()} == {preset}


@pytest.mark.parametrize("cls", ALL)
def test_what_is_set_reaches_every_run(cls: type[Comparison]) -> None:
    experiment = cls(dataset="digits", steps=7, n_seeds=1, latent_dim=3)
    runs = experiment.runs()
    if isinstance(experiment, CodeCurve):
        end = experiment.at_end()
        runs = experiment.along_curve()
        assert {(r.dataset, r.seed) for r in end} == {("digits", 0)}
        assert {r.steps for r in end} == {2, 7, 28}
    assert {(r.dataset, r.steps, r.seed, r.latent_dim) for r in runs} == {("digits", 7, 0, 3)}


# Controls, and the end of the curve.


@pytest.mark.parametrize("preset", get_args(PresetName))
def test_every_curve_has_an_untrained_control_on_the_same_clock(preset: str) -> None:
    for experiment in (make(CodeCurve, preset), make(Trajectory, preset)):
        assert isinstance(experiment, CodeCurve | Trajectory)
        curves = [run for run in experiment.runs() if run.time_conditioned]
        control = {run.seed: run for run in curves if run.method == "random"}
        assert set(control) == set(experiment.seeds)
        for run in curves:
            same = run.updated(method="random", lambda_z=0.0)
            assert control[run.seed] == same.updated(weighting=control[run.seed].weighting)


def test_both_weightings_of_the_curve_are_trained_with_every_seed() -> None:
    for weighting in ("std2", "edm"):
        runs = CodeCurve(weighting=weighting).along_curve()
        found = {(run.weighting, run.seed) for run in runs if run.method == "drl"}
        assert found == {(name, seed) for name in ("std2", "edm") for seed in range(3)}
        assert {r.weighting for r in runs if r.method == "random"} == {weighting}


@pytest.mark.parametrize("preset", get_args(PresetName))
def test_the_end_of_the_curve_sees_sigma_max_alone_at_three_lengths(preset: str) -> None:
    experiment = make(CodeCurve, preset, sigma_max=30.0)
    assert isinstance(experiment, CodeCurve)
    trained = [run for run in experiment.at_end() if run.method != "random"]
    lengths = sorted({run.steps for run in trained})
    assert len(lengths) == 3 and 10 <= lengths[-1] / lengths[0] <= 25
    assert {run.noise.window for run in trained if run.sees_noise} == {(30.0, 30.0)}
    assert not any(run.time_conditioned for run in experiment.at_end())
    ways = {(r.method, r.weighting, r.adam_epsilon) for r in trained if r.method == "drl"}
    assert ways == {("drl", "std2", 1e-8), ("drl", "std2", 1e-15), ("drl", "edm", 1e-8)}
    # Ways differ in nothing else; every length has every way with every seed.
    plain = {
        run.updated(weighting="std2", adam_epsilon=1e-8) for run in trained if run.method == "drl"
    }
    assert len(plain) == len(lengths) * len(experiment.seeds)
    assert len(trained) == len(plain) * (len(ways) + 1)
    assert {run.lambda_z for run in trained} == {0.0}


def test_lengths_that_come_out_alike_are_trained_once() -> None:
    end = CodeCurve(dataset="digits", steps=1, n_seeds=1).at_end()
    assert len(end) == len(set(end))
    assert {run.steps for run in end} == {1, 4}


# Data sets.


@pytest.mark.parametrize("preset", ["smoke", "laptop"])
def test_without_a_name_the_data_sets_are_the_preset_s(preset: Any) -> None:
    wanted = PRESETS[preset].comparison.datasets
    assert len(wanted) == 2 and set(wanted) <= {"mnist", "colored-mnist", "digits"}  # none fetched
    seven = Downstream(preset=preset)
    assert seven.dataset_names == seven.datasets == list(wanted) and seven.absent == []
    assert {run.dataset for run in seven.runs()} == set(wanted)
    for cls in ONE:
        assert cls(preset=preset).datasets == [wanted[0]]
        assert {run.dataset for run in cls(preset=preset).runs()} == {wanted[0]}


def test_several_names_are_separated_by_commas_each_counts_once_in_their_order() -> None:
    seven = Downstream(dataset="digits, mnist,digits")
    assert seven.dataset_names == seven.datasets == ["digits", "mnist"]
    assert [run.dataset for run in seven.runs()] == sorted(run.dataset for run in seven.runs())
    for cls in ONE:
        assert {run.dataset for run in cls(dataset="digits, mnist").runs()} == {"digits"}


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("names", ["cifar11", "mnist,cifar11", "mnist,", "", "toy", "no.npz"])
def test_an_unknown_name_is_refused(cls: type[Comparison], names: str) -> None:
    with pytest.raises(ParameterError, match=r"'dataset' = '.*known are mnist, digits, .*cifar10"):
        cls(dataset=names)


@pytest.mark.parametrize("cls", ALL)
def test_a_file_that_holds_no_arrays_is_refused_wherever_it_is_named(
    cls: type[Comparison], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ParameterError, match=r"notes\.txt' is a \.txt file"):
        cls(dataset=f"{tmp_path / 'notes.txt'},mnist")


def test_a_user_s_own_images_are_a_data_set(tmp_path: Path) -> None:
    file = tmp_path / "own.npz"
    x, y = np.random.default_rng(0).random((60, 6, 6)), np.arange(60) % 2
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    seven = Downstream(dataset=f"mnist,{file}")
    assert seven.datasets == ["mnist", str(file)]


@pytest.fixture
def without_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout where nobody has fetched anything, nor run anything."""
    root = tmp_path / "checkout"
    (root / "data").mkdir(parents=True)
    (root / "data" / "mnist").symlink_to(paths.mnist())
    (root / "data" / "paper").symlink_to(paths.paper())
    monkeypatch.setenv("DRLCORE_ROOT", str(root))
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path / "out"))
    return root


def test_absent_data_sets_are_reported_and_never_replaced(without_cifar: Path) -> None:
    seven = Downstream(dataset="cifar10,mnist,mini-imagenet")
    assert seven.dataset_names == ["cifar10", "mnist", "mini-imagenet"]
    assert seven.absent == ["cifar10", "mini-imagenet"]
    assert seven.datasets == ["mnist"]
    alone = Downstream(dataset="mnist")
    assert seven.runs() == alone.runs()
    assert [p.name for p in seven.products()] == [p.name for p in alone.products()]


def test_a_notebook_that_shows_one_reports_the_absent_ones_behind_it(without_cifar: Path) -> None:
    for cls in ONE:
        experiment = cls(dataset="mnist,cifar10")
        assert (experiment.datasets, experiment.absent) == (["mnist"], ["cifar10"])


@pytest.mark.parametrize(
    "stopped",
    [
        *[lambda cls=cls: cls(dataset="cifar10,mnist") for cls in ONE],
        lambda: Downstream(dataset="cifar10"),
        lambda: Downstream(dataset="cifar10,cifar100"),
        *[lambda cls=cls: cls(preset="paper") for cls in ALL],
        lambda: plan({"preset": "paper"}),
        lambda: plan({"preset": "paper", "dataset": "cifar10"}),
    ],
)
def test_nothing_to_run_on_stops_with_the_command(
    without_cifar: Path, stopped: Callable[[], object]
) -> None:
    with pytest.raises(DataError, match="'cifar10' is absent.*make data DATASET=cifar10'"):
        stopped()
    assert not (without_cifar.parent / "out").exists()


def test_the_paper_preset_is_planned_on_data_that_is_there(without_cifar: Path) -> None:
    planned = plan({"preset": "paper", "dataset": "mnist"})
    assert set(planned) == set(EXPERIMENTS)
    runs = [run for cls in ALL for run in planned[cls.notebook].runs() if run.time_conditioned]
    assert {(run.encoder, run.score_network, run.dataset, run.steps) for run in runs} == {
        ("wrn-28-2", "ncsnpp-small", "mnist", 250_000)
    }


@pytest.mark.parametrize("preset", get_args(PresetName))
def test_every_preset_lists_its_work_on_a_data_set_that_was_named(preset: str) -> None:
    for notebook, experiment in plan({"preset": preset, "dataset": "digits"}).items():
        runs = experiment.runs()
        assert {product.run for product in experiment.products()} <= set(runs), notebook


# What stops before training.


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sigma_min": 60.0}, "sigma_min = 60 must be below sigma_max = 50"),
        ({"sigma_max": 0.0}, "'sigma_max' = 0.0"),
        ({"latent_dim": 1}, "'latent_dim' = 1"),
        ({"steps": 0}, "'steps' = 0"),
        ({"n_seeds": 0}, "'n_seeds' = 0"),
        ({"n_seed": 1}, "unknown parameter 'n_seed'; known are: .*dataset, "),
    ],
)
def test_an_impossible_value_stops_at_once(
    cls: type[Comparison], values: dict[str, Any], says: str
) -> None:
    with pytest.raises(ParameterError, match=says):
        cls(**values)


def test_a_range_that_one_sde_cannot_reach_stops_the_notebook_that_uses_it() -> None:
    assert Trajectory(sigma_max=500.0).noise.sigma_max == 500.0
    with pytest.raises(ParameterError, match="sigma_max = 500: the vp SDE reaches"):
        SDEAblation(sigma_max=500.0)


@pytest.mark.parametrize("cls", ALL)
def test_parameters_survive_the_batch_run(cls: type[Comparison]) -> None:
    experiment = cls(preset="smoke", dataset="digits, mnist", sigma_max=20.0, n_seeds=1)
    assert cls.from_json(experiment.model_dump_json()).runs() == experiment.runs()
    assert "-p dataset 'digits, mnist'" in papermill_arguments(experiment)
    assert cls.from_notebook({**experiment.model_dump(), "_": 1, "np": np}) == experiment


# Presets.


def flat(values: BaseModel, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in type(values).model_fields:
        value = getattr(values, name)
        inner = isinstance(value, BaseModel)
        found |= flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


def test_presets_differ_in_numbers_only() -> None:
    scales = [flat(PRESETS[name].comparison) for name in get_args(PresetName)]
    assert all(scale.keys() == scales[0].keys() for scale in scales)
    smoke, laptop, overnight, paper = scales
    assert overnight == laptop  # it trains other models for longer
    for name in smoke:
        if smoke[name] != laptop[name] and name != "datasets":  # None is all of them
            assert isinstance(smoke[name], int | tuple), name
    architectures = {"datasets", "weighting", "encoder", "score_network", "time_embedding"}
    for name in paper:
        text = isinstance(paper[name], str) or name == "datasets"
        assert text == (name in architectures), name


@pytest.mark.parametrize("cls", ALL)
def test_every_preset_takes_the_same_path(cls: type[Comparison]) -> None:
    def steps(preset: Any) -> tuple[set[Any], set[Any]]:
        experiment = make(cls, preset, n_seeds=1)
        runs = {(r.method, r.time_conditioned, r.sde) for r in experiment.runs()}
        files = {(p.run.method, p.file.split("-")[0]) for p in experiment.products()}
        return runs, files

    assert steps("smoke") == steps("laptop") == steps("paper")


def test_the_key_of_a_run_is_not_the_preset_s_name() -> None:
    # What the presets resolve to is what is hashed: the same numbers are the same run.
    laptop = PRESETS["laptop"].comparison
    smoke = Downstream(preset="smoke", steps=laptop.steps, latent_dim=laptop.latent_dim)
    run = smoke.run(COMPARED[0], "mnist", 0)
    same = run.updated(warmup_steps=laptop.warmup_steps, train_images=laptop.train_images)
    assert same.key == Downstream().run(COMPARED[0], "mnist", 0).key != run.key
