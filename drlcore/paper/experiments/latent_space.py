"""Notebook 03: what a two-dimensional code holds."""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd

from drlcore.baselines import METHODS
from drlcore.paper.experiments.base import LatentDim, Penalty
from drlcore.paper.experiments.comparison import LAMBDA
from drlcore.paper.experiments.sampled import SampledWithCode
from drlcore.paper.products import (
    Product,
    codes,
    latent_grid,
    metrics,
    same_code,
    swapped_codes,
    usage,
)
from drlcore.paper.samples import quality, samplers
from drlcore.training.run import RunParameters

# What notebook 03 compares.
SETTINGS = tuple(product(("drl", "vdrl"), ("uniform_t", "uniform_sigma")))


class LatentSpace(SampledWithCode):
    """Notebook 03: DRL and VDRL with a 2-D code, at uniform t and at uniform sigma.

    Attributes:
        latent_dim: size of z; grids of samples are drawn over its first two coordinates.
        lambda_l1: weight of L1 (DRL).
        lambda_kl: weight of KL (VDRL); None is ``comparison.LAMBDA``'s, and where samples are
            judged the preset's.
    """

    notebook = "03_train_drl"
    writes = (notebook,)
    latent_dim: LatentDim = 2
    lambda_l1: Penalty = 0.0

    @property
    def resolved(self) -> dict[str, Any]:
        sizes = ", ".join(map(str, self.numbers.latent_dims))
        known = {"steps": self.steps_where_drawn, "seeds": len(self.seeds)}
        return {**known, "code sizes where samples are judged": sizes}

    def run(self, method: str, t_sampler: str, seed: int | None = None) -> RunParameters:
        """The run of one method and t-sampler that its codes are read from; first seed if none.

        Under the paper's weighting, which has its say in what a code holds.
        """
        return self.sampled(
            method=method,
            noise=self.noise.updated(t_sampler=t_sampler),
            weighting=self.base().weighting,
            latent_dim=self.latent_dim,
            lambda_z=self._price if METHODS[method].gaussian else self.lambda_l1,
            seed=self.seed if seed is None else seed,
        )

    def sampler(self, method: str, t_sampler: str, seed: int | None = None) -> RunParameters:
        """The run that samples are drawn from.

        A second stage where the first saw no small noise, or under a weighting that teaches its
        score network little at some level.
        """
        run, drawn = self.run(method, t_sampler, seed), self.sampled()
        if (run.noise, run.weighting) == (drawn.noise, drawn.weighting):
            return run
        return run.second_stage(drawn.noise, weighting=drawn.weighting)

    def unconditional(self, seed: int | None = None) -> RunParameters:
        """Denoising score matching without a code: the floor to get under."""
        return self.run("vdrl", "uniform_t", seed).updated(method="dsm", lambda_z=0.0)

    def drawn(self, seed: int | None = None) -> dict[str, RunParameters]:
        """The runs whose samples are judged, by what tables call them."""
        sizes = self.numbers.latent_dims
        with_code = {f"code of {size}": self.of_dimension(size, seed) for size in sizes}
        return {"no code": self.without_code(seed), **with_code}

    @property
    def _price(self) -> float:
        return LAMBDA["vdrl"] if self.lambda_kl is None else self.lambda_kl

    def quality(self, run: RunParameters) -> Product[pd.DataFrame]:
        """How good the samples of ``run`` are."""
        return quality(run, self.numbers.nfe_steps, self.reader, further=self.further)

    def samplers(self, seed: int | None = None) -> Product[pd.DataFrame]:
        """How good they are by every sampler: VDRL with the largest code."""
        ode_steps, sde_nfe = self.numbers.ode_steps, self.numbers.sde_nfe
        return samplers(self.largest(seed), self.reader, ode_steps, sde_nfe)

    def used(self, seed: int) -> list[RunParameters]:
        """The runs whose use of the code is measured, those without one beside them."""
        trained = [self.run(m, t, seed) for m, t in SETTINGS]
        runs = [*trained, self.unconditional(seed), *self.drawn(seed).values()]
        return list(dict.fromkeys(runs))

    def runs(self) -> list[RunParameters]:
        first = [run for seed in self.seeds for run in self.used(seed)]
        return list(dict.fromkeys([self.reader, *first, *(each.run for each in self.products())]))

    def products(self) -> list[Product[Any]]:
        steps = self.numbers.nfe_steps
        products: list[Product[Any]] = []
        for seed in self.seeds:
            products += [metrics(self.run(m, t, seed)) for m, t in SETTINGS]
            products += [usage(run) for run in self.used(seed)]
            products += [self.quality(run) for run in self.drawn(seed).values()]
            products += [self.samplers(seed)]
            products += [swapped_codes(self.sampler(m, t, seed), steps) for m, t in SETTINGS[:2]]
            for run in (self.of_dimension(d, seed) for d in self.numbers.latent_dims):
                products += [same_code(run, steps), metrics(run)]
        for setting in SETTINGS:  # pictures
            products += [codes(self.run(*setting)), latent_grid(self.sampler(*setting), steps)]
        return list({each.name: each for each in products}.values())
