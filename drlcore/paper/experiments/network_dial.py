"""Notebook 10: does the noise dial depend on the score network?"""

from __future__ import annotations

from typing import Any

from drlcore.paper.experiments.noise_dial import Dial
from drlcore.paper.presets import NetworkPreset
from drlcore.paper.products import Product, metrics, usage
from drlcore.training.run import RunParameters


class NetworkDial(Dial):
    """Notebook 10: notebook 04's single levels, every other one, with several score networks.

    All have the same encoder, images, batches, steps and optimiser.
    """

    notebook = "10_dial_and_network"
    writes = (notebook,)

    @property
    def resolved(self) -> dict[str, Any]:
        levels = ", ".join(f"{sigma:g}" for sigma in self.levels)
        known = {"levels": levels, "seeds": len(self.seeds)}
        steps = self.steps or self.numbers.steps
        return {**known, "networks": "; ".join(self.networks), "steps": steps}

    @property
    def levels(self) -> list[float]:
        return super().levels[::2]

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """What differs, by what figures call it: the preset's own network, then the others."""
        numbers = self.numbers
        own = NetworkPreset(score_network=numbers.score_network, width=numbers.width)
        return {each.title: each.model_dump() for each in (own, *numbers.networks)}

    def of(self, network: str) -> list[RunParameters]:
        """The runs of one network."""
        levels, changes = map(self.noise.single, self.levels), self.networks[network]
        return [self.run(level, seed, **changes) for level in levels for seed in self.seeds]

    def runs(self) -> list[RunParameters]:
        return [*(run for network in self.networks for run in self.of(network)), *self.control()]

    def products(self) -> list[Product[Any]]:
        trained = [run for network in self.networks for run in self.of(network)]
        return [*map(metrics, trained), *map(metrics, self.control()), *map(usage, trained)]
