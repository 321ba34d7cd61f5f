"""Where a walk back begins and from what: the products of notebook 17."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from drlcore.data.datasets import load_dataset
from drlcore.model import EncoderModel
from drlcore.paper.products import Product
from drlcore.paper.samples import Further, further_quality, judged, reading, reference
from drlcore.paper.sheets import Arrays, samples_of_codes, to_uint8
from drlcore.probes.initial_time import STAND_INS, start_at
from drlcore.probes.sample_quality import sample_quality
from drlcore.sampling import Start
from drlcore.training.run import RunParameters

STARTS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # the paper's, as shares of the clock
STOOD_IN = 5000  # training images that stand-ins are made of
SHEET = 36  # samples shown of a start
APART = 1_000_003  # added to the seed of starts, so that their noise is not the walk's


def quality_by_start(
    run: RunParameters,
    by: RunParameters,
    steps: int,
    images: int,
    further: tuple[Further, ...] = (),
) -> Product[pd.DataFrame]:
    """Samples by where and from what the walk back began, as the classifier ``by`` reads them.

    Euler-Maruyama, ``steps`` of them for the whole clock. Columns ``stand_in``, ``start``, the
    share of the clock, ``at_sigma``, ``nfe``, ``metric``, ``value``.
    """

    def compute(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
        classifier, shown, real = reference(run, by, images)
        rows, beside = [], further_quality(run, further)
        for name, share, start, sigma in _starts(run, model, images):
            samples, nfe = _walk(run, model, share, start, steps, images)
            read = reading(classifier, samples, by)
            found = sample_quality(read, shown, real) | beside(samples, read)
            rows += [(name, share, sigma, nfe, metric, value) for metric, value in found.items()]
        columns = ["stand_in", "start", "at_sigma", "nfe", "metric", "value"]
        return pd.DataFrame(rows, columns=columns)

    return judged(run, "quality_by_start", compute, by, further, **_settings(steps, images))


def sheet_by_start(run: RunParameters, steps: int) -> Product[Arrays]:
    """Some of those samples for each stand-in and start (DRL Fig. 4).

    Arrays: ``<stand-in>`` uint8 (starts, 36, C, H, W); starts, sigmas float32 (starts,).
    """

    def compute(run: RunParameters, model: EncoderModel) -> Arrays:
        sheets: dict[str, list[np.ndarray]] = {name: [] for name in STAND_INS}
        sigmas: dict[float, float] = {}
        for name, share, start, sigma in _starts(run, model, SHEET):
            sheets[name].append(to_uint8(_walk(run, model, share, start, steps, SHEET)[0]))
            sigmas[share] = sigma
        arrays = {name: np.stack(sheet) for name, sheet in sheets.items()}
        arrays["starts"] = np.array(list(sigmas), dtype=np.float32)
        arrays["sigmas"] = np.array(list(sigmas.values()), dtype=np.float32)
        return arrays

    return Product(run, "sheet_by_start", ".safetensors", compute, _settings(steps, SHEET))


def _settings(steps: int, images: int) -> dict[str, Any]:
    return {
        "steps": steps,
        "images": images,
        "starts": STARTS,
        "stood_in": STOOD_IN,
        "stand_ins": list(STAND_INS),
        "apart": APART,
    }


def _starts(
    run: RunParameters, model: EncoderModel, n: int
) -> Iterator[tuple[str, float, Start, float]]:
    """Name of the stand-in, share of the clock, start and sigma, of each in turn."""
    data, sde = load_dataset(run.dataset).train.x[:STOOD_IN], model.sde
    for name in STAND_INS:
        for share in STARTS:
            t = sde.t_min + share * (sde.t_max - sde.t_min)
            generator = torch.Generator().manual_seed(run.seed + APART)
            sigma = float(sde.sigma(torch.tensor(t, dtype=torch.float64)))
            yield name, share, start_at(name, sde, t, data, n, generator), sigma


def _walk(
    run: RunParameters, model: EncoderModel, share: float, start: Start, steps: int, images: int
) -> tuple[Tensor, int]:
    taken = max(1, round(share * steps))
    samples, _, nfe = samples_of_codes(run, model, taken, images, "euler-maruyama", start)
    return samples, nfe
