"""What all baselines share: the encoder of DRL, and the head that their loss reads z with."""

from __future__ import annotations

from torch import Tensor, nn

from drlcore.baselines.views import View
from drlcore.data.splits import Dataset
from drlcore.encoder import Encoder
from drlcore.loss import Loss, Method
from drlcore.model import EncoderModel
from drlcore.sde import SDE
from drlcore.time_embedding import TimeEmbedding


class BaselineModel(EncoderModel):
    """An encoder and the head that its objective reads the code with.

    Args:
        sde: the diffusion whose times a time-conditioned encoder is trained on; nothing else of
            it is used.
        clock: embedding of the noise level for E(x0, t).
        encoder: E(x0) or E(x0, t).
        time_conditioned: whether it is E(x0, t).
        head: decoder, projection or class head, called on z; None for an untrained encoder.
        view: draws a random view of an image, for contrastive methods.
    """

    def __init__(
        self,
        sde: SDE,
        clock: TimeEmbedding,
        encoder: Encoder,
        time_conditioned: bool,
        head: nn.Module | None = None,
        view: View | None = None,
    ) -> None:
        super().__init__()
        self.sde, self.clock, self.encoder, self.head = sde, clock, encoder, head
        self.time_conditioned, self.view = time_conditioned, view

    @property
    def embedding(self) -> TimeEmbedding:
        return self.clock


class Baseline(Method):
    """A method without a score network."""

    def head(self, encoder: Encoder, latent_dim: int, dataset: Dataset) -> nn.Module | None:
        """What the code is read with; None if nothing is trained."""
        return None

    def view(self, dataset: Dataset) -> View | None:
        """What draws a random view of an image; None if the loss takes images as they are."""
        return None


def read(model: EncoderModel, z: Tensor) -> Tensor:
    """What the head of a baseline's model makes of codes ``z``, (B, latent_dim)."""
    assert isinstance(model, BaselineModel) and model.head is not None, "nothing reads the code"
    return model.head(z)


def unpenalised(main: Tensor) -> Loss:
    """A loss that is the mean of its main term, shape (B,)."""
    return Loss(main.mean(), main, main.new_zeros(()))
