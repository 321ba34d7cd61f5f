"""Images without labels: all that does not ask for classes works, all that does says so at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from drlcore import METHODS, NoiseRange, RunParameters, from_arrays
from drlcore.data.datasets import load_dataset
from drlcore.data.label_splits import LabelSplit
from drlcore.data.splits import Dataset
from drlcore.errors import DataError
from drlcore.laplacenet.classifier import FineTuning
from drlcore.laplacenet.fine_tuning import fine_tune
from drlcore.paper.experiments import (
    CodeCurve,
    Downstream,
    Experiment,
    LatentSpace,
    NetworkDial,
    NoiseDial,
    SDEAblation,
    SemiSupervised,
    Trajectory,
)
from drlcore.paper.plots.dial import dial_codes, dial_figure
from drlcore.paper.plots.style import colours_of
from drlcore.paper.products import metrics, reconstructions, usage
from drlcore.paper.samples import quality, reader
from drlcore.paper.tables.results import best_level, usage_rows
from drlcore.training.loop import train
from drlcore.training.run import build_model

COMPARED = (CodeCurve, Downstream, Trajectory, SDEAblation, SemiSupervised)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("unlabelled") / "plain.npy"
    digits = load_dataset("digits")
    np.save(path, digits.train.x.numpy()[:300])
    return str(path)


@pytest.fixture(scope="module")
def plain(path: str) -> Dataset:
    return load_dataset(path)


@pytest.fixture
def run(path: str, output: Path) -> RunParameters:
    return RunParameters(dataset=path, steps=2, noise=NoiseRange().single(1.0))


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_which_methods_need_labels() -> None:
    assert {name for name, method in METHODS.items() if method.needs_labels} == {
        "csm", "supervised",
    }  # fmt: skip


@pytest.mark.parametrize("method", ["csm", "supervised"])
def test_methods_that_need_labels_say_so(plain: Dataset, path: str, method: str) -> None:
    with pytest.raises(DataError, match=f"^plain: has no labels; method '{method}' needs them$"):
        build_model(RunParameters(dataset=path, method=method), plain)


def test_label_splits_and_laplacenet_say_so(plain: Dataset, path: str, tmp_path: Path) -> None:
    run = RunParameters(dataset=path, steps=1, label_split=LabelSplit(n_labels=10))
    model = build_model(run, plain)
    with pytest.raises(DataError, match="n_labels = 10: a label split of images without labels"):
        train(run, model, plain, tmp_path, progress=False)
    curve = run.updated(time_conditioned=True, label_split=None)
    settings = FineTuning(n_labels=10, steps=10)
    with pytest.raises(DataError, match="has no labels; LaplaceNet needs them"):
        fine_tune(curve, build_model(curve, plain), settings, plain, tmp_path / "resume")


@pytest.mark.parametrize("cls", COMPARED)
def test_notebooks_that_compare_methods_by_class_say_so_at_once(
    path: str, cls: type[Experiment]
) -> None:
    said = f"^plain: has no labels; notebook {cls.notebook} needs them$"
    with pytest.raises(DataError, match=said):
        cls(preset="smoke", dataset=path)
    assert cls(preset="smoke", dataset="digits")


@pytest.mark.parametrize("cls", [LatentSpace, NoiseDial, NetworkDial])
def test_the_other_notebooks_ask_for_no_method_that_needs_them(
    path: str, cls: type[LatentSpace | NoiseDial | NetworkDial]
) -> None:
    experiment = cls(preset="smoke", dataset=path)
    assert not [r for r in experiment.runs() if METHODS[r.method].needs_labels]
    assert "plain: floats in [-1, 1]: -1 is black, 1 is white; no labels" in str(experiment)
    labelled = cls(preset="smoke", dataset="digits")
    assert len(labelled.products()) == len(experiment.products())


def test_probes_leave_classes_out(run: RunParameters) -> None:
    held = metrics(run).load(progress=False)
    of_class = {"knn_accuracy", "linear_accuracy", "silhouette"}
    assert {"ink_r2", "effective_rank"} <= set(held.metric) and not of_class & set(held.metric)
    digits = metrics(run.updated(dataset="digits")).load(progress=False)
    assert list(digits.metric[:3]) == ["knn_accuracy", "linear_accuracy", "silhouette"]
    assert set(digits.metric) == set(held.metric) | of_class
    used = usage(run).load(progress=False)
    assert "same_ink" in set(used.z) and "same_class" not in set(used.z)


def test_samples_are_judged_by_what_needs_no_classes(run: RunParameters) -> None:
    by = reader(run.dataset, 2)
    assert by.method == "ae" and reader("digits", 2).method == "supervised"
    judged = quality(run.updated(noise=NoiseRange()), 2, by).load(progress=False)
    value = judged[judged.of == "samples"].set_index("metric").value
    assert value[["readable", "agreement"]].isna().all()
    assert value[["frechet", "precision", "recall"]].notna().all()


def test_pictures_show_the_first_images(run: RunParameters, plain: Dataset) -> None:
    second = run.second_stage(NoiseRange())
    clean = reconstructions(second, 2).load(progress=False)["clean"]
    expected = ((plain.test.x[:10] + 1) * 127.5).round().byte().numpy()
    np.testing.assert_array_equal(clean, expected)


def test_codes_are_coloured_by_ink(plain: Dataset) -> None:
    ink = colours_of(plain.test)
    np.testing.assert_array_equal(ink, plain.test.factors["ink"])
    figure = dial_codes({"a": np.random.default_rng(0).normal(size=(len(ink), 2))}, ink)
    assert figure.axes[-1].get_ylabel() == "ink"
    digits = load_dataset("digits").test
    np.testing.assert_array_equal(colours_of(digits), digits.y.numpy())
    shown = dial_codes({"a": np.zeros((len(digits.y), 2))}, colours_of(digits))
    assert shown.axes[-1].get_ylabel() == "class"


def test_the_dial_is_drawn_without_classes(run: RunParameters) -> None:
    runs = [run, run.updated(noise=NoiseRange()), run.updated(method="random")]
    tables = []
    for each in runs:
        about = {
            "dataset": "plain", "method": each.method, "sigma_max": each.noise.window[1],
            "t_sampler": each.noise.t_sampler.name, "seed": 0, "range": each.noise.label,
        }  # fmt: skip
        tables.append(metrics(each).load(progress=False).assign(**about))
        if each.method != "random":
            used = usage_rows(each, usage(each).load(progress=False))
            tables.append(used.assign(range=each.noise.label))
    table = pd.concat(tables, ignore_index=True)
    figure = dial_figure(table)
    labels = [text.get_text() for ax in figure.axes[:2] for text in ax.get_legend().get_texts()]
    assert any("ink" in label for label in labels) and not any("class" in each for each in labels)
    assert best_level(table) == 1.0


def test_what_is_the_same_with_labels_and_without() -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 6, 5), np.uint8)
    named = from_arrays("a", x, np.arange(60) % 2)
    bare = from_arrays("a", x)
    assert named.shape == bare.shape and named.checksum != bare.checksum
    assert len(named.test.x) == len(bare.test.x) == 12
