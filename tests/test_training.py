"""Training: same seed same bits, resume after any kill, NaN and full disk stop with a reason."""

from __future__ import annotations

import copy
import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from drlcore.data.datasets import load_dataset
from drlcore.errors import ArtefactError, TrainingError
from drlcore.loss import DRL, METHODS, Batch, Loss
from drlcore.model import EncoderModel
from drlcore.noise_range import NoiseRange
from drlcore.training import checkpoint, store
from drlcore.training.loop import _learning_rate, train
from drlcore.training.resume import HISTORY
from drlcore.training.run import RunParameters, build_model
from drlcore.training.stop import sigterm_put_off

RUN = RunParameters(dataset="digits", steps=60, batch_size=32, warmup_steps=5)
DIGITS = load_dataset("digits")


class Killed(Exception):
    """Stands for the end of the process."""


def weights(run: RunParameters, folder: Path, **options: object) -> dict[str, torch.Tensor]:
    model = build_model(run, DIGITS)
    train(run, model, DIGITS, folder, progress=False, **options)  # type: ignore[arg-type]
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_same_seed_same_bits_and_another_seed_others(tmp_path: Path) -> None:
    first = weights(RUN, tmp_path)
    assert same(first, weights(RUN, tmp_path))
    assert not same(first, weights(RUN.updated(seed=1), tmp_path))


def test_adam_gets_the_run_s_epsilon(tmp_path: Path) -> None:
    # At the paper's largest noise, std2 leaves gradients so small that 1e-8 counts and 1 stops all.
    run = RUN.updated(noise=NoiseRange().single(50.0), ema_decay=0.0)
    start = {k: v.clone() for k, v in build_model(run, DIGITS).state_dict().items()}

    def moved(epsilon: float) -> float:
        after = weights(run.updated(adam_epsilon=epsilon), tmp_path / f"{epsilon}")
        return sum(float((after[name] - start[name]).abs().sum()) for name in start)

    usual, small, huge = moved(1e-8), moved(1e-15), moved(1.0)
    assert small > 1.01 * usual > 100 * huge > 0


def test_the_learning_rate_rises_holds_and_falls() -> None:
    """Warm-up over 4 of 20 steps, cooldown over the last 10, by hand."""
    run = RUN.updated(steps=20, warmup_steps=4, cooldown=0.5, learning_rate=2.0)
    rates = [_learning_rate(run, step) for step in range(20)]
    up, down = [0.5, 1.0, 1.5, 2.0], [2 * k / 10 for k in range(10, 0, -1)]
    assert rates == pytest.approx([*up, *[2.0] * 6, *down])
    constant = [_learning_rate(run.updated(cooldown=0.0), step) for step in range(20)]
    assert constant == pytest.approx([*up, *[2.0] * 16])
    whole = [_learning_rate(run.updated(cooldown=1.0, warmup_steps=0), s) for s in range(20)]
    assert whole == pytest.approx([2 * k / 20 for k in range(20, 0, -1)])
    short = run.updated(steps=1, warmup_steps=0)
    assert _learning_rate(short, 0) == 2.0  # one step is a whole one


def test_a_cooldown_changes_the_weights_and_no_key_of_a_run_without_one(tmp_path: Path) -> None:
    cooled = RUN.updated(cooldown=0.5)
    assert "cooldown" not in RUN.model_dump(mode="json")
    assert cooled.key != RUN.key
    assert not same(weights(RUN, tmp_path / "a"), weights(cooled, tmp_path / "b"))


def test_loss_falls_and_history_says_so(tmp_path: Path) -> None:
    run = RUN.updated(steps=200)
    model = build_model(run, DIGITS)
    history = train(run, model, DIGITS, tmp_path, progress=False)
    assert list(history.columns) == list(HISTORY)
    assert history.step.tolist() == [50, 100, 150, 200]
    assert history.loss.iloc[-1] < 0.7 * history.loss.iloc[0]
    assert (history.encoder_gradient > 0).all()


def test_history_is_the_mean_since_the_row_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    class Spied(DRL):
        def loss(self, model: EncoderModel, batch: Batch) -> Loss:
            loss = super().loss(model, batch)
            seen.append(float(loss.total.detach()))
            return loss

    monkeypatch.setitem(METHODS, "drl", Spied())
    history = train(RUN, build_model(RUN, DIGITS), DIGITS, tmp_path, progress=False)
    assert history.step.tolist() == [50, 60]
    expected = [sum(seen[:50]) / 50, sum(seen[50:]) / 10]
    assert history.loss.tolist() == pytest.approx(expected, rel=1e-5)


def test_average_is_the_moving_average_of_the_weights(tmp_path: Path) -> None:
    run = RUN.updated(steps=3, ema_decay=0.25)
    model = build_model(run, DIGITS)
    name, parameter = next(iter(model.named_parameters()))
    average = parameter.detach().clone()

    def follow(step: int) -> None:
        n = step - 1
        decay = min(0.25, (1 + n) / (10 + n))
        average.copy_(decay * average + (1 - decay) * parameter.detach())

    train(run, model, DIGITS, tmp_path, progress=False, on_step=follow)
    assert torch.allclose(dict(model.named_parameters())[name], average, atol=1e-7)


def statistics(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Running means and variances of batch norm."""
    return {name: b for name, b in model.named_buffers() if name.endswith(("_mean", "_var"))}


@pytest.mark.parametrize("encoder", ["conv-norm", "wrn-28-2"])
def test_running_statistics_are_averaged_like_the_weights(encoder: str, tmp_path: Path) -> None:
    run = RUN.updated(encoder=encoder, steps=4, batch_size=8, ema_decay=0.2)
    model = build_model(run, DIGITS)
    average = {name: value.clone() for name, value in statistics(model).items()}
    assert average

    def follow(step: int) -> None:
        decay = min(0.2, step / (9 + step))
        for name, value in statistics(model).items():
            average[name] = decay * average[name] + (1 - decay) * value

    train(run, model, DIGITS, tmp_path, progress=False, on_step=follow)
    for name, value in statistics(model).items():
        torch.testing.assert_close(value, average[name])
    live = [b for name, b in model.named_buffers() if name.endswith("num_batches_tracked")]
    assert {int(count) for count in live} == {4}


def test_averaged_weights_go_with_averaged_statistics(tmp_path: Path) -> None:
    """Against the statistics that the averaged weights really have on the training images."""
    run = RUN.updated(encoder="conv-norm", steps=300)
    model = build_model(run, DIGITS)
    live: dict[str, torch.Tensor] = {}

    def follow(step: int) -> None:
        live.update({name: value.clone() for name, value in statistics(model).items()})

    train(run, model, DIGITS, tmp_path, progress=False, on_step=follow)
    true, left = copy.deepcopy(model), copy.deepcopy(model)
    left.load_state_dict({**model.state_dict(), **live})
    for module in true.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over what follows: all images at once
            module.train()
    with torch.no_grad():
        true.encode(DIGITS.train.x)
        true.eval()
        asked, *found = (m.encode(DIGITS.test.x).mean for m in (true, model, left))
    off, off_if_left = ((codes - asked).norm() for codes in found)
    assert off < 0.8 * off_if_left


@pytest.mark.parametrize("at", [1, 33, 59])
@pytest.mark.parametrize(
    "changes",
    [
        {"method": "drl"},
        {"method": "vdrl"},
        {"method": "drl-mixup"},
        {"score_network": "unet", "width": 16, "cooldown": 0.5},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_interrupted_run_ends_on_the_same_bits(
    tmp_path: Path, at: int, changes: dict[str, Any]
) -> None:
    run = RUN.updated(lambda_z=1e-3, **changes)
    whole = weights(run, tmp_path / "whole")

    def kill(step: int) -> None:
        if step == at + 1:
            raise Killed

    folder = tmp_path / "killed"
    folder.mkdir()
    with pytest.raises(Killed):
        weights(run, folder, checkpoint_seconds=0, on_step=kill)
    assert (folder / "resume.safetensors").is_file()
    steps: list[int] = []
    assert same(whole, weights(run, folder, on_step=steps.append))
    assert steps[0] == at + 1  # it went on, it did not start again


@pytest.mark.parametrize("time_conditioned", [False, True])
def test_an_interrupted_run_keeps_what_batch_norm_has_seen(
    tmp_path: Path, time_conditioned: bool
) -> None:
    run = RUN.updated(encoder="conv-norm", steps=12, time_conditioned=time_conditioned)
    whole = weights(run, tmp_path / "whole")
    seen = [name for name in whole if name.startswith("encoder.norms.") and "running" in name]
    fresh = build_model(run, DIGITS).state_dict()
    assert len(seen) == 2 * 4 and not any(torch.equal(whole[n], fresh[n]) for n in seen)

    def kill(step: int) -> None:
        if step == 8:
            raise Killed

    folder = tmp_path / "killed"
    folder.mkdir()
    with pytest.raises(Killed):
        weights(run, folder, checkpoint_seconds=0, on_step=kill)
    assert same(whole, weights(run, folder))


CHILD = """
import sys, torch
from drlcore.training import loop
from drlcore.training.run import RunParameters
from drlcore.training.store import load_or_train
loop.train.__kwdefaults__["checkpoint_seconds"] = 0.1
load_or_train(RunParameters.from_json(sys.argv[1]), progress=False, device="cpu")
"""


def test_kill_9_and_resume_give_the_same_sha256(tmp_path: Path) -> None:
    run = RUN.updated(steps=400)
    text = run.model_dump_json()

    def start(folder: Path) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "DRLCORE_OUTPUT": str(folder)}
        return subprocess.Popen([sys.executable, "-c", CHILD, text], env=environment)

    assert start(tmp_path / "whole").wait() == 0
    killed = tmp_path / "killed"
    process = start(killed)
    resume = killed / "data" / "runs" / run.key / "resume.safetensors"
    deadline = time.monotonic() + 60
    while not resume.is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert resume.is_file()
    assert not resume.with_name("weights.safetensors").exists()
    assert start(killed).wait() == 0
    files = [
        folder / "data" / "runs" / run.key / "weights.safetensors"
        for folder in (tmp_path / "whole", killed)
    ]
    assert checkpoint.file_sha256(files[0]) == checkpoint.file_sha256(files[1])
    assert not resume.exists()


def test_sigterm_waits_for_the_state_and_costs_no_step(output: Path) -> None:
    whole = weights(RUN, output / "whole")

    def terminate(step: int) -> None:
        if step == 33:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit, match=f"step 33 of {RUN.steps} is kept"), sigterm_put_off() as s:
        weights(RUN, output, checkpoint_seconds=1e9, on_step=terminate, stop=s)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    steps: list[int] = []
    assert same(whole, weights(RUN, output, on_step=steps.append))
    assert steps[0] == 34


def test_sigterm_after_the_last_step_waits_for_the_weights(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained_and_terminated(*arguments: Any, **options: Any) -> Any:
        history = train(*arguments, **options)
        signal.raise_signal(signal.SIGTERM)
        return history

    monkeypatch.setattr(store, "train", trained_and_terminated)
    with pytest.raises(SystemExit, match="all is kept"):
        store.load_or_train(RUN, progress=False, device="cpu")
    assert store.find(RUN, "weights.safetensors") is not None


def test_sigterm_that_has_a_handler_keeps_it() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        with sigterm_put_off() as stop:
            signal.raise_signal(signal.SIGTERM)
            assert came == [signal.SIGTERM] and not stop()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_run_begun_on_other_data_is_not_continued(tmp_path: Path) -> None:
    def kill(step: int) -> None:
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        weights(RUN, tmp_path, checkpoint_seconds=0, on_step=kill)
    other = replace(DIGITS, checksum="0" * 16)
    with pytest.raises(
        ArtefactError, match=f"is of run {RUN.key} on data {DIGITS.checksum}, not of .* data 0000"
    ):
        train(RUN, build_model(RUN, other), other, tmp_path, progress=False)


def test_nan_stops_with_step_sigma_and_last_checkpoint(tmp_path: Path) -> None:
    run = RUN.updated(noise=NoiseRange().single(2.0))
    model = build_model(run, DIGITS)

    def poison(step: int) -> None:
        if step == 7:
            with torch.no_grad():
                next(model.denoiser.parameters()).fill_(float("nan"))

    with pytest.raises(TrainingError) as caught:
        train(
            run, model, DIGITS, tmp_path, progress=False, checkpoint_seconds=0, on_step=poison
        )  # fmt: skip
    message = str(caught.value)
    assert "step 8" in message and "sigma from 2 to 2" in message
    assert "last good checkpoint is step 6" in message  # step 7 broke the weights
    assert "resume.safetensors" in message


def test_a_weight_that_the_last_step_breaks_stops_too(output: Path) -> None:
    """The loss of that step was still finite: only the weights say so."""

    def poison(step: int) -> None:
        if step == run.steps:
            with torch.no_grad():
                next(model.denoiser.parameters())[0] = float("inf")

    run = RUN.updated(steps=5)
    model = build_model(run, DIGITS)
    with pytest.raises(TrainingError, match="a weight is not finite after the last step, 5;"):
        train(run, model, DIGITS, output, progress=False, on_step=poison)


def test_nan_before_any_checkpoint_says_so(tmp_path: Path) -> None:
    model = build_model(RUN, DIGITS)
    with torch.no_grad():
        next(model.denoiser.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="no checkpoint had been written yet"):
        train(RUN, model, DIGITS, tmp_path, progress=False)


def test_checkpoint_never_holds_nonfinite_weights(tmp_path: Path) -> None:
    model = build_model(RUN, DIGITS)

    def poison(step: int) -> None:
        if step == 7:
            with torch.no_grad():
                next(model.denoiser.parameters()).fill_(float("nan"))

    with pytest.raises(TrainingError):
        train(RUN, model, DIGITS, tmp_path, progress=False, checkpoint_seconds=0, on_step=poison)
    kept = checkpoint.load_tensors(tmp_path / "resume.safetensors")
    assert all(torch.isfinite(v).all() for k, v in kept.items() if k.startswith("model."))


def test_second_stage_keeps_the_encoder(output: Path) -> None:
    first = RUN.updated(noise=NoiseRange().single(5.0), steps=20)
    second = first.second_stage(NoiseRange(), steps=30)
    model = store.load_or_train(second, progress=False, device="cpu")
    kept = store.load_or_train(first, progress=False, device="cpu")
    assert model.encoder is not None and kept.encoder is not None
    assert same(model.encoder.state_dict(), kept.encoder.state_dict())
    assert not same(model.denoiser.state_dict(), kept.denoiser.state_dict())
    assert (store.history(second).encoder_gradient == 0).all()


def test_run_card_names_everything(output: Path) -> None:
    store.load_or_train(RUN.updated(steps=5), progress=False, device="cpu")
    run = RUN.updated(steps=5)
    card = json.loads((store.folder(run) / "run.json").read_text())
    assert RunParameters.from_json(json.dumps(card["parameters"])) == run
    assert card["weights"]["kind"] == "ema"
    assert card["weights"]["sha256"] == checkpoint.file_sha256(
        store.folder(run) / "weights.safetensors"
    )
    assert card["data"] == {"name": "digits", "checksum": DIGITS.checksum}
    assert card["environment"]["torch"] == torch.__version__
    assert card["key"] == run.key == store.folder(run).name


def test_second_call_loads_and_does_not_train(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RUN.updated(steps=5)
    first = store.load_or_train(run, progress=False, device="cpu")
    monkeypatch.setattr(store, "train", lambda *_, **__: pytest.fail("trained again"))
    again = store.load_or_train(run, progress=False, device="cpu")
    assert same(first.state_dict(), again.state_dict())


def test_corrupt_weights_are_refused(output: Path) -> None:
    run = RUN.updated(steps=5)
    store.load_or_train(run, progress=False, device="cpu")
    path = store.folder(run) / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtefactError, match="expected sha256 .*, found .*; delete "):
        store.load_or_train(run, progress=False, device="cpu")


def test_weights_of_other_data_are_refused(output: Path) -> None:
    run = RUN.updated(steps=5)
    store.load_or_train(run, progress=False, device="cpu")
    card = json.loads((store.folder(run) / "run.json").read_text())
    card["data"]["checksum"] = "0" * 16
    (store.folder(run) / "run.json").write_text(json.dumps(card))
    with pytest.raises(ArtefactError, match="checksum 0000"):
        store.load_or_train(run, progress=False, device="cpu")


def test_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    checkpoint.write_atomically(path, lambda p: p.write_text("old"))

    def full(p: Path) -> None:
        p.write_text("ha")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ArtefactError, match=r"table\.csv.*No space left"):
        checkpoint.write_atomically(path, full)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_tensors_round_trip(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 4), "n": torch.tensor(7), "b": torch.zeros(0, 2)}
    checkpoint.save_tensors(tmp_path / "t.safetensors", tensors)
    assert same(tensors, checkpoint.load_tensors(tmp_path / "t.safetensors"))


def test_products_are_stored_and_read_back(output: Path) -> None:
    from drlcore.paper.products import codes, metrics

    run = RUN.updated(steps=5)
    table, arrays = metrics(run), codes(run)
    assert table.stored is None
    with pytest.raises(ArtefactError, match="has not been computed"):
        _ = table.sha256
    computed, stored = table.load(progress=False), table.load(progress=False)
    pd.testing.assert_frame_equal(computed, stored)
    assert arrays.load()["codes"].shape == (360, 2)
