"""Starts in the middle of the walk back, and what they cost."""

from __future__ import annotations

import pytest
import torch

from drlcore import VESDE, NoiseRange
from drlcore.oracle.gaussian_mixture import GaussianMixture
from drlcore.oracle.toy import TOY
from drlcore.probes.initial_time import (
    STAND_INS,
    components_reached,
    start_at,
    total_variation,
)
from drlcore.sampling import euler_maruyama
from drlcore.sde import SDES

VE = VESDE(NoiseRange())
DATA = torch.rand(300, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stand_in(name: str, n: int = 20_000, bounds: tuple[float, float] = (-1.0, 1.0)) -> torch.Tensor:
    return STAND_INS[name](DATA, n, bounds, generator())


def test_black_and_grey_are_one_image_each() -> None:
    assert torch.equal(stand_in("black", 3), torch.full((3, 1, 4, 4), -1.0))
    assert torch.equal(stand_in("grey", 3), torch.zeros(3, 1, 4, 4))
    assert torch.equal(stand_in("black", 3, (0.0, 1.0)), torch.zeros(3, 1, 4, 4))
    assert torch.equal(stand_in("grey", 3, (0.0, 1.0)), torch.full((3, 1, 4, 4), 0.5))


def test_uniform_fills_the_bounds() -> None:
    x = stand_in("uniform", bounds=(-2.0, 1.0))
    assert -2 <= float(x.min()) < -1.99 and 0.99 < float(x.max()) <= 1
    assert float(x.mean()) == pytest.approx(-0.5, abs=0.01)
    assert float(x.var()) == pytest.approx(9 / 12, abs=0.01)


def test_fitted_has_the_mean_and_covariance_of_the_data() -> None:
    x = stand_in("fitted", 200_000).flatten(1)
    assert torch.allclose(x.mean(0), DATA.flatten(1).mean(0), atol=2e-3)
    assert torch.allclose(x.T.cov(), DATA.flatten(1).T.cov(), atol=5e-4)


def test_data_are_images_of_the_data() -> None:
    drawn = stand_in("data", 50)
    assert all((image == DATA).flatten(1).all(1).any() for image in drawn)
    assert len({tuple(image.flatten().tolist()) for image in drawn}) > 30
    assert len(stand_in("data", 500)) == 500  # more than there are


@pytest.mark.parametrize("name", STAND_INS)
@pytest.mark.parametrize("sde", SDES)
def test_a_start_is_a_stand_in_in_the_noise_of_its_time(name: str, sde: str) -> None:
    diffusion = SDES[sde](NoiseRange())
    t = 0.5 * (diffusion.t_min + diffusion.t_max)
    xt, at = start_at(name, diffusion, t, DATA, 20_000, generator())
    x0 = STAND_INS[name](DATA, 20_000, (-1.0, 1.0), generator())
    a, std = (float(f(torch.tensor(t))) for f in (diffusion.mean_coefficient, diffusion.std))
    assert at == t and xt.shape == x0.shape and xt.dtype == x0.dtype
    noise = (xt - a * x0) / std
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.std()) == pytest.approx(1, abs=0.01)


def test_from_the_data_every_component_is_reached_by_its_weight() -> None:
    weights = torch.tensor([1.0, 2.0, 5.0])
    law = GaussianMixture(torch.tensor([[-2.0], [0.0], [3.0]]), 0.1, weights)
    x = law.sample(20_000, generator())[0]
    for t in (0.3, 0.6, 0.9):
        start = start_at("data", VE, t, x, 20_000, generator(2))
        reached = components_reached(law.noised(VE), start)
        assert float(reached.sum()) == pytest.approx(1)
        assert total_variation(reached, law.weights) < 0.02


@pytest.mark.parametrize(("name", "t"), [("black", 0.8), ("grey", 0.7), ("uniform", 0.5)])
def test_walks_arrive_where_it_is_foretold(name: str, t: float) -> None:
    law = TOY.noised(VE)
    x = TOY.sample(1000, generator())[0]
    start = start_at(name, VE, t, x, 2000, generator(), bounds=(-9.2, 9.2))
    foretold = components_reached(law, start)
    walk = euler_maruyama(VE, law.score, None, (2000, 2), 80, generator(3), start)
    arrived = components_reached(law, (walk.x, VE.t_min))
    assert total_variation(arrived, foretold) < 0.08
    assert total_variation(foretold, TOY.weights) > 0.08  # and not at the data's weights


def test_a_start_nearer_to_the_data_costs_less() -> None:
    law, x = TOY.noised(VE), TOY.sample(3000, generator())[0]
    cost = {
        name: total_variation(
            components_reached(
                law, start_at(name, VE, 0.7, x, 3000, generator(), bounds=(-9.2, 9.2))
            ),
            TOY.weights,
        )
        for name in STAND_INS
    }
    assert cost["black"] > cost["grey"] > cost["uniform"] > cost["data"]


def test_total_variation_of_known_laws() -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.0, 0.5, 0.5])
    assert total_variation(p, q) == 0.5 and total_variation(p, p) == 0
