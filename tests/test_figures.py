"""Committed figures, artefacts and claims agree with each other and with the code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import nbformat
import pandas as pd
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt

from drlcore.data import paths
from drlcore.data.datasets import available, load_dataset
from drlcore.errors import ArtefactError
from drlcore.paper import figures, publish
from drlcore.paper.experiments import EXPERIMENTS, LatentSpace, StartHere
from drlcore.paper.tables import results
from drlcore.training import artefacts, checkpoint
from drlcore.training.checkpoint import file_sha256

FOLDER = paths.root() / "figures" / "laptop"
RESULTS = paths.root() / "data" / "results" / "laptop"
COMMITTED = sorted(FOLDER.glob("*.png"))
REGISTERED = {f"{name}.png" for shown in figures.FIGURES.values() for name in shown}


def checksum(dataset: str) -> str:
    """Of the images; of those that users fetch it is known where they are not."""
    known = {"cifar10": "c6623c8843488547", "fashion-mnist": "ece172613115fb18"}
    return load_dataset(dataset).checksum if available(dataset) else known[dataset]


def test_every_registered_figure_is_there_and_no_other() -> None:
    assert {path.name for path in COMMITTED} == REGISTERED
    assert {path.stem for path in FOLDER.glob("*.pdf")} == {Path(n).stem for n in REGISTERED}


def test_manifest_lists_exactly_these_files() -> None:
    manifest = pd.read_csv(FOLDER / figures.MANIFEST)
    assert set(manifest.file) == REGISTERED
    for row in manifest.itertuples():
        assert row.sha256 == file_sha256(FOLDER / str(row.file)), row.file


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_figure_is_not_stale(path: Path) -> None:
    """Drawn by the notebook's present code, from the data and the artefacts as they are now."""
    origin = figures.origin_of(path)
    assert origin["source"] == figures.source_fingerprint(origin["notebook"])
    experiment = EXPERIMENTS[origin["notebook"]](preset="laptop")
    assert origin["parameters"] == json.loads(experiment.model_dump_json())
    assert origin["data_checksum"] == checksum(origin["dataset"])
    for name, sha256 in origin["inputs"].items():
        if name.startswith("results/"):
            assert file_sha256(paths.root() / "data" / name) == sha256, name
        else:  # that the committed file is of this checksum, tests/test_artefacts.py asks
            key, file = name.split("/")
            assert artefacts.read_cards(paths.artefacts())[key].files[file] == sha256, name


def test_every_artefact_belongs_to_a_notebook_and_none_is_missing() -> None:
    experiments = [cls(preset="laptop") for cls in EXPERIMENTS.values()]
    wanted = {(p.run.key, p.file) for e in experiments for p in e.products()}
    cards = artefacts.read_cards(paths.artefacts())
    assert cards.keys() == {run.key for e in experiments for run in e.runs()}
    there = {(key, name) for key, card in cards.items() for name in card.files}
    assert wanted <= there
    space = LatentSpace(preset="laptop")
    assert there - wanted == {(run.key, "history.csv") for run in space.runs()} | {
        (run.key, "weights.safetensors")
        for run in (
            space.reader,
            *(space.sampler("drl", t) for t in ("uniform_t", "uniform_sigma")),
        )
    }


def test_run_cards_of_artefacts_match_their_keys_and_the_data() -> None:
    runs = {run.key: run for cls in EXPERIMENTS.values() for run in cls(preset="laptop").runs()}
    for key, card in artefacts.read_cards(paths.artefacts()).items():
        run = runs[key]
        assert card.key == run.key
        assert card.parameters == json.loads(run.model_dump_json())
        assert card.data.checksum == checksum(run.dataset)


def test_readme_says_the_verdicts() -> None:
    readme = (paths.root() / "README.md").read_text()
    table = pd.read_csv(RESULTS / "claims.csv")
    assert publish.with_claims(readme, table) == readme
    turned = table.assign(verdict="reproduced" if (table.verdict != "reproduced").any() else "x")
    assert publish.with_claims(readme, turned) != readme


def test_results_say_what_the_artefacts_say() -> None:
    table = results.read("laptop", "04_noise_dial")
    images = table[table.run.notna() & table.at_sigma.isna()]  # those at a level are of usage
    probed = pd.read_parquet(paths.artefacts() / "metrics.parquet")
    for key, rows in list(images.groupby("run"))[::7]:
        stored = probed[probed.run == key].drop(columns="run")
        merged = rows.merge(stored, on=["split", "metric"], suffixes=("", "_stored"))
        assert len(merged) == len(rows) == len(stored)
        assert merged.value.to_numpy() == pytest.approx(merged.value_stored.to_numpy(), rel=1e-4)


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("from drlcore.data import paths", set()),
        ("from drlcore.paper.plots.comparison import over_time", {"comparison"}),
        ("import drlcore.paper.plots.comparison as plots", {"comparison"}),
        ("from drlcore.paper.plots import comparison", {"comparison"}),
        ("from other.plots.comparison import x\nimport y  # drlcore.paper.plots.comparison", set()),
        # one of them imports another
        (
            "from drlcore.paper.plots.semi_supervised import gain_by_labels",
            {"semi_supervised", "comparison"},
        ),
    ],
)
def test_style_is_what_the_notebook_s_code_imports(
    code: str, modules: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path))
    cell = nbformat.v4.new_code_cell
    parameters = cell("seed = 1", metadata={"tags": ["parameters"]})
    book = nbformat.v4.new_notebook(cells=[parameters, cell(code)])
    nbformat.write(book, tmp_path / "notebooks" / "a.ipynb")
    files = figures.style_files("a")
    assert files == sorted(files) and all(file.is_file() for file in files)
    always = {"style.py", "drl.mplstyle"}
    assert {file.name for file in files} == always | {f"{module}.py" for module in modules}
    first = figures.source_fingerprint("a")
    book.cells[0].source = "seed = 2"
    nbformat.write(book, tmp_path / "notebooks" / "a.ipynb")
    assert figures.source_fingerprint("a") == first
    book.cells[1].source += "\nx = 1"
    nbformat.write(book, tmp_path / "notebooks" / "a.ipynb")
    assert figures.source_fingerprint("a") != first


def test_a_style_file_changes_the_fingerprints_of_its_notebooks_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "drlcore" / "paper"
    shutil.copytree(Path(figures.__file__).with_name("plots"), package / "plots")
    monkeypatch.setattr(figures, "__file__", str(package / "figures.py"))
    before = {name: figures.source_fingerprint(name) for name in EXPERIMENTS}
    with (package / "plots" / "comparison.py").open("a") as file:
        file.write("# changed")
    changed = {n for n in EXPERIMENTS if figures.source_fingerprint(n) != before[n]}
    assert changed == {n for n in EXPERIMENTS if "05" <= n < "10" or "12" <= n < "17"}


@pytest.fixture
def figure() -> Iterator[plt.Figure]:
    drawn, ax = plt.subplots()
    ax.plot([1, 2])
    yield drawn
    plt.close(drawn)


def test_saved_figure_carries_its_origin(figure: plt.Figure, output: Path) -> None:
    experiment = StartHere(preset="smoke")
    figures.save_figure(figure, "idea", experiment)
    origin = figures.origin_of(paths.figures(experiment.place) / "idea.png")
    assert origin["notebook"] == "00_start_here"
    assert origin["parameters"] == json.loads(experiment.model_dump_json())
    assert origin["data_checksum"] == load_dataset("mnist").checksum
    assert origin["version"] == version("drlcore")


def test_drawn_again_from_another_commit_it_is_the_same_file(
    figure: plt.Figure, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = StartHere(preset="smoke")
    folder = paths.figures(experiment.place)
    drawn = []
    for commit in ("0.1.0-g1234567", "0.1.0-g89abcde+"):
        for module in (checkpoint, figures):
            monkeypatch.setattr(module, "code_version", lambda commit=commit: commit, raising=False)
        figures.save_figure(figure, "idea", experiment)
        manifest = figures.write_manifest(experiment.place)
        assert manifest.file.tolist() == ["idea.png"]
        drawn.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert set(drawn[0]) == {"idea.png", "idea.pdf", "manifest.csv"}
    assert drawn[0] == drawn[1]


def test_the_manifest_lists_our_figures_alone(figure: plt.Figure, output: Path) -> None:
    with pytest.raises(ArtefactError, match="no figures in"):
        figures.write_manifest("smoke")
    assert not (output / "figures").exists()
    experiment = StartHere(preset="smoke")
    figures.save_figure(figure, "idea", experiment)
    figure.savefig(paths.figures(experiment.place) / "holiday.png")
    assert figures.write_manifest(experiment.place).file.tolist() == ["idea.png"]
    figure.savefig(paths.figures(experiment.place) / "idea.png")
    with pytest.raises(ArtefactError, match="idea.png does not say where it is from"):
        figures.write_manifest(experiment.place)


def test_unregistered_figure_is_refused(figure: plt.Figure, output: Path) -> None:
    with pytest.raises(KeyError):
        figures.save_figure(figure, "nameless", StartHere(preset="smoke"))


def test_results_of_a_preset_that_was_not_run_are_refused(output: Path) -> None:
    with pytest.raises(ArtefactError, match="make reproduce PRESET=paper"):
        results.read("paper", "04_noise_dial")
