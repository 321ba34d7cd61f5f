"""Convolutional networks: a fast U-Net, the paper's; and the decoders of the autoencoders."""

from drlcore.encoder import ENCODERS
from drlcore.networks import paper_cifar, paper_mnist, unet  # noqa: F401
from drlcore.score_network import SCORE_NETWORKS, Denoiser

__all__ = ["ENCODERS", "SCORE_NETWORKS", "Denoiser"]
