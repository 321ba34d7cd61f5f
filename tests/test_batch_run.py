"""The batch run keeps what is there, whatever else a job has to make."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch import ROOT, snakemake

from drlcore.experiments import CodeCurve

FAST = ("preset=smoke", "dataset=digits", "steps=1")
JOB = "train_06_code_as_a_curve_0"


def made(folder: Path) -> dict[str, int]:
    """When each run's card was written, by key; a run trained again has a new one."""
    return {p.parent.name: p.stat().st_mtime_ns for p in folder.glob("data/runs/*/run.json")}


def keys(n_seeds: int) -> set[str]:
    experiment = CodeCurve(preset="smoke", dataset="digits", steps=1, n_seeds=n_seeds)
    return {run.key for run in experiment.runs()}


def test_no_failure_no_new_seed_and_no_committed_result_undoes_a_run(
    tmp_path: Path,
) -> None:
    *_, last = CodeCurve(preset="smoke", dataset="digits", steps=1, n_seeds=1).runs()
    broken = tmp_path / "data" / "runs" / last.key / "resume.safetensors"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"broken")
    done = snakemake(tmp_path, JOB, "--config", *FAST, "n_seeds=1")
    assert done.returncode != 0 and "resume.safetensors is corrupt" in done.stderr
    weights = {p.parent.name for p in tmp_path.glob("data/runs/*/weights.safetensors")}
    first = made(tmp_path)
    assert weights == set(first) == keys(1) - {last.key} != set()
    broken.unlink()
    done = snakemake(tmp_path, JOB, "--config", *FAST, "n_seeds=2")
    assert done.returncode == 0, done.stderr[-3000:]
    second = made(tmp_path)
    assert set(second) == keys(2) > keys(1)
    assert {key: second[key] for key in first} == first

    # What is committed is not taken for computed: a fresh clone trains everything itself.
    fresh, runs = tmp_path / "fresh", tmp_path / "data" / "runs"
    done = snakemake(fresh, JOB, "--config", *FAST, "n_seeds=1", artefacts=runs)
    assert done.returncode == 0, done.stderr[-3000:]
    assert set(made(fresh)) == keys(1)


@pytest.mark.skipif((ROOT / "data" / "cifar10").exists(), reason="somebody fetched CIFAR-10")
def test_absent_data_stops_the_plan_with_the_command(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "-n", "--config", "preset=paper")
    assert done.returncode != 0
    said = done.stdout + done.stderr  # a dry run complains on stdout
    assert said.count("dataset 'cifar10' is absent") == 1
    assert "fetch it with 'make data DATASET=cifar10'" in said
    assert not (tmp_path / "data").exists()
