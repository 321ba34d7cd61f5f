import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange
from drlcore.oracle.gaussian_mixture import GaussianMixture
from drlcore.sampling import (
    Samples,
    euler_maruyama,
    invert,
    predictor_corrector,
    probability_flow_ode,
)
from drlcore.sde import SDE, SDES

torch.set_num_threads(1)

MEANS = torch.tensor([[3.0, 0.0], [-2.0, 2.5], [-1.0, -3.0]])
WEIGHTS = torch.tensor([0.5, 0.3, 0.2])
MIXTURE = GaussianMixture(MEANS, 0.4, WEIGHTS)
LABELS = torch.arange(3)
SAMPLERS: dict[str, Any] = {
    "euler_maruyama": (euler_maruyama, 400, lambda steps: steps),
    "predictor_corrector": (predictor_corrector, 200, lambda steps: 2 * steps),
    "probability_flow_ode": (probability_flow_ode, 60, lambda steps: 2 * steps - 1),
}


@pytest.fixture(params=["ve", "vp", "subvp"])
def sde(request) -> SDE:
    return SDES[request.param](NoiseRange())


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(name: str, sde: SDE, mixture: GaussianMixture = MIXTURE, labels: Tensor | None = None):
    noised = mixture.noised(sde, labels)
    return noised.denoiser if name == "probability_flow_ode" else noised.score


def sample(name: str, sde: SDE, n: int, steps: int | None = None, **options) -> Samples:
    sampler, usual, _ = SAMPLERS[name]
    z, labels = options.pop("z", None), options.pop("labels", None)
    generator = options.pop("generator", seeded())
    function = options.pop("function", None) or model(name, sde, labels=labels)
    return sampler(sde, function, z, (n, 2), steps or usual, generator, **options)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_mixture_is_recovered(sde, name):
    n = 4000
    result = sample(name, sde, n)
    x = result.x.double()
    nearest = torch.cdist(x, MEANS.double()).argmin(dim=1)
    for k, weight in enumerate(WEIGHTS.tolist()):
        own = x[nearest == k]
        assert abs(len(own) / n - weight) < 4 * math.sqrt(weight * (1 - weight) / n) + 0.005
        torch.testing.assert_close(own.mean(dim=0), MEANS[k].double(), rtol=0, atol=0.07)
        covariance = 0.16 * torch.eye(2, dtype=torch.float64)
        torch.testing.assert_close(own.T.cov(), covariance, rtol=0, atol=0.03)
    assert result.x.dtype == torch.float32


@pytest.mark.parametrize("name", SAMPLERS)
def test_z_reaches_the_model(sde, name):
    """With the mode as z, every sample lands in the mode it was told."""
    z = torch.arange(60) % 3
    x = sample(name, sde, 60, 60, z=z, labels=LABELS).x
    assert torch.equal(torch.cdist(x, MEANS).argmin(dim=1), z)
    assert float((x - MEANS[z]).norm(dim=1).max()) < 2.5


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_evaluations_times_and_z_are_as_documented(sde, name, steps):
    seen: list[tuple[torch.Size, float, Tensor | None]] = []
    function, z = model(name, sde), torch.randn(5, 3)

    def spy(xt, t, given):
        assert not torch.is_grad_enabled()
        assert t.dtype == xt.dtype
        assert (t == t[0]).all()
        seen.append((t.shape, float(t[0]), given))
        return function(xt, t, given)

    result = sample(name, sde, 5, steps, function=spy, z=z)
    assert result.nfe == len(seen) == SAMPLERS[name][2](steps)
    assert result.x.shape == (5, 2)
    assert all(shape == (5,) and given is z for shape, _, given in seen)
    times = [t for _, t, _ in seen]
    assert times == sorted(times, reverse=True)
    assert times[0] == pytest.approx(sde.t_max, rel=1e-5)
    if steps > 1:
        assert times[-1] == pytest.approx(sde.t_min, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_last_step_denoises(sde, name):
    """One step from a start is E[x0 | xt] (before it, the corrector may move)."""
    x = 3 * torch.randn(6, 2, generator=seeded(1))
    t = float(sde.t(torch.tensor(0.8)))
    result = sample(name, sde, 6, 1, start=(x, t))
    if name != "predictor_corrector":
        expected = MIXTURE.noised(sde).denoiser(x, torch.full((6,), t))
        torch.testing.assert_close(result.x, expected, rtol=1e-4, atol=1e-4)
    # No noise of size sigma_min is left: a point mass is recovered far below it.
    point = GaussianMixture(MEANS[:1], 0.0)
    x = sample(name, sde, 6, 20, function=model(name, sde, point)).x
    torch.testing.assert_close(x, MEANS[:1].expand(6, 2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_partly_noised_start_keeps_its_law_and_its_mode(sde, name):
    x0, component = MIXTURE.sample(4000, seeded(2))
    t = float(sde.t(torch.tensor(0.5)))
    xt = sde.perturb(x0.float(), torch.tensor(t), torch.randn(4000, 2, generator=seeded(3)))
    x = sample(name, sde, 4000, 60, start=(xt, t), generator=seeded(4)).x
    nearest = torch.cdist(x, MEANS).argmin(dim=1)
    assert float((nearest == component).float().mean()) > 0.99
    residual = x - MEANS[nearest]
    assert float(residual.std()) == pytest.approx(0.4, rel=0.06)
    assert float(residual.mean()) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_generator_fixes_every_bit(sde, name):
    torch.manual_seed(0)
    first = sample(name, sde, 20, 10, generator=seeded(7)).x
    torch.manual_seed(1)
    assert torch.equal(first, sample(name, sde, 20, 10, generator=seeded(7)).x)
    assert not torch.equal(first, sample(name, sde, 20, 10, generator=seeded(8)).x)


def test_the_ode_is_deterministic_given_its_start(sde):
    start = (sde.prior((10, 2), seeded(5)), sde.t_max)
    one, two = (
        sample("probability_flow_ode", sde, 10, generator=seeded(seed), start=start).x
        for seed in (1, 2)
    )
    assert torch.equal(one, two)


def test_the_ode_solves_the_gaussian_flow(sde):
    """For N(m, s^2), y - m scales with sqrt(s^2 + sigma^2), y = xt / a."""
    gaussian = GaussianMixture(MEANS[:1], 0.4)
    sigma, low = 10.0, 0.01
    t = float(sde.t(torch.tensor(sigma, dtype=torch.float64)))
    y = MEANS[0].double() + 10 * torch.randn(50, 2, generator=seeded(6), dtype=torch.float64)
    start = (sde.mean_coefficient(torch.tensor(t, dtype=torch.float64)) * y, t)
    at_low = (y - MEANS[0]) * math.sqrt((0.16 + low**2) / (0.16 + sigma**2))
    expected = MEANS[0] + at_low * 0.16 / (0.16 + low**2)
    errors = []
    for steps in (20, 40, 80):
        function = model("probability_flow_ode", sde, gaussian)
        x = sample("probability_flow_ode", sde, 50, steps, function=function, start=start).x
        assert x.dtype == torch.float64
        errors.append(float((x - expected).abs().max()))
    assert errors[-1] < 2e-3
    for coarse, fine in pairwise(errors):
        assert 3.5 < coarse / fine < 5  # second order


def test_the_langevin_step_is_as_documented(sde):
    """One step at t: e = 2 (snr std)^2, in x + e score + sqrt(2 e) noise."""
    t, snr = 0.7, 0.3
    x = torch.randn(5, 2, generator=seeded(1))
    seen: list[Tensor] = []

    def spy(xt, t, z):
        seen.append(xt)
        return MIXTURE.noised(sde).score(xt, t)

    sample("predictor_corrector", sde, 5, 1, function=spy, start=(x, t), snr=snr)
    e = 2 * (snr * float(sde.std(torch.tensor(t)))) ** 2
    noise = torch.randn(5, 2, generator=seeded())
    moved = x + e * MIXTURE.noised(sde).score(x, torch.tensor(t)) + math.sqrt(2 * e) * noise
    assert torch.equal(seen[0], x)
    torch.testing.assert_close(seen[1], moved, rtol=1e-4, atol=1e-4)


def test_samples_do_not_depend_on_their_neighbours(sde):
    """The authors' batch-mean Langevin step fails this."""

    def last_shifted(shift: float) -> Tensor:
        x = torch.ones(4, 2)
        x[3] += shift
        return sample("predictor_corrector", sde, 4, 10, start=(x, sde.t_max)).x

    torch.testing.assert_close(last_shifted(0.0)[:3], last_shifted(40.0)[:3])


@pytest.mark.parametrize("name", SAMPLERS)
def test_refusals(sde, name):
    x = torch.zeros(3, 2)
    for steps in (0, -2):
        with pytest.raises(ParameterError, match="steps"):
            SAMPLERS[name][0](sde, model(name, sde), None, (3, 2), steps, seeded())
    with pytest.raises(ParameterError, match="z of shape"):
        sample(name, sde, 3, 5, z=torch.zeros(4, 1))
    with pytest.raises(ParameterError, match="start of shape"):
        sample(name, sde, 2, 5, start=(x, sde.t_max))
    for t in (1.5, -0.5):
        with pytest.raises(ParameterError, match="start time"):
            sample(name, sde, 3, 5, start=(x, t))
    with pytest.raises(FloatingPointError, match=name):
        sample(name, sde, 3, 5, function=lambda xt, t, z: xt / 0)


def test_refused_options():
    sde = SDES["ve"](NoiseRange())
    with pytest.raises(ParameterError, match="snr"):
        sample("predictor_corrector", sde, 3, 5, snr=0.0)
    with pytest.raises(ParameterError, match="rho"):
        sample("probability_flow_ode", sde, 3, 5, rho=0.0)


@pytest.mark.parametrize("levels", [2, 3, 20])
def test_the_walk_up_from_a_known_point_is_a_straight_line(sde: SDE, levels: int) -> None:
    """All data at 1: (y - 1) / sigma stays what it is, in one step or many."""
    x0 = torch.tensor([[1.0], [1.02], [0.9]])
    up = invert(sde, lambda xt, t, z: torch.ones_like(xt), None, x0, levels)
    a, high = sde.mean_coefficient(torch.tensor(sde.t_max)), sde.noise.sigma_max
    expected = float(a) * (1 + (x0 - 1) * high / sde.noise.sigma_min)
    assert torch.allclose(up.x, expected, rtol=2e-4, atol=1e-3)
    assert up.nfe == 2 * (levels - 1)


@pytest.mark.parametrize("told", [True, False])
def test_up_and_down_again_is_where_one_was(sde: SDE, told: bool) -> None:
    x0, component = MIXTURE.sample(400, seeded())
    z = component if told else None
    denoiser = MIXTURE.noised(sde, LABELS).denoiser
    errors = []
    for levels in (10, 60):
        up = invert(sde, denoiser, z, x0, levels)
        start = (up.x, sde.t_max)
        down = probability_flow_ode(sde, denoiser, z, (400, 2), levels, seeded(1), start=start)
        errors.append(float((down.x - x0).norm(dim=1).mean()))
    assert errors[1] < 0.01 < errors[0]
    other = probability_flow_ode(sde, denoiser, None if z is None else (z + 1) % 3, (400, 2), 60,
                                 seeded(1), start=start)  # fmt: skip
    moved = float((other.x - x0).norm(dim=1).mean())
    assert moved > 3 if told else moved < 0.01


def test_the_noise_that_is_found_is_the_noise_of_the_prior(sde: SDE) -> None:
    x0, _ = MIXTURE.sample(4000, seeded())
    up = invert(sde, MIXTURE.noised(sde).denoiser, None, x0, 60)
    std = float(sde.std(torch.tensor(sde.t_max)))
    assert float(up.x.std()) == pytest.approx(std, rel=0.05)
    assert float(up.x.mean(0).abs().max()) < 0.06 * std


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 1}, "steps = 1"),
        ({"rho": 0.0}, "rho = 0.0"),
        ({"z": torch.zeros(3)}, "z of shape"),
    ],
)
def test_an_impossible_walk_up_is_refused(changes: dict[str, Any], message: str) -> None:
    given = {"z": None, "x0": torch.zeros(2, 2), "steps": 5, **changes}
    with pytest.raises(ParameterError, match=message):
        invert(SDES["ve"](NoiseRange()), MIXTURE.noised(SDES["ve"](NoiseRange())).denoiser, **given)


def test_a_walk_up_that_breaks_says_so() -> None:
    def broken(xt: Tensor, t: Tensor, z: object) -> Tensor:
        return xt * math.nan

    with pytest.raises(FloatingPointError, match="invert"):
        invert(SDES["ve"](NoiseRange()), broken, None, torch.zeros(2, 2), 5)
