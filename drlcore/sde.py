"""Variance-exploding, variance-preserving and sub-VP diffusions on one noise range."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange
from drlcore.parameters import Registry


class SDE(ABC):
    """dx = f(x, t) dt + g(t) dw, with Gaussian perturbation kernel (DRL Sec. 2.1).

    p_0t(xt | x0) = N(a(t) x0, std(t)^2 I). The clock t runs from ``t_min`` = t(sigma_min) to
    ``t_max`` = t(sigma_max), where sigma(t) = std(t)/a(t) is the noise relative to the image;
    times are tensors of shape (B,), images of shape (B, ...).

    The denoiser D estimates E[x0 | xt], the score s the gradient of log p_t, the noise estimate n
    the standard normal draw in xt = a x0 + std * noise. They carry the same information:
        s = (a D - xt) / std^2,    D = (xt + std^2 s) / a,    n = -std s.
    Hence the weighted score error is a denoising error:
        std^2 ||s - grad log p_0t||^2 = ||n - noise||^2 = ||D - x0||^2 / sigma^2.
    """

    name: ClassVar[str]

    def __init__(self, noise: NoiseRange) -> None:
        self.noise = noise
        ends = self.t(torch.tensor([noise.sigma_min, noise.sigma_max], dtype=torch.float64))
        self.t_min, self.t_max = float(ends[0]), float(ends[1])

    @abstractmethod
    def mean_coefficient(self, t: Tensor) -> Tensor:
        """a(t), the factor of x0 in the perturbation kernel's mean."""

    @abstractmethod
    def std(self, t: Tensor) -> Tensor:
        """Standard deviation of the perturbation kernel, data units."""

    @abstractmethod
    def drift_coefficient(self, t: Tensor) -> Tensor:
        """The factor of x in the linear drift f(x, t) = factor(t) * x."""

    @abstractmethod
    def diffusion(self, t: Tensor) -> Tensor:
        """g(t)."""

    @abstractmethod
    def t(self, sigma: Tensor) -> Tensor:
        """The time at which the noise relative to the image is ``sigma``."""

    def sigma(self, t: Tensor) -> Tensor:
        """Noise relative to the image, std(t) / a(t)."""
        return self.std(t) / self.mean_coefficient(t)

    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        """f(x, t)."""
        return _over(self.drift_coefficient(t), x) * x

    def perturb(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """xt = a(t) x0 + std(t) noise, a draw from the perturbation kernel (DRL Sec. 2.1)."""
        return _over(self.mean_coefficient(t), x0) * x0 + _over(self.std(t), x0) * noise

    def kernel_score(self, x0: Tensor, xt: Tensor, t: Tensor) -> Tensor:
        """Gradient of log p_0t(xt | x0) = (a(t) x0 - xt) / std(t)^2 (DRL Sec. 2.1)."""
        return self.score_from_denoiser(x0, xt, t)

    def score_from_denoiser(self, denoised: Tensor, xt: Tensor, t: Tensor) -> Tensor:
        """s = (a D - xt) / std^2."""
        a, std = _over(self.mean_coefficient(t), xt), _over(self.std(t), xt)
        return (a * denoised - xt) / std**2

    def denoiser_from_score(self, score: Tensor, xt: Tensor, t: Tensor) -> Tensor:
        """D = (xt + std^2 s) / a (Tweedie)."""
        a, std = _over(self.mean_coefficient(t), xt), _over(self.std(t), xt)
        return (xt + std**2 * score) / a

    def noise_from_score(self, score: Tensor, t: Tensor) -> Tensor:
        """n = -std s."""
        return -_over(self.std(t), score) * score

    def reverse_drift(self, x: Tensor, t: Tensor, score: Tensor) -> Tensor:
        """Drift of the reverse-time SDE, f - g^2 s; its diffusion is g (DRL Sec. 2.1)."""
        return self.drift(x, t) - _over(self.diffusion(t), x) ** 2 * score

    def ode_drift(self, x: Tensor, t: Tensor, score: Tensor) -> Tensor:
        """Right-hand side of the probability-flow ODE, f - g^2 s / 2 (DRL Sec. 2.1)."""
        return self.drift(x, t) - 0.5 * _over(self.diffusion(t), x) ** 2 * score

    def prior(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A draw from N(0, std(t_max)^2 I), on the CPU (DRL Sec. 2.1)."""
        std = self.std(torch.tensor(self.t_max))
        return std * torch.randn(shape, generator=generator)

    def draw_t(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` training times by the range's t-sampler, shape (n,) (DRL Sec. 4).

        On the generator's device.
        """
        u = torch.rand(n, generator=generator, device=generator.device)
        return self.noise.t_sampler.draw(self.noise, self.t, u)


class VESDE(SDE):
    """Variance exploding: sigma(t) = sigma_min (sigma_max/sigma_min)^t, t in [0, 1] (DRL Sec. 2.1).

    The paper's text gives the kernel variance sigma(t)^2 - sigma(0)^2, its code sigma(t)^2. We
    follow the code: std(t) = sigma(t), as if diffusion had begun from a point mass before t = 0.
    The two differ by sigma_min^2 = 1e-4 of variance at the paper's values.

    Example:
        >>> import torch
        >>> from drlcore import VESDE, NoiseRange
        >>> sde = VESDE(NoiseRange(sigma_min=0.01, sigma_max=50.0))
        >>> print(f"{sde.sigma(torch.tensor(0.5)):.3f}")
        0.707
    """

    name: ClassVar[str] = "ve"

    @property
    def _log_ratio(self) -> float:
        return math.log(self.noise.sigma_max / self.noise.sigma_min)

    def mean_coefficient(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def std(self, t: Tensor) -> Tensor:
        return self.noise.sigma_min * torch.exp(t * self._log_ratio)

    def drift_coefficient(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def diffusion(self, t: Tensor) -> Tensor:
        return self.std(t) * math.sqrt(2 * self._log_ratio)

    def t(self, sigma: Tensor) -> Tensor:
        return self.noise.fraction(sigma)


class VPSDE(SDE):
    """Variance preserving: std^2 = 1 - a^2 (DRL ICML, other SDE).

    beta(t) = beta_min + t (beta_max - beta_min). The clock is the SDE's own t in [0, 1]; the noise
    range cuts it to [t(sigma_min), t(sigma_max)]: for the paper's 0.01 and 50 to [0.0009, 0.882],
    under sub-VP to [0.027, 0.882]. So uniform t is uniform between these; for the authors' uniform
    t see ``released_range``.

    Raises:
        ParameterError: sigma_max is above what the SDE reaches at t = 1.

    Example:
        >>> import torch
        >>> from drlcore import VPSDE, NoiseRange
        >>> sde = VPSDE(NoiseRange())
        >>> t = sde.t(torch.tensor(2.0))  # where there is twice as much noise as image
        >>> print(f"a = {sde.mean_coefficient(t):.3f}, std = {sde.std(t):.3f}")
        a = 0.447, std = 0.894
    """

    name: ClassVar[str] = "vp"
    beta_min: ClassVar[float] = 0.1
    beta_max: ClassVar[float] = 20.0

    def __init__(self, noise: NoiseRange) -> None:
        super().__init__(noise)
        if self.t_max > 1:
            reach = float(self.sigma(torch.tensor(1.0, dtype=torch.float64)))
            raise ParameterError(
                f"sigma_max = {noise.sigma_max:g}: the {self.name} SDE reaches {reach:.4g} at t = 1"
            )

    def _beta(self, t: Tensor) -> Tensor:
        return self.beta_min + t * (self.beta_max - self.beta_min)

    def _log_mean(self, t: Tensor) -> Tensor:
        return -0.25 * t**2 * (self.beta_max - self.beta_min) - 0.5 * t * self.beta_min

    def _t_from_log_mean(self, log_mean: Tensor) -> Tensor:
        slope = self.beta_max - self.beta_min
        # The positive root of slope t^2 / 2 + beta_min t + 2 log_mean = 0, free of cancellation.
        c = -2 * log_mean
        return 2 * c / (self.beta_min + torch.sqrt(self.beta_min**2 + 2 * slope * c))

    def mean_coefficient(self, t: Tensor) -> Tensor:
        return torch.exp(self._log_mean(t))

    def std(self, t: Tensor) -> Tensor:
        return torch.sqrt(-torch.expm1(2 * self._log_mean(t)))

    def drift_coefficient(self, t: Tensor) -> Tensor:
        return -0.5 * self._beta(t)

    def diffusion(self, t: Tensor) -> Tensor:
        return torch.sqrt(self._beta(t))

    def t(self, sigma: Tensor) -> Tensor:
        return self._t_from_log_mean(-0.5 * torch.log1p(sigma**2))


class SubVPSDE(VPSDE):
    """Sub-VP: VP's drift, std = 1 - a^2, so less variance (DRL ICML, other SDE).

    Example:
        >>> import torch
        >>> from drlcore import NoiseRange, SubVPSDE
        >>> sde = SubVPSDE(NoiseRange())
        >>> t = sde.t(torch.tensor(2.0))
        >>> print(f"a = {sde.mean_coefficient(t):.3f}, std = {sde.std(t):.3f}")
        a = 0.414, std = 0.828
    """

    name = "subvp"

    def std(self, t: Tensor) -> Tensor:
        return -torch.expm1(2 * self._log_mean(t))

    def diffusion(self, t: Tensor) -> Tensor:
        return torch.sqrt(self._beta(t) * -torch.expm1(4 * self._log_mean(t)))

    def t(self, sigma: Tensor) -> Tensor:
        # sigma = (1 - a^2) / a = 2 sinh(-log a)
        return self._t_from_log_mean(-torch.asinh(sigma / 2))


SDES: Registry[type[SDE]] = Registry(
    "sde", SDE, {kind.name: kind for kind in (VESDE, VPSDE, SubVPSDE)}
)


def released_range(name: str, end: float = 1e-5) -> NoiseRange:
    """The noise range of the authors' clock: uniform t in (``end``, 1] under the SDE ``name``.

    Their released code trains on all of VP's and sub-VP's own clock from 1e-5 on, which is sigma
    from 0.001 (sub-VP: 1e-6) to 152, where the project's default is one range, 0.01 to 50, under
    every SDE. VE's clock is defined by its range, so it keeps that: their cut of 1e-5 is 0.009 % of
    sigma_min. Their samplers of VP and sub-VP stop at t = 1e-3: for that, walk
    ``SDES[name](released_range(name, 1e-3))`` with the model that was trained from 1e-5 on.

    Ends are rounded down to 6 digits, so that runs have the same key on every machine.

    Raises:
        ParameterError: an end outside of (0, 1).
    """
    if not 0 < end < 1:
        raise ParameterError(f"end = {end:g}: the clock's end lies between 0 and 1")
    if name == "ve":
        return NoiseRange()
    ends = SDES[name](NoiseRange()).sigma(torch.tensor([end, 1.0], dtype=torch.float64))
    low, high = (_rounded_down(float(sigma)) for sigma in ends)
    return NoiseRange(sigma_min=low, sigma_max=high)


def _rounded_down(value: float, digits: int = 6) -> float:
    unit = 10.0 ** (math.floor(math.log10(value)) + 1 - digits)
    return float(f"{math.floor(value / unit) * unit:.{digits}g}")


def _over(factor: Tensor, x: Tensor) -> Tensor:
    """``factor`` of shape (B,) or () made to multiply ``x`` of shape (B, ...)."""
    return factor.to(x).reshape(-1, *[1] * (x.ndim - 1)) if factor.ndim else factor.to(x)
