"""Notebook 03: what a two-dimensional code holds."""

from __future__ import annotations

from typing import Any

from drlcore.experiments.base import ImageExperiment, LatentDim, Penalty, Seed
from drlcore.loss import Method
from drlcore.noise_range import TSampler
from drlcore.products import Product, codes, latent_grid, metrics, same_code, swapped_codes, usage
from drlcore.run import RunParameters

# What notebook 03 compares.
SETTINGS: tuple[tuple[Method, TSampler], ...] = (
    ("drl", "uniform_t"),
    ("drl", "uniform_sigma"),
    ("vdrl", "uniform_t"),
    ("vdrl", "uniform_sigma"),
)


class LatentSpace(ImageExperiment):
    """Notebook 03: DRL and VDRL with a 2-D code, at uniform t and at uniform sigma.

    Attributes:
        latent_dim: size of z; grids of samples are drawn over its first two coordinates.
        lambda_l1: weight of L1 (DRL).
        lambda_kl: weight of KL (VDRL).
        seed: of every run.
    """

    notebook = "03_train_drl"
    writes = (notebook,)
    latent_dim: LatentDim = 2
    lambda_l1: Penalty = 0.0
    lambda_kl: Penalty = 1e-5
    seed: Seed = 0

    @property
    def resolved(self) -> dict[str, Any]:
        sizes = ", ".join(str(d) for d in self.numbers.latent_dims)
        return {"steps": self.steps_where_drawn, "code sizes of the last figure": sizes}

    def run(self, method: Method, t_sampler: TSampler) -> RunParameters:
        """The run of one method and t-sampler that its codes are read from."""
        return self.sampled(
            method=method,
            noise=self.noise.updated(t_sampler=t_sampler),
            latent_dim=self.latent_dim,
            lambda_z=self.lambda_kl if method == "vdrl" else self.lambda_l1,
            seed=self.seed,
        )

    def sampler(self, method: Method, t_sampler: TSampler) -> RunParameters:
        """The run that samples are drawn from: a second stage where training saw no small noise."""
        run = self.run(method, t_sampler)
        if t_sampler == "uniform_t":
            return run
        return run.second_stage(self.noise)

    def of_dimension(self, latent_dim: int) -> RunParameters:
        """VDRL at uniform t with another code size, for the diversity figure."""
        return self.run("vdrl", "uniform_t").updated(latent_dim=latent_dim)

    def unconditional(self) -> RunParameters:
        """Denoising score matching without a code: the floor to get under."""
        return self.run("vdrl", "uniform_t").updated(method="dsm", lambda_z=0.0)

    def runs(self) -> list[RunParameters]:
        runs = [self.run(m, t) for m, t in SETTINGS]
        runs += [self.of_dimension(d) for d in self.numbers.latent_dims]
        runs += [self.unconditional()]
        runs += [self.sampler(m, t) for m, t in SETTINGS]
        return list({run.key: run for run in runs}.values())

    def products(self) -> list[Product[Any]]:
        steps = self.numbers.nfe_steps
        of_dimensions = [self.of_dimension(d) for d in self.numbers.latent_dims]
        products: list[Product[Any]] = [usage(self.unconditional())]
        for method, t_sampler in SETTINGS:
            run = self.run(method, t_sampler)
            products += [metrics(run), codes(run), usage(run)]
            products += [latent_grid(self.sampler(method, t_sampler), steps)]
        products += [swapped_codes(self.run("drl", "uniform_t"), steps)]
        products += [swapped_codes(self.sampler("drl", "uniform_sigma"), steps)]
        products += [p for run in of_dimensions for p in (same_code(run, steps), metrics(run))]
        return list({product.name: product for product in products}.values())
