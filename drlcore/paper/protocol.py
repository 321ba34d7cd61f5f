"""What frozen codes are good for, by one protocol for every method: tables that become products."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from drlcore.baselines import METHODS
from drlcore.baselines.model import read
from drlcore.data.datasets import load_dataset, n_classes
from drlcore.data.splits import Array
from drlcore.model import EncoderModel, encode, with_score_network
from drlcore.paper.sheets import Arrays, samples_of_codes
from drlcore.parameters import Parameters
from drlcore.probes.bands import ASKED, BANDS, FITTED, band_r2
from drlcore.probes.inception import inception_quality
from drlcore.probes.mutual_information import mutual_information_over_time
from drlcore.probes.neural import DEFAULT, ProbeTraining
from drlcore.probes.over_time import few_shot, probe_times
from drlcore.probes.sample_quality import Reading, classifier_score, sample_quality
from drlcore.probes.static import METRIC_COLUMNS, probe
from drlcore.probes.trajectory import codes_over_time, time_grid, trajectories
from drlcore.probes.usage import code_usage
from drlcore.probes.whole_trajectory import ablate_times, attention_over_time, probe_trajectory
from drlcore.training.run import RunParameters
from drlcore.training.store import load_or_train

CURVE_IMAGES = 1000
QUALITY_IMAGES, SAMPLER_IMAGES = 2000, 300


class Protocol(Parameters):
    """How codes are probed: the same for every method of a comparison.

    Probes are fitted on training codes; what they leave open is chosen on validation, test is read
    once. Their seed is the run's.

    Attributes:
        n_times: encoder times, evenly spaced in t over the noise range.
        images: probes are fitted on the first so many training images; None for all.
        epochs: of the MLP, the GRU and the transformer, whatever their settings below say.
        n_labels: budgets of the few-shot classifier; one that a data set cannot fill with as many
            of each class gives no row there. Where none can be, the largest below the first.
        draws: label draws of each budget.
        ablated: how many times, evenly spaced, are hidden and shown alone.
        single: how the MLP at each time is trained.
        whole: how the GRU and the transformer of all times are.
        masked: how the one-iteration transformers behind attention and ablation are.
    """

    n_times: int = Field(ge=2)
    images: int | None = Field(default=None, ge=1)
    epochs: int = Field(ge=1)
    n_labels: tuple[Annotated[int, Field(ge=1)], ...]
    draws: int = Field(ge=1)
    ablated: int = Field(ge=2)
    # Left out of the dump at their default, so that products older than they are keep their names.
    single: ProbeTraining = Field(default=DEFAULT, exclude_if=lambda given: given == DEFAULT)
    whole: ProbeTraining = Field(default=DEFAULT, exclude_if=lambda given: given == DEFAULT)
    masked: ProbeTraining = Field(default=DEFAULT, exclude_if=lambda given: given == DEFAULT)

    def training(self, of: Literal["single", "whole", "masked"]) -> ProbeTraining:
        """How the probes ``of`` single times, the whole or a masked trajectory are trained."""
        settings: ProbeTraining = getattr(self, of)
        return settings.updated(epochs=self.epochs)


def probe_run(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
    """Every probe of the code on validation and test: columns split, metric, value, see ``probe``.

    The toy set is probed on sampled codes, because only the noise of z ~ E(z | x0) makes a small
    displacement of a code unreadable.
    """
    dataset = load_dataset(run.dataset)
    generator = torch.Generator().manual_seed(run.seed) if dataset.name == "toy" else None
    train = dataset.train.first(run.train_images)
    parts = {"train": train, "validation": dataset.validation, "test": dataset.test}
    codes = {name: encode(model, part.x, run.read_at, generator) for name, part in parts.items()}
    rows = []
    for split in ("validation", "test"):
        metrics = probe(codes["train"], train, codes[split], parts[split])
        rows += [(split, metric, value) for metric, value in metrics.items()]
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def bands_of_code(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
    """What the code tells of test images in each band of frequency, see ``probes.bands``.

    Columns ``band``, wavelengths in pixels, and ``r2``; a band that the images lack is left out.
    """
    dataset = load_dataset(run.dataset)
    parts = (dataset.train.first(run.train_images).x[:FITTED], dataset.test.x[:ASKED])
    codes = [encode(model, x, run.read_at) for x in parts]
    told = band_r2(codes[0], parts[0], codes[1], parts[1])
    return pd.DataFrame({"band": BANDS, "r2": told}).dropna()


def use_of_code(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
    """What the code is worth to the score network, see ``probes.usage.code_usage``."""
    part, method = load_dataset(run.dataset).validation, METHODS[run.method]
    return code_usage(with_score_network(model), part, method, run.seed, run.train_images)


def reader(dataset: str, steps: int) -> RunParameters:
    """The small classifier that samples of a data set are read by.

    Without labels it is an autoencoder, whose code tells how far samples are from images, and no
    classes.
    """
    method = "supervised" if n_classes(dataset) else "ae"
    return RunParameters(
        dataset=dataset, method=method, encoder="conv-norm", latent_dim=64, steps=steps,
        learning_rate=3e-3, cooldown=0.5, ema_decay=0.9999,
    )  # fmt: skip


Further = Literal["classifier_score", "inception"]


def quality_of_samples(
    run: RunParameters,
    model: EncoderModel,
    steps: int,
    by: RunParameters,
    images: int,
    further: tuple[Further, ...] = (),
) -> pd.DataFrame:
    """Samples from codes of validation images as the classifier ``by`` reads them.

    Beside test images; see ``probes.sample_quality`` and ``further_quality``. Columns ``of``,
    ``samples`` or ``real``, the validation images themselves; ``metric``; ``value``.
    """
    samples, _, _ = samples_of_codes(run, model, steps, images)
    classifier, shown, real = reference(run, by, images)
    dataset = load_dataset(run.dataset)
    judged = {
        "samples": (samples, reading(classifier, samples, by)),
        "real": (dataset.validation.x[:images], shown),
    }
    found = {
        of: sample_quality(read, shown, real) | further_quality(further, x, read, dataset.train.x)
        for of, (x, read) in judged.items()
    }
    rows = [(of, name, value) for of, each in found.items() for name, value in each.items()]
    return pd.DataFrame(rows, columns=["of", "metric", "value"])


def further_quality(
    further: tuple[Further, ...], samples: Tensor, read: Reading, real: Tensor
) -> dict[str, float]:
    """What published tables have beside: ``classifier_score``; by Inception, FID and IS.

    Published FIDs are distances to training images, so ``real`` are those.
    """
    found = {}
    if "classifier_score" in further:
        found["classifier_score"] = classifier_score(read)
    if "inception" in further:
        found |= inception_quality(samples, real)
    return found


def quality_by_sampler(
    run: RunParameters,
    model: EncoderModel,
    by: RunParameters,
    ode_steps: tuple[int, ...],
    sde_nfe: tuple[int, ...],
) -> pd.DataFrame:
    """Samples as above, by every sampler and number of function evaluations.

    Columns ``sampler``, ``nfe``, ``metric``, ``value``. Heun's method with each of ``ode_steps``;
    Euler-Maruyama and predictor-corrector with each of ``sde_nfe`` evaluations; and ``real``, the
    images whose codes were given, as many.
    """
    walks = [("heun", steps) for steps in ode_steps]
    walks += [("euler-maruyama", nfe) for nfe in sde_nfe]
    walks += [("predictor-corrector", nfe // 2) for nfe in sde_nfe]
    classifier, shown, real = reference(run, by, SAMPLER_IMAGES)
    rows = []
    for sampler, steps in walks:
        samples, _, nfe = samples_of_codes(run, model, steps, SAMPLER_IMAGES, sampler)
        found = sample_quality(reading(classifier, samples, by), shown, real)
        rows += [(sampler, nfe, name, value) for name, value in found.items()]
    rows += [("real", 0, name, value) for name, value in sample_quality(shown, shown, real).items()]
    return pd.DataFrame(rows, columns=["sampler", "nfe", "metric", "value"])


def reference(
    run: RunParameters, by: RunParameters, images: int
) -> tuple[EncoderModel, Reading, Reading]:
    """The classifier, and its reading of the images that give codes, and of the test images."""
    classifier, dataset = load_or_train(by, progress=False), load_dataset(run.dataset)
    shown = reading(classifier, dataset.validation.x[:images], by)
    return classifier, shown, reading(classifier, dataset.test.x, by)


@torch.no_grad()
def reading(classifier: EncoderModel, x: Tensor, by: RunParameters) -> Reading:
    """What ``classifier``, the trained run ``by``, makes of images."""
    codes = encode(classifier, x)
    if not METHODS[by.method].needs_labels:
        return Reading.of(codes, None)
    device = next(classifier.parameters()).device
    return Reading.of(codes, read(classifier, torch.from_numpy(codes).to(device)).cpu())


def probe_single_times(run: RunParameters, model: EncoderModel, protocol: Protocol) -> pd.DataFrame:
    """Class, factors and few-shot accuracy at each time: see ``probe_times`` and ``few_shot``.

    Columns t, sigma, split, metric, value; ``few_shot_<n>_accuracy`` is the mean over draws.
    """
    codes = trajectories(model, load_dataset(run.dataset), protocol.n_times, protocol.images)
    tables = [probe_times(codes, run.seed, settings=protocol.training("single"))]
    for n in _budgets(codes.train.y, protocol.n_labels):
        shots = few_shot(codes, n, protocol.draws, run.seed)
        mean = shots.groupby(["t", "sigma", "split"], as_index=False).value.mean()
        tables.append(mean.assign(metric=f"few_shot_{n}_accuracy"))
    return pd.concat(tables, ignore_index=True)


def _budgets(y: Array, n_labels: tuple[int, ...]) -> list[int]:
    """Those of ``n_labels`` that hold as many of each class, and no more than there are.

    If there is none, as with three classes and 100 labels, the nearest below the first, 99, and
    one label a class at least, so that every data set has one.
    """
    of_class = np.bincount(y)
    n, fewest = len(of_class), int(of_class.min())
    found = [asked for asked in n_labels if asked % n == 0 and asked <= n * fewest]
    if found or fewest == 0:
        return found
    return [n * min(max(asked // n, 1), fewest) for asked in n_labels[:1]]


def probe_whole_trajectory(
    run: RunParameters, model: EncoderModel, protocol: Protocol
) -> pd.DataFrame:
    """What all times together tell, and which of them matter: columns as above.

    Rows of ``probe_trajectory`` have no t; those of ``attention_over_time`` and ``ablate_times``
    are of a transformer with one iteration.
    """
    codes = trajectories(model, load_dataset(run.dataset), protocol.n_times, protocol.images)
    last = protocol.n_times - 1
    times = sorted({round(i * last / (protocol.ablated - 1)) for i in range(protocol.ablated)})
    masked = protocol.training("masked")
    whole = probe_trajectory(codes, run.seed, settings=protocol.training("whole"))
    attention = attention_over_time(codes, run.seed, masked)
    ablated = ablate_times(codes, run.seed, times, settings=masked)
    ablated["metric"] = "ablation_" + ablated.metric
    return pd.concat([whole, attention, ablated], ignore_index=True)


def share_of_information(
    run: RunParameters, model: EncoderModel, protocol: Protocol
) -> pd.DataFrame:
    """Mutual information of test codes at every pair of times, ``mutual_information_over_time``."""
    t, sigma = time_grid(model.sde, protocol.n_times)
    images = load_dataset(run.dataset).test.x[:2000]
    return mutual_information_over_time(codes_over_time(model, images, sigma), t, sigma)


def curves(run: RunParameters, model: EncoderModel, protocol: Protocol) -> Arrays:
    """Codes of the first 1,000 test images over time: codes (T, N, d), t (T,), sigma (T,)."""
    t, sigma = time_grid(model.sde, protocol.n_times)
    images = load_dataset(run.dataset).test.x[:CURVE_IMAGES]
    return {"codes": codes_over_time(model, images, sigma).copy(), "t": t, "sigma": sigma}
