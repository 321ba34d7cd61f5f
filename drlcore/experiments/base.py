"""What every notebook's parameters cell may set, and what follows from it.

The field names are the allowed parameter names; ``None`` means the preset's number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import ModuleType
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from drlcore import own_images
from drlcore.datasets import DATASETS, load_dataset, require, title
from drlcore.noise_range import NoiseRange
from drlcore.parameters import Parameters
from drlcore.presets import PRESETS, Preset, PresetName
from drlcore.products import Product
from drlcore.run import RunParameters
from drlcore.sde import SDEName

IMAGE_DATASETS = tuple(name for name in DATASETS if name != "toy")


def image_dataset(name: str) -> str:
    """``name`` if it is a known set of images, there or not; own images' absolute path.

    Own images are read here, so that nothing is trained on what cannot be used to the end.

    Raises:
        ValueError: neither.
        DataError: own images that cannot be read or used.
    """
    if name in IMAGE_DATASETS:
        return name
    path = None if name in DATASETS else own_images.find(name)
    if path is None:
        known = ", ".join(IMAGE_DATASETS)
        raise ValueError(
            f"known are {known}, or the path of an .npz file that exists; {name!r} is neither"
        )
    load_dataset(str(path))
    return str(path)


def _known_dataset(name: str) -> str:
    found = image_dataset(name)
    require(found)  # an absent file stops here with a DataError, before any training
    return found


ImageDataset = Annotated[str, AfterValidator(_known_dataset)]

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

    @property
    def products_per_job(self) -> int:
        """How many products one batch job computes."""
        return self.numbers.products_per_job

    def batches(self, runs: list[RunParameters]) -> list[list[RunParameters]]:
        """``runs`` in groups for one batch job each; toy runs take seconds, so 18 a job."""
        toy = [run for run in runs if run.dataset == "toy"]
        rest = [run for run in runs if run.dataset != "toy"]
        return [*_batched(rest, self.numbers.runs_per_job), *_batched(toy, 18)]


class ImageExperiment(Experiment):
    """Base of experiments that train on images.

    Attributes:
        dataset: a name of ``IMAGE_DATASETS``, or the path of an ``.npz`` file with your own images,
            kept as an absolute one.
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
    def data_title(self) -> str:
        """What figures call the data set."""
        return title(self.dataset)

    @property
    def noise(self) -> NoiseRange:
        """The whole range, uniform t."""
        return NoiseRange(sigma_min=self.sigma_min, sigma_max=self.sigma_max)

    def base(self, **changes: Any) -> RunParameters:
        """A run with the preset's numbers whose code is measured."""
        values = {
            **self.numbers.training,
            "dataset": self.dataset,
            "sde": self.sde,
            "noise": self.noise,
            "steps": self.steps or self.numbers.steps,
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


def _batched(runs: list[RunParameters], size: int) -> Iterator[list[RunParameters]]:
    iterator = iter(runs)
    while batch := list(islice(iterator, size)):
        yield batch
