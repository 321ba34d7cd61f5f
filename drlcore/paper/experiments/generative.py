"""Notebooks 17 to 19: the model as a generator."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from drlcore.paper.experiments.base import image_dataset
from drlcore.paper.experiments.sampled import Sampled, SampledWithCode
from drlcore.paper.generation import alpha_by_step, exchanged, paths, quality_by_prior
from drlcore.paper.initial_time import quality_by_start, sheet_by_start
from drlcore.paper.products import Product, usage
from drlcore.paper.samples import Further
from drlcore.training.run import RunParameters

P_KL = (0.0, 0.05, 0.5, 0.95, 1.0)  # the paper's


class InitialTime(SampledWithCode):
    """Notebook 17: the walk back begun at an earlier time, from several stand-ins for the data.

    The images are asked for only when something is trained or computed.
    """

    notebook = "17_initial_time"
    writes = (notebook,)
    needs_images = False
    dataset: Annotated[str, AfterValidator(image_dataset)] = "cifar10"

    @property
    def resolved(self) -> dict[str, Any]:
        numbers = self.numbers.generation
        walk = {"steps of the whole walk": numbers.walk_steps, "samples": numbers.samples}
        return {"training steps": self.steps_where_drawn, "seeds": len(self.seeds), **walk}

    def walked(self, seed: int | None = None) -> dict[str, RunParameters]:
        """The runs that are drawn from, by what figures call them."""
        with_code = self.largest(seed)
        return {"no code": self.without_code(seed), f"code of {with_code.latent_dim}": with_code}

    def quality(self, run: RunParameters) -> Product[Any]:
        numbers = self.numbers.generation
        asked = (numbers.walk_steps, numbers.samples, self.further)
        return quality_by_start(run, self.reader, *asked)

    def sheet(self) -> Product[Any]:
        """Samples of the first seed, without a code."""
        return sheet_by_start(self.without_code(), self.numbers.generation.walk_steps)

    def runs(self) -> list[RunParameters]:
        return [self.reader, *(run for seed in self.seeds for run in self.walked(seed).values())]

    def products(self) -> list[Product[Any]]:
        return [*map(self.quality, self.runs()[1:]), self.sheet()]


class AdversarialWeighting(Sampled):
    """Notebook 18: an adversary that learns lambda(t), by the share of times it leaves alone."""

    notebook = "18_adversarial_weighting"
    writes = (notebook,)

    @property
    def resolved(self) -> dict[str, Any]:
        return {"training steps": self.steps_where_drawn, "seeds": len(self.seeds)}

    @property
    def steps_where_drawn(self) -> int:
        return self.steps or self.numbers.generation.adversary_steps

    @property
    def further(self) -> tuple[Further, ...]:
        """Beside, what stands for Table 2's IS here."""
        return ("classifier_score", *super().further)

    def against(self, p_kl: float) -> list[RunParameters]:
        """Score networks without a code under the paper's weighting, every seed."""
        changes = {"weighting": self.base().weighting, "adversary": p_kl}
        return [self.without_code(seed).updated(**changes) for seed in self.seeds]

    def trained(self) -> list[RunParameters]:
        return [run for p_kl in P_KL for run in self.against(p_kl)]

    def runs(self) -> list[RunParameters]:
        return [self.reader, *self.trained()]

    def products(self) -> list[Product[Any]]:
        return [of(run) for run in self.trained() for of in (self.quality, usage, alpha_by_step)]


class Generation(SampledWithCode):
    """Notebook 19: codes that no image gave; one image's code with another's noise.

    What a code leaves to the noise is asked of codes learned at one level each, a low and a high
    one of notebook 04's grid, with a second stage that draws.
    """

    notebook = "19_generation"
    writes = (notebook,)

    @property
    def resolved(self) -> dict[str, Any]:
        levels = {name: f"{sigma:g}" for name, sigma in self.levels.items()}
        steps = {"training steps": self.steps_where_drawn, "seeds": len(self.seeds)}
        return {**steps, "levels": ", ".join(f"{k} {v}" for k, v in levels.items())}

    @property
    def levels(self) -> dict[str, float]:
        """A low and a high one, by what figures call the code learned there."""
        grid = self.noise.grid(9)
        return {"low noise": grid[3], "high noise": grid[6]}

    def drawn(self) -> list[RunParameters]:
        """VDRL with the largest code, every seed."""
        return [self.largest(seed) for seed in self.seeds]

    def unconditional(self) -> list[RunParameters]:
        """Models without a code, every seed."""
        return [self.without_code(seed) for seed in self.seeds]

    def at_level(self, name: str) -> list[RunParameters]:
        """What draws from codes learned at one level, every seed."""
        noise, size = self.noise.single(self.levels[name]), max(self.numbers.latent_dims)
        first = self.base(noise=noise, latent_dim=size)
        return [
            first.updated(seed=seed).second_stage(self.noise, **self._drawn) for seed in self.seeds
        ]

    def by_prior(self, run: RunParameters) -> Product[Any]:
        """How good samples are from codes that no image gave."""
        numbers = self.numbers
        return quality_by_prior(run, self.reader, numbers.nfe_steps, numbers.generation.images)

    def exchanged(self, run: RunParameters) -> Product[Any]:
        """Whose class and pixels are drawn from one image's code and another's noise."""
        numbers = self.numbers
        return exchanged(run, self.reader, numbers.nfe_steps, numbers.generation.samples)

    def paths(self, name: str) -> Product[Any]:
        """The way from one image to another, first seed."""
        return paths(self.at_level(name)[0], self.numbers.nfe_steps)

    def runs(self) -> list[RunParameters]:
        staged = [run for name in self.levels for run in self.at_level(name)]
        firsts = [run.first_stage for run in staged if run.first_stage is not None]
        return [self.reader, *self.unconditional(), *self.drawn(), *firsts, *staged]

    def products(self) -> list[Product[Any]]:
        return [
            *map(self.quality, self.unconditional() + self.drawn()),
            *map(self.by_prior, self.drawn()),
            *(self.exchanged(run) for name in self.levels for run in self.at_level(name)),
            *map(self.paths, self.levels),
        ]
