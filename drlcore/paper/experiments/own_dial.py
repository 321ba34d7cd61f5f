"""The dial of any images, without a notebook: ``python -m drlcore dial``."""

from __future__ import annotations

from typing import Any

from drlcore.noise_range import NoiseRange
from drlcore.paper.experiments.base import Seeds
from drlcore.paper.experiments.noise_dial import NoiseDial
from drlcore.paper.products import Product, bands
from drlcore.training.run import RunParameters


class OwnDial(NoiseDial):
    """Notebook 04's single levels, one seed, and detail measured without labels.

    Attributes:
        n_seeds: seeds of each level.
    """

    n_seeds: Seeds | None = 1

    @property
    def place(self) -> str:
        """A folder of its own beside the notebooks'."""
        return super().place.replace("mine/", "mine/dial-", 1)

    def ranges(self) -> list[NoiseRange]:
        return []

    def toy(self) -> list[RunParameters]:
        return []

    def products(self) -> list[Product[Any]]:
        return [*super().products(), *map(bands, self.dial() + self.control())]
