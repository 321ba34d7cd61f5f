"""Samplers: Euler-Maruyama, predictor-corrector and the probability-flow ODE, given a code.

All walk from the prior at t_max, or from a start, down to t_min, and end on a denoising step, so
that no noise of size sigma_min is left in the result. ``invert`` walks the ODE up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drlcore.errors import ParameterError
from drlcore.sde import SDE

ModelFunction = Callable[[Tensor, Tensor, Any], Tensor]
"""A score or denoiser: (xt (B, ...), t (B,), z) -> (B, ...)."""

Start = tuple[Tensor, float]
"""A batch and its time."""


@dataclass(frozen=True)
class Samples:
    """Samples and their price.

    Attributes:
        x: the samples, in data units.
        nfe: number of network evaluations made for the batch, counted call by call.
    """

    x: Tensor
    nfe: int


def in_chunks(function: ModelFunction, size: int = 100) -> ModelFunction:
    """``function`` of so many items at a time, a batch of any size; z is a tensor.

    A CPU's caches hold a hundred images and what a network makes of them.
    """

    def of_all(xt: Tensor, t: Tensor, z: Tensor) -> Tensor:
        blocks = zip(*(each.split(size) for each in (xt, t, z)), strict=True)
        return torch.cat([function(*block) for block in blocks])

    return of_all


@torch.no_grad()
def probability_flow_ode(
    sde: SDE,
    denoiser: ModelFunction,
    z: Tensor | None,
    shape: tuple[int, ...],
    steps: int,
    generator: torch.Generator,
    start: Start | None = None,
    rho: float = 7.0,
) -> Samples:
    """Probability-flow ODE by Heun's method, NFE = 2 * steps - 1 (DRL Sec. 2.1).

    In y = xt / a(t) every SDE has the same flow, dy/dsigma = (y - D) / sigma (Karras et al. 2022,
    Alg. 1). The grid has ``steps`` levels, evenly spaced in sigma^(1/rho) from the start to
    sigma_min; the last step, from sigma_min to 0, is Euler's and returns D, so that no noise of
    size sigma_min is left in the result.

    Args:
        sde: the diffusion; its noise range sets where the walk begins, at t_max, and ends.
        denoiser: called as ``f(xt, t, z)`` with xt of shape ``shape``, t of shape (B,), and z
            exactly as given here; returns a tensor like xt.
        z: the condition, first dimension B, or None. It also sets the device without a start.
        shape: (B, ...), the shape of the result.
        steps: noise levels visited, >= 1; with 1 the start is denoised at once.
        generator: a CPU generator, used only for the prior: one seed gives the same noise on every
            device, and given a start the result is deterministic.
        start: (x, t_start), a partly noised batch of shape ``shape`` at time t_start in
            [t_min, t_max], i.e. a draw from p_t_start. It sets dtype and device; without it,
            float32 from the prior.
        rho: > 0; how densely the grid covers small noise.

    Raises:
        ParameterError: steps < 1, rho <= 0, or a start or z that does not fit.
        FloatingPointError: the result is not finite.

    Example:
        Points that are known to lie at 1, whatever the noise:

        >>> import torch
        >>> from drlcore import VESDE, NoiseRange, probability_flow_ode
        >>> sde, generator = VESDE(NoiseRange()), torch.Generator().manual_seed(0)
        >>> def denoiser(xt, t, z):
        ...     return torch.ones_like(xt)
        >>> ones = probability_flow_ode(sde, denoiser, None, (2, 1), 5, generator)
        >>> ones.x.flatten().tolist(), ones.nfe
        ([1.0, 1.0], 9)
    """
    _require_rho(rho)
    x, t_start = _begin(sde, z, shape, steps, generator, start)
    high = float(sde.sigma(torch.tensor(t_start, dtype=torch.float64)))
    low = min(sde.noise.sigma_min, high)
    ramp = torch.linspace(high ** (1 / rho), low ** (1 / rho), steps, dtype=torch.float64) ** rho
    counted = _Counted(denoiser, z)
    at_end = _heun(sde, counted, x, ramp)
    return _finish(counted(at_end, float(sde.t(ramp[-1]))), counted, "probability_flow_ode")


@torch.no_grad()
def invert(
    sde: SDE,
    denoiser: ModelFunction,
    z: Tensor | None,
    x0: Tensor,
    steps: int,
    rho: float = 7.0,
) -> Samples:
    """The noise that the probability-flow ODE makes ``x0`` of, NFE = 2 * steps - 2 (DRL Sec. 2.1).

    The same ODE and grid walked up, from ``x0`` (B, ...) taken for a point at sigma_min to
    t_max. With the same code ``probability_flow_ode`` leads back to ``x0`` from there, up to the
    error of both walks and its denoising step. Errors as there, and for steps < 2.

    Example:
        Points that are known to lie at 1 leave no trace of x0 but its distance from there:

        >>> import torch
        >>> from drlcore import VESDE, NoiseRange
        >>> from drlcore.sampling import invert
        >>> def denoiser(xt, t, z):
        ...     return torch.ones_like(xt)
        >>> noise = invert(VESDE(NoiseRange()), denoiser, None, torch.tensor([[1.0], [1.02]]), 9)
        >>> noise.x.round().flatten().tolist(), noise.nfe
        ([1.0, 101.0], 16)
    """
    if steps < 2:
        raise ParameterError(f"steps = {steps!r}: walking up takes at least 2 levels")
    _require_rho(rho)
    _require_fit(z, tuple(x0.shape))
    ends = (sde.noise.sigma_min ** (1 / rho), sde.noise.sigma_max ** (1 / rho))
    ramp = torch.linspace(*ends, steps, dtype=torch.float64) ** rho
    counted = _Counted(denoiser, z)
    start = float(sde.mean_coefficient(sde.t(ramp[0]))) * x0
    return _finish(_heun(sde, counted, start, ramp), counted, "invert")


def _heun(sde: SDE, denoiser: Callable[[Tensor, float], Tensor], x: Tensor, ramp: Tensor) -> Tensor:
    """The ODE from ``x`` at the first level of ``ramp`` to the last, two evaluations a step."""
    times = sde.t(ramp)
    scales = sde.mean_coefficient(times)

    def denoised(y: Tensor, i: int) -> Tensor:
        return denoiser(float(scales[i]) * y, float(times[i]))

    y = x / float(scales[0])
    for i in range(len(ramp) - 1):
        sigma, following = float(ramp[i]), float(ramp[i + 1])
        slope = (y - denoised(y, i)) / sigma
        euler = y + (following - sigma) * slope
        slope = 0.5 * (slope + (euler - denoised(euler, i + 1)) / following)
        y = y + (following - sigma) * slope
    return float(scales[-1]) * y


@torch.no_grad()
def euler_maruyama(
    sde: SDE,
    score: ModelFunction,
    z: Tensor | None,
    shape: tuple[int, ...],
    steps: int,
    generator: torch.Generator,
    start: Start | None = None,
) -> Samples:
    """Reverse-time SDE by Euler-Maruyama, NFE = steps (DRL Sec. 2.1).

    On ``steps`` times, uniform in t; the last evaluation, at t_min, is the denoising step
    E[x0 | xt]. Noise is drawn on the CPU. Arguments, but for ``score``, and errors as for
    ``probability_flow_ode``.
    """
    return _reverse_sde(sde, score, z, shape, steps, generator, start, snr=None)


@torch.no_grad()
def predictor_corrector(
    sde: SDE,
    score: ModelFunction,
    z: Tensor | None,
    shape: tuple[int, ...],
    steps: int,
    generator: torch.Generator,
    start: Start | None = None,
    snr: float = 0.16,
) -> Samples:
    """Euler-Maruyama with a Langevin step before each of its steps, NFE = 2 * steps.

    The Langevin step is x + e * score + sqrt(2 e) * noise, e = 2 (snr * std(t))^2. The e of Song
    et al. 2021, 2 (snr * mean||noise|| / mean||score||)^2, takes means over the batch, so that a
    sample depends on its neighbours; here both norms have their expected size under the
    perturbation kernel, sqrt(d) and sqrt(d) / std, which is the same e in high dimension.

    Raises:
        ParameterError: snr <= 0, or as for ``probability_flow_ode``.
    """
    if not snr > 0:
        raise ParameterError(f"snr = {snr!r}: must be above 0")
    return _reverse_sde(sde, score, z, shape, steps, generator, start, snr)


def _reverse_sde(
    sde: SDE,
    score: ModelFunction,
    z: Tensor | None,
    shape: tuple[int, ...],
    steps: int,
    generator: torch.Generator,
    start: Start | None,
    snr: float | None,
) -> Samples:
    x, t_start = _begin(sde, z, shape, steps, generator, start)
    counted = _Counted(score, z)
    times = torch.linspace(t_start, sde.t_min, steps, dtype=torch.float64)
    scales, stds, diffusions = sde.mean_coefficient(times), sde.std(times), sde.diffusion(times)

    def noise() -> Tensor:
        return torch.randn(shape, generator=generator, dtype=x.dtype).to(x.device)

    for i, t in enumerate(times.tolist()):
        if snr is not None:
            size = 2 * (snr * float(stds[i])) ** 2
            x = x + size * counted(x, t) + (2 * size) ** 0.5 * noise()
        estimate = counted(x, t)
        if i == steps - 1:
            x = (x + float(stds[i]) ** 2 * estimate) / float(scales[i])
            break
        dt = t - float(times[i + 1])
        drift = sde.reverse_drift(x, times[i], estimate)
        x = x - dt * drift + float(diffusions[i]) * dt**0.5 * noise()
    return _finish(x, counted, "euler_maruyama" if snr is None else "predictor_corrector")


class _Counted:
    """A model at one time for the whole batch, counting its calls."""

    def __init__(self, model: ModelFunction, z: Tensor | None) -> None:
        self.model, self.z, self.calls = model, z, 0

    def __call__(self, xt: Tensor, t: float) -> Tensor:
        self.calls += 1
        return self.model(xt, xt.new_full((xt.shape[0],), t), self.z)


def _finish(x: Tensor, counted: _Counted, name: str) -> Samples:
    if not torch.isfinite(x).all():
        raise FloatingPointError(
            f"{name}: samples are not finite after {counted.calls} evaluations; "
            "check the model's output and take more steps"
        )
    return Samples(x, counted.calls)


def _begin(
    sde: SDE,
    z: Tensor | None,
    shape: tuple[int, ...],
    steps: int,
    generator: torch.Generator,
    start: Start | None,
) -> tuple[Tensor, float]:
    if steps < 1:
        raise ParameterError(f"steps = {steps!r}: must be at least 1")
    _require_fit(z, shape)
    if start is None:
        x = sde.prior(shape, generator)
        return (x if z is None else x.to(z.device)), sde.t_max
    x, t = start
    if x.shape != torch.Size(shape):
        raise ParameterError(f"start of shape {tuple(x.shape)}: the samples' shape is {shape}")
    slack = 1e-6  # times computed in single precision
    if not sde.t_min - slack <= t <= sde.t_max + slack:
        raise ParameterError(f"start time {t:g} lies outside [{sde.t_min:g}, {sde.t_max:g}]")
    return x, min(max(t, sde.t_min), sde.t_max)


def _require_rho(rho: float) -> None:
    if not rho > 0:
        raise ParameterError(f"rho = {rho!r}: must be above 0")


def _require_fit(z: Tensor | None, shape: tuple[int, ...]) -> None:
    if z is not None and z.shape[:1] != torch.Size(shape[:1]):
        raise ParameterError(f"z of shape {tuple(z.shape)} does not fit {shape[0]} samples")
