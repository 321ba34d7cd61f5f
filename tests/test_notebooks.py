"""Notebooks: their form, their parameters, and a run of each from nothing."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from batch import snakemake
from papermill import inspect_notebook

from drlcore.data import paths
from drlcore.paper.claims import CLAIMS
from drlcore.paper.claims import COLUMNS as CLAIM_COLUMNS
from drlcore.paper.experiments import EXPERIMENTS, plan
from drlcore.paper.experiments.base import Experiment
from drlcore.paper.figures import FIGURES, origin_of
from drlcore.paper.tables.results import COLUMNS
from drlcore.training.artefacts import read_cards

ROOT = paths.root()
NAMES = sorted(EXPERIMENTS)  # and no notebook of a user's


@cache
def asked() -> dict[str, Experiment]:
    """What the batch run has data for on this machine, at preset smoke."""
    return {name: each for name, each in plan({"preset": "smoke"}).items() if each.possible}


@lru_cache
def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def code(name: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def parameters_cell(name: str) -> nbformat.NotebookNode:
    (cell,) = [c for c in code(name) if "parameters" in c.metadata.get("tags", [])]
    return cell


def test_every_experiment_has_its_notebook_and_figures() -> None:
    assert set(EXPERIMENTS) == set(FIGURES)
    assert [name for name in NAMES if not (ROOT / "notebooks" / f"{name}.ipynb").is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_form(name: str) -> None:
    cells = read(name).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith(f"# {name[:2]} · ")
    assert code(name)[0] is parameters_cell(name)
    assert "from_notebook(globals())" in code(name)[1].source
    assert "print(paths.where(experiment.place))" in code(name)[1].source
    for cell in code(name):
        assert len(cell.source.splitlines()) <= 25, cell.source
        tree = ast.parse(cell.source)
        found = [type(node).__name__ for node in ast.walk(tree)]
        assert not {"FunctionDef", "ClassDef", "AsyncFunctionDef"} & set(found), cell.source
    prose = sum(cell.cell_type == "markdown" for cell in cells)
    assert prose >= len(cells) / 3


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_experiment_s_fields_with_comments(name: str) -> None:
    """As papermill tells them to a person who asks: ``papermill --help-notebook``."""
    told = inspect_notebook(str(ROOT / "notebooks" / f"{name}.ipynb"))
    fields = EXPERIMENTS[name].model_fields
    assert set(told) == set(fields)
    for parameter, about in told.items():
        value = ast.literal_eval(about["default"])
        assert value == fields[parameter].default, parameter
        assert about["inferred_type_name"] in ("str", "int", "float")
        if value is not None:
            assert type(value).__name__ == about["inferred_type_name"]
        assert about["inferred_type_name"] in str(fields[parameter].annotation) or (
            about["inferred_type_name"] == "str" and "Literal" in str(fields[parameter].annotation)
        )
        assert about["help"], parameter


@pytest.mark.parametrize("name", NAMES)
def test_committed_executed_in_order_without_errors_or_stderr(name: str) -> None:
    counts = [cell.execution_count for cell in code(name)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code(name):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.get("text")
            assert not {"image/svg+xml", "application/pdf"} & set(output.get("data", {}))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_hold_numbers_or_figures(name: str) -> None:
    text = "".join(o.get("text", "") for cell in code(name) for o in cell.outputs)
    assert re.search(r"\d", text)
    pictures = [o for cell in code(name) for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == len(FIGURES[name])


def papermill(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DRLCORE_OUTPUT": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "--cwd", "notebooks"]
    command += [f"notebooks/{name}.ipynb", str(folder / "out.ipynb"), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_papermill_stops_at_an_unknown_name(tmp_path: Path) -> None:
    """papermill itself only warns; the cell after the parameters makes it an error."""
    done = papermill("04_noise_dial", tmp_path, "-p", "preset", "smoke", "-p", "sgma_max", "9.0")
    assert done.returncode != 0
    assert "ParameterError: unknown parameter 'sgma_max'; known are: " in done.stderr
    assert not (tmp_path / "data").exists()  # nothing was trained


def test_papermill_stops_at_an_impossible_value(tmp_path: Path) -> None:
    done = papermill("04_noise_dial", tmp_path, "-p", "sigma_min", "60.0")
    assert done.returncode != 0
    assert "sigma_min = 60 must be below sigma_max = 50" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole batch run at preset smoke, from nothing: every notebook trains what it reads."""
    folder = tmp_path_factory.mktemp("smoke")
    done = snakemake(folder, "--config", "preset=smoke")
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_smoke_run_draws_every_figure(smoke: Path) -> None:
    drawn = {path.stem for path in (smoke / "figures" / "smoke").glob("*.png")}
    assert drawn == {figure for name in asked() for figure in FIGURES[name]}
    manifest = pd.read_csv(smoke / "figures" / "smoke" / "manifest.csv")
    assert {Path(file).stem for file in manifest.file} == drawn
    assert not list(smoke.glob("**/mine"))


def test_smoke_run_trained_every_run_itself(smoke: Path) -> None:
    runs = [run for experiment in asked().values() for run in experiment.runs()]
    assert len(runs) > 20
    for run in runs:
        card = json.loads((smoke / "data" / "runs" / run.key / "run.json").read_text())
        assert card["parameters"]["seed"] == run.seed
    assert not {run.key for run in runs} & read_cards(paths.artefacts()).keys()


def test_smoke_results_are_tidy(smoke: Path) -> None:
    folder = smoke / "data" / "results" / "smoke"
    read = [name for name in EXPERIMENTS["99_claims"].reads if name in asked()]
    assert len(read) >= 9
    for name in read:
        table = pd.read_csv(folder / f"{name}.csv")
        assert list(table.columns[: len(COLUMNS)]) == COLUMNS
        needed = ["dataset", "method", "t_sampler", "sigma_min", "sigma_max", "latent_dim"]
        assert not table[[*needed, "seed", "split", "metric", "value"]].isna().any().any()
        assert (table.sigma_min <= table.sigma_max).all()
    claims = pd.read_csv(folder / "claims.csv")
    assert list(claims.columns) == CLAIM_COLUMNS
    # Smoke compares on digits and MNIST with small codes: what is claimed of colour and of larger
    # codes is not judged, and with two sizes and two distances in time there is no order.
    assert len(claims) > 20
    written = {name for experiment in asked().values() for name in experiment.writes}
    sources = claims.claim.map({claim.claim: claim.source for claim in CLAIMS})
    too_few = "Colored|background's colour|latent dimension|far apart in time|1,000 labels|of 32"
    left_out = claims.claim.str.contains(too_few) | ~sources.isin(written)
    assert ((claims.verdict == "not run") == left_out).all()


def test_second_smoke_run_does_nothing(smoke: Path) -> None:
    done = snakemake(smoke, "--config", "preset=smoke")
    assert done.returncode == 0
    assert "Nothing to be done" in done.stderr + done.stdout


def test_an_unknown_setting_stops_the_batch_run(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--config", "preset=smoke", "lamda=1")
    assert done.returncode != 0
    assert "unknown parameter 'lamda'" in done.stderr


def test_smoke_figures_know_their_origin(smoke: Path) -> None:
    origin = origin_of(smoke / "figures" / "smoke" / "noise_dial.png")
    assert origin["parameters"]["preset"] == "smoke"
    assert origin["seeds"] == [0, 1]
    assert origin["data_checksum"] and origin["version"].startswith("0.1.0")
    key, file = next(iter(origin["inputs"])).split("/")
    assert (smoke / "data" / "runs" / key / file).is_file()


def written(folder: Path) -> dict[str, bytes]:
    """The content of every figure and table below ``folder``."""
    files = [p for top in ("figures", "data/results") for p in (folder / top).rglob("*")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.is_file()}


def test_a_changed_parameter_redoes_only_what_depends_on_it(smoke: Path) -> None:
    """Last, because it adds to the folder; in place, because records are kept by path."""
    before = {p.parent.name: p.stat().st_mtime_ns for p in smoke.glob("data/runs/*/run.json")}
    reference = written(smoke)
    done = snakemake(smoke, "--config", "preset=smoke", "lambda_l1=0.001")
    assert done.returncode == 0, done.stderr[-4000:]
    after = {p.parent.name: p.stat().st_mtime_ns for p in smoke.glob("data/runs/*/run.json")}
    assert {key: after[key] for key in before} == before  # nothing old was trained again
    added = set(after) - set(before)
    changed = EXPERIMENTS["03_train_drl"](preset="smoke", lambda_l1=0.001)  # type: ignore[call-arg]
    assert added == {run.key for run in changed.runs()} - set(before)
    assert len(added) == 4 * len(changed.seeds)  # DRL, two t-samplers, two stages
    # The reference stays as it is; the rest is beside it, with a manifest of its own.
    own = written(smoke)
    assert {name: own.pop(name) for name in reference} == reference
    assert changed.place == "mine/smoke-lambda_l1=0.001"
    figures = {f"{name}.{end}" for name in FIGURES[changed.notebook] for end in ("png", "pdf")}
    wanted = {f"figures/{changed.place}/{name}" for name in figures | {"manifest.csv"}}
    assert set(own) == wanted | {f"data/results/{changed.place}/{n}.csv" for n in changed.writes}
    # Jobs that hold runs of both look again, train nothing, and draw the same.
    everything = written(smoke)
    done = snakemake(smoke, "--config", "preset=smoke")
    assert done.returncode == 0, done.stderr[-4000:]
    assert written(smoke) == everything
    last = {p.parent.name: p.stat().st_mtime_ns for p in smoke.glob("data/runs/*/run.json")}
    assert last == after


@pytest.mark.parametrize("name", NAMES)
def test_what_is_printed_is_in_one_piece(name: str) -> None:
    """Published anew, unchanged outputs are unchanged files."""
    cells = nbformat.read(paths.root() / "notebooks" / f"{name}.ipynb", as_version=4).cells
    for cell in cells:
        streams = [output.get("name") for output in cell.get("outputs", [])]
        assert not any(a == b == "stdout" for a, b in pairwise(streams))
