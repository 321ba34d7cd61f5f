"""Convolutional networks: a fast U-Net and its encoder, the paper's, and decoders."""

from drlcore.encoder import ENCODERS
from drlcore.networks import paper_cifar, paper_mnist, residual_encoder, unet  # noqa: F401
from drlcore.score_network import SCORE_NETWORKS, Denoiser

__all__ = ["ENCODERS", "SCORE_NETWORKS", "Denoiser"]
