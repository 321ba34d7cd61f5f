"""Notebook 04: the noise dial."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from drlcore.noise_range import NoiseRange
from drlcore.paper.experiments.base import ImageExperiment, LatentDim, Levels, Penalty, Seeds, Steps
from drlcore.paper.products import Product, codes, metrics, reconstructions, usage
from drlcore.training.run import RunParameters

# The toy set's standard deviation, and the price of a nat of code: at 0.01 each factor pays for
# itself (gain > 0.01 log 3) in a window around its own scale.
TOY_SIGMA_DATA = 5.7
TOY_LAMBDA_KL = 0.01


class Dial(ImageExperiment):
    """Base: one model for each single noise level.

    Attributes:
        latent_dim: size of z.
        lambda_z: weight of L1.
        n_levels: single noise levels, evenly spaced in log sigma over the range.
        n_seeds: seeds of every setting.
        steps: training steps of a dial model.
    """

    latent_dim: LatentDim = 2
    lambda_z: Penalty = 0.0
    n_levels: Levels | None = None
    n_seeds: Seeds | None = None

    @property
    def resolved(self) -> dict[str, Any]:
        levels = ", ".join(f"{sigma:g}" for sigma in self.levels)
        steps = f"{self.steps or self.numbers.steps}, of second stages {self.steps_where_drawn}"
        return {"levels": levels, "seeds": len(self.seeds), "steps": steps}

    @property
    def levels(self) -> list[float]:
        return self.noise.grid(self.n_levels or self.numbers.n_levels)

    def run(self, noise: NoiseRange, seed: int, **changes: Any) -> RunParameters:
        code = {"latent_dim": self.latent_dim, "lambda_z": self.lambda_z}
        return self.base(noise=noise, seed=seed, **code, **changes)

    def control(self) -> list[RunParameters]:
        """Encoders as they are drawn, untrained: what can be read from a code for nothing."""
        untrained = self.base(method="random", latent_dim=self.latent_dim)
        return [untrained.updated(seed=seed) for seed in self.seeds]


class NoiseDial(Dial):
    """Notebook 04: single noise levels and sub-ranges over the whole range, several seeds.

    Attributes:
        sampler_steps: of the score networks that draw from the codes; None takes the preset's, in
            proportion to ``steps``.
    """

    notebook = "04_noise_dial"
    writes = (notebook,)
    # The toy set's scales, 8, 1 and 0.125, are fixed, so its range is too.
    toy_noise: ClassVar[NoiseRange] = NoiseRange(sigma_min=0.01, sigma_max=50.0)
    # What telling one factor of three equally likely values costs: lambda_z log 3.
    toy_price: ClassVar[float] = TOY_LAMBDA_KL * math.log(3)
    sampler_steps: Steps | None = None

    @property
    def steps_where_drawn(self) -> int:
        numbers = self.numbers
        asked = self.steps or numbers.steps
        return self.sampler_steps or max(1, round(numbers.drawn.steps * asked / numbers.steps))

    def ranges(self) -> list[NoiseRange]:
        """Everything but single levels: uniform t, its lower and upper half, uniform sigma."""
        _, middle, _ = self.noise.grid(3)
        return [
            self.noise,
            self.noise.interval(self.sigma_min, middle),
            self.noise.interval(middle, self.sigma_max),
            self.noise.whole("uniform_sigma"),
        ]

    def dial(self) -> list[RunParameters]:
        """The runs whose codes are measured."""
        settings = [self.noise.single(sigma) for sigma in self.levels] + self.ranges()
        return [self.run(noise, seed) for noise in settings for seed in self.seeds]

    def shown(self) -> list[RunParameters]:
        """Second stages that draw images from the codes: every other level, first seed."""
        firsts = [self.run(self.noise.single(sigma), self.seeds[0]) for sigma in self.levels[::2]]
        return [first.second_stage(self.noise, **self._drawn) for first in firsts]

    def toy(self) -> list[RunParameters]:
        """The dial on the toy set, whose answer is known.

        VDRL, because only the noise of z ~ E(z | x0) gives a code a finite resolution: a point in
        the plane, however bent, can be read back to any digit.
        """
        return [
            RunParameters(
                dataset="toy",
                method="vdrl",
                noise=self.toy_noise.single(sigma),
                encoder="mlp",
                score_network="mlp-fourier",
                width=64,
                sigma_data=TOY_SIGMA_DATA,
                lambda_z=TOY_LAMBDA_KL,
                learning_rate=2e-3,
                steps=self.numbers.toy_steps,
                seed=seed,
            )
            for sigma in self.toy_noise.grid(self.numbers.toy_levels)
            for seed in self.seeds
        ]

    def runs(self) -> list[RunParameters]:
        return self.dial() + self.control() + self.shown() + self.toy()

    def products(self) -> list[Product[Any]]:
        return [
            *[metrics(run) for run in self.dial() + self.control()],
            *[usage(run) for run in self.dial()],
            *[codes(run) for run in self.dial() if run.seed == self.seeds[0]],
            *[reconstructions(run, self.numbers.nfe_steps) for run in self.shown()],
            *[measured(run) for run in self.toy() for measured in (metrics, usage)],
        ]
