"""Notebooks 05 to 08: the code as a curve, and methods compared by one protocol."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, takewhile
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import AfterValidator, model_validator

from drlcore.data.datasets import DATASETS, available, require, title
from drlcore.data.own_images import is_own
from drlcore.noise_range import NoiseRange, Sigma
from drlcore.paper.experiments.base import Experiment, LatentDim, Seeds, Steps, image_dataset
from drlcore.paper.presets import MethodsPreset
from drlcore.paper.products import (
    Product,
    curves,
    shared_information,
    single_times,
    whole_trajectory,
)
from drlcore.paper.protocol import Protocol
from drlcore.sde import released_range
from drlcore.training.run import RunParameters, Weighting

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
LAMBDA: dict[str, float] = {"vdrl": 1e-5, "vae": 2.5e-3}


class Compared(NamedTuple):
    """A method as it is compared: E(x0, t) or E(x0)."""

    method: str
    time_conditioned: bool

    @property
    def label(self) -> str:
        """Short text for legends and tables."""
        return f"{self.method}, E(x₀, t)" if self.time_conditioned else self.method


CURVES = (Compared("drl", True), Compared("vdrl", True))
UNTRAINED_CURVE = Compared("random", True)  # the control of what is read from CURVES
# How DRL is trained at sigma_max alone: lambda, and what Adam adds to the root mean square of a
# gradient. Under std2 the gradients there lie within a few orders of Adam's usual 1e-8.
ENDS: tuple[dict[str, Any], ...] = (
    {"weighting": "std2"},
    {"weighting": "std2", "adam_epsilon": 1e-15},
    {"weighting": "edm"},
)
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
            nothing there; ``edm`` gives every noise level about the same weight. Notebook 05 shows
            both.
        latent_dim, n_seeds, steps: None takes the preset's.
    """

    shows_one: ClassVar[bool] = True
    dataset: DatasetNames | None = None
    sigma_min: Sigma = 0.01
    sigma_max: Sigma = 50.0
    weighting: Weighting | None = None
    latent_dim: LatentDim | None = None
    n_seeds: Seeds | None = None
    steps: Steps | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.shows_one or not self.datasets:
            require(self.asked[0])  # an absent one stops here and says how to get it
        # Every run is validated before the first one trains, under every SDE; seeds differ in no
        # more than their number, so one of them speaks for all.
        self.model_copy(update={"n_seeds": 1}).runs()
        return self

    @property
    def numbers_compared(self) -> MethodsPreset:
        return self.numbers.comparison

    @property
    def weighting_used(self) -> Weighting:
        return self.weighting or self.numbers_compared.weighting

    @property
    def resolved(self) -> dict[str, Any]:
        numbers = self.numbers_compared
        return {
            "data": ", ".join(self.asked[:1] if self.shows_one else self.asked),
            "λ": self.weighting_used,
            "latent_dim": self.latent_dim or numbers.latent_dim,
            "seeds": len(self.seeds),
            "steps": self.steps or numbers.steps,
        }

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

    def run(self, compared: Compared, dataset: str, seed: int, sde: str = "ve") -> RunParameters:
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

    def per_seed(self, compared: Compared, dataset: str, sde: str = "ve") -> list[RunParameters]:
        """The run of every seed."""
        return [self.run(compared, dataset, seed, sde) for seed in self.seeds]


class CodeCurve(Comparison):
    """Notebook 05: E(x0, t), one encoder that holds the whole dial.

    A code of two dimensions, so that it must choose and can be drawn. DRL is trained under both
    weightings, the paper's ``std2`` and ``edm``; the control is an untrained E(x0, t).

    The end of the curve is another question, put to codes of the preset's size: E(x0) trained by
    DRL at ``sigma_max`` alone against an autoencoder, at several training lengths.

    Attributes:
        latent_dim: of the curve; None takes the preset's.
    """

    notebook = "05_code_as_a_curve"
    writes = (notebook,)
    latent_dim: LatentDim | None = 2

    def along_curve(self) -> list[RunParameters]:
        """E(x0, t): DRL and VDRL, DRL under the other weighting, and untrained."""
        other: Weighting = "edm" if self.weighting_used == "std2" else "std2"
        runs = [r for compared in CURVES for r in self.per_seed(compared, self.asked[0])]
        drl = self.per_seed(CURVES[0], self.asked[0])
        runs += [run.updated(weighting=other) for run in drl]
        return runs + self.per_seed(UNTRAINED_CURVE, self.asked[0])

    def at_end(self) -> list[RunParameters]:
        """E(x0): DRL at ``sigma_max`` alone, as ``ENDS``; autoencoder; untrained (DRL Prop. 2)."""
        numbers, dataset = self.numbers_compared, self.asked[0]
        end = self.noise.single(self.sigma_max)

        def static(method: str, **changes: Any) -> list[RunParameters]:
            runs = self.per_seed(Compared(method, False), dataset)
            return [run.updated(latent_dim=numbers.latent_dim, **changes) for run in runs]

        runs = []
        for share in self.numbers.comparison.lengths:
            steps = max(1, round(share * (self.steps or numbers.steps)))
            for how in ENDS:
                runs += static("drl", noise=end, steps=steps, **how)
            runs += static("ae", steps=steps)
        return [*dict.fromkeys(runs), *static("random")]

    def runs(self) -> list[RunParameters]:
        return self.along_curve() + self.at_end()

    def products(self) -> list[Product[Any]]:
        drawn = [run for run in self.along_curve() if run.method != "random"]
        return [
            *[single_times(run, self.protocol) for run in self.runs()],
            *[curves(run, self.protocol) for run in drawn if run.seed == self.seeds[0]],
        ]


class Downstream(Comparison):
    """Notebook 06: every method on every data set, by one protocol."""

    notebook = "06_downstream"
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
    """Notebook 07: what the times share, and what they tell together.

    What times share is measured of an untrained E(x0, t) too: its codes at two times are alike
    without any training.
    """

    notebook = "07_trajectory"
    writes = (notebook,)

    def trained(self) -> list[RunParameters]:
        """DRL and VDRL."""
        return [r for compared in CURVES for r in self.per_seed(compared, self.asked[0])]

    def untrained(self) -> list[RunParameters]:
        """The control."""
        return self.per_seed(UNTRAINED_CURVE, self.asked[0])

    def runs(self) -> list[RunParameters]:
        return self.trained() + self.untrained()

    def products(self) -> list[Product[Any]]:
        probed = [
            product(run, self.protocol)
            for product in (single_times, whole_trajectory)
            for run in self.trained()
        ]
        return probed + [shared_information(run, self.protocol) for run in self.runs()]


class SDEAblation(Comparison):
    """Notebook 08: DRL and VDRL under VE, VP and sub-VP, everything else the same.

    Beside them the baselines whose defeat is the benefit in question.

    Attributes:
        clock: what uniform t means under VP and sub-VP: ``range`` the t of sigma_min to sigma_max,
            the same noise levels as under VE; ``released`` the authors', t in (1e-5, 1], whatever
            noise that is, see ``sde.released_range``.
    """

    notebook = "08_sde_ablation"
    writes = (notebook,)
    sdes: ClassVar[tuple[str, ...]] = ("ve", "vp", "subvp")
    baselines: ClassVar[tuple[Compared, ...]] = (Compared("ae", False), Compared("vae", False))
    clock: Literal["range", "released"] = "range"

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if self.clock == "released" and self.noise != NoiseRange():
            raise ValueError(
                f"sigma_min = {self.sigma_min:g}, sigma_max = {self.sigma_max:g}: "
                "clock = 'released' has its own range, so leave these at 0.01 and 50"
            )
        return self

    @property
    def about_clock(self) -> str:
        """For captions: where the clock is not that of the noise range."""
        return "" if self.clock == "range" else "; VP and sub-VP: all t in (1e-5, 1]"

    def run(self, compared: Compared, dataset: str, seed: int, sde: str = "ve") -> RunParameters:
        run = super().run(compared, dataset, seed, sde)
        own = self.clock == "released" and run.sees_noise
        return run.updated(noise=released_range(sde)) if own else run

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
