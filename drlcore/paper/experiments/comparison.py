"""What notebooks 05 to 09 and 12 to 16 share: methods compared by one protocol."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, takewhile
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, model_validator

from drlcore.data.datasets import DATASETS, available, load_dataset, n_classes, require, title
from drlcore.data.own_images import is_own
from drlcore.data.splits import require_labels
from drlcore.noise_range import NoiseRange, Sigma
from drlcore.paper.experiments.base import Experiment, LatentDim, Seeds, Steps, image_dataset
from drlcore.paper.presets import MethodsPreset
from drlcore.paper.products import Product, single_times
from drlcore.paper.protocol import Protocol
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
STATIC = ("drl", "vdrl", "ae", "vae", "simclr", "simclr-gauss", "random", "supervised")
COMPARED = (*CURVES, *(Compared(method, False) for method in STATIC))


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
        if self.needs_images and (self.shows_one or not self.datasets):
            require(self.dataset_names[0])  # an absent one stops here and says how to get it
        for name in self.datasets:
            if not n_classes(name):
                require_labels(load_dataset(name), f"notebook {self.notebook}")
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
            "data": ", ".join(self._shown),
            "λ": self.weighting_used,
            "latent_dim": self.latent_dim or numbers.latent_dim,
            "seeds": len(self.seeds),
            "steps": self.steps or numbers.steps,
        }

    @property
    def protocol(self) -> Protocol:
        return self.numbers.comparison.protocol

    @property
    def dataset_names(self) -> list[str]:
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
        """Those the notebook runs on: of ``dataset_names``, the first or all that are there."""
        return [name for name in self._shown if available(name) or not self.needs_images]

    @property
    def _shown(self) -> list[str]:
        return self.dataset_names[:1] if self.shows_one else self.dataset_names

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
        values = {
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
        self, *compared: Compared, dataset: str | None = None, sde: str = "ve"
    ) -> list[RunParameters]:
        """The run of every seed of each method, on the first data set unless another is named."""
        on = dataset or self.dataset_names[0]
        return [self.run(each, on, seed, sde) for each in compared for seed in self.seeds]

    def products(self) -> list[Product[Any]]:
        return [single_times(run, self.protocol) for run in self.runs()]
