"""What a code tells of images at each spatial scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drlcore.paper import products
from drlcore.probes.bands import BANDS, EDGES, band_r2
from drlcore.training.run import RunParameters

SIDE = 32
PERIODS = (32, 16, 8, 4)  # pixels: a wave in each band, at its lower end; all divide the side


def waves(n: int, seed: int) -> tuple[np.ndarray, torch.Tensor]:
    """Images that are sums of four waves along a row with random heights, and these heights."""
    heights = np.random.default_rng(seed).uniform(-1, 1, size=(n, len(PERIODS)))
    at = np.arange(SIDE)
    basis = np.stack([np.cos(2 * np.pi * at / period) for period in PERIODS])
    rows = heights @ basis
    return heights, torch.from_numpy(rows[:, None, None].repeat(SIDE, 2)).float()


@pytest.mark.parametrize("told", range(4))
def test_a_code_of_one_wave_tells_its_band_and_no_other(told: int) -> None:
    (heights, train), (asked, x) = waves(4000, 0), waves(500, 1)
    found = band_r2(heights[:, [told]], train, asked[:, [told]], x)
    assert found.shape == (len(EDGES) + 1,)
    assert found[told] > 0.98
    # Of 20 images that have nothing to do with it: 1 - (1 + 1/20).
    others = np.delete(found, told)
    assert others == pytest.approx(-1 / 20, abs=0.06)


def test_a_code_of_chance_tells_nothing_and_the_image_itself_all() -> None:
    heights, train = waves(2000, 0)
    chance = np.random.default_rng(2).normal(size=(2000, 2))
    assert (band_r2(chance[:1000], train[:1000], chance[1000:], train[1000:]) < 0.02).all()
    # Twenty copies of each image: the neighbours are the image.
    copies = np.repeat(heights[:30], 20, axis=0)
    found = band_r2(copies, train[:30].repeat_interleave(20, 0), heights[:30], train[:30])
    assert found == pytest.approx(1)


def test_against_the_definition_in_plain_numpy() -> None:
    rng = np.random.default_rng(0)
    train, x = rng.normal(size=(60, 2, 9, 7)), rng.normal(size=(11, 2, 9, 7))
    train_codes, codes = rng.normal(size=(60, 3)), rng.normal(size=(11, 3))
    scale = train_codes.std(0)
    distance = np.linalg.norm((codes[:, None] - train_codes) / scale, axis=2)
    guess = train[np.argsort(distance, axis=1)[:, :20]].mean(1)
    frequency = np.hypot(np.fft.fftfreq(9)[:, None], np.fft.fftfreq(7))
    expected = []
    for low, high in zip((0, *EDGES), (*EDGES, 1), strict=True):
        inside = (frequency >= low) & (frequency < high)
        power = [
            (np.abs(np.fft.fft2(x - of)) ** 2)[..., inside].sum() for of in (guess, train.mean(0))
        ]
        expected.append(1 - power[0] / power[1])
    found = band_r2(train_codes, torch.from_numpy(train), codes, torch.from_numpy(x))
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_band_without_waves_has_no_share() -> None:
    flat = torch.arange(400.0)[:, None, None, None].expand(400, 1, 8, 8)
    found = band_r2(np.arange(400.0)[:, None], flat, np.arange(400.0)[:, None], flat)
    assert found[0] > 0.9 and np.isnan(found[1:]).all()


def test_the_table_leaves_out_bands_that_the_images_lack(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path))
    run = RunParameters(dataset="digits", method="random", latent_dim=2)
    table = products.bands(run).load(progress=False)
    # 8 x 8 pixels: their mean, and waves of 8 pixels and shorter.
    assert table.band.tolist() == [BANDS[0], *BANDS[2:]]
