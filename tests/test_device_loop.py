"""The training loop as a device beside Python sees it, in bf16, and compiled; all on the CPU."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from drlcore import ParameterError, RunParameters, load_dataset
from drlcore.baselines import METHODS
from drlcore.training import loop
from drlcore.training.loop import train
from drlcore.training.run import build_model

RUN = RunParameters(dataset="digits", method="vdrl", steps=120, batch_size=32, lambda_z=1e-4)
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and there is no g++"
)


class Waits(TorchDispatchMode):
    """Counts what a GPU would have to finish for: values read into Python, copies to the CPU."""

    READS = ("aten._local_scalar_dense", "aten.nonzero", "aten._unique2")

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n += str(func.overloadpacket) in self.READS
        return func(*args, **(kwargs or {}))


def trained(run: RunParameters, folder: Path, **options: Any) -> tuple[Any, Any]:
    digits = load_dataset("digits")
    model = build_model(run, digits)
    return model, train(run, model, digits, folder, progress=False, **options)


def waits_by_step(run: RunParameters, folder: Path) -> list[int]:
    counted: list[int] = []
    with Waits() as waits:

        def after(step: int) -> None:
            counted.append(waits.n)

        trained(run, folder, on_step=after, checkpoint_seconds=1e9)
    return [b - a for a, b in zip([0, *counted[:-1]], counted, strict=True)]


@pytest.mark.parametrize("method", ["drl", "vdrl", "drl-mixup", "dsm", "ae", "vae", "simclr-gauss"])
def test_python_waits_only_where_a_row_is_due(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    penalty = 1e-4 if METHODS[method].penalised else 0.0
    run = RUN.updated(method=method, lambda_z=penalty)
    monkeypatch.setattr(loop, "_runs_beside", lambda device: True)
    waits = waits_by_step(run, tmp_path / "beside")
    due = {50, 100, 120}
    assert [step for step, n in enumerate(waits, 1) if n and step > 1] == sorted(due)
    monkeypatch.undo()
    assert min(waits_by_step(run, tmp_path / "cpu")) >= 1  # the count sees what it should


def test_a_device_beside_learns_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, history = trained(RUN, tmp_path / "cpu")
    monkeypatch.setattr(loop, "_runs_beside", lambda device: True)
    again, same = trained(RUN, tmp_path / "beside")
    assert history.equals(same)
    states = model.state_dict(), again.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_broken_loss_is_noticed_where_a_row_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_runs_beside", lambda device: True)
    run = RUN.updated(learning_rate=10.0, clip_norm=1e6, warmup_steps=0, method="drl")
    digits = load_dataset("digits")
    model = build_model(run, digits)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(loop.TrainingError, match="not finite at step 50"):
        train(run, model, digits, tmp_path, progress=False)


def test_bf16_learns_the_same_within_its_rounding(tmp_path: Path) -> None:
    _, history = trained(RUN, tmp_path / "float32")
    model, rounded = trained(RUN.updated(precision="bf16"), tmp_path / "bf16")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not history.loss.equals(rounded.loss)
    assert rounded.loss.tolist() == pytest.approx(history.loss.tolist(), rel=0.02)


@needs_compiler
@pytest.mark.parametrize("method", ["vdrl", "ae"])
def test_compiled_networks_learn_the_same(method: str, tmp_path: Path) -> None:
    run = RUN.updated(method=method, steps=50)
    plain, history = trained(run, tmp_path / "plain")
    model, compiled = trained(run.updated(compiled=True), tmp_path / "compiled")
    assert compiled.loss.tolist() == pytest.approx(history.loss.tolist(), rel=1e-3)
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert all(part._compiled_call_impl is None for part in model.children())


def test_both_are_settings_of_the_run_and_off_is_as_before() -> None:
    keys = {RUN.key, RUN.updated(precision="bf16").key, RUN.updated(compiled=True).key}
    assert len(keys) == 3
    assert not {"precision", "compiled"} & RUN.model_dump().keys()
    with pytest.raises(ParameterError, match="precision"):
        RUN.updated(precision="fp8")
