"""How good samples are, as a small classifier of the data reads them: tables, and their products.

Beside it, where a preset asks, what published tables have.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

from drlcore.baselines import METHODS
from drlcore.baselines.model import read
from drlcore.data.datasets import load_dataset, n_classes
from drlcore.model import EncoderModel, encode
from drlcore.paper.products import Product
from drlcore.paper.sheets import samples_of_codes
from drlcore.probes import inception
from drlcore.probes import sample_quality as probe
from drlcore.probes.sample_quality import Reading, classifier_score, sample_quality
from drlcore.training.run import RunParameters
from drlcore.training.store import load_or_train

QUALITY_IMAGES, SAMPLER_IMAGES = 2000, 300
Further = Literal["classifier_score", "inception"]


def quality(
    run: RunParameters,
    steps: int,
    by: RunParameters,
    images: int | None = None,
    further: tuple[Further, ...] = (),
) -> Product[pd.DataFrame]:
    """Its samples as the run ``by`` reads them, see ``quality_of_samples``."""
    asked: dict[str, Any] = {"images": images or QUALITY_IMAGES, "steps": steps}
    compute = partial(quality_of_samples, by=by, further=further, **asked)
    return judged(run, "quality", compute, by, further, **asked)


def samplers(
    run: RunParameters, by: RunParameters, ode_steps: tuple[int, ...], sde_nfe: tuple[int, ...]
) -> Product[pd.DataFrame]:
    """The same by every sampler, see ``quality_by_sampler``."""
    settings: dict[str, Any] = {"ode_steps": ode_steps, "sde_nfe": sde_nfe}
    compute = partial(quality_by_sampler, by=by, **settings)
    return judged(run, "samplers", compute, by, images=SAMPLER_IMAGES, **settings)


def judged(
    run: RunParameters,
    kind: str,
    compute: Callable[..., pd.DataFrame],
    by: RunParameters,
    further: tuple[Further, ...] = (),
    **settings: Any,
) -> Product[pd.DataFrame]:
    """What ``compute`` makes of samples as the run ``by`` reads them, and ``further`` judges."""
    settings |= {"further": further} if further else {}
    settings |= {"parts": inception.SPLITS} if "inception" in further else {}
    thresholds = {"confident": probe.CONFIDENT, "nearest": probe.NEAREST}
    return Product(run, kind, ".csv", compute, {**settings, "by": by.key, **thresholds})


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
    beside = further_quality(run, further)
    judged = {
        "samples": (samples, reading(classifier, samples, by)),
        "real": (load_dataset(run.dataset).validation.x[:images], shown),
    }
    found = {
        of: sample_quality(read, shown, real) | beside(x, read) for of, (x, read) in judged.items()
    }
    rows = [(of, name, value) for of, each in found.items() for name, value in each.items()]
    return pd.DataFrame(rows, columns=["of", "metric", "value"])


def further_quality(
    run: RunParameters, further: tuple[Further, ...]
) -> Callable[[Tensor, Reading], dict[str, float]]:
    """What published tables have beside, of samples and their reading.

    ``classifier_score``; by Inception, FID and IS. Published FIDs are distances to training images,
    so these are, which Inception reads here, once.
    """
    images = load_dataset(run.dataset).train.x
    judge = inception.Inception(images) if "inception" in further else None

    def measured(samples: Tensor, read: Reading) -> dict[str, float]:
        found = (
            {"classifier_score": classifier_score(read)} if "classifier_score" in further else {}
        )
        return found | (judge.quality(samples) if judge else {})

    return measured


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
