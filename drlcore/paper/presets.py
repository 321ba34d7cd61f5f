"""Three scales of the same experiments; they differ in numbers only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from drlcore.laplacenet.classifier import FineTuning
from drlcore.paper.protocol import Protocol
from drlcore.parameters import Parameters
from drlcore.probes.neural import ProbeTraining
from drlcore.time_embedding import TimeEmbeddingKind
from drlcore.training.run import EncoderName, ScoreNetworkName, Weighting

PresetName = Literal["smoke", "laptop", "paper"]


class TrainingPreset(Parameters):
    """How models whose code is measured are trained at one scale; names as in RunParameters.

    ``width`` is read by MLP score networks alone.
    """

    encoder: EncoderName = "conv"
    score_network: ScoreNetworkName = "mlp-pixelwise"
    time_embedding: TimeEmbeddingKind = "log_sigma"
    width: int = 128
    batch_size: int = 128
    learning_rate: float = 1.5e-3
    warmup_steps: int = 100
    ema_decay: float = 0.995
    train_images: int | None = None
    steps: int = Field(ge=1)

    @property
    def training(self) -> dict[str, Any]:
        """The arguments of RunParameters that these are."""
        return {name: getattr(self, name) for name in TrainingPreset.model_fields}


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
    """The numbers of notebooks 05 to 08.

    Attributes:
        protocol: how codes are probed.
        lengths: shares of ``steps`` that the end of the curve is trained for, ascending.
    """

    protocol: Protocol
    lengths: tuple[Annotated[float, Field(gt=0)], ...] = (0.25, 1, 4)


class SemiSupervisedPreset(MethodsPreset):
    """The numbers of notebook 09; ``n_seeds`` counts label splits, each with its pretraining.

    Attributes:
        budgets: which of Table 1's numbers of labels, by position, fewest first; None for all.
        fine_tuning: how classifiers are trained; labels, seed and what is compared are replaced.
        less_compute: share of the fine-tuning steps in the limited-compute tables.
        products_per_job: how many fine-tunings one batch job does.
    """

    budgets: tuple[int, ...] | None = None
    fine_tuning: FineTuning
    less_compute: tuple[float, ...] = (0.5,)
    products_per_job: int = Field(ge=1)


class Preset(TrainingPreset):
    """The numbers of one scale.

    Attributes:
        sampler_network, sampler_width: where samples are drawn.
        sampler_steps: of a model that is sampled from, and of every second stage.
        nfe_steps: noise levels of the probability-flow ODE.
        n_levels, n_seeds: of the noise dial.
        latent_dims: of the diversity figure.
        toy_steps, toy_levels: of the toy dial; it uses ``n_seeds`` too.
        monte_carlo: draws for expectations on the toy set.
        comparison: of notebooks 05 to 08.
        semi_supervised: of notebook 09.
        runs_per_job, products_per_job: how many one batch job does, one after another.
    """

    sampler_network: ScoreNetworkName = "mlp-context"
    sampler_width: int = 256
    sampler_steps: int = Field(ge=1)
    nfe_steps: int = Field(ge=1)
    n_levels: int = Field(ge=2)
    n_seeds: int = Field(ge=1)
    latent_dims: tuple[int, ...]
    toy_steps: int = Field(ge=1)
    toy_levels: int = Field(ge=2)
    monte_carlo: int = Field(ge=100)
    comparison: ComparisonPreset
    semi_supervised: SemiSupervisedPreset
    runs_per_job: int = Field(ge=1)
    products_per_job: int = Field(ge=1)


# The authors' networks for CIFAR and mini-ImageNet, and how they are pretrained.
_PAPER_METHODS: dict[str, Any] = {
    "datasets": ("cifar10", "cifar100", "mini-imagenet"),
    "weighting": "std2",
    "encoder": "wrn-28-2",
    "score_network": "ncsnpp-small",
    "time_embedding": "gaussian_fourier",
    "batch_size": 100,
    "learning_rate": 2e-4,
    "warmup_steps": 5000,
    "ema_decay": 0.999,
    "latent_dim": 128,
}

# Probes of the authors' later code (traj_drl): the MLP of one time, GRU and transformer of all,
# and the transformers of the attention figure, where it makes one pass.
_PAPER_MLP = ProbeTraining(
    width=512,
    batch_size=256,
    drop_last=True,
    learning_rates=(1e-3, 7.5e-4, 5e-4, 2.5e-4, 1e-4, 5e-5),
    constant_rate=True,
    seeds=3,
    whitened=False,
    dropout=0.25,
    weight_decay=1e-5,
    clip_norm=None,
)
_PAPER_TRAJECTORY = _PAPER_MLP.updated(width=256, clip_norm=1.0, iterations=2, seeds=5)
_PAPER_MASKED = _PAPER_TRAJECTORY.updated(iterations=1, seeds=3)

PRESETS: dict[PresetName, Preset] = {
    # Seconds: proves that everything runs. Its numbers mean nothing.
    "smoke": Preset(
        steps=20,
        sampler_steps=20,
        nfe_steps=4,
        warmup_steps=5,
        train_images=2000,
        n_levels=3,
        n_seeds=2,
        latent_dims=(2, 4),
        toy_steps=50,
        toy_levels=4,
        monte_carlo=2000,
        comparison=ComparisonPreset(
            datasets=("digits", "mnist"),
            warmup_steps=5,
            train_images=2000,
            steps=10,
            latent_dim=8,
            n_seeds=2,
            protocol=Protocol(n_times=3, images=500, epochs=1, n_labels=(100,), draws=1, ablated=2),
        ),
        semi_supervised=SemiSupervisedPreset(
            datasets=("digits",),
            encoder="conv-norm",
            warmup_steps=5,
            train_images=600,
            steps=10,
            latent_dim=8,
            n_seeds=2,
            budgets=(2, 4),
            fine_tuning=FineTuning(
                supervised_epochs=1, passes=2, steps=26, copies=1, neighbours=10, times=(0.1, 0.9)
            ),
            products_per_job=200,
        ),
        runs_per_job=100,
        products_per_job=60,
    ),
    # Minutes on two CPU cores: small networks, enough training to see the paper's effects.
    "laptop": Preset(
        steps=1800,
        sampler_steps=3000,
        nfe_steps=18,
        n_levels=9,
        n_seeds=3,
        latent_dims=(2, 4, 8, 16),
        toy_steps=1500,
        toy_levels=12,
        monte_carlo=30_000,
        comparison=ComparisonPreset(
            steps=1200,
            latent_dim=32,
            n_seeds=3,
            protocol=Protocol(
                n_times=8, images=10_000, epochs=8, n_labels=(100,), draws=3, ablated=3
            ),
        ),
        semi_supervised=SemiSupervisedPreset(
            datasets=("mnist",),
            encoder="conv-norm",
            batch_size=100,
            train_images=5000,
            steps=1200,
            latent_dim=32,
            n_seeds=5,
            budgets=(0, 1, 4),
            fine_tuning=FineTuning(
                supervised_epochs=2,
                passes=8,
                steps=330,
                copies=2,
                cosine_tail=2,
                times=(0.1, 0.3, 0.5, 0.7, 0.9),
            ),
            products_per_job=20,
        ),
        runs_per_job=3,
        products_per_job=6,
    ),
    # A GPU: the networks and steps of the authors' MNIST code (JAX, first commit f208912).
    "paper": Preset(
        encoder="mnist-paper",
        score_network="mnist-paper",
        sampler_network="mnist-paper",
        time_embedding="positional",
        batch_size=128,
        learning_rate=2e-4,
        warmup_steps=5000,
        ema_decay=0.9999,
        steps=80_000,
        sampler_steps=80_000,
        nfe_steps=50,
        n_levels=21,
        n_seeds=5,
        latent_dims=(2, 4, 8, 16, 32),
        toy_steps=10_000,
        toy_levels=21,
        monte_carlo=1_000_000,
        # The downstream experiments of the authors' later code (traj_drl). What still differs:
        # validation is the data set's, not drawn anew for each probe seed; information between
        # times is our closed-form estimate, not MINE (see mutual_information.py); the ends are
        # ablated beside t = 0.5, which is all that they hide.
        comparison=ComparisonPreset(
            **_PAPER_METHODS,
            steps=250_000,
            n_seeds=3,
            lengths=(1 / 16, 1 / 4, 1),
            protocol=Protocol(
                n_times=11,
                epochs=100,
                n_labels=(100, 1000, 10_000),
                draws=5,
                ablated=3,
                single=_PAPER_MLP,
                whole=_PAPER_TRAJECTORY,
                masked=_PAPER_MASKED,
            ),
        ),
        # Table 1; pretraining as the authors' semi-supervised code does it, in its 70,000 steps.
        semi_supervised=SemiSupervisedPreset(
            **_PAPER_METHODS,
            steps=70_000,
            n_seeds=5,
            fine_tuning=FineTuning(),
            less_compute=(0.2, 0.4),
            products_per_job=1,
        ),
        runs_per_job=1,
        products_per_job=1,
    ),
}
