"""What notebooks 03 and 17 to 19 share: models whose samples are judged."""

from __future__ import annotations

import pandas as pd

from drlcore.paper.experiments.base import ImageExperiment, Penalty, Seed, Seeds
from drlcore.paper.products import Product
from drlcore.paper.samples import Further, quality, reader
from drlcore.probes.inception import network
from drlcore.training.run import RunParameters


class Sampled(ImageExperiment):
    """Base: models without a code, trained to be drawn from.

    Attributes:
        seed: the first seed, the one that pictures show.
        n_seeds: how many seeds from there on every number is measured over; None takes the
            preset's.
    """

    seed: Seed = 0
    n_seeds: Seeds | None = None

    def without_code(self, seed: int | None = None) -> RunParameters:
        """Denoising score matching; first seed if none is given."""
        return self.sampled(method="dsm", latent_dim=2, seed=self.seed if seed is None else seed)

    @property
    def reader(self) -> RunParameters:
        """The classifier that samples are read by; without labels an autoencoder."""
        return reader(self.dataset, self.numbers.reader_steps)

    @property
    def further(self) -> tuple[Further, ...]:
        """What samples are judged by beside: Inception, at a preset that asks and where it is."""
        asked = self.numbers.generation.inception and network() is not None
        return ("inception",) if asked else ()

    def quality(self, run: RunParameters) -> Product[pd.DataFrame]:
        """How good the samples of ``run`` are, without a code or from codes of images."""
        numbers, further = self.numbers, self.further
        return quality(run, numbers.nfe_steps, self.reader, numbers.generation.images, further)


class SampledWithCode(Sampled):
    """Base: beside them VDRL's, each trained in one stage.

    Attributes:
        lambda_kl: weight of KL (VDRL); None takes the preset's, which goes with its weighting.
    """

    lambda_kl: Penalty | None = None

    def of_dimension(self, latent_dim: int, seed: int | None = None) -> RunParameters:
        """VDRL with a code of some size."""
        price = self.numbers.drawn.lambda_kl if self.lambda_kl is None else self.lambda_kl
        return self.sampled(
            method="vdrl",
            latent_dim=latent_dim,
            lambda_z=price,
            seed=self.seed if seed is None else seed,
        )

    def largest(self, seed: int | None = None) -> RunParameters:
        """VDRL with the largest code."""
        return self.of_dimension(max(self.numbers.latent_dims), seed)
