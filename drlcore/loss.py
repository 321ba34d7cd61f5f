"""The paper's objectives: DSM, conditional score matching, DRL, VDRL and DRL with mixup.

One normalisation for all of them, so that ``lambda_z`` means the same everywhere:
the score term is the mean over the d values of an image (pixels x channels) and over the batch,
the penalty is summed over the dimensions of z and averaged over the batch. Against the authors'
PyTorch losses, which take half the *sum* over pixels, our lambda_z equals theirs times 2/d;
their first MNIST code has our normalisation for L1, and a KL summed over the batch, so that its
1e-7 at batch 128 is our 1.3e-5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from drlcore.encoder import Code
from drlcore.model import RepresentationModel

DiffusionMethod = Literal["drl", "vdrl", "drl-mixup", "dsm", "csm"]
BaselineMethod = Literal["ae", "vae", "simclr", "simclr-gauss", "random", "supervised"]
Method = Literal[DiffusionMethod, BaselineMethod]
Weighting = Literal["std2", "likelihood", "edm", "denoiser"]


@dataclass(frozen=True)
class Loss:
    """A loss and its parts.

    Attributes:
        total: what is minimised, scalar.
        score: main term of each sample, shape (B,): the weighted score error of a diffusion, times
            2l under ``drl-mixup``; for a baseline what ``baseline_objective`` says.
        penalty: lambda_z times L1 norm or KL divergence, scalar.
    """

    total: Tensor
    score: Tensor
    penalty: Tensor


def objective(
    model: RepresentationModel,
    x0: Tensor,
    y: Tensor,
    t: Tensor,
    generator: torch.Generator,
    method: Method,
    lambda_z: float,
    weighting: Weighting = "std2",
) -> Loss:
    """E lambda(t) ||s(xt, t, z) - grad log p_0t(xt | x0)||^2 + penalty (DRL Sec. 3).

    What z is tells the methods apart: nothing (``dsm``, DRL Sec. 2.1), the one-hot label (``csm``,
    DRL Sec. 2.2), E(x0) or E(x0, t) with an L1 penalty (``drl``), z ~ E(z | x0) with
    KL(E(z | x0) || N(0, I)) (``vdrl``), the code of a mixed image, see ``mixed``, with an L1
    penalty (``drl-mixup``, which weights the score error of each sample with 2l, 1 on average).
    Encoder and score network see the same t.

    Args:
        x0: clean samples, shape (B, ...).
        y: labels, shape (B,), read by ``csm`` alone.
        t: times in [t_min, t_max], shape (B,).
        generator: CPU generator; draws the noise of xt, then the mixture, then the noise of z.
        lambda_z: weight of the penalty, >= 0.
    """
    noise = torch.randn(x0.shape, generator=generator).to(x0)
    xt = model.sde.perturb(x0, t, noise)
    encoded, share = mixed(x0, generator) if method == "drl-mixup" else (x0, None)
    code = code_of(model, encoded, y, t, method)
    score = score_error(model, x0, xt, t, code.sample(generator), weighting)
    if share is not None:
        score = 2 * share * score
    penalty = lambda_z * (l1(code) if method in ("drl", "drl-mixup") else kl(code)).mean()
    return Loss(score.mean() + penalty, score, penalty)


def mixed(x0: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """l x0 + (1 - l) x0[permuted] and l, shape (B,), each sample's l ~ Beta(1, 1) = U(0, 1).

    What the encoder is shown under ``drl-mixup`` (DRL appendix, mixup); the score network still
    denoises x0 itself.

    Args:
        x0: clean samples, shape (B, ...).
        generator: CPU generator; draws l, then the permutation.
    """
    share = torch.rand(len(x0), generator=generator).to(x0)
    other = x0[torch.randperm(len(x0), generator=generator).to(x0.device)]
    return torch.lerp(other, x0, share.reshape(-1, *[1] * (x0.ndim - 1))), share


def code_of(model: RepresentationModel, x0: Tensor, y: Tensor, t: Tensor, method: Method) -> Code:
    """The extra input of the score network under ``method``; shape (B, 0) for ``dsm``.

    Nothing is mixed here: under ``drl-mixup`` it is the code of ``x0`` as given.
    """
    if method == "dsm":
        return Code(x0.new_zeros(len(x0), 0))
    if method == "csm":
        return Code(torch.nn.functional.one_hot(y, model.latent_dim).to(x0))
    return model.encode(x0, t)


def score_error(
    model: RepresentationModel,
    x0: Tensor,
    xt: Tensor,
    t: Tensor,
    z: Tensor,
    weighting: Weighting = "std2",
) -> Tensor:
    """lambda(t) ||s - grad log p_0t||^2 / d of each sample, shape (B,).

    Computed as the denoising error it equals, std^2 ||s - grad log p_0t||^2 = ||D - x0||^2 /
    sigma^2, times lambda(t) / std^2.
    """
    sigma = model.sde.sigma(t)
    error = (model.denoise(xt, t, z) - x0).flatten(1).square().mean(1) / sigma**2
    return weight(model, t, weighting) * error


def weight(model: RepresentationModel, t: Tensor, weighting: Weighting) -> Tensor:
    """lambda(t) / std(t)^2, shape (B,).

    ``std2``: lambda = std^2, the paper's choice (sigma^2 for VE). ``likelihood``: lambda = g^2,
    the maximum-likelihood weighting; a constant times ``std2`` for VE. ``edm``: unit variance of
    the raw network's target. ``denoiser``: plain ||D - x0||^2.
    """
    sigma = model.sde.sigma(t)
    if weighting == "std2":
        return torch.ones_like(t)
    if weighting == "likelihood":
        return (model.sde.diffusion(t) / model.sde.std(t)) ** 2
    if weighting == "edm":
        return 1 + (sigma / model.denoiser.sigma_data) ** 2
    return sigma**2


def l1(code: Code) -> Tensor:
    """sum_j |z_j| of each sample, shape (B,)."""
    return code.mean.abs().sum(1)


def kl(code: Code) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, I)) in nats of each sample, shape (B,); 0 for a point.

    A deterministic code has no density, so its divergence is not defined; methods without a
    penalty (``dsm``, ``csm``) come here with one and pay nothing.
    """
    if code.logvar is None:
        return code.mean.new_zeros(len(code.mean))
    return 0.5 * (code.mean**2 + code.logvar.exp() - 1 - code.logvar).sum(1)
