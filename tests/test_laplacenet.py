"""LaplaceNet: epochs, rate, batches and losses as published; no leak, no lost epoch, one law."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score
from torch import Tensor

from drlcore.baselines.views import ImageView, StrongView, WeakView
from drlcore.data.datasets import Dataset, load_dataset
from drlcore.data.label_splits import LabelSplit, label_split
from drlcore.errors import ArtefactError, DataError, ParameterError, TrainingError
from drlcore.laplacenet import fine_tuning as laplacenet_training
from drlcore.laplacenet.classifier import Classifier, FineTuning
from drlcore.laplacenet.fine_tuning import COLUMNS, _Tuning, fine_tune
from drlcore.paper.products import fine_tuned
from drlcore.training import store
from drlcore.training.checkpoint import load_tensors, with_prefix
from drlcore.training.run import RunParameters, build_model

DIGITS = load_dataset("digits")
IMAGES = 125
X, Y = DIGITS.train.x[:IMAGES], DIGITS.train.y[:IMAGES]
RUN = RunParameters(
    dataset="digits", method="random", encoder="conv-norm", time_conditioned=True, latent_dim=8,
    train_images=IMAGES,
)  # fmt: skip
# An epoch: 2 passes over one batch of 20 of the 30 labels; then 9 batches of 10 + 10.
SETTINGS = FineTuning(
    n_labels=30, supervised_epochs=2, passes=2, steps=30, batch_size=20, copies=2, neighbours=5,
    cosine_tail=3, times=(0.05, 0.5, 0.95),
)  # fmt: skip
EPOCHS, STEPS = 4, (2, 2, 9, 9)
LABELLED = label_split(Y, LabelSplit(n_labels=30), 10)
UNLABELLED = np.setdiff1d(np.arange(IMAGES), LABELLED)


class Killed(Exception):
    """Stands for the end of the process."""


def tune(
    folder: Path,
    run: RunParameters = RUN,
    data: Dataset = DIGITS,
    on_step: Callable[[int], None] | None = None,
    **changes: Any,
) -> pd.DataFrame:
    """Rows of a fine-tuning whose state is kept after every epoch."""
    settings = SETTINGS.updated(**changes)
    model = build_model(run, data).eval().requires_grad_(False)
    resume = folder / "resume.safetensors"
    return fine_tune(
        run, model, settings, data, resume, progress=False, checkpoint_seconds=0, on_step=on_step
    )


def tuning(run: RunParameters = RUN, t: float = 0.5, **changes: Any) -> _Tuning:
    return _Tuning(run, build_model(run, DIGITS), SETTINGS.updated(**changes), DIGITS, t)


def with_labels(part: str, y: Tensor) -> Dataset:
    return replace(DIGITS, **{part: replace(getattr(DIGITS, part), y=y)})


# How long, and at what rate.


@pytest.mark.parametrize(
    ("n_labels", "epochs"),
    [(100, 260), (500, 262), (1000, 264), (2000, 268), (4000, 277), (10_000, 310), (20_000, 393)],
)
def test_epochs_are_as_published(n_labels: int, epochs: int) -> None:
    settings = FineTuning(n_labels=n_labels)
    assert settings.epochs(50_000) == epochs
    of_epoch = (50_000 - n_labels) // 50
    supervised = 100 * (n_labels // 100)
    assert settings.supervised_steps == supervised
    assert epochs == 10 + (250_000 - supervised) // of_epoch


def test_the_last_epoch_that_fits_is_the_last() -> None:
    settings = SETTINGS.updated(steps=4 + 9)
    assert settings.epochs(IMAGES) == 3
    with pytest.raises(ParameterError, match="steps = 12; allowed: 13 or more"):
        settings.updated(steps=12).epochs(IMAGES)
    assert [SETTINGS.updated(steps=s).epochs(IMAGES) for s in (21, 22, 30, 31)] == [3, 4, 4, 5]


def test_settings_are_told_apart_by_their_key() -> None:
    changes: dict[str, Any] = {
        "n_labels": 20, "label_split": 1, "seed": 1, "mixup": "on", "encoder_time": "fixed",
        "t": 0.4, "times": (0.5,), "supervised_epochs": 3, "passes": 3, "steps": 29,
        "batch_size": 10, "copies": 1, "neighbours": 4, "alpha": 0.5, "mixup_alpha": 0.5,
        "learning_rate": 0.1, "cosine_tail": 0, "momentum": 0.5, "weight_decay": 0.0,
    }  # fmt: skip
    assert set(changes) == set(FineTuning.model_fields)
    others = [SETTINGS.updated(**{name: value}) for name, value in changes.items()]
    assert len({SETTINGS.key, *(other.key for other in others)}) == len(changes) + 1
    assert SETTINGS.updated().key == SETTINGS.key


@pytest.mark.parametrize(
    ("name", "value"),
    [("times", ()), ("times", (0.5, 1.0)), ("t", 0.0), ("alpha", 1.0), ("batch_size", 1),
     ("mixup", "sometimes"), ("encoder_time", "best")],
)  # fmt: skip
def test_impossible_settings_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=f"parameter '{name}"):
        SETTINGS.updated(**{name: value})


# What a step is given.


@dataclass
class Step:
    """What the spies saw of one step."""

    epoch: int
    rate: float
    share: float
    x: Tensor
    y: Tensor
    labelled: Tensor
    unlabelled: Tensor
    views: list[tuple[type, Tensor, Tensor]]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Filled by every fine-tuning of the test."""
    seen: list[Step] = []
    views: list[tuple[type, Tensor, Tensor]] = []
    batches: list[tuple[Tensor, Tensor]] = []
    view, batch, step = ImageView.__call__, _Tuning._batch, _Tuning._step

    def spied_view(self: ImageView, x0: Tensor, generator: torch.Generator) -> Tensor:
        views.append((type(self), x0, view(self, x0, generator)))
        return views[-1][2]

    def spied_batch(self: _Tuning, labelled: Tensor, unlabelled: Tensor, *rest: Any) -> Any:
        batches.append((labelled, unlabelled))
        return batch(self, labelled, unlabelled, *rest)

    def spied_step(self: _Tuning, x: Tensor, y: Tensor, share: float, *rest: Any) -> Tensor:
        rate = self.optimiser.param_groups[0]["lr"]
        assert self.classifier.training
        seen.append(Step(len(self.rows), rate, share, x, y, *batches[-1], list(views)))
        views.clear()
        return step(self, x, y, share, *rest)

    monkeypatch.setattr(ImageView, "__call__", spied_view)
    monkeypatch.setattr(_Tuning, "_batch", spied_batch)
    monkeypatch.setattr(_Tuning, "_step", spied_step)
    return seen


def test_every_step_has_its_rate_and_its_images(steps: list[Step], tmp_path: Path) -> None:
    rows = tune(tmp_path)
    assert rows.columns.tolist() == list(COLUMNS)
    assert rows.epoch.tolist() == [1, 2, 3, 4]
    assert rows.steps.tolist() == np.cumsum(STEPS).tolist()
    for e, n in enumerate(STEPS):
        of_epoch = [step for step in steps if step.epoch == e]
        rates = [0.03 / 2 * (1 + math.cos(math.pi * (e + i / n) / (EPOCHS + 3))) for i in range(n)]
        assert [step.rate for step in of_epoch] == pytest.approx(rates, rel=1e-12)
        assert rows.learning_rate[e] == of_epoch[-1].rate
    for step in steps:
        if step.epoch < 2:  # 20 of the labelled images, once each
            assert len(step.unlabelled) == 0
            assert len(set(step.labelled.tolist()) & set(LABELLED)) == 20
        else:
            assert len(step.labelled) == len(step.unlabelled) == 10
    orders = [tuple(step.labelled.tolist()) for step in steps[:4]]
    assert len(set(orders)) == 4  # every pass is shuffled


def test_an_epoch_takes_unlabelled_images_once_and_labelled_ones_alike(
    steps: list[Step], tmp_path: Path
) -> None:
    tune(tmp_path)
    left_out = []
    for e in (2, 3):
        of_epoch = [step for step in steps if step.epoch == e]
        unlabelled = torch.cat([step.unlabelled for step in of_epoch]).tolist()
        assert len(unlabelled) == len(set(unlabelled)) == 90
        left_out.append(set(UNLABELLED) - set(unlabelled))
        assert len(left_out[-1]) == 5
        labelled = torch.cat([step.labelled for step in of_epoch]).numpy()
        assert np.array_equal(np.unique(labelled), LABELLED)
        assert (np.unique_counts(labelled).counts == 3).all()
    assert left_out[0] != left_out[1]


def test_a_batch_of_odd_size_has_the_odd_image_labelled(steps: list[Step], tmp_path: Path) -> None:
    tune(tmp_path, batch_size=5, steps=24 + 47)
    of_epoch = [step for step in steps if step.epoch == 2]
    assert {(len(step.labelled), len(step.unlabelled)) for step in of_epoch} == {(3, 2)}
    assert len(of_epoch) == 95 // 2


def test_labelled_images_are_seen_weakly_and_unlabelled_ones_strongly(
    steps: list[Step], tmp_path: Path
) -> None:
    tune(tmp_path, copies=3, steps=13)
    for step in steps:
        wanted = [(WeakView, X[step.labelled].repeat(3, 1, 1, 1))]
        if step.epoch >= 2:
            wanted.append((StrongView, X[step.unlabelled].repeat(3, 1, 1, 1)))
        assert [kind for kind, _, _ in step.views] == [kind for kind, _ in wanted]
        for (_, given, _), (_, images) in zip(step.views, wanted, strict=True):
            assert torch.equal(given, images)
        views = torch.cat([view for _, _, view in step.views])
        assert torch.equal(step.x, views)
        first, second, _ = step.views[0][2].chunk(3)
        assert not torch.equal(first, second)  # each copy is a view of its own


@pytest.mark.parametrize(
    ("mixup", "phases"), [("off", ()), ("on", (0, 1, 2, 3)), ("released", (2, 3))]
)
@pytest.mark.parametrize("mixup_alpha", [1.0, 0.3])
def test_mixup_is_in_its_phases_with_shares_from_beta(
    steps: list[Step], tmp_path: Path, mixup: str, phases: tuple[int, ...], mixup_alpha: float
) -> None:
    tune(tmp_path, mixup=mixup, mixup_alpha=mixup_alpha, seed=3)
    for e, n in enumerate(STEPS):
        generator = np.random.default_rng(np.random.SeedSequence([3, e]))
        expected = generator.beta(mixup_alpha, mixup_alpha, n) if e in phases else np.ones(n)
        assert [step.share for step in steps if step.epoch == e] == expected.tolist()


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_step_is_nesterov_s_on_the_mixed_cross_entropy(share: float) -> None:
    """l CE(f(l x + (1 - l) x'), y) + (1 - l) CE(., y'), in double precision, from soft labels."""
    tuned, other = tuning(), tuning()
    x, y = X[:8], Y[:8]
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(8, generator=generator) if share < 1 else torch.arange(8)
    generator.manual_seed(1)
    tuned.classifier.train()
    loss = tuned._step(x, y, share, generator)
    other.classifier.train().double()
    onehot = torch.eye(10, dtype=torch.float64)[y]
    target = share * onehot + (1 - share) * onehot[order]
    mixed = (share * x + (1 - share) * x[order]).double()
    expected = -(target * other.classifier(mixed).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss.double(), expected.detach(), rtol=1e-5, atol=1e-6)
    expected.backward()
    for (name, new), old in zip(
        tuned.classifier.named_parameters(), other.classifier.parameters(), strict=True
    ):
        assert old.grad is not None, name
        decayed = old.grad + 5e-4 * old.detach()  # the encoder time's too, as released
        step = old.detach() - 0.03 * (1 + 0.9) * decayed
        torch.testing.assert_close(new.detach().double(), step, rtol=1e-4, atol=1e-6)


# Labels that are not known.


def test_spread_labels_train_and_are_those_of_the_features_before_the_epoch(
    steps: list[Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    spread = np.random.default_rng(0).integers(0, 10, IMAGES)
    spread[LABELLED] = Y[LABELLED]
    features: list[Tensor] = []

    def spied(*given: Any, **options: Any) -> Any:
        calls.append((*given, options))
        return spread

    original = _Tuning._spread

    def before(self: _Tuning) -> Any:
        assert not self.classifier.training
        with torch.no_grad():
            features.append(self.classifier.features(X))
        return original(self)

    monkeypatch.setattr(laplacenet_training, "pseudo_labels", spied)
    monkeypatch.setattr(_Tuning, "_spread", before)
    rows = tune(tmp_path, alpha=0.9)
    assert len(calls) == len(features) == 2
    for (given, labelled, labels, n_classes, options), expected in zip(
        calls, features, strict=True
    ):
        assert np.array_equal(given, expected.numpy())
        assert np.array_equal(labelled, LABELLED) and np.array_equal(labels, Y[LABELLED])
        assert (n_classes, options) == (10, {"neighbours": 5, "alpha": 0.9, "threads": 1})
    right = np.mean(spread[UNLABELLED] == Y.numpy()[UNLABELLED])
    np.testing.assert_allclose(rows.pseudo_label_accuracy, [np.nan, np.nan, right, right])
    for step in steps:
        images = torch.cat([step.labelled.repeat(2), step.unlabelled.repeat(2)])
        assert torch.equal(step.y, torch.from_numpy(spread)[images])


def test_true_labels_of_unlabelled_images_reach_no_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laplacenet_training, "label_split", lambda *_: LABELLED)
    wrong = DIGITS.train.y.clone()
    wrong[UNLABELLED] = (wrong[UNLABELLED] + 3) % 10
    found = []
    for name, data in (("true", DIGITS), ("wrong", with_labels("train", wrong))):
        rows = tune(tmp_path / name, data=data, mixup="on")
        kept = with_prefix("model.", load_tensors(tmp_path / name / "resume.safetensors"))
        found.append((rows, kept))
    (rows, weights), (others, other_weights) = found
    hidden = "pseudo_label_accuracy"
    assert rows[hidden].iloc[-1] != others[hidden].iloc[-1]
    pd.testing.assert_frame_equal(
        rows.drop(columns=hidden), others.drop(columns=hidden), check_exact=True
    )
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


def test_accuracies_are_those_of_scikit_learn() -> None:
    tuned = tuning()
    tuned.epoch()
    row = dict(zip(COLUMNS, tuned.rows[0], strict=True))
    for name, part in (("validation", DIGITS.validation), ("test", DIGITS.test)):
        with torch.no_grad():
            logits = tuned.classifier(part.x).numpy()
        for column, k in (("accuracy", 1), ("top5", 5)):
            expected = top_k_accuracy_score(part.y, logits, k=k, labels=range(10))
            assert row[f"{name}_{column}"] == pytest.approx(expected)


# The classifier and its time.


@pytest.mark.parametrize("sde", ["ve", "vp", "subvp"])
@pytest.mark.parametrize("t", [0.01, 0.3, 0.99])
def test_time_starts_at_t_as_a_share_of_the_clock(sde: str, t: float) -> None:
    model = build_model(RUN.updated(sde=sde), DIGITS).eval()
    classifier = Classifier(model, 10, t, learn_t=True).eval()
    low, high = model.sde.t_min, model.sde.t_max
    assert float(classifier.t.detach()) == pytest.approx(t, rel=1e-5)
    assert model.encoder is not None
    on_clock = torch.full((4,), low + t * (high - low))
    expected = model.encoder.features(X[:4], model.embedding(model.sde.sigma(on_clock)))
    torch.testing.assert_close(classifier.features(X[:4]), expected, rtol=1e-3, atol=1e-4)
    heard: list[Tensor] = []
    classifier.embedding.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    for logit, sigma in ((-50.0, RUN.noise.sigma_min), (50.0, RUN.noise.sigma_max)):
        with torch.no_grad():
            classifier.logit_t.fill_(logit)
        classifier.features(X[:4])
        assert heard[-1].tolist() == pytest.approx([sigma] * 4, rel=1e-2)


def test_an_encoder_without_time_has_none_to_learn() -> None:
    run = RUN.updated(time_conditioned=False)
    model = build_model(run, DIGITS).eval()
    classifier = Classifier(model, 10, 0.3, learn_t=True).eval()
    assert not classifier.logit_t.requires_grad
    assert model.encoder is not None
    assert torch.equal(classifier.features(X), model.encoder.features(X))


@pytest.mark.parametrize("method", ["drl", "vdrl", "drl-mixup", "ae", "simclr"])
def test_arms_start_from_one_encoder_and_one_class_head(method: str) -> None:
    """At the same seed, whatever their code heads, which are left behind."""
    none = tuning().classifier.state_dict()
    arm = tuning(RUN.updated(method=method)).classifier.state_dict()
    assert none.keys() == arm.keys()
    assert not any("encoder.head" in name for name in none)
    for name in none:
        assert torch.equal(none[name], arm[name]), name
    other = tuning(seed=1).classifier.state_dict()
    different = {name for name in none if not torch.equal(none[name], other[name])}
    assert different == {"head.weight", "head.bias"}


def test_the_pretrained_model_stays_as_it_was(tmp_path: Path) -> None:
    model = build_model(RUN.updated(method="drl"), DIGITS).eval().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fine_tune(RUN, model, SETTINGS, DIGITS, tmp_path / "resume.safetensors", progress=False)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not list(tmp_path.iterdir())  # an epoch is too short for a checkpoint


def test_a_fixed_time_stays_and_a_learned_one_moves(tmp_path: Path) -> None:
    fixed = tune(tmp_path / "fixed", encoder_time="fixed", t=0.3)
    assert fixed.t.tolist() == pytest.approx([0.3] * EPOCHS, rel=1e-6)
    learned = tune(tmp_path / "learned", encoder_time="learned", t=0.3)
    assert learned.t.nunique() == EPOCHS
    assert learned.t[0] == pytest.approx(0.3, abs=0.05) and learned.t[0] != fixed.t[0]


@pytest.mark.parametrize("best", range(3))
def test_the_chosen_time_is_best_on_validation_and_learned_from_there(
    best: int, tmp_path: Path
) -> None:
    """Validation labels are what the classifier at time ``best`` says after its first phase."""
    tuned = tuning(t=SETTINGS.times[best], encoder_time="chosen")
    for _ in range(2):
        tuned.epoch()
    with torch.no_grad():
        said = tuned.classifier(DIGITS.validation.x).argmax(1)
    data = with_labels("validation", said)
    chosen = tune(tmp_path / "chosen", data=data, encoder_time="chosen")
    learned = tune(tmp_path / "learned", data=data, t=SETTINGS.times[best])
    assert chosen.validation_accuracy[1] == 1
    pd.testing.assert_frame_equal(chosen, learned, check_exact=True)
    if best == 0:  # test labels choose nothing
        data = replace(data, test=replace(DIGITS.test, y=DIGITS.test.y.flip(0)))
        again = tune(tmp_path / "again", data=data, encoder_time="chosen")
        same = [name for name in COLUMNS if not name.startswith("test")]
        pd.testing.assert_frame_equal(again[same], chosen[same], check_exact=True)


# The same bits.


@pytest.mark.parametrize("encoder", ["conv-norm", "mnist-paper"])  # the latter has dropout
def test_same_settings_same_bits_whatever_was_drawn_before(encoder: str, tmp_path: Path) -> None:
    run, found = RUN.updated(encoder=encoder), []
    for name, drawn_before, own in (("a", 1, 0), ("b", 2, 0), ("c", 1, 1)):
        torch.manual_seed(drawn_before)
        changes = {"steps": 13, "supervised_epochs": 1, "mixup": "on", "seed": own}
        found.append(tune(tmp_path / name, run, **changes))
    pd.testing.assert_frame_equal(found[0], found[1], check_exact=True)
    assert found[0].loss[0] != found[2].loss[0]


@pytest.mark.parametrize(
    ("encoder_time", "at", "left"),  # which step of all, in order; how many epochs are then left
    [("learned", 3, 3), ("learned", sum(STEPS), 1),
     ("chosen", 7, 4 + EPOCHS),  # in the second epoch of the second of three times
     ("chosen", 13, EPOCHS), ("chosen", 12 + 5, 2)],
)  # fmt: skip
def test_an_interrupted_fine_tuning_ends_on_the_same_bits(
    encoder_time: str, at: int, left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"encoder_time": encoder_time, "mixup": "on", "label_split": 1}
    numbers: list[int] = []

    def kill(step: int) -> None:
        numbers.append(step)
        if len(numbers) == at:
            raise Killed

    whole = tune(tmp_path / "whole", **changes)
    with pytest.raises(Killed):
        tune(tmp_path / "killed", on_step=kill, **changes)
    once = list(range(1, sum(STEPS) + 1))
    assert numbers == (once if encoder_time == "learned" else 3 * [1, 2, 3, 4] + once)[:at]
    calls: list[int] = []
    epoch = _Tuning.epoch
    monkeypatch.setattr(
        _Tuning, "epoch", lambda self, *a, **k: (calls.append(1), epoch(self, *a, **k))[1]
    )
    again = tune(tmp_path / "killed", **changes)
    assert len(calls) == left  # it went on, it did not start again
    pd.testing.assert_frame_equal(whole, again, check_exact=True)
    kept = [load_tensors(tmp_path / name / "resume.safetensors") for name in ("whole", "killed")]
    assert kept[0].keys() == kept[1].keys()
    assert all(torch.equal(kept[0][name], kept[1][name].nan_to_num(0)) or "rows" in name
               for name in kept[0])  # fmt: skip


CHILD = """
import json, sys
from drlcore.laplacenet.classifier import FineTuning
from drlcore.laplacenet.fine_tuning import fine_tune
from drlcore.paper.products import fine_tuned
from drlcore.training.run import RunParameters
fine_tune.__kwdefaults__["checkpoint_seconds"] = 0.0
run, settings = RunParameters.from_json(sys.argv[1]), json.loads(sys.argv[2])
fine_tuned(run, FineTuning(**settings)).load(progress=False)
"""


def test_kill_9_and_continue_give_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {**SETTINGS.model_dump(exclude={"times"}), "steps": 130}
    settings = FineTuning(**values)
    product = fine_tuned(RUN, settings)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    monkeypatch.setenv("DRLCORE_OUTPUT", str(killed))
    arguments = [RUN.model_dump_json(), json.dumps(values)]
    process = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], env=dict(os.environ))
    resume = store.folder(RUN) / product.file.replace(".csv", ".resume.safetensors")
    deadline = time.monotonic() + 60
    while not resume.is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert resume.is_file() and product.stored is None
    assert 1 <= len(load_tensors(resume)["rows"]) < settings.epochs(IMAGES)
    product.load(progress=False)
    assert not resume.exists()  # once the table is there
    first = product.sha256
    monkeypatch.setenv("DRLCORE_OUTPUT", str(whole))
    product.load(progress=False)
    assert product.stored is not None and product.stored.path.is_relative_to(whole)
    assert product.sha256 == first


def test_a_resume_file_of_other_data_or_a_corrupt_one_is_refused(tmp_path: Path) -> None:
    tune(tmp_path)
    other = replace(DIGITS, checksum="0" * 16)
    with pytest.raises(ArtefactError, match="is of fine-tuning .* on data .*, not of .*delete it"):
        tune(tmp_path, data=other)
    (tmp_path / "resume.safetensors").write_bytes(b"junk")
    with pytest.raises(ArtefactError, match="corrupt.*delete it"):
        tune(tmp_path)


def test_a_table_once_stored_is_read_and_not_computed(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = fine_tuned(RUN, SETTINGS)
    computed = product.load(progress=False)
    monkeypatch.setattr(_Tuning, "epoch", lambda *_: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(product.load(progress=False), computed)
    assert computed.columns.tolist() == list(COLUMNS) and len(computed) == EPOCHS


# What stops it.


def test_a_loss_that_breaks_stops_and_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="epoch 1 of digits random.*30 labels; lower learning"):
        tune(tmp_path, learning_rate=1e38, passes=5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("epoch", [1, EPOCHS])
def test_a_weight_that_the_last_step_of_an_epoch_breaks_stops_too(
    epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, calls = _Tuning._step, []

    def spied(self: _Tuning, *given: Any) -> Tensor:
        loss = step(self, *given)
        calls.append(loss)
        if len(calls) == sum(STEPS[:epoch]):
            with torch.no_grad():
                self.classifier.head.weight[0, 0] = math.inf
        return loss

    monkeypatch.setattr(_Tuning, "_step", spied)
    with pytest.raises(TrainingError, match=f"a weight is not finite in epoch {epoch}"):
        tune(tmp_path)
    kept = tmp_path / "resume.safetensors"
    assert kept.is_file() == (epoch > 1)
    if epoch > 1:
        tensors = with_prefix("model.", load_tensors(kept))
        assert all(torch.isfinite(value).all() for value in tensors.values())


@pytest.mark.parametrize(
    ("changes", "error", "names"),
    [({"steps": 12}, ParameterError, "steps = 12; allowed: 13 or more"),
     ({"n_labels": 25}, ParameterError, "n_labels = 25; allowed: a multiple of the 10 classes"),
     ({"n_labels": 130}, ParameterError, "n_labels = 130; allowed: leave 10 or more of the 125"),
     ({"n_labels": 120, "steps": 99}, ParameterError, "n_labels = 120; allowed: leave 10"),
     ({"n_labels": 110, "steps": 99}, DataError, "n_labels = 110 takes 11 images of each class"),
     ({"neighbours": 125}, ParameterError, "neighbours = 125; allowed: below .* 125")],
)  # fmt: skip
def test_impossible_labels_and_steps_stop_before_any_training(
    changes: dict[str, Any], error: type[Exception], names: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(_Tuning, "epoch", lambda *_: pytest.fail("trained"))
    with pytest.raises(error, match=names):
        tune(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


def test_a_model_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no encoder to classify with"):
        tune(tmp_path, RUN.updated(method="dsm"))


# And it learns.


def test_few_labels_and_many_images_make_a_classifier(tmp_path: Path) -> None:
    """From random weights, 50 labels of 1,077 digits; chance is 0.1."""
    rows = tune(
        tmp_path, RUN.updated(train_images=None), n_labels=50, passes=10, steps=112, batch_size=50,
        neighbours=15,
    )  # fmt: skip
    supervised, last = rows.iloc[1], rows.iloc[-1]
    assert last.loss < rows.loss[0]
    assert last.pseudo_label_accuracy > 0.5
    assert last.test_accuracy > max(0.6, supervised.test_accuracy)
    assert last.test_top5 > last.test_accuracy
