"""The noise levels a model is trained on: the one knob of the project."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field, model_serializer, model_validator
from torch import Tensor

from drlcore.parameters import Parameters, Registry

Clock = Callable[[Tensor], Tensor]
"""sigma -> t of an SDE, ``SDE.t``."""

# What float32 can carry in x0 + sigma * noise: its rounding (6e-8 of values of size 1) is 6 % of
# the noise at the lower end, where the authors' sub-VP begins, and a grey level of an 8-bit image
# (2/255) at the upper one.
Sigma = Annotated[float, Field(ge=1e-6, le=1e5)]
# Smallest sigma_max / sigma_min: below it a grid of 100 levels has equal ones in six digits, which
# is what names and figures show of them.
NARROWEST = 1.01


class TSampler(Parameters):
    """How training draws t: one class a law, its fields the law's parameters.

    A new law is a subclass and a line ``T_SAMPLERS[name] = ...``.

    Attributes:
        name: what ``NoiseRange(t_sampler=...)`` calls it.
        law: the law in a few words, for captions; a field's value stands where ``{field}`` is.
    """

    name: ClassVar[str]
    law: ClassVar[str]

    def window(self, noise: NoiseRange) -> tuple[float, float]:
        """Smallest and largest sigma it can draw: the whole range, unless it says otherwise."""
        return noise.sigma_min, noise.sigma_max

    def draw(self, noise: NoiseRange, clock: Clock, u: Tensor) -> Tensor:
        """Times by ``clock`` for ``u`` uniform in [0, 1), both of shape (n,).

        Uniform t between the ends of the window, unless a law says otherwise.
        """
        low, high = clock(torch.tensor(noise.window))
        return low + u * (high - low)


class UniformT(TSampler):
    """Uniform in the SDE's clock; log-uniform in sigma for VE (DRL Sec. 4)."""

    name, law = "uniform_t", "uniform t"


class UniformSigma(TSampler):
    """Uniform in sigma, the paper's high-noise focus (DRL Sec. 4)."""

    name, law = "uniform_sigma", "uniform σ"

    def draw(self, noise: NoiseRange, clock: Clock, u: Tensor) -> Tensor:
        low, high = noise.window
        return clock(low + u * (high - low))


class Single(TSampler):
    """Always ``sigma`` (DRL Sec. 4)."""

    name, law = "single", "σ = {sigma:g}"
    sigma: float

    def window(self, noise: NoiseRange) -> tuple[float, float]:
        return self.sigma, self.sigma


class Interval(TSampler):
    """Uniform in t between ``sigma_low`` and ``sigma_high``."""

    name, law = "interval", "uniform t"
    sigma_low: float
    sigma_high: float

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.sigma_low >= self.sigma_high:
            raise ValueError(f"sigma_low = {self.sigma_low} must be below sigma_high")
        return self

    def window(self, noise: NoiseRange) -> tuple[float, float]:
        return self.sigma_low, self.sigma_high


class LogNormal(TSampler):
    """log sigma ~ N(log_mean, log_std^2), cut to the range (Karras et al. 2022, EDM)."""

    name, law = "lognormal", "log σ ~ N({log_mean}, {log_std}²)"
    log_mean: float
    log_std: float = Field(gt=0)

    def draw(self, noise: NoiseRange, clock: Clock, u: Tensor) -> Tensor:
        low, high = noise.window
        # In float64: a window in the law's tail spans few float32 values of the cdf.
        window = torch.tensor([low, high], dtype=torch.float64).log()
        cdf = torch.special.ndtr((window - self.log_mean) / self.log_std)
        normal = torch.special.ndtri(cdf[0] + u.double() * (cdf[1] - cdf[0]))
        sigma = torch.exp(self.log_mean + self.log_std * normal).clamp(low, high)
        return clock(sigma).float()


class Linear(TSampler):
    """Density 2 alpha u + 1 - alpha at the share u in [0, 1] of the clock (DRL App., adversary).

    Uniform t at alpha = 0; below it small noise is drawn more often, above it large noise.
    """

    name, law = "linear", "λ(t) with α = {alpha:g}"
    alpha: float = Field(ge=-1, le=1)

    def draw(self, noise: NoiseRange, clock: Clock, u: Tensor) -> Tensor:
        # u = alpha x^2 + (1 - alpha) x solved for x, in the form that is free of cancellation.
        rest = 1 - self.alpha
        share = 2 * u / (rest + torch.sqrt(rest**2 + 4 * self.alpha * u)).clamp(min=1e-30)
        return super().draw(noise, clock, share)


T_SAMPLERS: Registry[type[TSampler]] = Registry(
    "t_sampler",
    TSampler,
    {kind.name: kind for kind in (UniformT, UniformSigma, Single, Interval, LogNormal, Linear)},
)
# In the JSON of every run, None where the t-sampler has none: keys of stored runs depend on it.
_FIELDS = ("sigma", "sigma_low", "sigma_high", "log_mean", "log_std")


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
        t_sampler: how training draws t. Given by its name, with its fields beside it, as in JSON:
            ``NoiseRange(t_sampler="single", sigma=5.0)``; or as a TSampler.

    Raises:
        ParameterError: an impossible range, an unknown t-sampler, or fields that are not its.

    Example:
        >>> from drlcore import NoiseRange
        >>> high = NoiseRange(sigma_max=50.0).interval(5.0, 50.0)
        >>> high.label, high.window
        ('uniform t, σ in [5, 50]', (5.0, 50.0))
    """

    sigma_min: Sigma = 0.01
    sigma_max: Sigma = 50.0
    t_sampler: TSampler = UniformT()

    @model_validator(mode="before")
    @classmethod
    def _t_sampler_with_its_fields(cls, values: Any) -> Any:
        name = values.get("t_sampler", "uniform_t") if isinstance(values, Mapping) else None
        if not isinstance(name, str):
            return values
        kind = T_SAMPLERS[name]
        fields = {field for other in T_SAMPLERS.values() for field in other.model_fields}
        given = {k: v for k, v in values.items() if k in fields and v is not None}
        if odd := sorted(set(given) ^ set(kind.model_fields)):
            needs = ", ".join(kind.model_fields) or "none of these"
            raise ValueError(f"{odd[0]} = {given.get(odd[0])}: t_sampler {name!r} takes {needs}")
        others = {k: v for k, v in values.items() if k not in fields}
        return {**others, "t_sampler": kind(**given)}

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        ends = {"sigma_min": self.sigma_min, "sigma_max": self.sigma_max}
        fields = {**dict.fromkeys(_FIELDS), **self.t_sampler.model_dump()}
        return {**ends, "t_sampler": self.t_sampler.name, **fields}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.sigma_max < NARROWEST * self.sigma_min * (1 - 1e-9):  # 1.01e-6 of 1e-6 will do
            raise ValueError(
                f"sigma_min = {self.sigma_min:.9g} must be below sigma_max = {self.sigma_max:.9g}, "
                f"by {NARROWEST - 1:.0%} or more"
            )
        for value in self.window:
            if not self.sigma_min <= value <= self.sigma_max:
                raise ValueError(
                    f"sigma = {value:g} of t_sampler {self.t_sampler.name!r} lies outside "
                    f"[sigma_min, sigma_max] = [{self.sigma_min:g}, {self.sigma_max:g}]"
                )
        return self

    def single(self, sigma: float) -> NoiseRange:
        """This range, training at ``sigma`` only."""
        return self.updated(t_sampler=Single(sigma=sigma))

    def interval(self, sigma_low: float, sigma_high: float) -> NoiseRange:
        """This range, training between ``sigma_low`` and ``sigma_high`` only."""
        return self.updated(t_sampler=Interval(sigma_low=sigma_low, sigma_high=sigma_high))

    def whole(self, t_sampler: str = "uniform_t") -> NoiseRange:
        """This range, training on all of it: ``uniform_t`` or ``uniform_sigma``."""
        return self.updated(t_sampler=T_SAMPLERS[t_sampler]())

    @property
    def window(self) -> tuple[float, float]:
        """Smallest and largest sigma that training can see; equal for ``single``."""
        return self.t_sampler.window(self)

    @property
    def label(self) -> str:
        """Short text for captions and legends."""
        low, high = self.window
        law = self.t_sampler.law.format(**dict(self.t_sampler))
        return law if low == high else f"{law}, σ in [{low:g}, {high:g}]"

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
