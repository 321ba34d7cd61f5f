"""Gaussian mixtures under diffusion: every quantity of the paper in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from drlcore.errors import ParameterError
from drlcore.sampling import ModelFunction
from drlcore.sde import SDE


class GaussianMixture:
    """sum_k w_k N(m_k, std^2 I): data whose noised densities and scores are known exactly.

    Args:
        means: component means (K, d), data units.
        std: standard deviation of every component, >= 0; 0 is a set of points.
        weights: (K,), >= 0, scaled to sum to 1; None for equal weights.

    Raises:
        ParameterError: impossible arguments.
    """

    def __init__(self, means: Tensor, std: float, weights: Tensor | None = None) -> None:
        if means.ndim != 2 or not means.numel():
            raise ParameterError(f"means of shape {tuple(means.shape)}: must be (K, d)")
        if not (math.isfinite(std) and std >= 0):
            raise ParameterError(f"std = {std!r}: must be finite and at least 0")
        weights = torch.ones(len(means)) if weights is None else weights
        if weights.shape != means.shape[:1] or not (weights >= 0).all() or not weights.sum() > 0:
            raise ParameterError(
                f"weights must be {len(means)} numbers >= 0 with a sum > 0, one per component"
            )
        self.means, self.std = means.double(), std
        self.weights = weights.double() / weights.double().sum()

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """``n`` draws: x0 (n, d) in float64 and the component of each (n,)."""
        component = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        centre = self.means[component]
        noise = torch.randn(centre.shape, generator=generator, dtype=torch.float64)
        return centre + self.std * noise, component

    def noised(self, sde: SDE, labels: Tensor | None = None) -> NoisedMixture:
        """The mixture under the kernel of ``sde``; see there for ``labels``."""
        if labels is not None and labels.shape != self.weights.shape:
            raise ParameterError(
                f"labels of shape {tuple(labels.shape)}: one per component, ({len(self.weights)},)"
            )
        return NoisedMixture(self, sde, labels)


@dataclass(frozen=True, eq=False)
class NoisedMixture:
    """A mixture under the kernel xt = a x0 + s noise: sum_k w_k N(a m_k, (a^2 std^2 + s^2) I).

    Its methods are called as samplers call a model, f(xt, t, z), and are conditional on a factor
    where one is known: ``labels`` (K,) gives each component's value of the factor, z (N,) the value
    known of each sample. Without labels z is not read; without z nothing is known.

    Computation is in float64 whatever comes in; results have the dtype of ``xt``, and log-sum-exp
    over components keeps them exact at tiny noise.

    Shape: xt (N, d), t (N,) or (), z (N,).

    Raises:
        ParameterError: a value that no component has, or not one for each sample.
    """

    mixture: GaussianMixture
    sde: SDE
    labels: Tensor | None = None

    def log_density(self, xt: Tensor, t: Tensor, z: Tensor | None = None) -> Tensor:
        """log p_t(xt | z), shape (N,)."""
        return torch.logsumexp(self._log_joint(xt, t, z), dim=1).to(xt.dtype)

    def posterior(self, xt: Tensor, t: Tensor, z: Tensor | None = None) -> Tensor:
        """p(component | xt, z), shape (N, K); 0 for components that the factor excludes."""
        return torch.softmax(self._log_joint(xt, t, z), dim=1).to(xt.dtype)

    def score(self, xt: Tensor, t: Tensor, z: Tensor | None = None) -> Tensor:
        """Gradient of log p_t(xt | z), shape (N, d) (DRL Sec. 2.1).

        With a factor it is the target of conditional score matching (DRL Sec. 2.2).
        """
        x, a, _, variance = self._kernel(xt, t)
        centre = self.posterior(x, t, z) @ self.mixture.means.to(x)
        return ((a * centre - x) / variance).to(xt.dtype)

    def denoiser(self, xt: Tensor, t: Tensor, z: Tensor | None = None) -> Tensor:
        """E[x0 | xt, z], shape (N, d)."""
        x, a, s, variance = self._kernel(xt, t)
        centre = self.posterior(x, t, z) @ self.mixture.means.to(x)
        return ((s**2 * centre + a * self.mixture.std**2 * x) / variance).to(xt.dtype)

    def posterior_variance(self, xt: Tensor, t: Tensor, z: Tensor | None = None) -> Tensor:
        """Variance of x0 given xt and z, mean over dimensions, shape (N,)."""
        x, _, s, variance = self._kernel(xt, t)
        posterior, means = self.posterior(x, t, z), self.mixture.means.to(x)
        spread = _squared_distance(posterior @ means, 1.0, means) / x.shape[1]
        shrink = (s**2 / variance)[:, 0]
        total = self.mixture.std**2 * shrink + shrink**2 * (posterior * spread).sum(dim=1)
        return total.to(xt.dtype)

    def _kernel(self, xt: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """xt, a, s and the noised components' variance a^2 std^2 + s^2, in float64."""
        x, t = xt.double(), t.to(xt.device).double().reshape(-1, 1)
        a, s = self.sde.mean_coefficient(t), self.sde.std(t)
        return x, a, s, (a * self.mixture.std) ** 2 + s**2

    def _log_joint(self, xt: Tensor, t: Tensor, z: Tensor | None) -> Tensor:
        """log p(component, xt | z) of shape (N, K)."""
        x, a, _, variance = self._kernel(xt, t)
        means = self.mixture.means.to(x)
        distance = _squared_distance(x, a, means)
        log_normal = -0.5 * (distance / variance + x.shape[1] * torch.log(2 * math.pi * variance))
        return log_normal + self._log_prior(x, z)

    def _log_prior(self, x: Tensor, z: Tensor | None) -> Tensor:
        prior = self.mixture.weights.log().to(x)
        if self.labels is None or z is None:
            return prior
        if z.shape != x.shape[:1]:
            raise ParameterError(f"z of shape {tuple(z.shape)}: one per sample, ({len(x)},)")
        prior = torch.where(self.labels.to(x.device) == z.to(x.device)[:, None], prior, -math.inf)
        total = torch.logsumexp(prior, dim=1, keepdim=True)
        if torch.isneginf(total).any():
            known = sorted(set(self.labels.tolist()))
            raise ParameterError(f"z must be among the labels {known}")
        return prior - total


def _squared_distance(x: Tensor, a: Tensor | float, means: Tensor) -> Tensor:
    """|x - a m_k|^2, (N, K), one dimension at a time: (N, K, d) numbers would not fit a cache."""
    distance = torch.zeros(len(x), len(means), dtype=x.dtype, device=x.device)
    for i in range(x.shape[1]):
        distance += (x[:, i, None] - a * means[:, i]) ** 2
    return distance


@dataclass(frozen=True)
class Estimate:
    """A Monte-Carlo mean and its standard error."""

    mean: float
    standard_error: float


@dataclass(frozen=True)
class Prop1:
    """The terms of J_DSM = constant + J_ESM at one time (DRL Prop. 1).

    Weighted by std(t)^2 and averaged over data dimensions, as the training loss is; no unit.

    Attributes:
        dsm: E std^2 |s - grad log p_0t|^2, what training sees.
        constant: E std^2 |grad log p_0t - grad log p_t|^2, which no score can lower.
        esm: E std^2 |s - grad log p_t|^2, what training ought to see.
        error: dsm - constant - esm on the same draws: the cross-term, zero in expectation.
        error_without_constant: dsm - esm on the same draws: the control, the error of a Prop. 1
            that had no constant; its expectation is the constant.
    """

    dsm: Estimate
    constant: Estimate
    esm: Estimate
    error: Estimate
    error_without_constant: Estimate


def prop1_terms(
    law: NoisedMixture,
    t: float,
    n: int,
    generator: torch.Generator,
    score: ModelFunction | None = None,
) -> Prop1:
    """Monte-Carlo estimates of the terms of Prop. 1 (DRL Prop. 1).

    ``esm`` is explicit score matching, ``dsm`` denoising score matching (DRL Sec. 2.1). Where
    ``law`` has labels the score is told z = the factor's value, and p_t is p_t(. | z): then Prop. 1
    holds for each z (conditional score matching), and the constant is the floor given z. With the
    unconditional score and labels, esm is what knowing the factor is worth.

    Args:
        t: the time, in [t_min, t_max].
        n: number of draws, >= 2.
        score: the s to judge, called as ``score(xt, t, z)``; z is (n,) or None. None: the optimal
            score, for which esm = 0 and dsm = constant.

    Raises:
        ParameterError: n < 2.
    """
    x0, xt, times, z = _draw(law, t, n, generator)
    kernel = law.sde.kernel_score(x0, xt, times)
    optimal = law.score(xt, times, z)
    s = optimal if score is None else score(xt, times, z)
    weight = float(law.sde.std(times[0])) ** 2
    dsm = weight * ((s - kernel) ** 2).mean(dim=1)
    constant = weight * ((kernel - optimal) ** 2).mean(dim=1)
    esm = weight * ((s - optimal) ** 2).mean(dim=1)
    terms = (dsm, constant, esm, dsm - constant - esm, dsm - esm)
    return Prop1(*(_estimate(term) for term in terms))


def floor(law: NoisedMixture, t: float, n: int, generator: torch.Generator) -> Estimate:
    """The lowest loss J^DRL that any score reaches at t, told the labels of ``law`` (DRL Prop. 1).

    E |x0 - E[x0 | xt, z]|^2 / sigma^2, mean over data dimensions: the constant of ``prop1_terms``.
    The expectation over x0 given xt is taken in closed form, which lowers the standard error.

    Args:
        t, n: as for ``prop1_terms``.

    Raises:
        ParameterError: as ``prop1_terms``.
    """
    _, xt, times, z = _draw(law, t, n, generator)
    return _estimate(law.posterior_variance(xt, times, z) / float(law.sde.sigma(times[0])) ** 2)


def _draw(
    law: NoisedMixture, t: float, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """x0, xt, times and z of ``n`` draws at time t."""
    if n < 2:
        raise ParameterError(f"n = {n!r}: a standard error takes at least 2 draws")
    x0, component = law.mixture.sample(n, generator)
    times = torch.full((n,), t, dtype=torch.float64)
    noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    z = None if law.labels is None else law.labels[component]
    return x0, law.sde.perturb(x0, times, noise), times, z


def _estimate(draws: Tensor) -> Estimate:
    return Estimate(float(draws.mean()), float(draws.std()) / math.sqrt(len(draws)))
