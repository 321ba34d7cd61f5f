"""Notebook 14: the dial and the comparison of methods on several data sets, side by side."""

from __future__ import annotations

from typing import Any

from drlcore.paper.experiments.comparison import COMPARED, Comparison, DatasetNames
from drlcore.paper.experiments.natural_images import NaturalImages
from drlcore.paper.products import Product, bands, metrics, single_times, usage
from drlcore.training.run import RunParameters


class DataSets(Comparison):
    """Notebook 14: notebook 11's single levels and notebook 12's methods, on each data set.

    ``weighting`` and ``latent_dim`` are of the methods; the dial's codes have two numbers.
    """

    notebook = "14_data_sets"
    writes = (notebook,)
    shows_one = False
    needs_images = False
    dataset: DatasetNames | None = "mnist, cifar10, fashion-mnist"

    def dial(self, dataset: str) -> NaturalImages:
        """The dial of one data set."""
        return NaturalImages(
            preset=self.preset,
            dataset=dataset,
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
            n_seeds=self.n_seeds,
            steps=self.steps,
        )

    def at_levels(self, dataset: str) -> list[RunParameters]:
        """DRL at each noise level alone, every seed."""
        dial = self.dial(dataset)
        return [run for sigma in dial.levels for run in dial.at_level(sigma)]

    def methods(self, dataset: str) -> list[RunParameters]:
        """Every method, every seed."""
        return self.per_seed(*COMPARED, dataset=dataset)

    def runs(self) -> list[RunParameters]:
        dials = [[*self.at_levels(n), *self.dial(n).compared()] for n in self.datasets]
        compared = [self.methods(name) for name in self.datasets]
        return list(dict.fromkeys(run for runs in (*dials, *compared) for run in runs))

    def products(self) -> list[Product[Any]]:
        found: list[Product[Any]] = []
        for name in self.datasets:
            trained = self.at_levels(name)
            probed = [*trained, *self.dial(name).compared()]
            found += [of(run) for run in probed for of in (metrics, bands)]
            found += [usage(run) for run in trained]
            found += [single_times(run, self.protocol) for run in self.methods(name)]
        return found
