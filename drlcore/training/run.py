"""What one training run is: its parameters, its key, and the model they build."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, Field, model_validator

from drlcore.baselines import METHODS
from drlcore.baselines.model import Baseline, BaselineModel
from drlcore.data.datasets import Dataset, identity, title
from drlcore.data.label_splits import LabelSplit
from drlcore.data.splits import require_labels
from drlcore.errors import ParameterError
from drlcore.loss import WEIGHTINGS
from drlcore.model import EncoderModel, RepresentationModel
from drlcore.networks import ENCODERS, SCORE_NETWORKS
from drlcore.noise_range import NoiseRange, UniformT
from drlcore.parameters import Parameters, Registry, fingerprint
from drlcore.score_network import Denoiser
from drlcore.sde import SDES
from drlcore.time_embedding import TimeEmbeddingKind
from drlcore.training.revision import revision

MethodName = Annotated[str, AfterValidator(METHODS.known)]
SDEName = Annotated[str, AfterValidator(SDES.known)]
EncoderName = Annotated[str, AfterValidator(ENCODERS.known)]
ScoreNetworkName = Annotated[str, AfterValidator(SCORE_NETWORKS.known)]
Weighting = Annotated[str, AfterValidator(WEIGHTINGS.known)]
Precision = Literal["float32", "bf16"]
Share = Annotated[float, Field(ge=0, le=1)]


class RunParameters(Parameters):
    """Everything that decides the weights of one training run.

    Attributes:
        dataset: a name of ``DATASETS``, or the path of your own images, see ``load_dataset``.
        method: a name of ``METHODS``: ``drl`` L1, ``vdrl`` KL, ``drl-mixup`` L1 with the encoder
            trained on mixed images, ``dsm`` no code, ``csm`` the label as the code; baselines on
            the same encoder: ``ae`` L1, ``vae`` KL, ``simclr``, ``simclr-gauss``, ``supervised``,
            and ``random``, whose encoder stays as it was drawn: it takes no steps.
        sde: which diffusion.
        noise: the noise range and t-sampler.
        latent_dim: size of z; for ``csm`` the number of classes, for ``dsm`` ignored.
        time_conditioned: E(x0, t) instead of E(x0), for a baseline too: t is drawn from ``noise``
            and the clean image encoded at it.
        encoder, score_network, time_embedding: architectures, of ``ENCODERS`` and
            ``SCORE_NETWORKS``; baselines have no score network.
        width: of an MLP score network's trunk, or a U-Net's lower resolution; the paper's networks
            keep their own sizes.
        sigma_data: standard deviation of the data in the preconditioning, 1e-4 to 1e4.
        weighting: lambda(t).
        lambda_z: weight of L1 or KL, 0 to 1e6; 0 for methods without a penalty on z.
        seed: of the weights, the batches, the times and the noise; below 2^32, as numpy asks.
        steps, batch_size: optimiser steps and images a step.
        learning_rate, warmup_steps, clip_norm, ema_decay: Adam, linear warm-up, gradient norm.
        cooldown: over this share of the steps, the last ones, the learning rate falls to nothing.
        adam_epsilon: added to the root mean square of a parameter's gradient, > 0; gradients far
            below it hardly move the parameter.
        train_images: train on the first so many images; None for all.
        label_split: of these, train on the images of this label split alone, as the released
            code's pretraining does; None for all. Probes are fitted on all of them still.
        precision: ``float32``, or ``bf16`` for the networks' arithmetic in it (autocast); weights,
            losses and the optimiser stay in float32.
        compiled: whether networks are compiled in training (``torch.compile``); sums come in
            another order, so it belongs to the run.
        adversary: share of times that stays uniform, p_KL, while an adversary learns the weighting
            of the others, see ``training.adversary``; None for no adversary.
        threads: CPU threads; sums depend on it, so it belongs to the run.
        first_stage: a run whose encoder is taken over and frozen; only the score network trains.

    Raises:
        ParameterError: naming the parameter, the value and what is allowed.

    Example:
        >>> from drlcore import NoiseRange, RunParameters
        >>> run = RunParameters(dataset="digits", method="vdrl", noise=NoiseRange().single(5.0))
        >>> run.title, run.key == run.updated(seed=1).key
        ('digits vdrl, σ = 5, seed 0', False)
    """

    dataset: str = "mnist"
    method: MethodName = "drl"
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
    cooldown: float = Field(default=0.0, ge=0, le=1, exclude_if=lambda share: share == 0)
    adam_epsilon: float = Field(default=1e-8, gt=0, exclude_if=lambda epsilon: epsilon == 1e-8)
    precision: Precision = Field(default="float32", exclude_if=lambda kind: kind == "float32")
    compiled: bool = Field(default=False, exclude_if=lambda compiled: not compiled)
    adversary: Share | None = Field(default=None, exclude_if=lambda share: share is None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        SDES[self.sde](self.noise)  # an impossible range stops here, before any training
        method = METHODS[self.method]
        if self.first_stage is not None:
            for name in ("dataset", "method", "latent_dim", "encoder", "time_conditioned"):
                if getattr(self, name) != getattr(self.first_stage, name):
                    raise ValueError(f"{name} must be the first stage's when its encoder is kept")
            if self.time_conditioned and self._clock != self.first_stage._clock:
                raise ValueError(
                    "sigma_min, sigma_max and time_embedding must be the first stage's when its "
                    "time-conditioned encoder is kept: they are what it tells the time by"
                )
            if not (method.encodes and method.denoises):
                both = [m.name for m in METHODS.values() if m.encodes and m.denoises]
                raise ValueError(
                    f"method = {self.method!r} has no encoder to take over for a score network; "
                    f"a run with a first_stage is one of {', '.join(both)}"
                )
        if self.lambda_z > 0 and not method.penalised:
            raise ValueError(
                f"lambda_z = {self.lambda_z:g}: method {self.method!r} has no penalty on z, so 0"
            )
        if self.adversary is not None and not method.denoises:
            raise ValueError(
                f"adversary = {self.adversary:g}: method {self.method!r} trains no score network "
                "whose loss it could weigh, so None"
            )
        if self.adversary is not None and self.noise.t_sampler.name != UniformT.name:
            raise ValueError(
                f"adversary = {self.adversary:g}: it weighs uniform t, and t_sampler is "
                f"{self.noise.t_sampler.name!r}; give a whole range with t_sampler 'uniform_t'"
            )
        if self.batch_size < method.fewest:
            raise ValueError(
                f"batch_size = {self.batch_size}: method {self.method!r} tells the images of a "
                f"batch apart, so {method.fewest} or more"
            )
        if self.batch_size == 1 and ENCODERS[self.encoder].batch_norm:
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
        return self.time_conditioned or METHODS[self.method].denoises

    @property
    def steps_taken(self) -> int:
        """``steps``; 0 for a method that trains nothing."""
        return self.steps if METHODS[self.method].trains else 0

    @property
    def title(self) -> str:
        """What a progress bar calls the run."""
        noise = f"{self.noise.label}, " if self.sees_noise else ""
        return f"{title(self.dataset)} {self.method}, {noise}seed {self.seed}"

    @property
    def key(self) -> str:
        """12 hex digits that name the run in the store; any changed parameter changes them."""
        values, revisions = self.named_by_content(), self._revisions()
        return fingerprint(values | ({"revisions": revisions} if revisions else {}))

    def _revisions(self) -> dict[str, int | str]:
        """What the names of its parts do not tell: their revision; of an own part its source.

        So an own encoder that was changed is trained anew.
        """
        parts: dict[str, Any] = {
            "encoder": ENCODERS[self.encoder],
            "score_network": SCORE_NETWORKS[self.score_network],
            "method": type(METHODS[self.method]),
            "sde": SDES[self.sde],
            "t_sampler": type(self.noise.t_sampler),
            "weighting": WEIGHTINGS[self.weighting],
        }
        found: dict[str, int | str] = {}
        for kind, part in parts.items():
            its = revision(part)
            if isinstance(its, str):  # by kind: own parts of two kinds may share a name
                found[kind] = its
            elif its:  # by name, as in the keys of stored runs
                found[getattr(self, kind)] = its
        return found

    @property
    def read_at(self) -> float | None:
        """The sigma at which E(x0, t) is read where one code is asked for: the largest it saw.

        None for E(x0).
        """
        encoder = self.first_stage or self  # a second stage trains no encoder
        return encoder.noise.window[1] if self.time_conditioned else None

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
        ParameterError, DataError: the architecture does not fit the data; there are no labels.
    """
    method, shape = METHODS[run.method], dataset.shape
    if method.needs_labels:
        require_labels(dataset, f"method {run.method!r}")
    if len(shape) != 3:
        _refuse_images_only(run, dataset)
    sde = SDES[run.sde](run.noise)
    latent_dim = method.code_size(run.latent_dim, dataset.n_classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        denoiser = Denoiser.build(
            shape, latent_dim, run.noise, run.score_network, run.width, run.time_embedding,
            run.sigma_data,
        )  # fmt: skip
        if not method.encodes:
            return RepresentationModel(sde, denoiser, None, run.time_conditioned)
        embedding = denoiser.embedding
        dim = embedding.dim if run.time_conditioned else None
        encoder = ENCODERS[run.encoder](
            shape, run.latent_dim, probabilistic=method.gaussian, embedding_dim=dim
        )
        if not isinstance(method, Baseline):
            return RepresentationModel(sde, denoiser, encoder, run.time_conditioned)
        # A baseline drops the score network: it was drawn so that the encoder is DRL's.
        head = method.head(encoder, run.latent_dim, dataset)
    return BaselineModel(sde, embedding, encoder, run.time_conditioned, head, method.view(dataset))


def _refuse_images_only(run: RunParameters, dataset: Dataset) -> None:
    """Raises ParameterError if a part of ``run`` takes images: ``dataset`` holds vectors."""
    registries: tuple[Registry[Any], ...] = (ENCODERS, SCORE_NETWORKS, METHODS)
    misfits = []
    for parts in registries:
        name = getattr(run, parts.kind)
        if parts[name].images_only:
            others = ", ".join(other for other, part in parts.items() if not part.images_only)
            misfits.append(f"{parts.kind} {name!r} takes images (vectors: {others})")
    if misfits:
        raise ParameterError(
            f"dataset {dataset.name!r} holds vectors of shape {dataset.shape}: {'; '.join(misfits)}"
        )
