"""Notebooks 00 to 02, which train nothing."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from drlcore.paper.experiments.base import Experiment, ImageDataset, NoisyExperiment, Seed, Seeds
from drlcore.sde import SDES


class StartHere(Experiment):
    """Notebook 00: the map.

    Attributes:
        dataset: where the picture's image comes from.
    """

    notebook = "00_start_here"
    described = False
    dataset: ImageDataset = "mnist"


class ForwardSDE(NoisyExperiment):
    """Notebook 01: what each noise level erases. Trains nothing.

    Attributes:
        dataset: whose images are made noisy.
    """

    notebook = "01_forward_sde"
    dataset: ImageDataset = "mnist"

    @model_validator(mode="after")
    def _all_reach(self) -> Self:
        for kind in SDES.values():
            kind(self.noise)  # the notebook draws all of them on this range
        return self


class Floor(NoisyExperiment):
    """Notebook 02: Proposition 1 in closed form on the toy set. Trains nothing.

    The noise range is in toy units, where the coarse scale is 8.

    Attributes:
        seed: of the first Monte-Carlo draws.
        n_seeds: how many draws, seeds ``seed``, ``seed + 1``, ...; None takes the preset's.
    """

    notebook = "02_score_matching_floor"
    writes = (notebook,)
    seed: Seed = 0
    n_seeds: Seeds | None = None

    @property
    def draws(self) -> int:
        """For the floors and gains of one seed at one level: the preset's, shared among seeds.

        Their errors are far smaller than those of Prop. 1's terms, which take all of them.
        """
        return self.numbers.monte_carlo // len(self.seeds)

    @property
    def resolved(self) -> dict[str, Any]:
        return {"draws a level and seed": f"{self.numbers.monte_carlo:,}", "seeds": len(self.seeds)}
