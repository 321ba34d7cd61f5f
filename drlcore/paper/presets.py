"""Four scales of the same experiments, read from ``presets.toml``; they differ in numbers only."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from drlcore.laplacenet.classifier import FineTuning
from drlcore.paper.protocol import Protocol
from drlcore.parameters import Parameters
from drlcore.score_network import SCORE_NETWORKS
from drlcore.time_embedding import TimeEmbeddingKind
from drlcore.training.run import EncoderName, ScoreNetworkName, Weighting

PresetName = Literal["smoke", "laptop", "overnight", "paper"]


class TrainingPreset(Parameters):
    """How models whose code is measured are trained at one scale; names as in RunParameters.

    ``width`` is read by MLP and U-Net score networks alone.
    """

    encoder: EncoderName = "conv"
    score_network: ScoreNetworkName = "mlp-pixelwise"
    time_embedding: TimeEmbeddingKind = "log_sigma"
    width: int = 128
    batch_size: int = 128
    learning_rate: float = 1.5e-3
    warmup_steps: int = 100
    cooldown: float = 0.0
    ema_decay: float = 0.995
    train_images: int | None = None
    steps: int = Field(ge=1)

    @property
    def training(self) -> dict[str, Any]:
        """The arguments of RunParameters that these are."""
        return {name: getattr(self, name) for name in TrainingPreset.model_fields}


class NetworkPreset(Parameters):
    """A score network that is tried beside the preset's own."""

    score_network: ScoreNetworkName
    width: int

    @property
    def title(self) -> str:
        """What figures call it."""
        name = self.score_network
        return f"{name}, width {self.width}" if SCORE_NETWORKS[name].has_width else name


class DrawnPreset(TrainingPreset):
    """How models whose samples are looked at are trained at one scale.

    Attributes:
        weighting: lambda(t).
        lambda_kl: weight of VDRL's KL, against a loss of that weighting.
    """

    weighting: Weighting = "std2"
    lambda_kl: float

    @property
    def training(self) -> dict[str, Any]:
        return {**super().training, "weighting": self.weighting}


class MethodsPreset(TrainingPreset):
    """The numbers of an experiment that compares methods.

    Attributes:
        datasets: compared on; the notebooks that show one data set take the first.
        weighting: lambda(t) of the diffusion methods.
        latent_dim: size of z.
        n_seeds: of every method.
    """

    datasets: tuple[str, ...] = ("mnist", "colored-mnist")
    weighting: Weighting = "edm"
    latent_dim: int = Field(ge=2)
    n_seeds: int = Field(ge=1)


class ComparisonPreset(MethodsPreset):
    """The numbers of notebooks 05 to 08 and 12 to 15.

    Attributes:
        protocol: how codes are probed.
        lengths: shares of ``steps`` that the end of the curve is trained for, ascending.
        learning: those that learning curves are of, ascending.
    """

    protocol: Protocol
    lengths: tuple[Annotated[float, Field(gt=0)], ...] = (0.25, 1, 4)
    learning: tuple[Annotated[float, Field(gt=0)], ...] = (0.1, 0.3, 1, 3, 10, 30)


class SemiSupervisedPreset(MethodsPreset):
    """The numbers of notebook 09; ``n_seeds`` counts label splits, each with its pretraining.

    Attributes:
        budgets: which of Table 1's numbers of labels, by position, fewest first, as far as
            there are so many; None for all.
        fine_tuning: how classifiers are trained; labels, seed and what is compared are replaced.
        less_compute: share of the fine-tuning steps in the limited-compute tables.
        products_per_job: how many fine-tunings one batch job does.
    """

    budgets: tuple[int, ...] | None = None
    fine_tuning: FineTuning
    less_compute: tuple[float, ...] = (0.5,)
    products_per_job: int = Field(ge=1)


class JobPreset(Parameters):
    """What a batch job asks a cluster for; on one machine ``cpus`` and ``per_gpu`` matter.

    Attributes:
        gpus, cpus, memory_mb: of every job.
        per_gpu: how many jobs share a GPU where one machine has several.
        step_ms: milliseconds that a training step takes at most.
        evaluate_minutes: that a product takes at most.
    """

    gpus: int = Field(default=0, ge=0)
    cpus: int = Field(default=1, ge=1)
    per_gpu: int = Field(default=1, ge=1)
    memory_mb: int = Field(ge=1)
    step_ms: float = Field(gt=0)
    evaluate_minutes: int = Field(ge=1)

    def training_minutes(self, steps: int) -> int:
        """That a job of so many training steps may take; ten for its start."""
        return 10 + math.ceil(steps * self.step_ms / 60_000)


class GenerationPreset(Parameters):
    """The numbers of notebooks 17 to 19 that notebook 03 does not share.

    Attributes:
        walk_steps: of Euler-Maruyama over the whole clock, in notebook 17.
        samples: judged there, of each start; in notebook 19 pairs of images.
        images: as many samples are judged in notebooks 18 and 19.
        adversary_steps: training steps of notebook 18.
        inception: whether samples are judged by FID and IS too, where Inception is.
    """

    walk_steps: int = Field(ge=2)
    samples: int = Field(ge=10)
    images: int = Field(ge=10)
    adversary_steps: int = Field(ge=1)
    inception: bool = False


class Preset(TrainingPreset):
    """The numbers of one scale.

    Attributes:
        drawn: of models whose samples are looked at, second stages among them.
        reader_steps: of the classifier that samples are read by.
        nfe_steps: noise levels of the probability-flow ODE.
        ode_steps, sde_nfe: what samplers are compared with: noise levels of the ODE, even numbers
            of function evaluations of the SDE.
        n_levels, n_seeds: of the noise dial.
        networks: score networks of notebook 10, beside the preset's own; of notebook 13 the last.
        latent_dims: of the diversity figure.
        toy_steps, toy_levels: of the toy dial; it uses ``n_seeds`` too.
        monte_carlo: draws for expectations on the toy set.
        comparison: of notebooks 05 to 08 and 12 to 15.
        semi_supervised: of notebook 09.
        photographs: of notebook 16, what differs from notebook 09.
        generation: of notebooks 17 to 19.
        runs_per_job, products_per_job: how many one batch job does, one after another.
        jobs: what one asks a cluster for.
    """

    drawn: DrawnPreset
    reader_steps: int = Field(default=2500, ge=1)
    nfe_steps: int = Field(ge=1)
    ode_steps: tuple[int, ...] = (3, 5, 9, 18, 36)
    sde_nfe: tuple[int, ...] = (36, 100, 1000)
    n_levels: int = Field(ge=2)
    n_seeds: int = Field(ge=1)
    networks: tuple[NetworkPreset, ...]
    latent_dims: tuple[int, ...]
    toy_steps: int = Field(ge=1)
    toy_levels: int = Field(ge=2)
    monte_carlo: int = Field(ge=100)
    comparison: ComparisonPreset
    semi_supervised: SemiSupervisedPreset
    photographs: SemiSupervisedPreset
    generation: GenerationPreset
    runs_per_job: int = Field(ge=1)
    products_per_job: int = Field(ge=1)
    jobs: JobPreset


def _read(path: Path) -> dict[str, Preset]:
    presets = {}
    scales = _with_tuples(tomllib.loads(path.read_text(encoding="utf-8")))
    for name, said in scales.items():
        numbers = _over(scales[said["like"]], said) if "like" in said else dict(said)
        shared = numbers.pop("methods")
        for part in ("comparison", "semi_supervised"):
            numbers[part] = shared | numbers[part]
        numbers["photographs"] = _over(numbers["semi_supervised"], numbers.get("photographs", {}))
        presets[name] = Preset(**numbers)
    return presets


def _over(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """``one`` where ``other`` says nothing, part by part."""
    parts = {
        name: _over(one[name], value) if isinstance(value, dict) and name in one else value
        for name, value in other.items()
        if name != "like"
    }
    return {**one, **parts}


def _with_tuples(value: Any) -> Any:
    """TOML has neither tuples nor None: a list is meant as the one, ``inf`` as the other."""
    if isinstance(value, dict):
        return {name: _with_tuples(part) for name, part in value.items()}
    if isinstance(value, list):
        return tuple(value)
    return None if value == math.inf else value


PRESETS = _read(Path(__file__).with_suffix(".toml"))
