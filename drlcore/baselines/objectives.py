"""What DRL is compared with: other objectives on the same encoder, in the same training loop."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drlcore.baselines.views import View
from drlcore.encoder import Encoder
from drlcore.loss import Loss, Method, kl, l1
from drlcore.model import EncoderModel
from drlcore.sde import SDE
from drlcore.time_embedding import TimeEmbedding

# The paper's are not known. Of 0.2 and 0.5, usual at small and at large batches, 0.2 had the better
# neighbours on MNIST's validation part after 1,000 steps, for both kinds of view.
TEMPERATURE = 0.2
PROJECTION = 128


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


def projection_head(latent_dim: int) -> nn.Sequential:
    """SimCLR's head g(z), two linear layers of width 128; z, not g(z), is the code."""
    return nn.Sequential(
        nn.Linear(latent_dim, PROJECTION), nn.ReLU(), nn.Linear(PROJECTION, PROJECTION)
    )


def baseline_objective(
    model: BaselineModel,
    x0: Tensor,
    y: Tensor,
    t: Tensor,
    generator: torch.Generator,
    method: Method,
    lambda_z: float,
) -> Loss:
    """Main term + penalty of a baseline, z = E(x0) or E(x0, t).

    ``ae``: ||G(z) - x0||^2 / d with an L1 penalty; ``vae``: the same with z ~ E(z | x0) and a KL
    penalty. Mean over the d values of an image and sum over the dimensions of z, as for DRL and
    VDRL, so ``lambda_z`` means the same; a decoder of variance s^2 makes this the negative ELBO,
    times 2 s^2 / d, at lambda_z = 2 s^2 / d.
    ``simclr``, ``simclr-gauss``: NT-Xent of two views of every image, see ``nt_xent``. A
    time-conditioned encoder reads all of them at the batch's first t: were t each image's own, it
    alone would tell which views belong together, and nothing would be learnt of the image.
    ``supervised``: cross-entropy of a linear class head.

    Args:
        x0: clean samples, shape (B, ...).
        y: labels, shape (B,), read by ``supervised`` alone.
        t: times, shape (B,), read by a time-conditioned encoder alone.
        generator: CPU generator; draws the noise of z, or the views.
        lambda_z: weight of the penalty, >= 0.
    """
    assert model.head is not None, f"method {method!r} trains nothing"
    if method in ("simclr", "simclr-gauss"):
        assert model.view is not None
        views = torch.cat([model.view(x0, generator), model.view(x0, generator)])
        first, second = model.head(model.encode(views, t[:1].expand(len(views))).mean).chunk(2)
        return _without_penalty(nt_xent(first, second))
    code = model.encode(x0, t)
    if method == "supervised":
        return _without_penalty(F.cross_entropy(model.head(code.mean), y, reduction="none"))
    error = (model.head(code.sample(generator)) - x0).flatten(1).square().mean(1)
    penalty = lambda_z * (l1(code) if method == "ae" else kl(code)).mean()
    return Loss(error.mean() + penalty, error, penalty)


def nt_xent(first: Tensor, second: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Normalised temperature-scaled cross-entropy (Chen et al. 2020, Eq. 1), shape (B,).

    -log softmax of the cosine similarity, over temperature, of a view to the other view of its
    image, among all 2B - 1 other views; the mean over the two views of an image. An image that
    the batch holds twice, since batches are drawn with replacement, counts as two.

    Args:
        first, second: projections of the two views, shape (B, d).
    """
    n = len(first)
    unit = F.normalize(torch.cat([first, second]), dim=1)
    itself = torch.eye(2 * n, dtype=torch.bool, device=unit.device)
    similarity = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    partner = torch.arange(2 * n, device=unit.device).roll(n)
    return F.cross_entropy(similarity, partner, reduction="none").view(2, n).mean(0)


def _without_penalty(main: Tensor) -> Loss:
    return Loss(main.mean(), main, main.new_zeros(()))
