"""What DRL is compared with: other losses on the same encoder, a file each; all in ``METHODS``."""

from drlcore.baselines import autoencoders, contrastive, supervised, untrained  # noqa: F401
from drlcore.loss import METHODS

__all__ = ["METHODS"]
