"""Notebooks 00 to 02, which train nothing."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from drlcore.experiments.base import Experiment, ImageDataset, ImageExperiment
from drlcore.noise_range import NoiseRange
from drlcore.sde import SDEName, make_sde


class StartHere(Experiment):
    """Notebook 00: the map.

    Attributes:
        dataset: where the picture's image comes from.
    """

    notebook = "00_start_here"
    dataset: ImageDataset = "mnist"


class ForwardSDE(ImageExperiment):
    """Notebook 01: what each noise level erases. Trains nothing."""

    notebook = "01_forward_sde"


class Floor(Experiment):
    """Notebook 02: Proposition 1 in closed form on the toy set. Trains nothing.

    Attributes:
        sde: which diffusion.
        sigma_min, sigma_max: the noise range, toy units (the coarse scale is 8).
        seed: of the first Monte-Carlo draws.
        n_seeds: how many draws, seeds ``seed``, ``seed + 1``, ...; None takes the preset's.
    """

    notebook = "02_score_matching_floor"
    writes = (notebook,)
    sde: SDEName = "ve"
    sigma_min: float = Field(default=0.01, gt=0)
    sigma_max: float = Field(default=50.0, gt=0)
    seed: int = Field(default=0, ge=0)
    n_seeds: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        make_sde(self.sde, self.noise)
        return self

    @property
    def noise(self) -> NoiseRange:
        """The whole range, uniform t."""
        return NoiseRange(sigma_min=self.sigma_min, sigma_max=self.sigma_max)

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + (self.n_seeds or self.numbers.n_seeds))
