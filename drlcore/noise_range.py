"""The noise levels a model is trained on: the one knob of the project."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from drlcore.parameters import Parameters

TSampler = Literal["uniform_t", "uniform_sigma", "single", "interval", "lognormal"]

# What float32 can carry in x0 + sigma * noise: its rounding (6e-8 of values of size 1) is 6 % of
# the noise at the lower end, where the authors' sub-VP begins, and a grey level of an 8-bit image
# (2/255) at the upper one.
Sigma = Annotated[float, Field(ge=1e-6, le=1e5)]
# Smallest sigma_max / sigma_min: below it a grid of 100 levels has equal ones in six digits, which
# is what names and figures show of them.
NARROWEST = 1.01


class NoiseRange(Parameters):
    """The noise range and how training draws from it.

    Everything that depends on noise takes this object: the SDE (its clock and prior), the
    t-sampler, the time embedding shared by encoder and score network, the loss, the checkpoint's
    metadata and the figure captions.

    ``sigma`` is the standard deviation of the noise relative to the clean image,
    sigma(t) = std(t) / mean_coefficient(t), in data units (images lie in [-1, 1]). For the VE SDE
    this is the paper's sigma(t); for VP and sub-VP it is the same noise-to-signal ratio, so that
    one range means the same under every SDE; ``sde.released_range`` is the range that the authors'
    own clock runs over instead.

    Relative to the images the same sigma is more noise here than in the authors' PyTorch code: it
    normalises each channel of CIFAR to unit standard deviation, which in [-1, 1] is about 0.5, so
    their sigma is half as much here. (Their JAX code has MNIST in [-1, 1] as here.)

    Attributes:
        sigma_min: smallest noise of the SDE, 1e-6 or more. The paper: 0.01.
        sigma_max: largest noise of the SDE, at least 1.01 sigma_min, 1e5 or less. The paper: 50.
        t_sampler: how training draws t:
            ``uniform_t`` uniform in the SDE's clock (log-uniform in sigma for VE);
            ``uniform_sigma`` uniform in sigma, the paper's high-noise focus;
            ``single`` always ``sigma``;
            ``interval`` uniform in t between ``sigma_low`` and ``sigma_high``;
            ``lognormal`` log sigma ~ N(log_mean, log_std^2), cut to the range (EDM).
        sigma: the level of ``single``.
        sigma_low, sigma_high: the ends of ``interval``.
        log_mean, log_std: the law of ``lognormal``.

    Raises:
        ParameterError: an impossible range, or a field that does not belong to the t-sampler.
    """

    sigma_min: Sigma = 0.01
    sigma_max: Sigma = 50.0
    t_sampler: TSampler = "uniform_t"
    sigma: float | None = None
    sigma_low: float | None = None
    sigma_high: float | None = None
    log_mean: float | None = None
    log_std: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.sigma_max < NARROWEST * self.sigma_min * (1 - 1e-9):  # 1.01e-6 of 1e-6 will do
            raise ValueError(
                f"sigma_min = {self.sigma_min:.9g} must be below sigma_max = {self.sigma_max:.9g}, "
                f"by {NARROWEST - 1:.0%} or more"
            )
        wanted = {
            "single": {"sigma"},
            "interval": {"sigma_low", "sigma_high"},
            "lognormal": {"log_mean", "log_std"},
        }.get(self.t_sampler, set())
        for name in ("sigma", "sigma_low", "sigma_high", "log_mean", "log_std"):
            value = getattr(self, name)
            if (value is not None) != (name in wanted):
                needs = ", ".join(sorted(wanted)) or "none of these"
                raise ValueError(f"{name} = {value}: t_sampler {self.t_sampler!r} takes {needs}")
        for name in ("sigma", "sigma_low", "sigma_high"):
            value = getattr(self, name)
            if value is not None and not self.sigma_min <= value <= self.sigma_max:
                raise ValueError(
                    f"{name} = {value:g} lies outside [sigma_min, sigma_max] = "
                    f"[{self.sigma_min:g}, {self.sigma_max:g}]"
                )
        if self.t_sampler == "interval" and self.window[0] >= self.window[1]:
            raise ValueError(f"sigma_low = {self.sigma_low} must be below sigma_high")
        return self

    def single(self, sigma: float) -> NoiseRange:
        """This range, training at ``sigma`` only."""
        return NoiseRange(
            sigma_min=self.sigma_min, sigma_max=self.sigma_max, t_sampler="single", sigma=sigma
        )

    def interval(self, sigma_low: float, sigma_high: float) -> NoiseRange:
        """This range, training between ``sigma_low`` and ``sigma_high`` only."""
        return NoiseRange(
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
            t_sampler="interval",
            sigma_low=sigma_low,
            sigma_high=sigma_high,
        )

    def whole(self, t_sampler: Literal["uniform_t", "uniform_sigma"] = "uniform_t") -> NoiseRange:
        """This range, training on all of it."""
        return NoiseRange(sigma_min=self.sigma_min, sigma_max=self.sigma_max, t_sampler=t_sampler)

    @property
    def window(self) -> tuple[float, float]:
        """Smallest and largest sigma that training can see; equal for ``single``."""
        if self.t_sampler == "single":
            assert self.sigma is not None
            return self.sigma, self.sigma
        if self.t_sampler == "interval":
            assert self.sigma_low is not None and self.sigma_high is not None
            return self.sigma_low, self.sigma_high
        return self.sigma_min, self.sigma_max

    @property
    def label(self) -> str:
        """Short text for captions and legends."""
        low, high = self.window
        if self.t_sampler == "single":
            return f"σ = {low:g}"
        law = {
            "uniform_sigma": "uniform σ",
            "lognormal": f"log σ ~ N({self.log_mean}, {self.log_std}²)",
        }.get(self.t_sampler, "uniform t")
        return f"{law}, σ in [{low:g}, {high:g}]"

    def grid(self, n: int) -> list[float]:
        """``n`` levels from sigma_min to sigma_max, evenly spaced in log sigma.

        To 3 digits, or as many as it takes for no two to be equal.
        """
        if n == 1:
            return [self.sigma_max]
        ratio = self.sigma_max / self.sigma_min
        exact = [self.sigma_min * ratio ** (i / (n - 1)) for i in range(n)]
        for digits in range(3, 18):
            rounded = [float(f"{level:.{digits}g}") for level in exact]
            levels = [min(max(level, self.sigma_min), self.sigma_max) for level in rounded]
            if all(low < high for low, high in pairwise(levels)):
                break
        return levels

    def fraction(self, sigma: Tensor) -> Tensor:
        """Position of ``sigma`` in the range on a log scale: 0 at sigma_min, 1 at sigma_max."""
        return torch.log(sigma / self.sigma_min) / math.log(self.sigma_max / self.sigma_min)
