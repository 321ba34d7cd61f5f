"""Label splits: balanced, fixed by the labels, refused if impossible; and training on one alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drlcore.baselines import METHODS
from drlcore.data.datasets import load_dataset
from drlcore.data.label_splits import LabelSplit, label_split
from drlcore.errors import DataError, ParameterError
from drlcore.loss import Batch
from drlcore.noise_range import NoiseRange
from drlcore.training.artefacts import read_cards
from drlcore.training.loop import train
from drlcore.training.run import RunParameters, build_model

DIGITS = load_dataset("digits")
RUN = RunParameters(dataset="digits", steps=6, batch_size=64, warmup_steps=0)
CARDS = read_cards(Path(__file__).parent.parent / "data" / "artefacts")


@given(
    per_class=st.integers(1, 6), n_classes=st.integers(2, 6), index=st.integers(0, 20),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_a_split_is_balanced_ascending_and_without_repeats(
    per_class: int, n_classes: int, index: int, seed: int
) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(n_classes), 8))
    split = LabelSplit(n_labels=per_class * n_classes, index=index)
    chosen = label_split(y, split, n_classes)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) > 0).all() and 0 <= chosen[0] and chosen[-1] < len(y)
    assert np.bincount(y[chosen]).tolist() == [per_class] * n_classes
    assert np.array_equal(chosen, label_split(torch.from_numpy(y), split, n_classes))


def test_a_split_is_the_same_on_every_machine() -> None:
    y = np.tile(np.arange(2), 10)
    assert label_split(y, LabelSplit(n_labels=6, index=3), 2).tolist() == [0, 3, 8, 11, 13, 18]


def test_splits_of_another_index_or_size_are_other_draws() -> None:
    y = np.tile(np.arange(10), 500)
    splits = [LabelSplit(n_labels=100, index=i) for i in range(3)] + [LabelSplit(n_labels=200)]
    drawn = [set(label_split(y, split, 10).tolist()) for split in splits]
    for i, one in enumerate(drawn):
        for other in drawn[i + 1 :]:
            assert len(one & other) < 20  # a fiftieth of the larger, 2 to 4, by chance


def test_every_image_is_as_likely_as_any_other_of_its_class() -> None:
    y = np.tile(np.arange(2), 20)
    draws = [label_split(y, LabelSplit(n_labels=10, index=i), 2) for i in range(1000)]
    times = np.bincount(np.concatenate(draws), minlength=len(y))
    assert stats.chisquare(times).pvalue > 0.01


def test_impossible_splits_are_refused() -> None:
    y = np.array([0, 1, 2, 0, 1, 0])
    with pytest.raises(ParameterError, match="n_labels = 4; allowed: a multiple of the 3 classes"):
        label_split(y, LabelSplit(n_labels=4), 3)
    with pytest.raises(DataError, match="n_labels = 6 takes 2 images.*class 2 has 1"):
        label_split(y, LabelSplit(n_labels=6), 3)
    with pytest.raises(DataError, match="class 3 has 0"):
        label_split(y, LabelSplit(n_labels=4), 4)
    for name, values in (("n_labels", {"n_labels": 0}), ("index", {"n_labels": 3, "index": -1})):
        with pytest.raises(ParameterError, match=f"parameter '{name}'"):
            LabelSplit(**values)


# As a parameter of a run.


@pytest.mark.parametrize("key", CARDS)
def test_keys_of_runs_made_before_label_splits_stay(key: str) -> None:
    stored = CARDS[key].parameters
    run = RunParameters.from_json(json.dumps(stored))
    assert run.key == key
    assert json.loads(run.model_dump_json()) == stored


def test_some_committed_run_has_a_first_stage() -> None:
    stages = [card.parameters["first_stage"] for card in CARDS.values()]
    assert any(stage is not None for stage in stages)


def test_a_split_is_part_of_the_key_and_survives_the_run_card() -> None:
    splits = [None, *(LabelSplit(n_labels=n, index=i) for n in (10, 20) for i in (0, 1))]
    runs = [RUN.updated(label_split=split) for split in splits]
    runs += [run.second_stage(NoiseRange(), steps=9) for run in runs]
    runs += [run.updated(label_split=None) for run in runs[6:]]
    assert len({run.key for run in runs}) == len(runs)
    for run in runs:
        assert RunParameters.from_json(run.model_dump_json()) == run
        assert ("label_split" in json.loads(run.model_dump_json())) == (run.label_split is not None)


@pytest.mark.parametrize("method", ["drl", "ae"])
@pytest.mark.parametrize("train_images", [None, 300])
def test_only_images_of_the_split_are_trained_on(
    method: str, train_images: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = LabelSplit(n_labels=20, index=1)
    run = RUN.updated(method=method, train_images=train_images, label_split=split)
    seen: set[tuple[bytes, int]] = set()
    kind = type(METHODS[method])

    class Spied(kind):  # type: ignore[misc, valid-type]
        def loss(self, model: object, batch: Batch) -> object:
            pairs = zip(batch.x0, batch.y, strict=True)
            seen.update((x.numpy().tobytes(), int(label)) for x, label in pairs)
            return super().loss(model, batch)

    monkeypatch.setitem(METHODS, method, Spied())
    train(run, build_model(run, DIGITS), DIGITS, tmp_path, progress=False)
    x, y = DIGITS.train.x[:train_images], DIGITS.train.y[:train_images]
    allowed = {(x[i].numpy().tobytes(), int(y[i])) for i in label_split(y, split, 10)}
    assert seen == allowed  # 6 x 64 draws of 20 images: all of them, and no other


@pytest.mark.parametrize(
    ("split", "error", "names"),
    [(LabelSplit(n_labels=15), ParameterError, "n_labels = 15"),
     (LabelSplit(n_labels=200), DataError, "n_labels = 200 takes 20")],
)  # fmt: skip
def test_an_impossible_split_stops_before_any_training(
    split: LabelSplit, error: type[Exception], names: str, tmp_path: Path
) -> None:
    run = RUN.updated(train_images=100, label_split=split)
    with pytest.raises(error, match=names):
        train(run, build_model(run, DIGITS), DIGITS, tmp_path, progress=False)
    assert not list(tmp_path.iterdir())
