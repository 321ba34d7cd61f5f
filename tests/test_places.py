"""Where an experiment writes: the reference is out of reach of whatever a user tries."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drlcore.data import paths
from drlcore.data.datasets import DATASETS, available
from drlcore.errors import ArtefactError, DataError, ParameterError
from drlcore.paper import claims
from drlcore.paper.experiments import EXPERIMENTS, Experiment, Floor, NoiseDial, StartHere
from drlcore.paper.tables import results

FOLDER_NAME = re.compile(r"mine/[A-Za-z0-9._,=+-]{1,130}")


@pytest.fixture
def batch(output: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in the batch run."""
    monkeypatch.setenv("DRLCORE_REFERENCE", "1")
    return output


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder for files of a user's own."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def own(path: Path) -> str:
    """A small data set in a file."""
    generator = np.random.default_rng(0)
    path.parent.mkdir(exist_ok=True)
    y = np.arange(1000) % 2
    x = generator.integers(0, 256, (1000, 8, 8), dtype=np.uint8)
    np.savez(path, x_train=x, y_train=y, x_test=x[:200], y_test=y[:200])
    return str(path)


@pytest.mark.parametrize("cls", EXPERIMENTS.values())
def test_the_reference_is_written_by_the_batch_run(
    cls: type[Experiment], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = cls(preset="smoke")
    assert experiment.place == "mine/smoke"
    monkeypatch.setenv("DRLCORE_REFERENCE", "1")
    assert experiment.place == "smoke"


def test_changed_parameters_name_the_folder_in_the_batch_run_too(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = Floor(preset="smoke", sigma_max=10, seed=3)
    assert experiment.place == "mine/smoke-sigma_max=10.0-seed=3"
    monkeypatch.setenv("DRLCORE_REFERENCE", "1")
    assert experiment.place == "mine/smoke-sigma_max=10.0-seed=3"
    assert Floor(preset="smoke", sigma_max=50.0).place == "smoke"  # the default, said


def test_every_parameter_set_has_a_folder_of_its_own(images: Path, output: Path) -> None:
    files = ["a.npz", "b/a.npz", "a{x},b 'c'.npz", "é.npz", "x" * 200 + ".npz", "a=1-seed=2.npz"]
    experiments = [
        *[StartHere(preset="smoke", dataset=own(images / name)) for name in files],
        *[Floor(preset="smoke", sigma_max=10 + 1e-9 * i) for i in range(3)],
        Floor(preset="smoke", sigma_max=10, seed=1),
        Floor(preset="laptop", sigma_max=10),
        StartHere(preset="smoke", dataset="digits"),
        NoiseDial(preset="smoke", dataset="digits", sigma_min=0.1, sigma_max=12.34567890123,
                  latent_dim=3, n_levels=3, n_seeds=2, steps=10, sampler_steps=10),
    ]  # fmt: skip
    places = [experiment.place for experiment in experiments]
    assert len(set(map(str.lower, places))) == len(experiments)
    assert [place for place in places if not FOLDER_NAME.fullmatch(place)] == []
    assert re.fullmatch(r"mine/smoke-dataset=a-\w{8}", places[0])
    assert "mine/smoke-dataset=digits" in places
    for place in places:
        paths.figures(place).mkdir(parents=True)  # the file system takes it


@pytest.mark.parametrize("place", ["../x", "mine/../../x", "/x", "", ".", "smoke/../.."])
def test_no_place_is_outside(place: str, output: Path) -> None:
    for folder in (paths.results, paths.figures):
        with pytest.raises(ParameterError, match="place"):
            folder(place)


def test_what_the_notebook_says_is_where_it_writes(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for experiment in (Floor(preset="smoke"), Floor(preset="smoke", seed=1)):
        said = paths.where(experiment.place)
        results.write(experiment, "table", [pd.DataFrame({"value": [1.0]})])
        (written,) = output.glob("data/results/mine/*/table.csv")
        assert f"figures/{experiment.place} and data/results/{experiment.place}" in said
        assert str(written.parent.relative_to(output)) in said
        assert str(output) not in said
        monkeypatch.setenv("DRLCORE_REFERENCE", "1")
        assert paths.where(experiment.place) == said  # so that its outputs compare
        monkeypatch.delenv("DRLCORE_REFERENCE")
        written.unlink()


def value(experiment: Experiment | str) -> list[float]:
    return results.read(experiment, "table").value.tolist()


def write(experiment: Experiment | str, number: float) -> None:
    results.write(experiment, "table", [pd.DataFrame({"value": [number]})])


def test_own_tables_come_first_and_the_reference_stands_in_for_unchanged_parameters(
    output: Path,
) -> None:
    default, changed = Floor(preset="smoke"), Floor(preset="smoke", seed=1)
    with pytest.raises(ArtefactError, match="make reproduce PRESET=smoke"):
        value(default)
    write("smoke", 1)
    assert value(default) == [1]
    with pytest.raises(ArtefactError, match="mine/smoke-seed=1: run notebooks/table.ipynb"):
        value(changed)
    write(default, 2)
    write(changed, 3)
    assert [value(e) for e in ("smoke", default, changed)] == [[1], [2], [3]]


@pytest.mark.parametrize("parameters", [{}, {"seed": 1}])
def test_no_run_by_hand_changes_a_verdict(
    parameters: dict[str, int], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dial = pd.DataFrame({"metric": ["esm"], "value": [1.0]})
    floor = Floor(preset="smoke", **parameters)
    before = claims.verdicts("smoke")
    results.write(floor, floor.notebook, [dial])
    pd.testing.assert_frame_equal(claims.verdicts("smoke"), before)
    judge = EXPERIMENTS["99_claims"](preset="smoke")
    claims.write_claims(judge.preset, judge.place)
    assert {p.parent.name for p in output.glob("data/results/**/claims.csv")} == {"smoke"}
    assert not (output / "data" / "results" / "smoke").exists()
    assert (output / "data" / "results" / "mine" / "smoke" / "claims.csv").is_file()


def test_without_a_checkout_only_what_is_in_it_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DRLCORE_ROOT", "DRLCORE_OUTPUT", "DRLCORE_ARTEFACTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site-packages" / "drlcore" / "paths.py"))
    monkeypatch.chdir(tmp_path)
    assert paths.output() == tmp_path
    for folder in (paths.runs(), paths.results("smoke"), paths.figures("smoke"), paths.artefacts()):
        assert tmp_path in folder.parents
    for needed in (paths.root, paths.mnist, paths.paper):
        with pytest.raises(DataError, match="not a checkout.*DRLCORE_ROOT"):
            needed()
    there = {name for name in DATASETS if available(name)}
    assert there == {"digits", "toy"}
    with pytest.raises(DataError, match="clone the project"):
        StartHere(preset="smoke", dataset="mnist")
    monkeypatch.setenv("DRLCORE_OUTPUT", "elsewhere")
    assert paths.runs() == tmp_path / "elsewhere" / "data" / "runs"
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path))  # said, and wrong
    with pytest.raises(DataError, match="not a checkout"):
        paths.artefacts()
