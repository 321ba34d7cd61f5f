"""The clock's formulas, and that it is measured against the noise range."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange
from drlcore.time_embedding import TimeEmbedding, TimeEmbeddingKind

KINDS: tuple[TimeEmbeddingKind, ...] = ("log_sigma", "gaussian_fourier", "positional")
SIGMA = torch.tensor([0.01, 0.03, 0.7, 4.0, 50.0], dtype=torch.float64)


def features(position: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Sine of every product, then cosine, written out one by one."""
    rows = [
        [math.sin(p * f) for f in frequencies] + [math.cos(p * f) for f in frequencies]
        for p in position
    ]
    return np.array(rows)


def test_log_sigma_is_sine_and_cosine_of_the_position_in_the_range():
    noise = NoiseRange(sigma_min=0.005, sigma_max=80)
    u = np.log(SIGMA.numpy() / 0.005) / math.log(80 / 0.005)
    cycles = 0.5 * 32 ** (np.arange(16) / 15)  # from 0.5 to 16
    embedding = TimeEmbedding(noise).double()
    np.testing.assert_allclose(embedding(SIGMA), features(u, math.pi * cycles), atol=2e-4)


def test_positional_is_the_transformers_table_at_sigma():
    frequencies = 1e4 ** -(np.arange(16) / 15)
    embedding = TimeEmbedding(NoiseRange(), "positional").double()
    np.testing.assert_allclose(embedding(SIGMA), features(SIGMA.numpy(), frequencies), atol=2e-4)


def test_gaussian_fourier_is_of_log_sigma_at_fixed_random_frequencies():
    embedding = TimeEmbedding(NoiseRange(), "gaussian_fourier", dim=4000).double()
    drawn = embedding.frequencies.numpy() / (2 * math.pi)
    assert drawn.mean() == pytest.approx(0, abs=4 * 16 / 2000**0.5)
    assert drawn.std() == pytest.approx(16, rel=4 / 4000**0.5)
    angle = np.log(SIGMA.numpy())[:, None] * embedding.frequencies.numpy()
    expected = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    np.testing.assert_allclose(embedding(SIGMA), expected, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [2, 32, 64])
def test_shape_weights_and_the_global_generator(kind, dim):
    state = torch.get_rng_state()
    embedding, again = (
        TimeEmbedding(NoiseRange(), kind, dim),
        TimeEmbedding(NoiseRange(), kind, dim),
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert embedding(SIGMA.float()).shape == (5, dim) == (5, embedding.dim)
    assert torch.equal(embedding(SIGMA.float()), again(SIGMA.float()))
    assert list(embedding.parameters()) == []
    norm = (embedding(SIGMA.float()) ** 2).sum(1)  # sin^2 + cos^2 of each frequency
    torch.testing.assert_close(norm, torch.full((5,), dim / 2))


def test_log_sigma_moves_with_the_range():
    """The same place in another range has the same features; the same sigma other ones."""
    narrow, wide = NoiseRange(sigma_min=0.1, sigma_max=10), NoiseRange(sigma_min=0.01, sigma_max=50)
    u = torch.linspace(0, 1, 11, dtype=torch.float64)
    here, there = (
        noise.sigma_min * (noise.sigma_max / noise.sigma_min) ** u for noise in (narrow, wide)
    )
    first, second = TimeEmbedding(narrow).double(), TimeEmbedding(wide).double()
    torch.testing.assert_close(first(here), second(there), rtol=0, atol=1e-5)
    assert (first(here) - second(here)).norm(dim=1).min() > 0.1


@pytest.mark.parametrize("kind", ["gaussian_fourier", "positional"])
def test_the_papers_kinds_are_of_sigma_itself_whatever_the_range(kind):
    one = TimeEmbedding(NoiseRange(sigma_min=0.1, sigma_max=10), kind)
    assert torch.equal(one(SIGMA.float()), TimeEmbedding(NoiseRange(), kind)(SIGMA.float()))


def test_log_sigma_tells_every_level_of_the_range():
    """Its slowest frequency turns by a quarter over the range, so sigma can be read back."""
    noise = NoiseRange()
    sigma = torch.tensor(noise.grid(50), dtype=torch.float64)
    embedding = TimeEmbedding(noise).double()(sigma)
    u = torch.atan2(embedding[:, 0], embedding[:, 16]) / (math.pi / 2)
    torch.testing.assert_close(u, noise.fraction(sigma), rtol=0, atol=1e-6)


def test_an_odd_number_of_features_is_refused():
    with pytest.raises(ParameterError, match="dim = 5"):
        TimeEmbedding(NoiseRange(), dim=5)
