"""Jobs of one machine share its GPUs; told by a machine that only seems to have some."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from drlcore import ParameterError, __main__
from drlcore.paper.experiments import CodeCurve
from drlcore.paper.presets import PRESETS, PresetName
from drlcore.training.device import own_gpu, pick_device

JOB = """
import sys, time, torch
from pathlib import Path
from drlcore.training.device import own_gpu
torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 2
torch.cuda.set_device = lambda number: None
with own_gpu(Path(sys.argv[1]), patience=0.05) as number:
    print(number, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Three GPUs; those that were made current."""
    current: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    return current


def test_each_gets_its_own_and_leaves_it(tmp_path: Path, chosen: list[int]) -> None:
    with own_gpu(tmp_path) as first, own_gpu(tmp_path) as second:
        assert (first, second) == (0, 1)
    with own_gpu(tmp_path) as again:
        assert again == 0
    assert chosen == [0, 1, 0]


class Waited(Exception):
    """In place of a second look."""


@pytest.mark.parametrize(("told", "per_gpu"), [(None, 2), ("2", 1), ("2", 5)])
def test_so_many_share_one_and_the_next_waits(
    tmp_path: Path,
    chosen: list[int],
    told: str | None,
    per_gpu: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wait(seconds: float) -> None:
        raise Waited

    monkeypatch.setattr(time, "sleep", wait)
    if told:
        monkeypatch.setenv("DRLCORE_PER_GPU", told)
    with ExitStack() as held:
        numbers = [held.enter_context(own_gpu(tmp_path, per_gpu)) for _ in range(6)]
        assert numbers == [0, 1, 2, 0, 1, 2]
        with pytest.raises(Waited), own_gpu(tmp_path, per_gpu):
            pass
    assert chosen == numbers


@pytest.mark.parametrize("told", ["0", "-1", "two", "1.5"])
def test_no_number_of_jobs_is_an_error(
    tmp_path: Path, chosen: list[int], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRLCORE_PER_GPU", told)
    with pytest.raises(ParameterError, match=f"DRLCORE_PER_GPU = '{told}'"), own_gpu(tmp_path):
        pass


@pytest.mark.parametrize("preset", ["laptop", "smoke"])
def test_a_job_shares_as_its_preset_says(
    preset: PresetName, output: Path, chosen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(seconds: float) -> None:
        raise Waited

    monkeypatch.setattr(time, "sleep", wait)
    monkeypatch.setattr(__main__, "load_or_train", lambda run: None)
    experiment = CodeCurve(preset=preset, dataset="digits", steps=1, n_seeds=1)
    job = ["train", experiment.notebook, experiment.model_dump_json(), experiment.runs()[0].key]
    with ExitStack() as held:
        for _ in range(3):  # one on each GPU
            held.enter_context(own_gpu(output / "data" / "runs" / ".locks"))
        if PRESETS[preset].jobs.per_gpu > 1:
            assert __main__.main(job) == 0
        else:
            with pytest.raises(Waited):
                __main__.main(job)
    assert PRESETS["paper"].jobs.per_gpu == 1 < PRESETS["laptop"].jobs.per_gpu


def test_one_that_fails_leaves_it_too(tmp_path: Path, chosen: list[int]) -> None:
    with pytest.raises(ZeroDivisionError), own_gpu(tmp_path):
        _ = 1 / 0
    with own_gpu(tmp_path) as again:
        assert again == 0


@pytest.mark.parametrize("n", [0, 1])
def test_where_there_is_no_choice_nothing_is_held(
    tmp_path: Path, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
    with own_gpu(tmp_path / "locks") as number:
        assert number is None
    assert not (tmp_path / "locks").exists()


def test_a_third_job_waits_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    def job() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", JOB, str(tmp_path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, **pipes)  # type: ignore[call-overload]

    def number(of: subprocess.Popen[str]) -> str:
        assert of.stdout is not None
        return of.stdout.readline().strip()

    jobs = [job(), job()]
    try:
        assert sorted(map(number, jobs)) == ["0", "1"]
        jobs.append(job())
        time.sleep(0.5)
        assert jobs[2].poll() is None
        jobs[0].kill()
        assert number(jobs[2]) in ("0", "1")
    finally:
        for each in jobs:
            each.kill()
            each.wait()


def test_a_named_device_is_taken_as_it_is() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("cuda:1") == torch.device("cuda", 1)
