"""The field's own yardstick for samples, FID and Inception Score, where its network is.

That is the TorchScript translation of the original Inception which StyleGAN 2 and its successors
measure with: ``inception-2015-12-05.pt``, 96 MB, in ``data/inception``. Nothing downloads it.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drlcore.data import paths
from drlcore.errors import DataError
from drlcore.probes.sample_quality import Reading, classifier_score, frechet_distance

NETWORK = "inception-2015-12-05.pt"
SPLITS = 10  # of the samples; a published score is the mean of their scores
BATCH = 100


def network() -> Path | None:
    """Where Inception is; None if it is not here."""
    file = paths.published("inception") / NETWORK
    return file if file.is_file() else None


def inception_quality(samples: Tensor, real: Tensor) -> dict[str, float]:
    """FID of samples to real images, and their Inception Score.

    ``fid``: ``frechet_distance`` of Inception's 2,048 features (Heusel et al. 2017).
    ``inception_score``: ``classifier_score`` of its 1,008 classes, the mean over ``SPLITS`` parts
    of the samples in order (Salimans et al. 2016).

    Args:
        samples, real: float (N, C, H, W) in [-1, 1], C = 1 or 3; given to it in 8 bits, and grey
            ones in three equal channels.

    Raises:
        DataError: Inception is not here.
    """
    file = network()
    if file is None:
        raise DataError(f"no Inception here: put {NETWORK} into {paths.published('inception')}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with warnings.catch_warnings():  # that torch.jit goes out of use; Inception comes in no other
        warnings.simplefilter("ignore", DeprecationWarning)
        inception = torch.jit.load(str(file), map_location=device).eval()
    read, known = (_reading(inception, x, device) for x in (samples, real))
    if read.probabilities is None:
        raise AssertionError("Inception tells classes")
    parts = np.array_split(read.probabilities, SPLITS)
    scores = [classifier_score(Reading(read.codes, part)) for part in parts]
    return {
        "fid": frechet_distance(read.codes, known.codes),
        "inception_score": float(np.mean(scores)),
    }


@torch.no_grad()
def _reading(inception: torch.jit.ScriptModule, x: Tensor, device: torch.device) -> Reading:
    """Its features, and its probabilities without the last layer's bias, as the original has it."""
    codes, probabilities = [], []
    for part in x.split(BATCH):
        pixels = ((part.clamp(-1, 1) + 1) * 127.5).round().to(device, torch.uint8)
        pixels = pixels.expand(-1, 3, -1, -1)
        codes.append(inception(pixels, return_features=True).cpu())
        probabilities.append(inception(pixels, no_output_bias=True).cpu())
    return Reading(torch.cat(codes).numpy(), torch.cat(probabilities).numpy())
