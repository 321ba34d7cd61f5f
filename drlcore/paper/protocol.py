"""What frozen codes are good for, by one protocol for every method: tables that become products."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from drlcore.baselines import METHODS
from drlcore.data.datasets import load_dataset
from drlcore.data.splits import Array
from drlcore.model import EncoderModel, encode, with_score_network
from drlcore.paper.sheets import Arrays
from drlcore.parameters import Parameters
from drlcore.probes.bands import ASKED, BANDS, FITTED, band_r2
from drlcore.probes.mutual_information import mutual_information_over_time
from drlcore.probes.neural import DEFAULT, ProbeTraining
from drlcore.probes.over_time import TIME_COLUMNS, few_shot, probe_times
from drlcore.probes.static import METRIC_COLUMNS, probe
from drlcore.probes.trajectory import codes_over_time, time_grid, trajectories
from drlcore.probes.usage import code_usage
from drlcore.probes.whole_trajectory import ablate_times, attention_over_time, probe_trajectory
from drlcore.training.run import RunParameters

CURVE_IMAGES = 1000


class Protocol(Parameters):
    """How codes are probed: the same for every method of a comparison.

    Probes are fitted on training codes; what they leave open is chosen on validation, test is read
    once. Their seed is the run's.

    Attributes:
        n_times: encoder times, evenly spaced in t over the noise range.
        images: probes are fitted on the first so many training images; None for all.
        epochs: of the MLP, the GRU and the transformer, whatever their settings below say.
        n_labels: budgets of the few-shot classifier; one that a data set cannot fill with as many
            of each class gives no row there. Where none can be, the largest below the first. Those
            of ``images`` or more take training images beyond the first ``images``.
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

    @property
    def beyond(self) -> tuple[int, ...]:
        """Those of ``n_labels`` for which the first ``images`` do not suffice."""
        return tuple(n for n in self.n_labels if self.images is not None and n >= self.images)

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


def probe_many_labels(run: RunParameters, model: EncoderModel, protocol: Protocol) -> pd.DataFrame:
    """Few-shot accuracy with the budgets ``protocol.beyond``: one draw, the first of each class.

    Columns as above; no row of a budget that the run's training images cannot fill.
    """
    dataset = load_dataset(run.dataset)
    train = dataset.train.first(run.train_images)
    of_class = train.y.bincount(minlength=dataset.n_classes).numpy()
    found = []
    for n in _fillable(of_class, protocol.beyond):
        classes = range(dataset.n_classes)
        chosen = torch.cat([(train.y == c).nonzero()[: n // len(classes), 0] for c in classes])
        labelled = replace(train, x=train.x[chosen], y=train.y[chosen], factors={})
        codes = trajectories(model, replace(dataset, train=labelled), protocol.n_times)
        shots = few_shot(codes, n, draws=1, seed=run.seed)
        found.append(
            shots[["t", "sigma", "split", "value"]].assign(metric=f"few_shot_{n}_accuracy")
        )
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=TIME_COLUMNS)


def _budgets(y: Array, n_labels: tuple[int, ...]) -> list[int]:
    """Those of ``n_labels`` that hold as many of each class, and no more than there are.

    If there is none, as with three classes and 100 labels, the nearest below the first, 99, and
    one label a class at least, so that every data set has one.
    """
    of_class = np.bincount(y)
    n, fewest = len(of_class), int(of_class.min())
    found = _fillable(of_class, n_labels)
    if found or fewest == 0:
        return found
    return [n * min(max(asked // n, 1), fewest) for asked in n_labels[:1]]


def _fillable(of_class: Array, n_labels: tuple[int, ...]) -> list[int]:
    """Those of ``n_labels`` that hold as many of each class, and no more than ``of_class`` has."""
    n, fewest = len(of_class), int(of_class.min())
    return [asked for asked in n_labels if asked % n == 0 and asked <= n * fewest]


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
