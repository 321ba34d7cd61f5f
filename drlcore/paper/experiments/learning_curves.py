"""Notebook 13: how long a code takes to learn its classes, and what changes it."""

from __future__ import annotations

from typing import Any, ClassVar

from drlcore.paper.experiments.comparison import Compared, Comparison, DatasetNames
from drlcore.paper.products import Product, usage
from drlcore.training.run import RunParameters


class LearningCurves(Comparison):
    """Notebook 13: class in codes E(x0) against images seen, of DRL and an autoencoder.

    Two questions. How does the accuracy grow with training: DRL at all levels, at the middle ones,
    and at a single high one, an autoencoder; DRL at all levels and an autoencoder with a code of
    the paper's size; an untrained encoder. The two with the large code are trained longest, the
    same two with the usual one a length less, the others two. And, at the preset's length, does the
    gap come from something that both share: one change at a time, made to both or, where it is the
    diffusion's, to DRL.
    """

    notebook = "13_learning_curves"
    writes = (notebook,)
    needs_images = False
    dataset: DatasetNames | None = "cifar10"
    large: ClassVar[int] = 128  # the paper's code, of features of its WRN-28-2

    def step_counts(self, way: str) -> list[int]:
        """How many steps the models of one of ``ways`` are trained for, ascending."""
        usual, shares = self.steps or self.numbers_compared.steps, self.numbers.comparison.learning
        counts = list(dict.fromkeys(max(1, round(share * usual)) for share in shares))
        left_out = 0 if way in self.with_large_code else 1 if way in self.compared else 2
        return counts[: max(1, len(counts) - left_out)]

    @property
    def ways(self) -> dict[str, dict[str, Any]]:
        """What is trained, by what figures call it, and how it differs from DRL at all levels."""
        levels = self.noise.grid(21)
        middle, high = self.noise.interval(levels[8], levels[16]), self.noise.single(levels[15])
        return {
            "autoencoder": {"method": "ae"},
            "DRL, all levels": {},
            f"DRL, {middle.label}": {"noise": middle},
            f"DRL, {high.label}": {"noise": high},
            f"autoencoder, code of {self.large}": {"method": "ae", "latent_dim": self.large},
            f"DRL, code of {self.large}": {"latent_dim": self.large},
        }

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """One change at a time from what both share, by what figures call it."""
        other = "edm" if self.weighting_used == "std2" else "std2"
        *_, network = self.numbers.networks
        return {
            "as above": {},
            "code of 8": {"latent_dim": 8},
            f"code of {self.large}": {"latent_dim": self.large},
            "residual encoder": {"encoder": "residual"},
            f"λ = {other}": {"weighting": other},
            network.title: {"score_network": network.score_network, "width": network.width},
        }

    def of(self, way: str, **changes: Any) -> list[RunParameters]:
        """The runs of one of ``ways``, every seed, with some parameters changed."""
        how = {"method": "drl"} | self.ways[way] | changes
        runs = self.per_seed(Compared(how.pop("method"), False))
        return [run.updated(**how) for run in runs]

    def varied(self, way: str) -> dict[str, list[RunParameters]]:
        """The runs of one of ``ways`` under each change that concerns it."""
        of_diffusion = {"weighting", "score_network"} if way == "autoencoder" else set()
        concerns = [name for name, how in self.changes.items() if not of_diffusion & how.keys()]
        return {name: self.of(way, **self.changes[name]) for name in concerns}

    @property
    def compared(self) -> tuple[str, str]:
        """Whose gap is asked about: of ``ways``, the autoencoder and DRL at all levels."""
        autoencoder, drl, *_ = self.ways
        return autoencoder, drl

    @property
    def with_large_code(self) -> tuple[str, str]:
        """The same two with a code of the paper's size."""
        *_, autoencoder, drl = self.ways
        return autoencoder, drl

    def worth(self) -> list[Product[Any]]:
        """What the large code is worth to the loss, DRL's three longest trainings, every seed."""
        _, drl = self.with_large_code
        return [usage(run) for n in self.step_counts(drl)[-3:] for run in self.of(drl, steps=n)]

    def untrained(self) -> list[RunParameters]:
        """The encoder as it is drawn, every seed."""
        return self.per_seed(Compared("random", False))

    def runs(self) -> list[RunParameters]:
        curves = [
            r for way in self.ways for n in self.step_counts(way) for r in self.of(way, steps=n)
        ]
        changed = [r for way in self.compared for rs in self.varied(way).values() for r in rs]
        return list(dict.fromkeys([*curves, *changed, *self.untrained()]))

    def products(self) -> list[Product[Any]]:
        return [*super().products(), *self.worth()]
