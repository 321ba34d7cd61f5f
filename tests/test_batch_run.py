"""The batch run keeps what is there, goes on after any end, and works in any folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batch import ROOT, command, environment, snakemake
from committed import commit

from drlcore.paper.experiments import CodeCurve
from drlcore.paper.figures import FIGURES

FAST = ("preset=smoke", "dataset=digits", "steps=1")
JOB = "train_05_code_as_a_curve_0"


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
    fresh, committed = tmp_path / "fresh", tmp_path / "committed"
    commit(tmp_path / "data" / "runs", committed)
    done = snakemake(fresh, JOB, "--config", *FAST, "n_seeds=1", artefacts=committed)
    assert done.returncode == 0, done.stderr[-3000:]
    assert set(made(fresh)) == keys(1)


@pytest.mark.skipif((ROOT / "data" / "cifar10").exists(), reason="somebody fetched CIFAR-10")
def test_absent_data_stops_the_plan_with_the_command(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "-n", "--config", "preset=paper")
    assert done.returncode != 0
    said = done.stdout + done.stderr  # a dry run complains on stdout
    assert said.count("dataset 'cifar10' is absent") == 1
    assert "fetch it with 'make data DATASET=cifar10'" in said
    assert not list(tmp_path.glob("data/runs/*/"))


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    arguments = (JOB, "--config", *FAST, "n_seeds=1")
    first = subprocess.Popen(
        command(*arguments),
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not list(tmp_path.glob("data/runs/*/")):  # a job has begun
            assert first.poll() is None
            time.sleep(0.05)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    done = snakemake(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert set(made(tmp_path)) == keys(1)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    runs = tmp_path / "data" / "runs"
    runs.mkdir(parents=True)
    with (runs / ".lock").open("w") as at_work:
        fcntl.flock(at_work, fcntl.LOCK_EX)
        second = snakemake(tmp_path, JOB, "--config", *FAST)
    assert second.returncode == 1 and second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert line.startswith(f"another batch run is at work in {tmp_path}")
    assert [path.name for path in runs.iterdir()] == [".lock"]
    assert snakemake(tmp_path, "-n", JOB, "--config", *FAST).returncode == 0


def save_images(file: Path, seed: int) -> None:
    """A small data set."""
    y = np.arange(600) % 3
    x = np.random.default_rng(seed).integers(0, 256, (600, 8, 8), dtype=np.uint8)
    np.savez(file, x_train=x, y_train=y, x_test=x[:300], y_test=y[:300])


@pytest.fixture
def odd(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A checkout, an output folder and a data file, in paths as people have them."""
    checkout = tmp_path / "my drl é"
    for folder in ("drlcore", "notebooks"):
        shutil.copytree(ROOT / folder, checkout / folder)
    (checkout / "data").mkdir()
    for folder in ("data/mnist", "data/paper"):
        (checkout / folder).symlink_to(ROOT / folder)
    shutil.copy(ROOT / "Snakefile", checkout)
    file = tmp_path / "a{x},b 'c'.npz"
    save_images(file, seed=0)
    return checkout, tmp_path / "out put {y} 'é' \"", file


def test_any_paths_will_do_and_an_edited_file_is_seen(odd: tuple[Path, Path, Path]) -> None:
    checkout, output, file = odd
    settings = ("preset=smoke", f"dataset={file.name}", "steps=1", "n_seeds=1")
    target = "notebook_05_code_as_a_curve"

    def batch(*more: str) -> str:
        done = subprocess.run(
            command(target, *more, "--config", *settings),
            cwd=file.parent,
            env=environment(output, checkout),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    batch()
    drawn = {path.stem: path.parent for path in output.glob("figures/mine/*/*.png")}
    assert set(drawn) == set(FIGURES["05_code_as_a_curve"])
    (table,) = output.glob("data/results/mine/*/05_code_as_a_curve.csv")
    assert len(pd.read_csv(table)) > 0
    (place,) = {folder.name for folder in drawn.values()}
    listed = [sys.executable, "-m", "drlcore", "manifest", f"mine/{place}"]
    subprocess.run(listed, cwd=file.parent, env=environment(output, checkout), check=True)
    assert len(pd.read_csv(output / "figures" / "mine" / place / "manifest.csv")) >= len(drawn)
    assert not list(checkout.glob("figures")) and not list(checkout.glob("data/runs"))
    assert "Nothing to be done" in batch("-n")
    save_images(file, seed=1)
    to_do = batch("-n")
    assert "train_05_code_as_a_curve_0" in to_do and target in to_do
