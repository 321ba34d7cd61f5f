"""A reproduction in slices: stopped at a limit, carried elsewhere in parts, gone on with there."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from batch import command, environment

from drlcore.errors import ArtefactError
from drlcore.paper import slices
from drlcore.paper.batch import STOPPED, hold
from drlcore.paper.experiments import SDEAblation
from drlcore.training.checkpoint import file_sha256, load_tensors
from drlcore.training.store import load_or_train

STEPS = 40
JOB = "train_08_sde_ablation_0"
SETTINGS = ("--config", "preset=smoke", "dataset=digits", f"steps={STEPS}", "n_seeds=1")


def limited(folder: Path, minutes: object) -> subprocess.Popen[str]:
    env = environment(folder, DRLCORE_MINUTES=str(minutes))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(JOB, *SETTINGS), env=env, **pipes)  # type: ignore[call-overload]


def carried(step: str, output: Path, parts: Path) -> None:
    call = [sys.executable, "-m", "drlcore.paper.slices", step, str(parts)]
    subprocess.run(call, env=environment(output), check=True, stdout=subprocess.DEVNULL)


def checksums(output: Path) -> dict[str, str]:
    weights = output.glob("data/runs/*/weights.safetensors")
    return {path.parent.name: file_sha256(path) for path in weights}


def test_stopped_in_a_training_and_gone_on_with_elsewhere_it_ends_on_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, parts = tmp_path / "here", tmp_path / "there", tmp_path / "parts"
    batch = limited(here, 60)
    while len(list(here.glob("data/runs/.locks/*"))) < 2:  # the second training has begun
        assert batch.poll() is None
        time.sleep(0.05)
    batch.terminate()  # as when time is up
    said = batch.communicate()[1]
    assert batch.returncode == STOPPED
    assert "1 of them begun" in said and "the same command goes on there" in said
    (begun,) = here.glob("data/runs/*/resume.safetensors")
    step = int(load_tensors(begun)["step"])

    carried("pack", here, parts)
    carried("unpack", there, parts)
    finished = {card: card.stat().st_mtime_ns for card in there.glob("data/runs/*/run.json")}
    assert finished
    batch = limited(there, 60)
    said = batch.communicate()[1]
    assert batch.returncode == 0, said[-3000:]
    assert f" {step}/{STEPS} [" in said  # where its progress bar began
    assert {card: card.stat().st_mtime_ns for card in finished} == finished

    weights = checksums(there)
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path / "whole"))
    for run in SDEAblation(preset="smoke", dataset="digits", steps=STEPS, n_seeds=1).runs():
        if run.key in weights:
            load_or_train(run, progress=False)
    assert weights == checksums(tmp_path / "whole") and len(weights) > len(finished)


def test_when_time_is_up_it_stops(tmp_path: Path) -> None:
    batch = limited(tmp_path, 0.001)
    assert "the same command goes on there" in batch.communicate()[1]
    assert batch.returncode == STOPPED


@pytest.mark.parametrize("minutes", ["soon", "0", "-1", "nan"])
def test_a_limit_is_a_number_of_minutes(tmp_path: Path, minutes: str) -> None:
    batch = limited(tmp_path, minutes)
    (line,) = batch.communicate()[1].splitlines()
    assert line.startswith(f"ParameterError: DRLCORE_MINUTES = '{minutes}'")
    assert batch.returncode == 1


@pytest.fixture
def packed(output: Path) -> Path:
    """A set of several parts, in ``parts`` beside the output folder that they are of."""
    run = output / "data" / "runs" / "0123"
    files = {
        run / "weights.safetensors": os.urandom(30_000),
        run / "run.json": b"{}",
        run / ".partial-x": b"half",
        output / "data" / "runs" / ".locks" / "0123": b"",
        output / "figures" / "smoke" / "idea.png": os.urandom(3000),
        output / "data" / "mnist" / "train": b"not computed",
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1e9 + 0.25, 1e9 + 0.25))
    assert slices.pack(output / "parts", part_bytes=10_000) == 5
    return output / "parts"


def test_what_is_computed_comes_back_as_it_was(
    packed: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert max(path.stat().st_size for path in packed.iterdir()) == 10_000
    assert len(list(packed.iterdir())) == 6
    monkeypatch.setenv("DRLCORE_OUTPUT", str(output / "there"))
    assert slices.unpack(packed) == 3
    back = [path for path in (output / "there").rglob("*") if path.is_file()]
    names = sorted(path.relative_to(output / "there").as_posix() for path in back)
    assert names == [
        "data/runs/0123/run.json", "data/runs/0123/weights.safetensors", "figures/smoke/idea.png",
    ]  # fmt: skip
    for path in back:
        was = output / path.relative_to(output / "there")
        assert path.read_bytes() == was.read_bytes()
        assert path.stat().st_mtime_ns == was.stat().st_mtime_ns


def test_a_smaller_pack_leaves_no_part_of_a_larger_one(packed: Path) -> None:
    assert slices.pack(packed) == 1
    assert sorted(path.name for path in packed.iterdir()) == ["SHA256SUMS", "runs.tar.00000"]


@pytest.mark.parametrize("lost", ["runs.tar.00000", "runs.tar.00004", "SHA256SUMS"])
@pytest.mark.parametrize("how", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_half_a_set_is_refused_and_nothing_written(
    lost: str, how: object, packed: Path, output: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    how(packed / lost)  # type: ignore[operator]
    monkeypatch.setenv("DRLCORE_OUTPUT", str(output / "there"))
    assert slices.main(["unpack", str(packed)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ArtefactError: ") and str(packed) in line and lost in line
    assert [path.name for path in (output / "there").rglob("*") if path.is_file()] == [".lock"]


@pytest.mark.parametrize("name", ["data/runs/../../../x", "/x", "Makefile"])
def test_what_was_never_packed_is_not_unpacked(name: str, tmp_path: Path, output: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    with tarfile.open(parts / "runs.tar.00000", "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    digest = file_sha256(parts / "runs.tar.00000")
    (parts / "SHA256SUMS").write_text(f"{digest}  runs.tar.00000\n")
    with pytest.raises(ArtefactError, match="nothing that 'pack' carries"):
        slices.unpack(parts)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "SHA256SUMS", "runs.tar.00000",
    ]  # fmt: skip


def test_there_must_be_something_to_pack_and_no_batch_run_at_work(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert slices.main(["pack", str(output / "parts")]) == 1
    assert "nothing is computed" in capsys.readouterr().err
    with os.fdopen(hold()):
        assert slices.main(["pack", str(output / "parts")]) == 1
    assert capsys.readouterr().err.startswith("another batch run is at work in")
    assert not (output / "parts").exists()
