"""Begin the walk back in the middle: what stands in for the data there, and what that costs.

At time t the reverse process ought to start from xt = a x0 + std noise with x0 from the data. Where
the noise is large it hardly matters which x0, so that anything may stand in for the data, and the
walk from t_max down to t may be left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from drlcore.oracle.gaussian_mixture import NoisedMixture
from drlcore.sampling import Start
from drlcore.sde import SDE

Bounds = tuple[float, float]
"""Least and largest value of the data."""

StandIn = Callable[[Tensor, int, Bounds, torch.Generator], Tensor]
"""(data (N, ...), n, bounds, generator) -> n stand-ins for x0."""


def _constant(share: float) -> StandIn:
    def stand_in(x: Tensor, n: int, bounds: Bounds, generator: torch.Generator) -> Tensor:
        low, high = bounds
        return x.new_full((n, *x.shape[1:]), low + share * (high - low))

    return stand_in


def _uniform(x: Tensor, n: int, bounds: Bounds, generator: torch.Generator) -> Tensor:
    low, high = bounds
    return low + (high - low) * torch.rand(n, *x.shape[1:], generator=generator, dtype=x.dtype)


def _fitted(x: Tensor, n: int, bounds: Bounds, generator: torch.Generator) -> Tensor:
    centred = (x - x.mean(0)).flatten(1)
    weights = torch.randn(n, len(x), generator=generator, dtype=x.dtype)
    drawn = weights @ centred / max(1, len(x) - 1) ** 0.5
    return x.mean(0) + drawn.reshape(n, *x.shape[1:])


def _data(x: Tensor, n: int, bounds: Bounds, generator: torch.Generator) -> Tensor:
    return x[torch.randint(len(x), (n,), generator=generator)]


STAND_INS: dict[str, StandIn] = {
    "black": _constant(0.0),
    "grey": _constant(0.5),
    "uniform": _uniform,
    "fitted": _fitted,
    "data": _data,
}
"""What is taken for x0, by name; noise of size sigma(t) comes on top.

``black``: the least value everywhere. The paper's Gaussian prior N(0, sigma^2 I), whose images lie
in [0, 1]. ``grey``: the middle everywhere, a Gaussian prior in the right place. ``uniform``: each
value uniform between the bounds, the paper's second prior. ``fitted``: a Gaussian with mean and
covariance of the data. ``data``: images of the data themselves, so that the start is from p_t; what
a perfect prior would do.
"""


def start_at(
    name: str,
    sde: SDE,
    t: float,
    x: Tensor,
    n: int,
    generator: torch.Generator,
    bounds: Bounds = (-1.0, 1.0),
) -> Start:
    """``n`` points to walk back from at time ``t``, and t (DRL Fig. 4).

    Args:
        name: of ``STAND_INS``.
        x: the data, (N, ...), of which two stand-ins take something.
        generator: CPU generator; draws the stand-ins, then the noise.

    Example:
        >>> import torch
        >>> from drlcore import VESDE, NoiseRange
        >>> from drlcore.probes.initial_time import start_at
        >>> sde, generator = VESDE(NoiseRange()), torch.Generator().manual_seed(0)
        >>> xt, t = start_at("black", sde, 0.8, torch.zeros(5, 1, 28, 28), 100, generator)
        >>> print(xt.shape, f"{float(xt.mean()):.0f}, std {float(xt.std()):.0f}")
        torch.Size([100, 1, 28, 28]) -1, std 9
    """
    x0 = STAND_INS[name](x, n, bounds, generator)
    noise = torch.randn(x0.shape, generator=generator, dtype=x0.dtype)
    return sde.perturb(x0, torch.full((n,), t, dtype=x0.dtype), noise), t


def components_reached(law: NoisedMixture, start: Start) -> Tensor:
    """Share of each component of a mixture that the exact reverse SDE makes of ``start``, (K,).

    It leads from xt to a draw from p(x0 | xt), whatever xt was drawn from, so the shares are the
    mean of p(component | xt): no walk is taken.

    Args:
        start: points (N, d) and their time.
    """
    xt, t = start
    return law.posterior(xt, torch.full((len(xt),), t, dtype=torch.float64)).mean(0)


def total_variation(p: Tensor, q: Tensor) -> float:
    """Half the sum of |p_k - q_k| of two laws of K outcomes, in [0, 1]."""
    return 0.5 * float((p - q).abs().sum())
