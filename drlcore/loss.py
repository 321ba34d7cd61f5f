"""The paper's objectives: DSM, conditional score matching, DRL, VDRL and DRL with mixup.

One normalisation for all of them, so that ``lambda_z`` means the same everywhere:
the score term is the mean over the d values of an image (pixels x channels) and over the batch,
the penalty is summed over the dimensions of z and averaged over the batch. Against the authors'
PyTorch losses, which take half the *sum* over pixels, our lambda_z equals theirs times 2/d;
their first MNIST code has our normalisation for L1, and a KL summed over the batch, so that its
1e-7 at batch 128 is our 1.3e-5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from drlcore.encoder import Code
from drlcore.errors import ParameterError
from drlcore.model import EncoderModel, RepresentationModel, with_score_network
from drlcore.parameters import Registry


@dataclass(frozen=True)
class Loss:
    """A loss and its parts.

    Attributes:
        total: what is minimised, scalar.
        score: main term of each sample, shape (B,): the weighted score error of a diffusion, times
            2l under ``drl-mixup``; for a baseline what its class says.
        penalty: lambda_z times L1 norm or KL divergence, scalar.
    """

    total: Tensor
    score: Tensor
    penalty: Tensor


def drl_loss(
    model: RepresentationModel,
    x0: Tensor,
    t: Tensor,
    generator: torch.Generator,
    lambda_z: float = 0.0,
    weighting: str = "std2",
    encode: Callable[[Tensor, Tensor], Code] | None = None,
) -> Loss:
    """E lambda(t) ||s(xt, t, z) - grad log p_0t(xt | x0)||^2 + penalty (DRL Sec. 3).

    z = E(x0) or E(x0, t), and the penalty is the L1 norm of a point (DRL), or
    KL(E(z | x0) || N(0, I)) of a Gaussian that z is drawn from (VDRL). Encoder and score network
    see the same t.

    Args:
        x0: clean samples, shape (B, ...).
        t: times in [t_min, t_max], shape (B,).
        generator: draws the noise of xt, then that of z, on its device.
        lambda_z: weight of the penalty, >= 0.
        weighting: lambda(t), a name of ``WEIGHTINGS``.
        encode: what z is, called on x0 and t; the model's own encoder if none is given.

    Example:
        >>> import torch
        >>> from drlcore import VESDE, ConvEncoder, Denoiser, NoiseRange
        >>> from drlcore import RepresentationModel, drl_loss
        >>> sde, shape = VESDE(NoiseRange()), (1, 28, 28)
        >>> denoiser = Denoiser.build(shape, 2, sde.noise)
        >>> model = RepresentationModel(sde, denoiser, ConvEncoder(shape, latent_dim=2))
        >>> generator = torch.Generator().manual_seed(0)
        >>> t = sde.draw_t(8, generator)
        >>> loss = drl_loss(model, torch.zeros(8, *shape), t, generator, lambda_z=1e-4)
        >>> loss.total.backward()
        >>> loss.score.shape
        torch.Size([8])
    """
    noise = torch.randn(x0.shape, generator=generator, device=generator.device).to(x0)
    xt = model.sde.perturb(x0, t, noise)
    code = (encode or model.encode)(x0, t)
    score = score_error(model, x0, xt, t, code.sample(generator), weighting)
    cost = lambda_z * penalty(code).mean()
    return Loss(score.mean() + cost, score, cost)


@dataclass(frozen=True)
class Batch:
    """What the loss of a training step is computed from.

    Attributes:
        x0: clean samples, shape (B, ...).
        y: labels, shape (B,), integers; few methods read them.
        t: times in [t_min, t_max], shape (B,).
        generator: of all that is drawn, on its device.
        lambda_z: weight of the penalty on z, >= 0.
        weighting: lambda(t), a name of ``WEIGHTINGS``; read by score networks alone.
    """

    x0: Tensor
    y: Tensor
    t: Tensor
    generator: torch.Generator
    lambda_z: float = 0.0
    weighting: str = "std2"


class Method(ABC):
    """What an encoder is trained by, in one object: nothing else tells methods apart.

    A new one is a subclass and a line ``METHODS[name] = Subclass()``.

    Attributes:
        name: what parameters and tables call it.
        colour: in figures; a method without one is not drawn where methods are compared.
        has_code: whether anything stands in for z.
        encodes: whether that is a learned code.
        denoises: whether a score network is trained.
        gaussian: whether the code is a Gaussian instead of a point.
        penalised: whether lambda_z weights a penalty on z.
        trains: whether it takes steps.
        fewest: images that a batch needs.
        images_only: whether it needs images, of shape (C, H, W).
        needs_labels: whether its loss reads the labels.
    """

    name: ClassVar[str]
    colour: ClassVar[str | None] = None
    has_code: ClassVar[bool] = True
    encodes: ClassVar[bool] = True
    denoises: ClassVar[bool] = False
    gaussian: ClassVar[bool] = False
    penalised: ClassVar[bool] = False
    trains: ClassVar[bool] = True
    fewest: ClassVar[int] = 1
    images_only: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = False

    def code_size(self, latent_dim: int, n_classes: int) -> int:
        """Size of what stands in for z. Raises ParameterError if ``latent_dim`` cannot be it."""
        return latent_dim if self.has_code else 0

    def code(self, model: EncoderModel, x0: Tensor, y: Tensor, t: Tensor) -> Code:
        """What stands in for z: E(x0) or E(x0, t), unless a method says otherwise."""
        return model.encode(x0, t)

    @abstractmethod
    def loss(self, model: EncoderModel, batch: Batch) -> Loss:
        """The loss of ``batch`` for what ``training.run.build_model`` builds for the method."""


class DRL(Method):
    """A point code with an L1 penalty (DRL Sec. 3)."""

    name, denoises, penalised = "drl", True, True
    colour: ClassVar[str | None] = "C3"

    def loss(self, model: EncoderModel, batch: Batch) -> Loss:
        def encode(x0: Tensor, t: Tensor) -> Code:
            return self.code(model, x0, batch.y, t)

        x0, t, generator = batch.x0, batch.t, batch.generator
        lambda_z = batch.lambda_z if self.penalised else 0.0
        network = with_score_network(model)
        return drl_loss(network, x0, t, generator, lambda_z, batch.weighting, encode)


class VDRL(DRL):
    """A Gaussian code with a KL penalty (DRL Sec. 3)."""

    name, colour, gaussian = "vdrl", "C1", True


class DRLMixup(DRL):
    """DRL whose encoder is shown a mixed image (DRL App., mixup), (DRL Table 7).

    See ``mixed``. The score network still denoises x0; the score error of each sample has the
    weight 2l, 1 on average. The mixture is drawn after the noise of xt.
    """

    name, colour = "drl-mixup", None

    def loss(self, model: EncoderModel, batch: Batch) -> Loss:
        shares = []

        def encode(x0: Tensor, t: Tensor) -> Code:
            encoded, share = mixed(x0, batch.generator)
            shares.append(share)
            return model.encode(encoded, t)

        x0, t, generator = batch.x0, batch.t, batch.generator
        network = with_score_network(model)
        loss = drl_loss(network, x0, t, generator, batch.lambda_z, batch.weighting, encode)
        score = 2 * shares[0] * loss.score
        return Loss(score.mean() + loss.penalty, score, loss.penalty)


class DSM(DRL):
    """Denoising score matching: no code (DRL Sec. 2.1)."""

    name, colour, has_code, encodes, penalised = "dsm", None, False, False, False

    def code(self, model: EncoderModel, x0: Tensor, y: Tensor, t: Tensor) -> Code:
        return Code(x0.new_zeros(len(x0), 0))


class CSM(DSM):
    """Conditional score matching: the one-hot label as the code (DRL Sec. 2.2)."""

    name, has_code, needs_labels = "csm", True, True

    def code_size(self, latent_dim: int, n_classes: int) -> int:
        if latent_dim != n_classes:
            raise ParameterError(
                f"latent_dim = {latent_dim}: method 'csm' feeds the one-hot label, so latent_dim "
                f"must be the data set's number of classes, {n_classes}"
            )
        return latent_dim

    def code(self, model: EncoderModel, x0: Tensor, y: Tensor, t: Tensor) -> Code:
        return Code(torch.nn.functional.one_hot(y, with_score_network(model).latent_dim).to(x0))


METHODS: Registry[Method] = Registry(
    "method", Method, {m.name: m for m in (DRL(), VDRL(), DRLMixup(), DSM(), CSM())}
)


def mixed(x0: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """l x0 + (1 - l) x0[permuted] and l, shape (B,), each sample's l ~ Beta(1, 1) = U(0, 1).

    What the encoder is shown under ``drl-mixup`` (DRL App., mixup).

    Args:
        x0: clean samples, shape (B, ...).
        generator: draws l, then the permutation, on its device.
    """
    share = torch.rand(len(x0), generator=generator, device=generator.device).to(x0)
    order = torch.randperm(len(x0), generator=generator, device=generator.device)
    other = x0[order.to(x0.device)]
    return torch.lerp(other, x0, share.reshape(-1, *[1] * (x0.ndim - 1))), share


def score_error(
    model: RepresentationModel,
    x0: Tensor,
    xt: Tensor,
    t: Tensor,
    z: Tensor,
    weighting: str = "std2",
) -> Tensor:
    """lambda(t) ||s - grad log p_0t||^2 / d of each sample, shape (B,) (DRL Sec. 2.1).

    Computed as the denoising error it equals, std^2 ||s - grad log p_0t||^2 = ||D - x0||^2 /
    sigma^2, times lambda(t) / std^2.
    """
    sigma = model.sde.sigma(t)
    error = (model.denoise(xt, t, z) - x0).flatten(1).square().mean(1) / sigma**2
    return WEIGHTINGS[weighting](model, t) * error


WEIGHTINGS: Registry[Callable[[RepresentationModel, Tensor], Tensor]] = Registry(
    "weighting",
    Callable,
    {
        "std2": lambda model, t: torch.ones_like(t),
        "likelihood": lambda model, t: (model.sde.diffusion(t) / model.sde.std(t)) ** 2,
        "edm": lambda model, t: 1 + (model.sde.sigma(t) / model.denoiser.sigma_data) ** 2,
        "denoiser": lambda model, t: model.sde.sigma(t) ** 2,
    },
)
"""lambda(t) / std(t)^2, shape (B,), by name.

``std2``: lambda = std^2, the paper's choice (sigma^2 for VE). ``likelihood``: lambda = g^2, the
maximum-likelihood weighting; a constant times ``std2`` for VE. ``edm``: unit variance of the raw
network's target. ``denoiser``: plain ||D - x0||^2.
"""


def penalty(code: Code) -> Tensor:
    """What a code costs, shape (B,): ``l1`` of a point, ``kl`` of a Gaussian."""
    return l1(code) if code.logvar is None else kl(code)


def l1(code: Code) -> Tensor:
    """sum_j |z_j| of each sample, shape (B,) (DRL Sec. 3)."""
    return code.mean.abs().sum(1)


def kl(code: Code) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, I)) in nats of each sample, shape (B,) (DRL Sec. 3).

    Raises:
        ValueError: a deterministic code, which has no density.
    """
    if code.logvar is None:
        raise ValueError("a deterministic code has no KL divergence")
    return 0.5 * (code.mean**2 + code.logvar.exp() - 1 - code.logvar).sum(1)
