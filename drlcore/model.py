"""Encoder, denoiser and SDE joined: everything that maps images to codes and back to scores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from drlcore.encoder import Code, Encoder
from drlcore.errors import ParameterError
from drlcore.score_network import Denoiser
from drlcore.sde import SDE
from drlcore.time_embedding import TimeEmbedding


class EncoderModel(nn.Module):
    """What the models of all methods share: an encoder on the clock of a diffusion.

    Attributes:
        sde: the diffusion; holds the noise range.
        encoder: E(x0) or E(x0, t); None for models without a learned code.
        time_conditioned: whether the encoder is E(x0, t), the curve t -> z.

    Shape: images (B, ...), times (B,), codes (B, latent_dim).
    """

    sde: SDE
    encoder: Encoder | None
    time_conditioned: bool

    @property
    def embedding(self) -> TimeEmbedding:
        """The clock a time-conditioned encoder reads."""
        raise NotImplementedError

    def encode(self, x0: Tensor, t: Tensor | None = None) -> Code:
        """E(x0), or E(x0, t) for a time-conditioned encoder, which must be given t (DRL Sec. 3).

        Raises:
            ValueError: the model has no encoder, or a time-conditioned one got no t.
        """
        if self.encoder is None:
            raise ValueError("this model has no encoder")
        if not self.time_conditioned:
            return self.encoder(x0)
        if t is None:
            raise ValueError("a time-conditioned encoder E(x0, t) needs t")
        return self.encoder(x0, self.embedding(self.sde.sigma(t)))


class RepresentationModel(EncoderModel):
    """A score network that is given a code of the clean image.

    Args:
        sde: the diffusion; holds the noise range.
        denoiser: D(x; sigma, z).
        encoder: E(x0) or E(x0, t); None for models without a learned code.
        time_conditioned: whether the encoder is E(x0, t), the curve t -> z.

    Shape: images (B, ...), times (B,), codes (B, latent_dim).

    Example:
        >>> import torch
        >>> from drlcore import VESDE, ConvEncoder, Denoiser, NoiseRange, RepresentationModel
        >>> sde, shape = VESDE(NoiseRange()), (1, 28, 28)
        >>> denoiser = Denoiser.build(shape, 2, sde.noise)
        >>> model = RepresentationModel(sde, denoiser, ConvEncoder(shape, latent_dim=2))
        >>> x0, t = torch.zeros(5, *shape), torch.full((5,), 0.5)
        >>> xt = sde.perturb(x0, t, torch.randn(x0.shape))
        >>> model.score(xt, t, model.encode(x0).mean).shape
        torch.Size([5, 1, 28, 28])
    """

    def __init__(
        self, sde: SDE, denoiser: Denoiser, encoder: Encoder | None, time_conditioned: bool = False
    ) -> None:
        super().__init__()
        self.sde, self.denoiser, self.encoder = sde, denoiser, encoder
        self.time_conditioned = time_conditioned

    @property
    def embedding(self) -> TimeEmbedding:
        """The score network's clock, which the encoder shares."""
        return self.denoiser.embedding

    @property
    def latent_dim(self) -> int:
        return self.denoiser.latent_dim

    def denoise(self, xt: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """D, an estimate of E[x0 | xt, z]."""
        a = self.sde.mean_coefficient(t).reshape(-1, *[1] * (xt.ndim - 1))
        return self.denoiser(xt / a, self.sde.sigma(t), z)

    def score(self, xt: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """s(xt, t, z), an estimate of the gradient of log p_t(xt | z) (DRL Sec. 3)."""
        return self.sde.score_from_denoiser(self.denoise(xt, t, z), xt, t)


def with_score_network(model: EncoderModel) -> RepresentationModel:
    """``model``, known to have a score network.

    Raises:
        ParameterError: it has none.
    """
    if not isinstance(model, RepresentationModel):
        raise ParameterError(
            "this model has no score network to denoise or sample with: a baseline trained it"
        )
    return model


@torch.no_grad()
def encode(
    model: EncoderModel,
    x: Tensor,
    sigma: float | None = None,
    generator: torch.Generator | None = None,
    batch_size: int = 2000,
) -> np.ndarray:
    """Codes of all images in ``x``, float32, shape (N, latent_dim).

    Args:
        sigma: the noise level at which a time-conditioned encoder is read; it must be given then.
        generator: draw z ~ E(z | x0) from it; without one a probabilistic code is its mean.

    Example:
        >>> from drlcore import RunParameters, encode, load_dataset, load_or_train
        >>> run = RunParameters(dataset="digits", steps=5, batch_size=16)
        >>> model = load_or_train(run, progress=False)
        >>> encode(model, load_dataset("digits").test.x).shape
        (360, 2)
    """
    device = next(model.parameters()).device
    codes = []
    for batch in x.split(batch_size):
        t = None
        if sigma is not None:
            t = model.sde.t(torch.full((len(batch),), sigma)).to(device)
        code = model.encode(batch.to(device), t)
        codes.append((code.mean if generator is None else code.sample(generator)).cpu())
    return torch.cat(codes).numpy()
