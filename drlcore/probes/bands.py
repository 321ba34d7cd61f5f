"""What detail a code holds, without labels: how much of an image it tells at each spatial scale."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from drlcore.probes.static import NEIGHBOURS, standardise

# Cycles a pixel at which bands end: an octave each, from waves of 16 pixels and longer to those
# shorter than 4; the mean of an image is in the first.
EDGES = (1 / 16, 1 / 8, 1 / 4)
FITTED, ASKED = 10_000, 2_000  # images
BANDS = ("longer than 16", "8 to 16", "4 to 8", "shorter than 4")  # wavelengths, pixels
_CHUNK = 500


def band_r2(train_codes: np.ndarray, train: Tensor, codes: np.ndarray, x: Tensor) -> np.ndarray:
    """Share of the variance of images that their codes tell, in each band of spatial frequency.

    The guess from a code is the mean of the images with the 20 nearest training codes; guess and
    image are taken apart by their Fourier transform. R² of a band is 1 - sum |x - guess|² / sum
    |x - mean|², over its waves, colours and images: 1 where the code tells all, 0 where the guess
    is no better than the mean training image; it may be below 0.

    Args:
        train_codes, train: codes (N, d) and images (N, C, H, W); the first 10,000 are used.
        codes, x: of the images asked about; the first 2,000.

    Returns:
        (len(EDGES) + 1,), lowest frequencies first; nan for a band in which images have no waves,
        or do not differ.
    """
    train_codes, train = train_codes[:FITTED], train[:FITTED]
    codes, x = codes[:ASKED], x[:ASKED]
    fitted, asked = standardise(train_codes, codes)
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(fitted))).fit(fitted)
    near = torch.from_numpy(index.kneighbors(asked, return_distance=False))
    mean, band = train.mean(0), _bands(x.shape[-2], x.shape[-1])
    left, whole = torch.zeros(2, len(EDGES) + 1, dtype=torch.float64)
    for part, of in zip(x.split(_CHUNK), near.split(_CHUNK), strict=True):
        guess = torch.stack([train[i].mean(0) for i in of])
        for total, difference in ((left, part - guess), (whole, part - mean)):
            power = torch.fft.fft2(difference.double()).abs().square().sum((0, 1))
            total.index_add_(0, band.flatten(), power.flatten())
    nothing = whole <= 1e-12 * max(1.0, float(whole.max()))
    return torch.where(nothing, torch.nan, 1 - left / whole).numpy()


def _bands(height: int, width: int) -> Tensor:
    """Which band each wave of ``fft2`` belongs to: int64 (height, width)."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    return torch.from_numpy(np.searchsorted(EDGES, np.hypot(fy, fx), side="right"))
