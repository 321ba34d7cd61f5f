"""What every notebook's parameters cell may set, and what follows from it.

The field names are the allowed parameter names; ``None`` means the preset's number. Every field is
read: there is none that changes nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from drlcore.data import own_images
from drlcore.data.datasets import DATASETS, Dataset, available, load_dataset, require, title
from drlcore.noise_range import NoiseRange, Sigma
from drlcore.paper.compute import compute
from drlcore.paper.notebook_names import parameter_names
from drlcore.paper.presets import PRESETS, Preset, PresetName
from drlcore.paper.products import Product
from drlcore.parameters import Parameters, fingerprint
from drlcore.sde import SDES
from drlcore.training.run import RunParameters, SDEName

# Bounds on what is asked for at once, far above every preset: beyond them the list of what is to do
# would take minutes to make and years to train.
Seeds = Annotated[int, Field(ge=1, le=100)]
Levels = Annotated[int, Field(ge=2, le=200)]
Steps = Annotated[int, Field(ge=1, le=10**7)]
LatentDim = Annotated[int, Field(ge=2, le=1024)]  # two can be drawn; an image has about a thousand
Penalty = Annotated[float, Field(ge=0, le=1e6)]
# A first seed: it and the 99 after it are numbers that numpy and scikit-learn take.
Seed = Annotated[int, Field(ge=0, le=2**32 - 100)]


def image_datasets() -> list[str]:
    """Names of ``DATASETS`` that are images, those registered since among them."""
    return [name for name in DATASETS if name != "toy"]


def image_dataset(name: str) -> str:
    """``name`` if it is a known set of images, there or not; own images' absolute path.

    Own images are looked at here, so that nothing is trained on what cannot be used to the end.

    Raises:
        ValueError: neither.
        DataError: own images that cannot be read or used.
    """
    if name in image_datasets():
        if isinstance(found := DATASETS[name], Dataset):
            own_images.require_usable(name, found)
        return name
    path = None if name in DATASETS else own_images.find(name)
    if path is None:
        known = ", ".join(image_datasets())
        raise ValueError(
            f"known are {known}, or the path of an .npz, an .npy or a folder of pictures that "
            f"exists; {name!r} is neither"
        )
    load_dataset(str(path))
    return str(path)


def _known_dataset(name: str) -> str:
    found = image_dataset(name)
    require(found)  # an absent file stops here with a DataError, before any training
    return found


ImageDataset = Annotated[str, AfterValidator(_known_dataset)]

# Longest name of a folder that is made of parameters; file systems end at 255 bytes.
_LONGEST = 100


class Experiment(Parameters):
    """Base: what every notebook can set.

    ``notebook`` names it; ``writes`` and ``reads`` name the result tables it makes and takes;
    ``described`` says whether it has text about what is to be seen, written for the defaults;
    ``needs_images`` whether it stops at once where they are absent, or asks for them only when it
    has to train or compute.

    Attributes:
        preset: ``smoke`` (seconds), ``laptop`` (minutes), ``overnight`` or ``paper`` (a GPU).
    """

    notebook: ClassVar[str]
    writes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    described: ClassVar[bool] = True
    needs_images: ClassVar[bool] = True
    preset: PresetName = "laptop"

    @classmethod
    def from_notebook(cls, namespace: Mapping[str, Any]) -> Self:
        """Read the parameters cell: call as ``from_notebook(globals())`` right after it.

        papermill only warns about a parameter that the notebook does not know. Here every name
        given there that is not a field is an error, so that a misspelt ``-p`` stops the notebook at
        once. Which names were given is read from the kernel's history (see ``parameter_names``);
        outside IPython they are all globals.

        Raises:
            ParameterError: an unknown name, a wrong type or an impossible value.
        """
        names = parameter_names(namespace, cls.model_fields)
        return cls(**{name: namespace[name] for name in names})

    @property
    def changed(self) -> dict[str, Any]:
        """The parameters that differ from the defaults, ``preset`` among them."""
        return self.model_dump(exclude_defaults=True)

    @property
    def resolved(self) -> dict[str, Any]:
        """The numbers that follow from preset and parameters, and that a reader wants to know."""
        return {}

    def __str__(self) -> str:
        """Preset and changed parameters; the numbers that follow; what the text does not fit."""
        changed = [f"{n} = {value!r}" for n, value in self.changed.items() if n != "preset"]
        lines = [
            f"preset {self.preset}, "
            + (f"changed: {', '.join(changed)}" if changed else "all other parameters at default")
        ]
        if self.resolved:
            lines.append("; ".join(f"{name}: {value}" for name, value in self.resolved.items()))
        for name in self.dataset_names:
            own = name not in DATASETS or isinstance(DATASETS[name], Dataset)
            if own and (notes := load_dataset(name).notes):
                lines.append(f"{title(name)}: {'; '.join(notes)}")
        if self.described and self.changed:
            others = ", ".join(f"{name} = {value!r}" for name, value in self.changed.items())
            lines.append(f"'What to see' below was written for the defaults, not for {others}")
        return "\n".join(lines)

    def compute(self) -> None:
        """Train and compute all that the notebook reads and that is not stored, see ``compute``."""
        compute(self.runs(), self.products())

    @property
    def place(self) -> str:
        """Folder of ``data/results`` and of ``figures`` that this experiment writes to.

        The reference, ``<preset>``, is written by the batch run alone, which says so by
        ``$DRLCORE_REFERENCE``, and with default parameters alone. All else is the user's own:
        ``mine/<preset>``, followed by ``-<name>=<value>`` for each changed parameter. A data file
        stands there by its name. Where that would be long or odd, a fingerprint of the values
        follows.
        """
        changed = {name: value for name, value in self.changed.items() if name != "preset"}
        if not changed:
            return self.preset if os.environ.get("DRLCORE_REFERENCE") else f"mine/{self.preset}"
        told = dict(changed)
        if "dataset" in told:
            told["dataset"] = ",".join(map(title, self.dataset_names))
        wanted = "-".join([self.preset, *(f"{name}={value}" for name, value in told.items())])
        safe = re.sub(r"[^A-Za-z0-9._,=+-]", "_", wanted)[:_LONGEST]
        if told != changed or safe != wanted:
            safe += f"-{fingerprint(changed)[:8]}"
        return f"mine/{safe}"

    @property
    def numbers(self) -> Preset:
        return PRESETS[self.preset]

    @property
    def dataset_names(self) -> list[str]:
        """The data sets asked for, there or not; the toy set where there is no choice."""
        return [getattr(self, "dataset", "toy")]

    @property
    def absent(self) -> list[str]:
        """Those of ``dataset_names`` that are not there: to be reported, never replaced."""
        return [name for name in self.dataset_names if not available(name)]

    @property
    def possible(self) -> bool:
        """Whether its data sets are there, or one of several where it makes do with what there is.

        Else the batch run leaves its notebook out.
        """
        return self.absent != self.dataset_names if self.needs_images else not self.absent

    @property
    def seeds(self) -> range:
        """``n_seeds`` of them from ``seed`` on; one where there is no choice, the first 0."""
        first, n = getattr(self, "seed", 0), getattr(self, "n_seeds", 1)
        return range(first, first + (n or self.numbers.n_seeds))

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
        sizes = [(rest, self.numbers.runs_per_job), (toy, 18)]
        return [of[i : i + size] for of, size in sizes for i in range(0, len(of), size)]


class NoisyExperiment(Experiment):
    """Base of experiments with one diffusion.

    Attributes:
        sde: ``ve`` (the paper's), ``vp`` or ``subvp``.
        sigma_min, sigma_max: the noise range, data units; images lie in [-1, 1].
    """

    sde: SDEName = "ve"
    sigma_min: Sigma = 0.01
    sigma_max: Sigma = 50.0

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        SDES[self.sde](self.noise)
        return self

    @property
    def noise(self) -> NoiseRange:
        """The whole range, uniform t."""
        return NoiseRange(sigma_min=self.sigma_min, sigma_max=self.sigma_max)


class ImageExperiment(NoisyExperiment):
    """Base of experiments that train on images.

    Attributes:
        dataset: a name of ``image_datasets()``, or the path of your own images, an ``.npz``, an
            ``.npy`` or a folder of pictures, kept as an absolute one.
        steps: training steps.
    """

    dataset: ImageDataset = "mnist"
    steps: Steps | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.base()  # every run is validated before the first one trains
        return self

    @property
    def data_title(self) -> str:
        """What figures call the data set."""
        return title(self.dataset)

    @property
    def steps_where_drawn(self) -> int:
        """Training steps of a model that samples are drawn from."""
        return self.steps or self.numbers.drawn.steps

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
        """A run with the preset's numbers whose samples are looked at."""
        return self.base(**{**self._drawn, **changes})

    @property
    def _drawn(self) -> dict[str, Any]:
        return {**self.numbers.drawn.training, "steps": self.steps_where_drawn}
