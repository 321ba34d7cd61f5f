"""Notebooks 06 to 09: the code as a curve, and methods compared by one protocol."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, takewhile
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from drlcore.datasets import DATASETS, available, require, title
from drlcore.downstream import Protocol
from drlcore.experiments.base import Experiment, image_dataset
from drlcore.loss import Method, Weighting
from drlcore.noise_range import NoiseRange
from drlcore.own_images import is_own
from drlcore.presets import MethodsPreset
from drlcore.products import (
    Product,
    curves,
    shared_information,
    single_times,
    whole_trajectory,
)
from drlcore.run import RunParameters
from drlcore.sde import SDEName

_PATH, _NAMES = 2**12, 2**16  # characters: more than a path has, and more than anyone types


def _split(names: str) -> Iterator[str]:
    """The names between commas, in order; a comma may also belong to the path of own images."""
    pieces = names.split(",")
    if len(pieces) > 1 and is_own(names.strip()):
        yield names.strip()
        return
    while pieces:
        joined = takewhile(lambda name: len(name) < _PATH, accumulate(pieces, "{},{}".format))
        ends = (i for i, name in enumerate(joined, 1) if is_own(name.strip()))
        end = 1 if pieces[0].strip() in DATASETS else next(ends, 1)
        yield ",".join(pieces[:end]).strip()
        del pieces[:end]


def _known_datasets(names: str) -> str:
    if len(names) > _NAMES:
        raise ValueError(f"{len(names)} characters; allowed: up to {_NAMES}")
    found = list(dict.fromkeys(image_dataset(name) for name in _split(names)))
    titles = [title(name) for name in found]
    if twice := [name for name in titles if titles.count(name) > 1]:
        raise ValueError(f"two data sets would both be called {twice[0]!r}; rename one file")
    return ", ".join(found)


DatasetNames = Annotated[str, AfterValidator(_known_datasets)]

# Penalties in the normalisation of ``loss``. VDRL: that of the authors' MNIST runs, rounded. VAE:
# their downstream runs weigh the KL by 1 against half a sum over d values, which is 2/d here; this
# is 2/d of MNIST, on every data set.
LAMBDA: dict[Method, float] = {"vdrl": 1e-5, "vae": 2.5e-3}


class Compared(NamedTuple):
    """A method as it is compared: E(x0, t) or E(x0)."""

    method: Method
    time_conditioned: bool

    @property
    def label(self) -> str:
        """Short text for legends and tables."""
        return f"{self.method}, E(x₀, t)" if self.time_conditioned else self.method


CURVES = (Compared("drl", True), Compared("vdrl", True))
METHODS = (
    *CURVES,
    Compared("drl", False),
    Compared("vdrl", False),
    Compared("ae", False),
    Compared("vae", False),
    Compared("simclr", False),
    Compared("simclr-gauss", False),
    Compared("random", False),
    Compared("supervised", False),
)


class Comparison(Experiment):
    """Base: methods that differ in their objective only.

    Encoder, code size, batches, steps and optimiser are the same for all.

    Attributes:
        dataset: one name, or path of own images, or several, separated by commas; None takes the
            preset's. Notebooks that show one data set take the first.
        sigma_min, sigma_max: the noise range, data units; images lie in [-1, 1].
        weighting: lambda(t) of the diffusion methods; None takes the preset's. Under the paper's,
            ``std2``, the loss at high noise is so small that a laptop's few steps teach E(x0, t)
            nothing there; ``edm`` gives every noise level about the same weight. Notebook 06 shows
            both.
        latent_dim, n_seeds, steps: None takes the preset's.
    """

    shows_one: ClassVar[bool] = True
    dataset: DatasetNames | None = None
    sigma_min: float = Field(default=0.01, gt=0)
    sigma_max: float = Field(default=50.0, gt=0)
    weighting: Weighting | None = None
    latent_dim: int | None = Field(default=None, ge=2)
    n_seeds: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.shows_one or not self.datasets:
            require(self.asked[0])  # an absent one stops here and says how to get it
        self.runs()  # every run is validated before the first one trains, under every SDE
        return self

    @property
    def numbers_compared(self) -> MethodsPreset:
        return self.numbers.comparison

    @property
    def weighting_used(self) -> Weighting:
        return self.weighting or self.numbers_compared.weighting

    @property
    def protocol(self) -> Protocol:
        return self.numbers.comparison.protocol

    @property
    def asked(self) -> list[str]:
        """The data sets asked for, there or not."""
        if self.dataset is None:
            return list(self.numbers_compared.datasets)
        return list(_split(self.dataset))

    @property
    def data_title(self) -> str:
        """What figures call the first data set that is there."""
        return title(self.datasets[0])

    @property
    def datasets(self) -> list[str]:
        """Those the notebook runs on: of ``asked``, the first or all that are there."""
        there = self.asked[:1] if self.shows_one else self.asked
        return [name for name in there if available(name)]

    @property
    def absent(self) -> list[str]:
        """Those of ``asked`` that are not: to be reported, never replaced."""
        return [name for name in self.asked if not available(name)]

    @property
    def seeds(self) -> range:
        return range(self.n_seeds or self.numbers_compared.n_seeds)

    @property
    def noise(self) -> NoiseRange:
        """The whole range, uniform t."""
        return NoiseRange(sigma_min=self.sigma_min, sigma_max=self.sigma_max)

    def run(
        self, compared: Compared, dataset: str, seed: int, sde: SDEName = "ve"
    ) -> RunParameters:
        """One training run."""
        numbers = self.numbers_compared
        values: dict[str, Any] = {
            **numbers.training,
            "dataset": dataset,
            "method": compared.method,
            "time_conditioned": compared.time_conditioned,
            "sde": sde,
            "latent_dim": self.latent_dim or numbers.latent_dim,
            "lambda_z": LAMBDA.get(compared.method, 0.0),
            "steps": self.steps or numbers.steps,
            "seed": seed,
        }
        run = RunParameters(**values)
        if not run.sees_noise:
            return run  # a baseline without t is one run, whatever the range and the weighting
        return run.updated(noise=self.noise, weighting=self.weighting_used)

    def per_seed(
        self, compared: Compared, dataset: str, sde: SDEName = "ve"
    ) -> list[RunParameters]:
        """The run of every seed."""
        return [self.run(compared, dataset, seed, sde) for seed in self.seeds]


class CodeCurve(Comparison):
    """Notebook 06: E(x0, t), one encoder that holds the whole dial.

    A code of two dimensions, so that it must choose and can be drawn. DRL is trained under both
    weightings, the paper's ``std2`` and ``edm``.
    """

    notebook = "06_code_as_a_curve"
    writes = (notebook,)
    latent_dim: int | None = Field(default=2, ge=2)

    def runs(self) -> list[RunParameters]:
        other: Weighting = "edm" if self.weighting_used == "std2" else "std2"
        runs = [r for compared in CURVES for r in self.per_seed(compared, self.asked[0])]
        drl = self.per_seed(CURVES[0], self.asked[0])
        return runs + [run.updated(weighting=other) for run in drl]

    def products(self) -> list[Product[Any]]:
        runs = self.runs()
        return [
            *[single_times(run, self.protocol) for run in runs],
            *[curves(run, self.protocol) for run in runs if run.seed == self.seeds[0]],
        ]


class Downstream(Comparison):
    """Notebook 07: every method on every data set, by one protocol."""

    notebook = "07_downstream"
    writes = (notebook,)
    shows_one = False

    def runs(self) -> list[RunParameters]:
        return [
            run
            for dataset in self.datasets
            for compared in METHODS
            for run in self.per_seed(compared, dataset)
        ]

    def products(self) -> list[Product[Any]]:
        return [single_times(run, self.protocol) for run in self.runs()]


class Trajectory(Comparison):
    """Notebook 08: what the times share, and what they tell together."""

    notebook = "08_trajectory"
    writes = (notebook,)

    def runs(self) -> list[RunParameters]:
        return [r for compared in CURVES for r in self.per_seed(compared, self.asked[0])]

    def products(self) -> list[Product[Any]]:
        return [
            product(run, self.protocol)
            for product in (single_times, whole_trajectory, shared_information)
            for run in self.runs()
        ]


class SDEAblation(Comparison):
    """Notebook 09: DRL and VDRL under VE, VP and sub-VP, everything else the same.

    Beside them the baselines whose defeat is the benefit in question.
    """

    notebook = "09_sde_ablation"
    writes = (notebook,)
    sdes: ClassVar[tuple[SDEName, ...]] = ("ve", "vp", "subvp")
    baselines: ClassVar[tuple[Compared, ...]] = (Compared("ae", False), Compared("vae", False))

    def runs(self) -> list[RunParameters]:
        dataset = self.asked[0]
        curves = [
            run
            for sde in self.sdes
            for compared in CURVES
            for run in self.per_seed(compared, dataset, sde)
        ]
        return curves + [r for compared in self.baselines for r in self.per_seed(compared, dataset)]

    def products(self) -> list[Product[Any]]:
        return [single_times(run, self.protocol) for run in self.runs()]
