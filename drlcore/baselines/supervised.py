"""The code of an encoder that is told the labels."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from drlcore.baselines.model import Baseline, read, unpenalised
from drlcore.data.splits import Dataset
from drlcore.encoder import Encoder
from drlcore.loss import METHODS, Batch, Loss
from drlcore.model import EncoderModel


class Supervised(Baseline):
    """Cross-entropy of a linear class head on z."""

    name, colour, needs_labels = "supervised", "k", True

    def head(self, encoder: Encoder, latent_dim: int, dataset: Dataset) -> nn.Module:
        return nn.Linear(latent_dim, dataset.n_classes)

    def loss(self, model: EncoderModel, batch: Batch) -> Loss:
        logits = read(model, model.encode(batch.x0, batch.t).mean)
        return unpenalised(F.cross_entropy(logits, batch.y, reduction="none"))


METHODS["supervised"] = Supervised()
