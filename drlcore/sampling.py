"""Sampling: the probability-flow ODE, for a score network given a code."""

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
    if not rho > 0:
        raise ParameterError(f"rho = {rho!r}: must be above 0")
    x, t_start = _begin(sde, z, shape, steps, generator, start)
    high = float(sde.sigma(torch.tensor(t_start, dtype=torch.float64)))
    low = min(sde.noise.sigma_min, high)
    ramp = torch.linspace(high ** (1 / rho), low ** (1 / rho), steps, dtype=torch.float64) ** rho
    times = sde.t(ramp)
    scales = sde.mean_coefficient(times)
    calls = 0

    def denoised(y: Tensor, i: int) -> Tensor:
        nonlocal calls
        calls += 1
        return denoiser(float(scales[i]) * y, y.new_full(shape[:1], float(times[i])), z)

    y = x / float(scales[0])
    for i in range(steps - 1):
        sigma, following = float(ramp[i]), float(ramp[i + 1])
        slope = (y - denoised(y, i)) / sigma
        euler = y + (following - sigma) * slope
        slope = 0.5 * (slope + (euler - denoised(euler, i + 1)) / following)
        y = y + (following - sigma) * slope
    x = denoised(y, steps - 1)
    if not torch.isfinite(x).all():
        raise FloatingPointError(
            f"probability_flow_ode: samples are not finite after {calls} evaluations; "
            "check the model's output and take more steps"
        )
    return Samples(x, calls)


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
    if z is not None and z.shape[:1] != torch.Size(shape[:1]):
        raise ParameterError(f"z of shape {tuple(z.shape)} does not fit {shape[0]} samples")
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
