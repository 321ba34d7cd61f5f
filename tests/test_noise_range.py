import math
from itertools import pairwise

import pytest
import torch

from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"sigma_min": 0.0}, "sigma_min"),
        ({"sigma_min": -1.0}, "sigma_min"),
        ({"sigma_max": math.inf}, "sigma_max"),
        ({"sigma_max": math.nan}, "sigma_max"),
        ({"sigma_max": "50"}, "sigma_max"),
        ({"sigma_min": 2.0, "sigma_max": 1.0}, "sigma_min"),
        ({"t_sampler": "cosine"}, "t_sampler"),
        ({"sigmamin": 0.1}, "sigmamin"),
        ({"t_sampler": "single"}, "sigma"),
        ({"t_sampler": "single", "sigma": 51.0}, "sigma"),
        ({"t_sampler": "single", "sigma": 0.009}, "sigma"),
        ({"sigma": 1.0}, "sigma"),
        ({"t_sampler": "interval", "sigma_low": 1.0}, "sigma_high"),
        ({"t_sampler": "interval", "sigma_low": 2.0, "sigma_high": 1.0}, "sigma_low"),
        ({"t_sampler": "interval", "sigma_low": 1.0, "sigma_high": 1.0}, "sigma_low"),
        ({"t_sampler": "lognormal", "log_mean": 0.0}, "log_std"),
        ({"t_sampler": "lognormal", "log_mean": 0.0, "log_std": 0.0}, "log_std"),
        ({"t_sampler": "uniform_sigma", "log_std": 1.0}, "log_std"),
    ],
)
def test_refusals_name_the_parameter(values, named):
    with pytest.raises(ParameterError, match=named):
        NoiseRange(**values)


def test_windows_and_derived_ranges():
    noise = NoiseRange(sigma_min=0.02, sigma_max=40)
    assert noise.window == noise.whole("uniform_sigma").window == (0.02, 40)
    assert noise.single(3).window == (3, 3)
    assert noise.interval(0.1, 1).window == (0.1, 1)
    for derived in (noise.single(3), noise.interval(0.1, 1), noise.whole("uniform_sigma")):
        assert (derived.sigma_min, derived.sigma_max) == (0.02, 40)
        assert derived.interval(0.1, 1).whole() == noise
        assert NoiseRange.from_json(derived.model_dump_json()) == derived


def test_updates_are_validated_and_ranges_are_frozen():
    noise = NoiseRange()
    assert noise.updated(t_sampler="single", sigma=1).window == (1, 1)
    with pytest.raises(ParameterError, match="sigma_max"):
        noise.updated(sigma_max=0.001)
    with pytest.raises(ValueError, match="frozen"):
        noise.sigma_max = 3.0


def test_fraction_is_the_log_position():
    noise = NoiseRange(sigma_min=0.01, sigma_max=100)
    sigma = torch.tensor([0.01, 0.1, 1, 10, 100], dtype=torch.float64)
    torch.testing.assert_close(
        noise.fraction(sigma), torch.linspace(0, 1, 5, dtype=torch.float64), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("ends", [(0.01, 50.0), (0.012345, 49.999), (0.019996, 3.14159)])
def test_grid_levels_are_log_spaced_and_usable(ends):
    noise = NoiseRange(sigma_min=ends[0], sigma_max=ends[1])
    grid = noise.grid(7)
    ratios = [math.log(b / a) for a, b in pairwise(grid)]
    assert ratios == pytest.approx([math.log(ends[1] / ends[0]) / 6] * 6, rel=0.02)
    assert noise.grid(1) == [ends[1]]
    for sigma in grid:  # rounding must not leave the range
        noise.single(sigma)


def test_labels_tell_the_ranges_apart():
    noise = NoiseRange()
    ranges = [
        noise,
        noise.whole("uniform_sigma"),
        noise.single(1),
        noise.interval(1, 2),
        noise.updated(t_sampler="lognormal", log_mean=0, log_std=1),
        noise.updated(t_sampler="lognormal", log_mean=0, log_std=2),
    ]
    assert len({each.label for each in ranges}) == len(ranges)
