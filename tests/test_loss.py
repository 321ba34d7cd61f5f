"""Every objective re-derived from scores, and held against a mixture whose floor is known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from drlcore.encoder import Code
from drlcore.loss import METHODS, Batch, Loss, kl, l1, mixed, score_error
from drlcore.loss import WEIGHTINGS as BY_NAME
from drlcore.model import RepresentationModel
from drlcore.noise_range import NoiseRange
from drlcore.oracle.gaussian_mixture import GaussianMixture, floor
from drlcore.oracle.toy import TOY
from drlcore.sde import SDES
from drlcore.training.run import RunParameters, build_model

SDE_NAMES = ("ve", "vp", "subvp")
WEIGHTINGS = ("std2", "likelihood", "edm", "denoiser")
TOY_RUN = {"dataset": "toy", "encoder": "mlp", "score_network": "mlp-fourier", "width": 16}


def objective(
    model: Any, x0: Tensor, y: Tensor, t: Tensor, generator: torch.Generator, method: str,
    lambda_z: float, weighting: str = "std2",
) -> Loss:  # fmt: skip
    return METHODS[method].loss(model, Batch(x0, y, t, generator, lambda_z, weighting))


class Vectors:
    """All that build_model asks of a dataset."""

    name, shape, n_classes = "vectors", (5,), 3


def model_of(**changes: object) -> RepresentationModel:
    """A model in float64 whose last layers, zero at the start, are awake."""
    noise = NoiseRange(sigma_min=0.02, sigma_max=20)
    run = RunParameters(**{**TOY_RUN, "noise": noise, "latent_dim": 3, **changes})
    model = build_model(run, Vectors()).double()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(model: RepresentationModel, n: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """x0, labels and times."""
    x0 = torch.randn(n, 5, generator=seeded(2), dtype=torch.float64)
    low, high = model.sde.t_min, model.sde.t_max
    return x0, torch.arange(n) % 3, torch.linspace(low, high, n, dtype=torch.float64)


@pytest.mark.parametrize("sde", SDE_NAMES)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_score_error_is_the_weighted_distance_of_the_scores(sde, weighting):
    model = model_of(sde=sde)
    x0, _, t = batch(model)
    a, std, g = model.sde.mean_coefficient(t), model.sde.std(t), model.sde.diffusion(t)
    sigma, sd = std / a, model.denoiser.sigma_data
    noise = torch.randn(7, 5, generator=seeded(3), dtype=torch.float64)
    xt, z = model.sde.perturb(x0, t, noise), torch.randn(7, 3, generator=seeded(4)).double()
    lambda_t = {
        "std2": std**2,
        "likelihood": g**2,
        "edm": std**2 * sigma**2 * (1 / sigma**2 + 1 / sd**2),
        "denoiser": std**2 * sigma**2,
    }[weighting]
    distance = model.score(xt, t, z) - model.sde.kernel_score(x0, xt, t)
    expected = lambda_t * (distance**2).sum(1) / 5
    torch.testing.assert_close(score_error(model, x0, xt, t, z, weighting), expected)


@pytest.mark.parametrize("sde", SDE_NAMES)
def test_weightings_are_what_they_are_named_for(sde):
    model = model_of(sde=sde)
    x0, _, t = batch(model)
    xt = model.sde.perturb(x0, t, torch.randn(7, 5, generator=seeded(3), dtype=torch.float64))
    z = torch.zeros(7, 3, dtype=torch.float64)
    denoised = model.denoise(xt, t, z)
    plain = ((denoised - x0) ** 2).mean(1)
    torch.testing.assert_close(score_error(model, x0, xt, t, z, "denoiser"), plain)
    # std2 is the error of the estimated noise.
    drawn = (xt - model.sde.mean_coefficient(t)[:, None] * x0) / model.sde.std(t)[:, None]
    noise = model.sde.noise_from_score(model.score(xt, t, z), t)
    torch.testing.assert_close(score_error(model, x0, xt, t, z), ((noise - drawn) ** 2).mean(1))
    # edm is the error of the raw network, D = c_skip x + c_out F.
    sigma, sd = model.sde.sigma(t)[:, None], model.denoiser.sigma_data
    x = xt / model.sde.mean_coefficient(t)[:, None]
    c_skip, c_out = sd**2 / (sigma**2 + sd**2), sigma * sd / torch.sqrt(sigma**2 + sd**2)
    raw, target = (denoised - c_skip * x) / c_out, (x0 - c_skip * x) / c_out
    torch.testing.assert_close(
        score_error(model, x0, xt, t, z, "edm"), ((raw - target) ** 2).mean(1), rtol=1e-5, atol=1e-6
    )


def test_likelihood_is_a_constant_times_std2_for_ve_alone():
    ratios = {}
    for name in SDE_NAMES:
        model = model_of(sde=name)
        t = torch.linspace(model.sde.t_min, model.sde.t_max, 9, dtype=torch.float64)
        ratios[name] = BY_NAME["likelihood"](model, t) / BY_NAME["std2"](model, t)
    constant = torch.full((9,), 2 * math.log(20 / 0.02), dtype=torch.float64)
    torch.testing.assert_close(ratios["ve"], constant)
    for name in ("vp", "subvp"):
        assert ratios[name].max() > 2 * ratios[name].min()


def by_hand(model: RepresentationModel, x0: Tensor, t: Tensor, z: Tensor, seed: int) -> Tensor:
    """std^2 ||s - grad log p_0t||^2 / d of each sample, noise the first draw of the seed."""
    noise = torch.randn(x0.shape, generator=seeded(seed)).double()
    a, std = model.sde.mean_coefficient(t)[:, None], model.sde.std(t)[:, None]
    xt = a * x0 + std * noise
    return (std**2 * (model.score(xt, t, z) + noise / std) ** 2).mean(1)


@pytest.mark.parametrize("time_conditioned", [False, True])
def test_drl_is_the_score_error_at_the_own_code_plus_l1(time_conditioned):
    model = model_of(time_conditioned=time_conditioned)
    x0, y, t = batch(model)
    z = model.encode(x0, t).mean  # encoder and score network see the same t
    loss = objective(model, x0, y, t, seeded(5), "drl", 0.3)
    torch.testing.assert_close(loss.score, by_hand(model, x0, t, z, 5))
    norms = torch.stack([sum(abs(v) for v in row) for row in z])
    torch.testing.assert_close(loss.penalty, 0.3 * norms.mean())
    torch.testing.assert_close(loss.total, loss.score.mean() + loss.penalty)
    assert loss.score.shape == (7,) and loss.penalty.shape == loss.total.shape == ()
    if time_conditioned:
        assert not torch.allclose(z, model.encode(x0, t.flip(0)).mean)


def test_vdrl_is_the_score_error_at_a_drawn_code_plus_kl():
    model = model_of(method="vdrl")
    x0, y, t = batch(model)
    code = model.encode(x0)
    law = Normal(code.mean, (0.5 * code.logvar).exp())
    generator = seeded(6)
    torch.randn(x0.shape, generator=generator)  # the noise of xt comes first
    z = law.mean + law.stddev * torch.randn(7, 3, generator=generator).double()
    loss = objective(model, x0, y, t, seeded(6), "vdrl", 0.3)
    torch.testing.assert_close(loss.score, by_hand(model, x0, t, z, 6))
    divergence = kl_divergence(law, Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl(code), divergence)
    torch.testing.assert_close(loss.penalty, 0.3 * divergence.mean())
    torch.testing.assert_close(loss.total, loss.score.mean() + loss.penalty)


@pytest.mark.parametrize("time_conditioned", [False, True])
def test_drl_mixup_denoises_an_image_given_the_code_of_a_mixture(time_conditioned):
    model = model_of(method="drl-mixup", time_conditioned=time_conditioned)
    x0, y, t = batch(model)
    generator = seeded(16)
    torch.randn(x0.shape, generator=generator)  # the noise of xt comes first
    share = torch.rand(7, generator=generator).double()[:, None]
    permutation = torch.randperm(7, generator=generator)
    z = model.encode(share * x0 + (1 - share) * x0[permutation], t).mean
    loss = objective(model, x0, y, t, seeded(16), "drl-mixup", 0.3)
    torch.testing.assert_close(loss.score, 2 * share[:, 0] * by_hand(model, x0, t, z, 16))
    torch.testing.assert_close(loss.penalty, 0.3 * z.abs().sum(1).mean())  # not weighted
    torch.testing.assert_close(loss.total, loss.score.mean() + loss.penalty)
    assert torch.equal(METHODS["drl-mixup"].code(model, x0, y, t).mean, model.encode(x0, t).mean)


def test_mixtures_are_uniform_of_one_permutation_and_weigh_one_on_average():
    n = 20_000
    x0 = torch.stack([torch.zeros(n), torch.arange(n)], dim=1).double()
    mixture, share = mixed(x0, seeded(17))
    assert stats.kstest(share.numpy(), "uniform").pvalue > 0.01
    assert float((2 * share).mean()) == pytest.approx(1, abs=4 * 2 / math.sqrt(12 * n))
    other = (mixture[:, 1] - share * x0[:, 1]) / (1 - share)
    assert torch.equal(other.round().sort().values, x0[:, 1])  # every image is mixed in once
    assert not torch.equal(other.round(), x0[:, 1])
    alone, _ = mixed(x0[:1] + 1, seeded())
    torch.testing.assert_close(alone, x0[:1] + 1)


def test_kl_is_zero_for_the_prior_alone_and_not_defined_for_a_point():
    zeros = torch.zeros(4, 3)
    assert torch.equal(kl(Code(zeros, zeros)), torch.zeros(4))
    for mean, logvar in ((0.1, 0.0), (0.0, 0.1), (0.0, -0.1)):
        assert (kl(Code(zeros + mean, zeros + logvar)) > 0).all()
    with pytest.raises(ValueError, match="deterministic code has no KL"):
        kl(Code(zeros + 5))


def test_l1_counts_every_dimension_without_its_sign():
    code = Code(torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, -4.0]]))
    assert l1(code).tolist() == [3.5, 4.0]


def test_csm_gives_the_one_hot_label_and_pays_no_penalty():
    model = model_of(method="csm")
    x0, y, t = batch(model)
    assert model.encoder is None
    one_hot = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)[y]
    assert torch.equal(METHODS["csm"].code(model, x0, y, t).mean, one_hot)
    loss = objective(model, x0, y, t, seeded(7), "csm", 1e3)
    torch.testing.assert_close(loss.score, by_hand(model, x0, t, one_hot, 7))
    assert float(loss.penalty) == 0
    other = objective(model, x0, y.roll(1), t, seeded(7), "csm", 1e3)
    assert not torch.allclose(other.score, loss.score)


def test_dsm_gives_nothing_and_pays_no_penalty():
    model = model_of(method="dsm")
    x0, y, t = batch(model)
    assert METHODS["dsm"].code(model, x0, y, t).mean.shape == (7, 0)
    assert model.latent_dim == 0 and model.encoder is None
    loss = objective(model, x0, y, t, seeded(8), "dsm", 1e3)
    torch.testing.assert_close(loss.score, by_hand(model, x0, t, x0.new_zeros(7, 0), 8))
    assert float(loss.penalty) == 0
    assert torch.equal(objective(model, x0, y.roll(1), t, seeded(8), "dsm", 1e3).score, loss.score)


def test_lambda_z_is_that_of_the_pytorch_code_times_two_over_d():
    """Theirs: half the sum over values, mean over the batch, plus lambda sum_j |z_j|."""
    model = model_of()
    x0, y, t = batch(model)
    theirs = 1e-2
    half_sums = 0.5 * 5 * by_hand(model, x0, t, model.encode(x0).mean, 9)
    published = half_sums.mean() + theirs * model.encode(x0).mean.abs().sum(1).mean()
    ours = objective(model, x0, y, t, seeded(9), "drl", theirs * 2 / 5).total
    torch.testing.assert_close(ours, published * 2 / 5)


def test_lambda_z_is_that_of_the_mnist_code_for_l1_and_times_the_batch_for_kl():
    """Theirs: mean over values and batch; L1 a batch mean, KL summed over the batch too."""
    lambda_z, n = 1e-2, 7
    model = model_of()
    x0, y, t = batch(model, n)
    z = model.encode(x0).mean
    published = by_hand(model, x0, t, z, 10).mean() + lambda_z * z.abs().sum() / n
    loss = objective(model, x0, y, t, seeded(10), "drl", lambda_z)
    torch.testing.assert_close(loss.total, published)

    model = model_of(method="vdrl")
    code = model.encode(x0)
    whole = 0.5 * (code.mean**2 + code.logvar.exp() - 1 - code.logvar).sum()
    loss = objective(model, x0, y, t, seeded(10), "vdrl", lambda_z * n)
    torch.testing.assert_close(loss.total, loss.score.mean() + lambda_z * whole)
    assert 1e-7 * 128 == pytest.approx(1.3e-5, rel=0.02)  # the docstring's example


def test_samples_of_a_batch_do_not_mix():
    model = model_of()
    x0, _, t = batch(model)
    xt, z = model.sde.perturb(x0, t, torch.ones_like(x0)), model.encode(x0).mean
    together = score_error(model, x0, xt, t, z)
    for i in range(7):
        one = slice(i, i + 1)
        torch.testing.assert_close(
            score_error(model, x0[one], xt[one], t[one], z[one]), together[one]
        )


# The oracle: with the mixture's own denoiser in the model, the mean loss is the floor.


class Oracle(nn.Module):
    """E[x0 | x, z] of a mixture at x = x0 + sigma noise; ``tells``: nothing, a factor or x0."""

    sigma_data = 1.0

    def __init__(self, mixture: GaussianMixture, tells: str, labels: Tensor | None) -> None:
        super().__init__()
        self.tells, self.ve = tells, SDES["ve"](NoiseRange())
        self.law = mixture.noised(self.ve, labels)
        self.latent_dim = {"nothing": 0, "factor": 2, "x0": 3}[tells]

    def forward(self, x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        if self.tells == "x0":
            return z
        told = None if self.tells == "nothing" else z.argmax(1)
        return self.law.denoiser(x, self.ve.t(sigma), told)


class Everything(nn.Module):
    def forward(self, x0: Tensor) -> Code:
        return Code(x0)


MEANS = torch.tensor([[0.0, 2.0, 1.0], [-1.0, 0.5, 0.0], [3.0, -1.0, 0.3], [0.5, 0.5, -2.0]])
MIXTURE = GaussianMixture(MEANS, 0.3, torch.tensor([1.0, 2.0, 3.0, 2.0]))
LABELS = torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize("name", SDE_NAMES)
@pytest.mark.parametrize("sigma", [0.1, 0.8, 4.0])
@pytest.mark.parametrize("tells", ["nothing", "factor", "x0"])
def test_the_optimal_denoiser_reaches_the_floor(name, sigma, tells):
    n = 8000
    sde = SDES[name](NoiseRange())
    t = float(sde.t(torch.tensor(sigma, dtype=torch.float64)))
    oracle = Oracle(MIXTURE, tells, LABELS)
    model = RepresentationModel(sde, oracle, Everything(), time_conditioned=False)  # type: ignore[arg-type]
    x0, component = MIXTURE.sample(n, seeded(11))
    method = {"nothing": "dsm", "factor": "csm", "x0": "drl"}[tells]
    times = torch.full((n,), t, dtype=torch.float64)
    loss = objective(model, x0, LABELS[component], times, seeded(12), method, 0.0)  # type: ignore[arg-type]
    if tells == "x0":  # nothing is left to guess
        assert abs(float(loss.total)) <= 1e-12
        return
    known = floor(MIXTURE.noised(sde, LABELS if tells == "factor" else None), t, n, seeded(13))
    error = math.hypot(float(loss.score.std()) / n**0.5, known.standard_error)
    assert abs(float(loss.total) - known.mean) <= 4 * error + 1e-12
    assert known.mean > 0


def test_any_other_denoiser_stays_above_the_floor():
    """On the toy set: a tenth off the optimum costs what Prop. 1 says, in expectation."""
    n, sde = 8000, SDES["ve"](NoiseRange())
    times = sde.t(torch.full((n,), 0.5, dtype=torch.float64))
    x0, _ = TOY.sample(n, seeded(14))
    xt = sde.perturb(x0, times, torch.randn(n, 2, generator=seeded(15), dtype=torch.float64))
    best = Oracle(TOY, "nothing", None)
    wrong = Oracle(TOY, "nothing", None)
    wrong.forward = lambda x, sigma, z: best(x, sigma, z) + 0.1  # type: ignore[method-assign]
    errors = [
        score_error(
            RepresentationModel(sde, denoiser, None, False),  # type: ignore[arg-type]
            x0, xt, times, x0.new_zeros(n, 0),
        )
        for denoiser in (best, wrong)
    ]  # fmt: skip
    excess = errors[1] - errors[0]
    assert float(excess.mean()) == pytest.approx(
        0.1**2 / 0.5**2, abs=4 * float(excess.std()) / n**0.5
    )
