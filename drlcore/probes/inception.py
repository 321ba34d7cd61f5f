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
from drlcore.data.splits import Array
from drlcore.errors import DataError
from drlcore.probes.sample_quality import Reading, classifier_score, frechet_distance

NETWORK = "inception-2015-12-05.pt"
SPLITS = 10  # of the samples; a published score is the mean of their scores
BATCH = 100


def network() -> Path | None:
    """Where Inception is; None if it is not here."""
    file = paths.published("inception") / NETWORK
    return file if file.is_file() else None


class Inception:
    """Inception, and its features of real images, which are read once for all samples.

    Args:
        real: float (N, C, H, W) in [-1, 1], C = 1 or 3; given to it in 8 bits, and grey ones in
            three equal channels.

    Raises:
        DataError: Inception is not here.
    """

    def __init__(self, real: Tensor) -> None:
        file = network()
        if file is None:
            raise DataError(f"no Inception here: put {NETWORK} into {paths.published('inception')}")
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with warnings.catch_warnings():  # that torch.jit goes out of use; it comes in no other form
            warnings.simplefilter("ignore", DeprecationWarning)
            self.network = torch.jit.load(str(file), map_location=self.device).eval()
        self.real = self._told(real, return_features=True)

    def quality(self, samples: Tensor) -> dict[str, float]:
        """FID of ``samples``, as ``real`` are given, to the real images, and Inception Score.

        ``fid``: ``frechet_distance`` of Inception's 2,048 features (Heusel et al. 2017).
        ``inception_score``: ``classifier_score`` of its 1,008 classes, the mean over ``SPLITS``
        parts of the samples in order (Salimans et al. 2016); as there without the last layer's
        bias.
        """
        codes = self._told(samples, return_features=True)
        parts = np.array_split(self._told(samples, no_output_bias=True), SPLITS)
        scores = [classifier_score(Reading(codes, part)) for part in parts]
        return {
            "fid": frechet_distance(codes, self.real),
            "inception_score": float(np.mean(scores)),
        }

    @torch.no_grad()
    def _told(self, x: Tensor, **how: bool) -> Array:
        found = []
        for part in x.split(BATCH):
            pixels = ((part.clamp(-1, 1) + 1) * 127.5).round().to(self.device, torch.uint8)
            found.append(self.network(pixels.expand(-1, 3, -1, -1), **how).cpu())
        return torch.cat(found).numpy()
