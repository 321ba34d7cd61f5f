"""Autoencoders: the code is what an image can be rebuilt from: AE and VAE."""

from __future__ import annotations

from torch import nn

from drlcore.baselines.model import Baseline, read
from drlcore.data.splits import Dataset
from drlcore.encoder import Encoder
from drlcore.loss import METHODS, Batch, Loss, penalty
from drlcore.model import EncoderModel
from drlcore.networks.decoder import ConvDecoder, MLPDecoder


class Autoencoder(Baseline):
    """||G(z) - x0||^2 / d with an L1 penalty, z = E(x0) or E(x0, t).

    A baseline (DRL ICML, downstream), and a pretraining for few labels (DRL Table 6). Mean over the
    d values of an image and sum over the dimensions of z, as for DRL and VDRL, so ``lambda_z``
    means the same.
    """

    name, colour, penalised = "ae", "C0", True

    def head(self, encoder: Encoder, latent_dim: int, dataset: Dataset) -> nn.Module:
        return (ConvDecoder if encoder.large else MLPDecoder)(dataset.shape, latent_dim)

    def loss(self, model: EncoderModel, batch: Batch) -> Loss:
        code = model.encode(batch.x0, batch.t)
        rebuilt = read(model, code.sample(batch.generator))
        error = (rebuilt - batch.x0).flatten(1).square().mean(1)
        cost = batch.lambda_z * penalty(code).mean()
        return Loss(error.mean() + cost, error, cost)


class VAE(Autoencoder):
    """The same with z ~ E(z | x0) and a KL penalty (DRL ICML, downstream).

    A decoder of variance s^2 makes this the negative ELBO, times 2 s^2 / d, at
    lambda_z = 2 s^2 / d.
    """

    name, colour, gaussian = "vae", "C9", True


METHODS |= {"ae": Autoencoder(), "vae": VAE()}
