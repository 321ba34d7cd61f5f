"""What one training run is: its parameters, its key, and the model they build."""

from __future__ import annotations

from typing import Any, Literal, Self, get_args

import torch
from pydantic import Field, model_validator
from torch import nn

from drlcore.baselines.objectives import BaselineModel, projection_head
from drlcore.baselines.views import MIRRORED, FullView, View, gauss_view
from drlcore.data.datasets import Dataset, identity, title
from drlcore.data.label_splits import LabelSplit
from drlcore.encoder import ConvEncoder, ConvNormEncoder, MLPEncoder
from drlcore.errors import ParameterError
from drlcore.loss import DiffusionMethod, Method, Weighting
from drlcore.model import EncoderModel, RepresentationModel
from drlcore.networks.decoder import ConvDecoder, MLPDecoder
from drlcore.networks.paper import (
    MNISTEncoder,
    MNISTScoreNetwork,
    NCSNppSmall,
    WideResNetEncoder,
)
from drlcore.networks.unet import UNet
from drlcore.noise_range import NoiseRange
from drlcore.parameters import Parameters, fingerprint
from drlcore.score_network import Denoiser, MLPScoreNetwork, PixelwisePath
from drlcore.sde import SDEName, make_sde
from drlcore.time_embedding import TimeEmbedding, TimeEmbeddingKind

EncoderName = Literal["conv", "conv-norm", "mlp", "mnist-paper", "wrn-28-2"]
ScoreNetworkName = Literal[
    "mlp-fourier", "mlp-pixelwise", "mlp-context", "unet", "mnist-paper", "ncsnpp-small"
]

ENCODERS: dict[EncoderName, type] = {
    "conv": ConvEncoder,
    "conv-norm": ConvNormEncoder,
    "mlp": MLPEncoder,
    "mnist-paper": MNISTEncoder,
    "wrn-28-2": WideResNetEncoder,
}
SCORE_NETWORKS: dict[ScoreNetworkName, type] = {
    "mlp-fourier": MLPScoreNetwork,
    "mlp-pixelwise": MLPScoreNetwork,
    "mlp-context": MLPScoreNetwork,
    "unet": UNet,
    "mnist-paper": MNISTScoreNetwork,
    "ncsnpp-small": NCSNppSmall,
}
# Counts the changes in what a network trains to, so that weights of the old one are not taken for
# the new one's: part of the key of every run that uses it.
REVISIONS: dict[EncoderName | ScoreNetworkName, int] = {
    "conv-norm": 1,  # running statistics are averaged with the weights
    "wrn-28-2": 1,  # likewise
    "mnist-paper": 1,  # encoder: SiLU before its dense layers, log variance from -5; flax's start
    "ncsnpp-small": 1,  # initial scale of the two ways z comes in
}
BATCH_NORM: tuple[EncoderName, ...] = ("conv-norm", "wrn-28-2")
ENCODING: tuple[Method, ...] = ("drl", "vdrl", "drl-mixup")  # a score network given a code
CONTRASTIVE: tuple[Method, ...] = ("simclr", "simclr-gauss")


class RunParameters(Parameters):
    """Everything that decides the weights of one training run.

    Attributes:
        dataset: a name, or the path of an ``.npz`` file with your own images.
        method: ``drl`` L1, ``vdrl`` KL, ``drl-mixup`` L1 with the encoder trained on mixed images,
            ``dsm`` no code, ``csm`` the label as the code; baselines on the same encoder: ``ae``
            L1, ``vae`` KL, ``simclr``, ``simclr-gauss``, ``supervised``, and ``random``, whose
            encoder stays as it was drawn: it takes no steps.
        sde: which diffusion.
        noise: the noise range and t-sampler.
        latent_dim: size of z; for ``csm`` the number of classes, for ``dsm`` ignored.
        time_conditioned: E(x0, t) instead of E(x0), for a baseline too: t is drawn from ``noise``
            and the clean image encoded at it.
        encoder, score_network, time_embedding: architectures; baselines have no score network.
        width: trunk width of the MLP score network; other networks keep their own sizes.
        sigma_data: standard deviation of the data in the preconditioning, 1e-4 to 1e4.
        weighting: lambda(t).
        lambda_z: weight of L1 or KL, 0 to 1e6; 0 for methods without a penalty on z.
        seed: of the weights, the batches, the times and the noise; below 2^32, as numpy asks.
        steps, batch_size: optimiser steps and images a step.
        learning_rate, warmup_steps, clip_norm, ema_decay: Adam, linear warm-up, gradient norm.
        adam_epsilon: added to the root mean square of a parameter's gradient, > 0; gradients far
            below it hardly move the parameter.
        train_images: train on the first so many images; None for all.
        label_split: of these, train on the images of this label split alone, as the released
            code's pretraining does; None for all. Probes are fitted on all of them still.
        threads: CPU threads; sums depend on it, so it belongs to the run.
        first_stage: a run whose encoder is taken over and frozen; only the score network trains.

    Raises:
        ParameterError: naming the parameter, the value and what is allowed.
    """

    dataset: str = "mnist"
    method: Method = "drl"
    sde: SDEName = "ve"
    noise: NoiseRange = NoiseRange()
    latent_dim: int = Field(default=2, ge=1, le=4096)
    time_conditioned: bool = False
    encoder: EncoderName = "conv"
    score_network: ScoreNetworkName = "mlp-pixelwise"
    time_embedding: TimeEmbeddingKind = "log_sigma"
    width: int = Field(default=128, ge=1, le=8192)
    sigma_data: float = Field(default=0.5, ge=1e-4, le=1e4)
    weighting: Weighting = "std2"
    lambda_z: float = Field(default=0.0, ge=0, le=1e6)
    seed: int = Field(default=0, ge=0, lt=2**32)
    steps: int = Field(default=1500, ge=1, le=10**8)
    batch_size: int = Field(default=128, ge=1, le=2**16)
    learning_rate: float = Field(default=1e-3, gt=0, le=10)
    warmup_steps: int = Field(default=100, ge=0, le=10**8)
    clip_norm: float = Field(default=1.0, gt=0, le=1e6)
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    train_images: int | None = Field(default=None, ge=1, le=10**9)
    threads: int = Field(default=1, ge=1, le=1024)
    first_stage: RunParameters | None = None
    # Left out of the dump at their defaults, so that runs older than they are keep their keys.
    label_split: LabelSplit | None = Field(default=None, exclude_if=lambda split: split is None)
    adam_epsilon: float = Field(default=1e-8, gt=0, exclude_if=lambda epsilon: epsilon == 1e-8)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        make_sde(self.sde, self.noise)  # an impossible range stops here, before any training
        if self.first_stage is not None:
            for name in ("dataset", "method", "latent_dim", "encoder", "time_conditioned"):
                if getattr(self, name) != getattr(self.first_stage, name):
                    raise ValueError(f"{name} must be the first stage's when its encoder is kept")
            if self.time_conditioned and self._clock != self.first_stage._clock:
                raise ValueError(
                    "sigma_min, sigma_max and time_embedding must be the first stage's when its "
                    "time-conditioned encoder is kept: they are what it tells the time by"
                )
            if self.method not in ENCODING:
                raise ValueError(
                    f"method = {self.method!r} has no encoder to take over for a score network; "
                    f"a run with a first_stage is one of {', '.join(ENCODING)}"
                )
        if self.lambda_z > 0 and self.method in (*CONTRASTIVE, "random", "supervised"):
            raise ValueError(
                f"lambda_z = {self.lambda_z:g}: method {self.method!r} has no penalty on z, so 0"
            )
        if self.batch_size == 1 and self.method in CONTRASTIVE:
            raise ValueError(
                f"batch_size = 1: method {self.method!r} tells the images of a batch apart, so 2 "
                "or more"
            )
        if self.batch_size == 1 and self.encoder in BATCH_NORM:
            raise ValueError(
                f"batch_size = 1: encoder {self.encoder!r} has batch norm, which compares the "
                "images of a batch, so 2 or more"
            )
        return self

    @property
    def _clock(self) -> tuple[float, float, str]:
        return self.noise.sigma_min, self.noise.sigma_max, self.time_embedding

    @property
    def sees_noise(self) -> bool:
        """Whether ``sde`` and ``noise`` reach the weights: not those of a baseline without t."""
        return self.time_conditioned or self.method in get_args(DiffusionMethod)

    @property
    def title(self) -> str:
        """What a progress bar calls the run."""
        noise = f"{self.noise.label}, " if self.sees_noise else ""
        return f"{title(self.dataset)} {self.method}, {noise}seed {self.seed}"

    @property
    def key(self) -> str:
        """12 hex digits that name the run in the store; any changed parameter changes them."""
        values = self.named_by_content()
        used = {name: REVISIONS.get(name) for name in (self.encoder, self.score_network)}
        if any(used.values()):
            values["revisions"] = {name: number for name, number in used.items() if number}
        return fingerprint(values)

    def named_by_content(self) -> dict[str, Any]:
        """Its parameters as JSON, with data named by ``datasets.identity``: no path is in them.

        Raises:
            ParameterError, DataError: an unknown data set, or a file that is not there.
        """
        values = self.model_dump(mode="json")
        values["dataset"] = identity(self.dataset)
        if self.first_stage is not None:
            values["first_stage"] = self.first_stage.named_by_content()
        return values

    def second_stage(self, noise: NoiseRange, **changes: Any) -> RunParameters:
        """The run that keeps this one's encoder and trains a new score network on ``noise``.

        ``changes`` are what else differs from this run, such as the score network.

        A score network trained at high noise has never seen the small noise that sampling ends
        with, so it cannot draw samples; the authors' code retrains it on uniform t, which the
        paper does not mention.
        """
        return self.updated(first_stage=self, noise=noise, **changes)


def build_model(run: RunParameters, dataset: Dataset) -> EncoderModel:
    """A model with fresh weights, drawn from ``run.seed``; the global generator is untouched.

    With the same seed and architectures, methods with a point code (or with a Gaussian one) begin
    with the same encoder, which is the one that ``random`` keeps.

    Raises:
        ParameterError: the architecture does not fit the data.
    """
    shape, n_classes = dataset.shape, dataset.n_classes
    if run.method == "csm" and run.latent_dim != n_classes:
        raise ParameterError(
            f"latent_dim = {run.latent_dim}: method 'csm' feeds the one-hot label, so latent_dim "
            f"must be {dataset.name}'s number of classes, {n_classes}"
        )
    images_only = run.encoder != "mlp" or run.score_network != "mlp-fourier"
    if len(shape) != 3 and images_only:
        raise ParameterError(
            f"dataset {dataset.name!r} holds vectors of shape {shape}: it takes encoder 'mlp' and "
            "score_network 'mlp-fourier'"
        )
    if len(shape) != 3 and run.method == "simclr":
        raise ParameterError(
            f"dataset {dataset.name!r} holds vectors of shape {shape}: method 'simclr' crops "
            "images; 'simclr-gauss' takes vectors"
        )
    sde = make_sde(run.sde, run.noise)
    latent_dim = 0 if run.method == "dsm" else run.latent_dim
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        embedding = TimeEmbedding(run.noise, run.time_embedding)
        options: dict[str, int | bool] = {}
        pixelwise = None
        if run.score_network == "mlp-fourier":
            options = {"width": run.width, "fourier": True}
        elif run.score_network in ("mlp-pixelwise", "mlp-context"):
            context = run.score_network == "mlp-context"
            options = {"width": run.width, "fields": 2 if context else 1}
            pixelwise = PixelwisePath(latent_dim, embedding.dim, context)
        network = SCORE_NETWORKS[run.score_network](shape, latent_dim, embedding.dim, **options)
        denoiser = Denoiser(network, embedding, run.sigma_data, latent_dim, pixelwise)
        if run.method in ("dsm", "csm"):
            return RepresentationModel(sde, denoiser, None, run.time_conditioned)
        encoder = ENCODERS[run.encoder](
            shape,
            run.latent_dim,
            probabilistic=run.method in ("vdrl", "vae"),
            embedding_dim=embedding.dim if run.time_conditioned else None,
        )
        if run.method in ENCODING:
            return RepresentationModel(sde, denoiser, encoder, run.time_conditioned)
        # A baseline drops the score network: it was drawn so that the encoder is DRL's.
        head = _head(run, shape, n_classes)
    return BaselineModel(
        sde, embedding, encoder, run.time_conditioned, head, _view(run.method, dataset)
    )


def _head(run: RunParameters, shape: tuple[int, ...], n_classes: int) -> nn.Module | None:
    """What a baseline reads the code with; None if nothing is trained."""
    if run.method in ("ae", "vae"):
        small = run.encoder in ("conv", "conv-norm", "mlp")
        return (MLPDecoder if small else ConvDecoder)(shape, run.latent_dim)
    if run.method in CONTRASTIVE:
        return projection_head(run.latent_dim)
    return nn.Linear(run.latent_dim, n_classes) if run.method == "supervised" else None


def _view(method: Method, dataset: Dataset) -> View | None:
    """A contrastive method's augmentation."""
    if method == "simclr":
        return FullView(dataset.shape, mirrored=dataset.name in MIRRORED)
    return gauss_view if method == "simclr-gauss" else None
