"""Training LaplaceNet: a supervised phase, then epochs on true and spread labels together.

Each epoch of the second phase spreads the known labels over the nearest-neighbour graph of all
images' features (see ``label_graph``) and trains on labelled images, weakly augmented, and
unlabelled ones, strongly augmented, half a batch each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from drlcore.baselines.views import StrongView, WeakView
from drlcore.data.datasets import Dataset
from drlcore.data.label_splits import LabelSplit, label_split
from drlcore.data.splits import Split, require_labels
from drlcore.errors import TrainingError
from drlcore.laplacenet.classifier import Classifier, FineTuning
from drlcore.laplacenet.label_graph import pseudo_labels
from drlcore.model import EncoderModel
from drlcore.training.checkpoint import (
    load_optimiser,
    load_state,
    optimiser_tensors,
    save_state,
    with_prefix,
)
from drlcore.training.lock import locked
from drlcore.training.run import RunParameters

# One row an epoch: mean loss, encoder time, share of the unlabelled images whose spread label is
# right (nan in the supervised phase), top-1 and top-5 accuracy after the epoch.
COLUMNS = (
    "epoch", "steps", "learning_rate", "loss", "t", "pseudo_label_accuracy",
    "validation_accuracy", "validation_top5", "test_accuracy", "test_top5",
)  # fmt: skip
_CHUNK = 1000


def fine_tune(
    run: RunParameters,
    model: EncoderModel,
    settings: FineTuning,
    dataset: Dataset,
    resume: Path,
    *,
    progress: bool = True,
    checkpoint_seconds: float = 20.0,
    on_step: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Train a classifier on images of which few are labelled (DRL Table 1).

    They are the first ``run.train_images`` images. No epoch is selected: each is evaluated on
    validation and test, and the last one counts. Only ``encoder_time = "chosen"`` reads validation
    labels.

    An epoch's draws are seeded by (seed, epoch), so that a killed call goes on from the last epoch
    kept in ``resume``, to the same bits. The file is left to whoever stores the result.

    Args:
        model: the trained model of ``run``; left as it is.
        resume: where the state is kept, every ``checkpoint_seconds``.
        on_step: called after each step with its number, counted from each start; may raise to stop.

    Returns:
        One row an epoch, columns ``COLUMNS``.

    Raises:
        ParameterError, DataError: labels or steps that do not fit the images.
        TrainingError: the loss or a weight is not finite.
        ArtefactError: ``resume`` is corrupt or of another fine-tuning, or cannot be written.
    """
    torch.set_num_threads(run.threads)
    tuning = _Tuning(run, model, settings, dataset, settings.t)
    of = f"fine-tuning {settings.key} of run {run.key} on data {dataset.checksum}"
    tried = _load(resume, tuning, of)
    bar = tqdm(
        total=tuning.epochs,
        desc=f"{run.title}: {settings.n_labels} labels, mixup {settings.mixup}",
        disable=not progress,
        leave=False,
    )
    saved = monotonic()
    if settings.encoder_time == "chosen" and not tuning.rows:
        for t in settings.times[len(tried) :]:
            candidate = _Tuning(run, model, settings, dataset, t)
            for _ in range(settings.supervised_epochs):
                candidate.epoch(on_step, evaluated=False)
            tried.append(candidate.accuracy(dataset.validation)[0])
            _save(resume, tuning, tried, of)
        tuning = _Tuning(run, model, settings, dataset, settings.times[int(np.argmax(tried))])
    bar.update(len(tuning.rows))
    while len(tuning.rows) < tuning.epochs:
        tuning.epoch(on_step)
        bar.update()
        if monotonic() - saved > checkpoint_seconds:
            _save(resume, tuning, tried, of)
            saved = monotonic()
    bar.close()
    return pd.DataFrame(tuning.rows, columns=list(COLUMNS)).astype({"epoch": int, "steps": int})


class _Tuning:
    """A classifier in training."""

    def __init__(
        self,
        run: RunParameters,
        model: EncoderModel,
        settings: FineTuning,
        dataset: Dataset,
        t: float,
    ) -> None:
        require_labels(dataset, "LaplaceNet")
        self.run, self.settings, self.dataset = run, settings, dataset
        self.x, self.y = dataset.train.x[: run.train_images], dataset.train.y[: run.train_images]
        self.epochs = settings.epochs(len(self.x))
        split = LabelSplit(n_labels=settings.n_labels, index=settings.label_split)
        labelled = label_split(self.y, split, dataset.n_classes)
        self.labelled = torch.from_numpy(labelled)
        self.unlabelled = torch.from_numpy(np.setdiff1d(np.arange(len(self.y)), labelled))
        self.weak = WeakView(dataset.shape, dataset.mirrored)
        self.strong = StrongView(dataset.shape, dataset.mirrored)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            learn_t = settings.encoder_time != "fixed"
            classifier = Classifier(model, dataset.n_classes, t, learn_t)
        self.device = next(model.parameters()).device
        self.classifier = classifier.to(self.device).eval()
        self.optimiser = torch.optim.SGD(
            [p for p in self.classifier.parameters() if p.requires_grad],
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=True,
        )
        self.rows: list[list[float]] = []

    def epoch(self, on_step: Callable[[int], None] | None = None, evaluated: bool = True) -> None:
        """Train the next epoch, of the phase it belongs to, and add its row."""
        done, settings = len(self.rows), self.settings
        steps = int(self.rows[-1][1]) if self.rows else 0
        seeds = np.random.SeedSequence([settings.seed, done])
        generator = torch.Generator().manual_seed(int(seeds.generate_state(1)[0]))
        torch.manual_seed(generator.initial_seed())  # dropout draws from the global generator
        shares = np.random.default_rng(seeds)
        supervised = done < settings.supervised_epochs
        targets, right = (self.y, np.nan) if supervised else self._spread()
        batches = self._supervised(generator) if supervised else self._mixed_batches(generator)
        mixup = settings.mixup == "on" or (settings.mixup == "released" and not supervised)
        losses = []
        self.classifier.train()
        for i, (labelled, unlabelled) in enumerate(batches):
            angle = np.pi * (done + i / len(batches)) / (self.epochs + settings.cosine_tail)
            rate = settings.learning_rate * (1 + np.cos(angle)) / 2
            self.optimiser.param_groups[0]["lr"] = rate
            x, y = self._batch(labelled, unlabelled, targets, generator)
            share = shares.beta(settings.mixup_alpha, settings.mixup_alpha) if mixup else 1.0
            losses.append(self._step(x, y, float(share), generator))
            steps += 1
            if on_step is not None:
                on_step(steps)
        self.classifier.eval()
        loss = float(torch.stack(losses).mean())
        state = self.classifier.state_dict().values()
        if not np.isfinite(loss) or not all(torch.isfinite(value).all() for value in state):
            raise TrainingError(
                f"the loss or a weight is not finite in epoch {done + 1} of {self.run.title} with "
                f"{settings.n_labels} labels; lower learning_rate"
            )
        t = float(self.classifier.t.detach())
        found = [np.nan] * 4
        if evaluated:
            found = [*self.accuracy(self.dataset.validation), *self.accuracy(self.dataset.test)]
        self.rows.append([done + 1, steps, rate, loss, t, right, *found])

    def _supervised(self, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        size, none = self.settings.batch_size, self.labelled[:0]
        whole = max(1, len(self.labelled) // size)
        orders = [_shuffled(self.labelled, generator) for _ in range(self.settings.passes)]
        return [(batch, none) for order in orders for batch in order.split(size)[:whole]]

    def _mixed_batches(self, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        """Every unlabelled image once, the labelled ones as often as it takes."""
        size = self.settings.unlabelled
        half = self.settings.batch_size - size
        n = len(self.unlabelled) // size
        unlabelled = _shuffled(self.unlabelled, generator).split(size)[:n]
        rounds = -(-n * half // len(self.labelled))
        orders = [_shuffled(self.labelled, generator) for _ in range(rounds)]
        return list(zip(torch.cat(orders).split(half)[:n], unlabelled, strict=True))

    @torch.no_grad()
    def _spread(self) -> tuple[Tensor, float]:
        """Labels of all images, and the share of the unlabelled ones for which they are right."""
        features = torch.cat([f.cpu() for f in self._features(self.x)])
        spread = torch.from_numpy(
            pseudo_labels(
                features.numpy(),
                self.labelled.numpy(),
                self.y[self.labelled].numpy(),
                self.dataset.n_classes,
                neighbours=self.settings.neighbours,
                alpha=self.settings.alpha,
                threads=self.run.threads,
            )
        )
        right = spread[self.unlabelled] == self.y[self.unlabelled]
        return spread, float(right.double().mean())

    def _batch(
        self, labelled: Tensor, unlabelled: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """``copies`` views of every image, and their labels."""
        copies = self.settings.copies
        labelled, unlabelled = labelled.repeat(copies), unlabelled.repeat(copies)
        x = self.weak(self.x[labelled].to(self.device), generator)
        if len(unlabelled):
            x = torch.cat([x, self.strong(self.x[unlabelled].to(self.device), generator)])
        return x, targets[torch.cat([labelled, unlabelled])].to(self.device)

    def _step(self, x: Tensor, y: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """One step on ``share`` x + (1 - ``share``) x', x' the images in another order."""
        if share < 1:
            other = torch.randperm(len(x), generator=generator).to(self.device)
            logits = self.classifier(share * x + (1 - share) * x[other])
            loss = share * F.cross_entropy(logits, y)
            loss = loss + (1 - share) * F.cross_entropy(logits, y[other])
        else:
            loss = F.cross_entropy(self.classifier(x), y)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def accuracy(self, part: Split) -> tuple[float, float]:
        """Top-1 and top-5 accuracy on ``part``."""
        k = min(5, self.dataset.n_classes)
        best = [self.classifier.head(f).topk(k).indices.cpu() for f in self._features(part.x)]
        hits = torch.cat(best) == part.y[:, None]
        return float(hits[:, 0].double().mean()), float(hits.any(1).double().mean())

    def _features(self, x: Tensor) -> Iterator[Tensor]:
        return (self.classifier.features(chunk.to(self.device)) for chunk in x.split(_CHUNK))


def _shuffled(indices: Tensor, generator: torch.Generator) -> Tensor:
    return indices[torch.randperm(len(indices), generator=generator)]


def _save(path: Path, tuning: _Tuning, tried: list[float], of: str) -> None:
    """Everything the next epoch depends on, and the accuracies of the encoder times tried."""
    tensors = {f"model.{k}": v for k, v in tuning.classifier.state_dict().items()}
    tensors |= {f"sgd.{k}": v for k, v in optimiser_tensors(tuning.optimiser).items()}
    tensors["rows"] = torch.tensor(tuning.rows, dtype=torch.float64).reshape(-1, len(COLUMNS))
    tensors["tried"] = torch.tensor(tried, dtype=torch.float64)
    with locked(path.parent, tuning.run.title):
        save_state(path, tensors, of)


def _load(path: Path, tuning: _Tuning, of: str) -> list[float]:
    """Put ``tuning`` where ``_save`` left it, if it did; the accuracies it kept."""
    tensors = load_state(path, of)
    if tensors is None:
        return []
    tuning.classifier.load_state_dict(with_prefix("model.", tensors))
    load_optimiser(tuning.optimiser, with_prefix("sgd.", tensors))
    tuning.rows = tensors["rows"].tolist()
    return tensors["tried"].tolist()
