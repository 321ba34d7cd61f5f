"""Which runs each notebook needs: the one list that notebooks and batch reproduction share.

An experiment holds what a notebook's parameters cell may set. Its field names are the allowed
parameter names; ``None`` means the preset's number.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from drlcore.datasets import DATASETS, require
from drlcore.errors import ParameterError
from drlcore.loss import Method
from drlcore.noise_range import NoiseRange, TSampler
from drlcore.parameters import Parameters
from drlcore.presets import PRESETS, Preset, PresetName
from drlcore.products import (
    Product,
    codes,
    latent_grid,
    metrics,
    reconstructions,
    same_code,
    swapped_codes,
    usage,
)
from drlcore.run import RunParameters
from drlcore.sde import SDEName, make_sde

IMAGE_DATASETS = tuple(name for name in DATASETS if name != "toy")

# What notebook 03 compares.
SETTINGS: tuple[tuple[Method, TSampler], ...] = (
    ("drl", "uniform_t"),
    ("drl", "uniform_sigma"),
    ("vdrl", "uniform_t"),
    ("vdrl", "uniform_sigma"),
)


def _known_dataset(name: str) -> str:
    if name not in IMAGE_DATASETS and not Path(name).is_file():
        known = ", ".join(IMAGE_DATASETS)
        raise ValueError(f"known are {known}, or the path of an .npz file that exists")
    if name in IMAGE_DATASETS:
        require(name)  # an absent file stops here with a DataError, before any training
    return name


ImageDataset = Annotated[str, AfterValidator(_known_dataset)]

# The toy set's standard deviation, and the price of a nat of code: at 0.01 each factor pays for
# itself (gain > 0.01 log 3) in a window around its own scale.
TOY_SIGMA_DATA = 5.7
TOY_LAMBDA_KL = 0.01

# Names IPython puts into every notebook's namespace.
_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}


class Experiment(Parameters):
    """Base: what every notebook can set.

    ``notebook`` names it; ``writes`` and ``reads`` name the result tables it makes and takes.

    Attributes:
        preset: ``smoke`` (seconds), ``laptop`` (minutes) or ``paper`` (a GPU).
    """

    notebook: ClassVar[str]
    writes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    preset: PresetName = "laptop"

    @classmethod
    def from_notebook(cls, namespace: Mapping[str, Any]) -> Self:
        """Read the parameters cell: call as ``from_notebook(globals())`` right after it.

        papermill only warns about a parameter that the notebook does not know. Here every global
        that is not a field is an error, so that a misspelt ``-p`` stops the notebook at once.

        Raises:
            ParameterError: an unknown name, a wrong type or an impossible value.
        """
        return cls(
            **{
                name: value
                for name, value in namespace.items()
                if not name.startswith("_")
                and name not in _IPYTHON
                and not callable(value)
                and not isinstance(value, ModuleType)
            }
        )

    @property
    def numbers(self) -> Preset:
        return PRESETS[self.preset]

    def runs(self) -> list[RunParameters]:
        """Every training run the notebook reads, first stages before second ones."""
        return []

    def products(self) -> list[Product[Any]]:
        """Everything the notebook reads of those runs beside their training histories."""
        return []

    def batches(self, per_job: int | None = None) -> list[list[RunParameters]]:
        """The runs in groups for one batch job each; toy runs take seconds, so 18 a job."""
        toy = [run for run in self.runs() if run.dataset == "toy"]
        rest = [run for run in self.runs() if run.dataset != "toy"]
        size = per_job or self.numbers.runs_per_job
        return [*_batched(rest, size), *_batched(toy, 18)]


class ImageExperiment(Experiment):
    """Base of experiments that train on images.

    Attributes:
        dataset: a name of ``IMAGE_DATASETS``, or the path of an ``.npz`` file with your own images.
        sde: ``ve`` (the paper's), ``vp`` or ``subvp``.
        sigma_min, sigma_max: the noise range, data units; images lie in [-1, 1].
        steps: training steps where codes are measured.
        sampler_steps: training steps where samples are drawn.
    """

    dataset: ImageDataset = "mnist"
    sde: SDEName = "ve"
    sigma_min: float = Field(default=0.01, gt=0)
    sigma_max: float = Field(default=50.0, gt=0)
    steps: int | None = Field(default=None, ge=1)
    sampler_steps: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.base()  # every run is validated before the first one trains
        return self

    @property
    def noise(self) -> NoiseRange:
        """The whole range, uniform t."""
        return NoiseRange(sigma_min=self.sigma_min, sigma_max=self.sigma_max)

    def base(self, **changes: Any) -> RunParameters:
        """A run with the preset's numbers whose code is measured."""
        numbers = self.numbers
        values: dict[str, Any] = {
            "dataset": self.dataset,
            "sde": self.sde,
            "noise": self.noise,
            "encoder": numbers.encoder,
            "score_network": numbers.score_network,
            "time_embedding": numbers.time_embedding,
            "width": numbers.width,
            "batch_size": numbers.batch_size,
            "learning_rate": numbers.learning_rate,
            "warmup_steps": numbers.warmup_steps,
            "ema_decay": numbers.ema_decay,
            "train_images": numbers.train_images,
            "steps": self.steps or numbers.steps,
        }
        return RunParameters(**{**values, **changes})

    def sampled(self, **changes: Any) -> RunParameters:
        """A run with the preset's numbers that samples are drawn from."""
        return self.base(**{**self._sampler, **changes})

    @property
    def _sampler(self) -> dict[str, Any]:
        numbers = self.numbers
        return {
            "score_network": numbers.sampler_network,
            "width": numbers.sampler_width,
            "steps": self.sampler_steps or numbers.sampler_steps,
        }


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
    latent_dim: int = Field(default=2, ge=2)
    lambda_l1: float = Field(default=0.0, ge=0)
    lambda_kl: float = Field(default=1e-5, ge=0)
    seed: int = Field(default=0, ge=0)

    def run(self, method: Method, t_sampler: TSampler) -> RunParameters:
        """The run of one method and t-sampler that its codes are read from."""
        return self.sampled(
            method=method,
            noise=self.noise.updated(t_sampler=t_sampler),
            latent_dim=self.latent_dim,
            lambda_z=self.lambda_l1 if method == "drl" else self.lambda_kl,
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
        return list({(p.run.key, p.file): p for p in products}.values())


class NoiseDial(ImageExperiment):
    """Notebook 04: single noise levels and sub-ranges over the whole range, several seeds.

    Attributes:
        latent_dim: size of z.
        lambda_z: weight of L1.
        n_levels: single noise levels, evenly spaced in log sigma over the range.
        n_seeds: seeds of every setting.
    """

    notebook = "04_noise_dial"
    writes = (notebook,)
    latent_dim: int = Field(default=2, ge=1)
    lambda_z: float = Field(default=0.0, ge=0)
    n_levels: int | None = Field(default=None, ge=2)
    n_seeds: int | None = Field(default=None, ge=1)

    @property
    def seeds(self) -> range:
        return range(self.n_seeds or self.numbers.n_seeds)

    @property
    def levels(self) -> list[float]:
        return self.noise.grid(self.n_levels or self.numbers.n_levels)

    def ranges(self) -> list[NoiseRange]:
        """Everything but single levels: uniform t, its lower and upper half, uniform sigma."""
        middle = float(f"{(self.sigma_min * self.sigma_max) ** 0.5:.3g}")
        return [
            self.noise,
            self.noise.interval(self.sigma_min, middle),
            self.noise.interval(middle, self.sigma_max),
            self.noise.whole("uniform_sigma"),
        ]

    def run(self, noise: NoiseRange, seed: int) -> RunParameters:
        return self.base(noise=noise, seed=seed, latent_dim=self.latent_dim, lambda_z=self.lambda_z)

    def dial(self) -> list[RunParameters]:
        """The runs whose codes are measured."""
        settings = [self.noise.single(sigma) for sigma in self.levels] + self.ranges()
        return [self.run(noise, seed) for noise in settings for seed in self.seeds]

    def shown(self) -> list[RunParameters]:
        """Second stages that draw images from the codes: every other level, first seed."""
        firsts = [self.run(self.noise.single(sigma), self.seeds[0]) for sigma in self.levels[::2]]
        return [first.second_stage(self.noise, **self._sampler) for first in firsts]

    @property
    def toy_noise(self) -> NoiseRange:
        """The toy set's range; its scales, 8, 1 and 0.125, are fixed, so this is too."""
        return NoiseRange(sigma_min=0.01, sigma_max=50.0)

    @property
    def toy_price(self) -> float:
        """What telling one factor of three equally likely values costs: lambda_z log 3."""
        return TOY_LAMBDA_KL * math.log(3)

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
        return self.dial() + self.shown() + self.toy()

    def products(self) -> list[Product[Any]]:
        return [
            *[metrics(run) for run in self.dial()],
            *[codes(run) for run in self.dial() if run.seed == self.seeds[0]],
            *[reconstructions(run, self.numbers.nfe_steps) for run in self.shown()],
            *[metrics(run) for run in self.toy()],
        ]


class ForwardSDE(ImageExperiment):
    """Notebook 01: what each noise level erases. Trains nothing."""

    notebook = "01_forward_sde"


class Floor(Experiment):
    """Notebook 02: Proposition 1 in closed form on the toy set. Trains nothing.

    Attributes:
        sde: which diffusion.
        sigma_min, sigma_max: the noise range, toy units (the coarse scale is 8).
        seed: of the Monte-Carlo draws.
    """

    notebook = "02_score_matching_floor"
    writes = (notebook,)
    sde: SDEName = "ve"
    sigma_min: float = Field(default=0.01, gt=0)
    sigma_max: float = Field(default=50.0, gt=0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        make_sde(self.sde, self.noise)
        return self

    @property
    def noise(self) -> NoiseRange:
        """The whole range, uniform t."""
        return NoiseRange(sigma_min=self.sigma_min, sigma_max=self.sigma_max)


class StartHere(Experiment):
    """Notebook 00: the map.

    Attributes:
        dataset: where the picture's image comes from.
    """

    notebook = "00_start_here"
    dataset: ImageDataset = "mnist"


class Verdicts(Experiment):
    """Notebook 05: claims and what became of them."""

    notebook = "05_claims"
    writes = ("claims",)
    reads = (Floor.notebook, LatentSpace.notebook, NoiseDial.notebook)


EXPERIMENTS: dict[str, type[Experiment]] = {
    experiment.notebook: experiment
    for experiment in (StartHere, ForwardSDE, Floor, LatentSpace, NoiseDial, Verdicts)
}


def plan(settings: Mapping[str, Any]) -> dict[str, Experiment]:
    """Every notebook's experiment under ``settings``, as given to the batch run.

    A setting goes to the notebooks that know it.

    Raises:
        ParameterError: a setting that no notebook knows, or an impossible value.
    """
    known = {name for cls in EXPERIMENTS.values() for name in cls.model_fields}
    if unknown := sorted(set(settings) - known):
        raise ParameterError(
            f"unknown parameter {unknown[0]!r}; known are: {', '.join(sorted(known))}"
        )
    return {
        notebook: cls(**{k: v for k, v in settings.items() if k in cls.model_fields})
        for notebook, cls in EXPERIMENTS.items()
    }


def papermill_arguments(experiment: Experiment) -> str:
    """The ``-p name value`` that give a notebook this experiment: all but its defaults."""
    given = experiment.model_dump(mode="json", exclude_defaults=True)
    return " ".join(f"-p {name} {shlex.quote(str(value))}" for name, value in given.items())


def _batched(runs: list[RunParameters], size: int) -> Iterator[list[RunParameters]]:
    iterator = iter(runs)
    while batch := list(islice(iterator, size)):
        yield batch
