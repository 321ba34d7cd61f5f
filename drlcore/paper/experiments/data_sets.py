"""Notebook 14: the dial and the comparison of methods on several data sets, side by side."""

from __future__ import annotations

from typing import Any

from drlcore.paper.experiments.comparison import COMPARED, Comparison, DatasetNames
from drlcore.paper.experiments.learning_curves import LearningCurves
from drlcore.paper.experiments.natural_images import NaturalImages
from drlcore.paper.products import Product, bands, metrics, single_times, usage
from drlcore.training.run import RunParameters


class DataSets(Comparison):
    """Notebook 14: notebook 11's single levels and notebook 12's methods, on each data set.

    And the two ends of notebook 13's curves with a large code: DRL and an autoencoder trained for
    the usual number of steps and for the most.

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

    def with_large_code(self, dataset: str) -> list[RunParameters]:
        """An autoencoder and DRL with a large code, the usual and the longest training."""
        curves = LearningCurves(**{**self.model_dump(), "dataset": dataset})
        usual = self.steps or self.numbers_compared.steps
        return [
            run
            for way in curves.with_large_code
            for steps in sorted({usual, curves.step_counts(way)[-1]})
            for run in curves.of(way, steps=steps)
        ]

    def runs(self) -> list[RunParameters]:
        dials = [[*self.at_levels(n), *self.dial(n).compared()] for n in self.datasets]
        compared = [[*self.methods(n), *self.with_large_code(n)] for n in self.datasets]
        return list(dict.fromkeys(run for runs in (*dials, *compared) for run in runs))

    def products(self) -> list[Product[Any]]:
        found: list[Product[Any]] = []
        for name in self.datasets:
            trained = self.at_levels(name)
            probed = [*trained, *self.dial(name).compared()]
            found += [of(run) for run in probed for of in (metrics, bands)]
            found += [usage(run) for run in trained]
            compared = [*self.methods(name), *self.with_large_code(name)]
            found += [single_times(run, self.protocol) for run in compared]
        return found
