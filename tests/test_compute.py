"""How much there is to do is said first; an interrupt keeps what is finished."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from drlcore.noise_range import NoiseRange
from drlcore.paper import compute as module
from drlcore.paper.compute import compute, to_train
from drlcore.paper.products import Product, codes, metrics
from drlcore.training.run import RunParameters
from drlcore.training.store import find, folder

FIRST = RunParameters(dataset="digits", steps=3, train_images=200, noise=NoiseRange().single(2.0))
SECOND = FIRST.second_stage(NoiseRange(), steps=2)
OTHER = FIRST.updated(seed=1)
RUNS = [FIRST, SECOND, OTHER]
PRODUCTS: list[Product[Any]] = [codes(FIRST), codes(SECOND), codes(OTHER)]


def test_it_says_what_is_to_do_does_it_and_then_is_silent(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compute(RUNS, PRODUCTS)
    assert capsys.readouterr().out == (
        "3 of 3 models to train, less than a minute on this machine; then 3 of 3 results to "
        "compute\n"
    )
    assert all(product.stored for product in PRODUCTS)
    assert all(find(run, "weights.safetensors") for run in RUNS)
    compute(RUNS, PRODUCTS)
    assert capsys.readouterr().out == ""

    more = [*PRODUCTS, metrics(FIRST)]
    compute(RUNS, more)
    assert capsys.readouterr().out == "1 of 4 results to compute\n"
    # Results are enough: weights that none of them lacks are not trained again.
    for run in RUNS:
        (folder(run) / "weights.safetensors").unlink()
    compute(RUNS, more)
    assert capsys.readouterr().out == ""


def test_what_is_trained_is_what_something_lacks_and_first_stages_come_first(output: Path) -> None:
    assert to_train([SECOND, OTHER], []) == [FIRST, SECOND, OTHER]
    assert to_train([], [codes(OTHER), metrics(OTHER)]) == [OTHER]
    compute([OTHER], [])
    assert to_train(RUNS, PRODUCTS) == [FIRST, SECOND]
    shutil.rmtree(folder(OTHER))
    assert to_train([OTHER], []) == [OTHER]


def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = module.load_or_train

    def interrupted(run: RunParameters) -> Any:
        if run == OTHER:
            raise KeyboardInterrupt
        return train(run)

    monkeypatch.setattr(module, "load_or_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute(RUNS, PRODUCTS)
    assert "stopped: 4 of 6 models and results are finished and kept" in capsys.readouterr().out
    assert [p.stored is not None for p in PRODUCTS] == [True, True, False]
    monkeypatch.undo()
    monkeypatch.setenv("DRLCORE_OUTPUT", str(output))
    compute(RUNS, PRODUCTS)
    assert capsys.readouterr().out.startswith("1 of 3 models to train")
    assert all(product.stored for product in PRODUCTS)


def test_the_time_is_steps_times_seconds_a_step_of_the_like(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = []

    def step_seconds(run: RunParameters) -> float:
        measured.append(run)
        return 0.5 if run.first_stage else 2.0

    def stop(run: RunParameters) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_step_seconds", step_seconds)
    monkeypatch.setattr(module, "load_or_train", stop)
    runs = [FIRST.updated(steps=60, seed=seed) for seed in range(3)]
    runs += [runs[0].second_stage(NoiseRange(), steps=240)]
    with pytest.raises(KeyboardInterrupt):
        compute(runs, [])
    assert "about 8 min on this machine" in capsys.readouterr().out  # 3 * 60 * 2 + 240 / 2 s
    assert len(measured) == 2
