"""Notebook 10: does the noise dial depend on the score network?"""

from __future__ import annotations

from typing import Any

from drlcore.paper.experiments.base import ImageExperiment, LatentDim, Levels, Penalty, Seeds
from drlcore.paper.products import Product, metrics, usage
from drlcore.score_network import SCORE_NETWORKS
from drlcore.training.run import RunParameters


class NetworkDial(ImageExperiment):
    """Notebook 10: notebook 04's single levels, every other one, with several score networks.

    All have the same encoder, images, batches, steps and optimiser.

    Attributes:
        latent_dim: size of z.
        lambda_z: weight of L1.
        n_levels: of the dial, of which every other one is trained at.
        n_seeds: seeds of every setting.
    """

    notebook = "10_dial_and_network"
    writes = (notebook,)
    latent_dim: LatentDim = 2
    lambda_z: Penalty = 0.0
    n_levels: Levels | None = None
    n_seeds: Seeds | None = None

    @property
    def resolved(self) -> dict[str, Any]:
        levels = ", ".join(f"{sigma:g}" for sigma in self.levels)
        known = {"levels": levels, "seeds": len(self.seeds)}
        return {**known, "networks": "; ".join(self.networks), "steps": self._steps}

    @property
    def _steps(self) -> int:
        return self.steps or self.numbers.steps

    @property
    def levels(self) -> list[float]:
        return self.noise.grid(self.n_levels or self.numbers.n_levels)[::2]

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """What differs, by what figures call it: the preset's own network, then the others."""
        numbers = self.numbers
        own = {"score_network": numbers.score_network, "width": numbers.width}
        return {_title(each): each for each in (own, *(n.model_dump() for n in numbers.networks))}

    def run(self, network: str, sigma: float, seed: int) -> RunParameters:
        return self.base(
            noise=self.noise.single(sigma), seed=seed, latent_dim=self.latent_dim,
            lambda_z=self.lambda_z, **self.networks[network],
        )  # fmt: skip

    def of(self, network: str) -> list[RunParameters]:
        """The runs of one network."""
        return [self.run(network, sigma, seed) for sigma in self.levels for seed in self.seeds]

    def control(self) -> list[RunParameters]:
        """Encoders as they are drawn, untrained."""
        untrained = self.base(method="random", latent_dim=self.latent_dim)
        return [untrained.updated(seed=seed) for seed in self.seeds]

    def runs(self) -> list[RunParameters]:
        return [*(run for network in self.networks for run in self.of(network)), *self.control()]

    def products(self) -> list[Product[Any]]:
        trained = [run for network in self.networks for run in self.of(network)]
        return [*map(metrics, trained), *map(metrics, self.control()), *map(usage, trained)]


def _title(network: dict[str, Any]) -> str:
    name = str(network["score_network"])
    return f"{name}, width {network['width']}" if SCORE_NETWORKS[name].has_width else name
