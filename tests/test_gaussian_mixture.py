import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange
from drlcore.oracle.gaussian_mixture import Estimate, GaussianMixture, floor, prop1_terms
from drlcore.sde import SDE, SDES

torch.set_num_threads(1)

MEANS = torch.tensor([[0.0, 2.0, 1.0], [-1.0, 0.5, 0.0], [3.0, -1.0, 0.3], [0.5, 0.5, -2.0]])
WEIGHTS = torch.tensor([1.0, 2.0, 3.0, 2.0])
MIXTURE = GaussianMixture(MEANS, 0.3, WEIGHTS)
LABELS = torch.tensor([5, 7, 5, 7])
SIGMAS = (0.05, 0.7, 3.0, 40.0)


@pytest.fixture(params=["ve", "vp", "subvp"])
def sde(request) -> SDE:
    return SDES[request.param](NoiseRange())


def time(sde: SDE, sigma: float) -> float:
    return float(sde.t(torch.tensor(sigma, dtype=torch.float64)))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draws(sde: SDE, sigma: float, n: int = 50) -> tuple[Tensor, Tensor, Tensor]:
    """xt, t and component of n draws."""
    generator = seeded(3)
    x0, component = MIXTURE.sample(n, generator)
    t = torch.full((n,), time(sde, sigma), dtype=torch.float64)
    noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    return sde.perturb(x0, t, noise), t, component


def noised(sde: SDE, t: Tensor, kept: Tensor) -> MixtureSameFamily:
    """The noised mixture of the components ``kept``, as torch.distributions knows it."""
    a, std = float(sde.mean_coefficient(t)), float(sde.std(t))
    scale = math.hypot(a * 0.3, std)
    components = Independent(Normal(a * MEANS[kept].double(), scale), 1)
    return MixtureSameFamily(Categorical(WEIGHTS[kept].double()), components)


def agree(estimate: Estimate, value: float, other: float = 0.0) -> bool:
    """Within 4 standard errors, the second of them ``other``."""
    return abs(estimate.mean - value) <= 4 * math.hypot(estimate.standard_error, other) + 1e-12


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("value", [None, 5, 7])
def test_density_and_score_match_torch_distributions(sde, sigma, value):
    x, t, _ = draws(sde, sigma)
    x.requires_grad_()
    kept = torch.ones(4, dtype=torch.bool) if value is None else value == LABELS
    law = MIXTURE.noised(sde, LABELS)
    z = () if value is None else (torch.full((len(x),), value),)
    reference = noised(sde, t[0], kept).log_prob(x)
    (gradient,) = torch.autograd.grad(reference.sum(), x)
    torch.testing.assert_close(law.log_density(x, t, *z), reference)
    torch.testing.assert_close(law.score(x, t, *z), gradient, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_denoiser_is_tweedies_with_and_without_a_factor(sde, sigma):
    x, t, component = draws(sde, sigma)
    law = MIXTURE.noised(sde, LABELS)
    for z in ((), (LABELS[component],)):
        tweedie = sde.denoiser_from_score(law.score(x, t, *z), x, t)
        torch.testing.assert_close(law.denoiser(x, t, *z), tweedie, rtol=1e-8, atol=1e-8)


def test_posterior_moments_match_importance_sampling(sde):
    """Self-normalised p_0t(xt | x0) weights over prior draws know no mixture algebra."""
    x, t, _ = draws(sde, 0.9, 4)
    x0, component = MIXTURE.sample(400_000, seeded(1))
    law = MIXTURE.noised(sde)
    a, std = sde.mean_coefficient(t[0]), sde.std(t[0])
    for i, xt in enumerate(x):
        weight = torch.softmax(-((xt - a * x0) ** 2).sum(dim=1) / (2 * std**2), dim=0)
        mean = weight @ x0
        variance = (weight @ (x0 - mean) ** 2).mean()
        shares = torch.zeros(4, dtype=torch.float64).index_add(0, component, weight)
        one = x[i : i + 1], t[i : i + 1]
        torch.testing.assert_close(law.denoiser(*one)[0], mean, rtol=0, atol=0.02)
        torch.testing.assert_close(law.posterior_variance(*one)[0], variance, rtol=0.05, atol=0)
        torch.testing.assert_close(law.posterior(*one)[0], shares, rtol=0, atol=0.02)


def test_a_factor_restricts_the_posterior(sde):
    x, t, component = draws(sde, 3.0)
    values = LABELS[component]
    posterior = MIXTURE.noised(sde, LABELS).posterior(x, t, values)
    torch.testing.assert_close(posterior.sum(dim=1), torch.ones(50, dtype=torch.float64))
    assert (posterior[LABELS != values[:, None]] == 0).all()
    assert (posterior[LABELS == values[:, None]] > 0).all()


def test_tiny_noise_far_points_and_dtypes(sde):
    points = GaussianMixture(MEANS, 0.0).noised(sde)
    far = torch.tensor([[1e3, -1e3, 0.0], [0.0, 2.0, 1.0]])
    t = torch.full((2,), time(sde, 1e-3))
    for x in (far, far.double()):
        for result in (points.score(x, t), points.denoiser(x, t[0])):
            assert result.dtype == x.dtype
            assert torch.isfinite(result).all()
        assert torch.isfinite(points.log_density(x, t)).all()
    torch.testing.assert_close(points.denoiser(far, t)[0], MEANS[2])


def test_samples_follow_the_mixture():
    n = 40_000
    x0, component = MIXTURE.sample(n, seeded())
    share = torch.bincount(component, minlength=4) / n
    torch.testing.assert_close(share, WEIGHTS / 8, rtol=0, atol=0.01)
    residual = x0 - MEANS[component]
    torch.testing.assert_close(residual.std(), torch.tensor(0.3).double(), rtol=0.01, atol=0)
    assert torch.equal(x0, MIXTURE.sample(n, seeded())[0])


# DRL Prop. 1: J_DSM = constant + J_ESM.

SCORES = {
    "zero": lambda sde: lambda xt, t, z: torch.zeros_like(xt),
    "shrunk": lambda sde: lambda xt, t, z: 0.7 * MIXTURE.noised(sde).score(xt, t) + 0.1,
    "prior": lambda sde: lambda xt, t, z: -xt / (1 + sde.std(t)[:, None] ** 2),
}


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("labels", [None, LABELS], ids=["alone", "factor"])
def test_prop1(sde, sigma, name, labels):
    t, law = time(sde, sigma), MIXTURE.noised(sde, labels)
    terms = prop1_terms(law, t, 20_000, seeded(), SCORES[name](sde))
    assert terms.constant.mean > 0
    assert terms.esm.mean > 0
    assert agree(terms.error, 0)
    assert terms.error.mean == pytest.approx(
        terms.dsm.mean - terms.constant.mean - terms.esm.mean, abs=1e-9
    )
    # The control: without the constant the equation is off by the constant. It shows where the
    # constant is not far below what DSM and ESM have in common.
    off = terms.error_without_constant
    assert off.mean == pytest.approx(terms.dsm.mean - terms.esm.mean, abs=1e-9)
    assert abs(off.mean - terms.constant.mean) <= 4 * off.standard_error
    if terms.constant.mean > 0.05 * terms.dsm.mean:
        assert off.mean > 4 * off.standard_error
    # The constant does not depend on the score, and no score does better than it.
    best = prop1_terms(law, t, 20_000, seeded())
    assert best.constant == terms.constant == best.dsm
    assert best.esm.mean == 0
    # A score of zero leaves the noise itself, mean square 1 per dimension.
    if name == "zero":
        assert agree(terms.dsm, 1)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_prop1_needs_the_marginal_that_z_leaves(sde, sigma):
    """A factor is worth the distance of the scores, and the floor falls by exactly that."""
    t = time(sde, sigma)
    alone, told = MIXTURE.noised(sde), MIXTURE.noised(sde, LABELS)
    ignoring = prop1_terms(told, t, 20_000, seeded(), alone.score)
    knowing = prop1_terms(told, t, 20_000, seeded(), told.score)
    assert knowing.esm.mean == 0
    nothing = floor(alone, t, 20_000, seeded(1))
    factor = floor(told, t, 20_000, seeded(1))
    assert agree(ignoring.dsm, nothing.mean, nothing.standard_error)
    assert agree(knowing.dsm, factor.mean, factor.standard_error)
    combined = math.hypot(nothing.standard_error, factor.standard_error)
    assert agree(ignoring.esm, nothing.mean - factor.mean, combined)
    assert factor.mean <= nothing.mean + 1e-12


@pytest.mark.parametrize("sigma", SIGMAS)
def test_floors_from_nothing_to_everything(sde, sigma):
    t = time(sde, sigma)
    nothing = floor(MIXTURE.noised(sde), t, 20_000, seeded())
    zeros = torch.zeros(4, dtype=torch.int64)
    constant_label = floor(MIXTURE.noised(sde, zeros), t, 20_000, seeded())
    component = floor(MIXTURE.noised(sde, torch.arange(4)), t, 2000, seeded())
    assert constant_label.mean == pytest.approx(nothing.mean, rel=1e-12)
    # Within one Gaussian: std^2 / (std^2 + sigma^2), the same at every xt.
    assert component.mean == pytest.approx(0.09 / (0.09 + sigma**2))
    assert component.standard_error == pytest.approx(0, abs=1e-9)
    # One label per data point and points for components: z = x0 leaves nothing.
    points = GaussianMixture(MEANS, 0.0, WEIGHTS)
    assert floor(points.noised(sde, torch.arange(4)), t, 2000, seeded()).mean == pytest.approx(0)
    # Never above Var(x0) / sigma^2.
    x0, _ = MIXTURE.sample(20_000, seeded())
    assert nothing.mean <= 1.02 * float(x0.var(dim=0).mean()) / sigma**2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((torch.zeros(3), 0.1), "means"),
        ((torch.zeros(0, 2), 0.1), "means"),
        ((MEANS, -0.1), "std"),
        ((MEANS, math.nan), "std"),
        ((MEANS, 0.1, torch.ones(3)), "weights"),
        ((MEANS, 0.1, torch.tensor([1.0, -1, 1, 1])), "weights"),
        ((MEANS, 0.1, torch.zeros(4)), "weights"),
    ],
)
def test_impossible_mixtures_are_refused(arguments, named):
    with pytest.raises(ParameterError, match=named):
        GaussianMixture(*arguments)


@pytest.mark.parametrize(
    ("labels", "z", "named"),
    [
        (LABELS[:3], torch.tensor([5, 5]), "labels"),
        (LABELS, torch.tensor([5]), "z of shape"),
        (LABELS, torch.tensor([5, 6]), r"\[5, 7\]"),
    ],
)
def test_factors_that_do_not_fit_are_refused(labels, z, named):
    sde = SDES["ve"](NoiseRange())
    with pytest.raises(ParameterError, match=named):
        MIXTURE.noised(sde, labels).score(torch.zeros(2, 3), torch.ones(2), z)


def test_without_labels_z_is_not_read_and_without_z_nothing_is_known(sde):
    x, t, component = draws(sde, 0.7)
    alone = MIXTURE.noised(sde).score(x, t)
    assert torch.equal(alone, MIXTURE.noised(sde).score(x, t, LABELS[component]))
    assert torch.equal(alone, MIXTURE.noised(sde, LABELS).score(x, t))


def test_monte_carlo_refusals():
    law = MIXTURE.noised(SDES["ve"](NoiseRange()))
    for estimate in (prop1_terms, floor):
        with pytest.raises(ParameterError, match="n = 1"):
            estimate(law, 0.5, 1, seeded())
