"""The control of every claim: an encoder as it was drawn."""

from __future__ import annotations

from drlcore.baselines.model import Baseline
from drlcore.loss import METHODS, Batch, Loss
from drlcore.model import EncoderModel


class Untrained(Baseline):
    """It takes no steps, so it has no loss."""

    name, colour, trains = "random", "0.6", False

    def loss(self, model: EncoderModel, batch: Batch) -> Loss:
        raise TypeError("method 'random' trains nothing, so it has no loss")


METHODS["random"] = Untrained()
