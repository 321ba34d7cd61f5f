"""Contrastive learners: two views of an image have codes that find each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drlcore.baselines.model import Baseline, BaselineModel, read, unpenalised
from drlcore.baselines.views import FullView, View, gauss_view
from drlcore.data.splits import Dataset
from drlcore.encoder import Encoder
from drlcore.loss import METHODS, Batch, Loss
from drlcore.model import EncoderModel

# The paper's are not known. Of 0.2 and 0.5, usual at small and at large batches, 0.2 had the better
# neighbours on MNIST's validation part after 1,000 steps, for both kinds of view.
TEMPERATURE = 0.2
PROJECTION = 128


class SimCLR(Baseline):
    """NT-Xent of two views of every image under the full augmentation, see ``nt_xent``.

    A baseline (DRL ICML, downstream). A time-conditioned encoder reads all of them at the batch's
    first t: were t each image's own, it alone would tell which views belong together, and nothing
    would be learnt of the image. The head g(z) has two linear layers of width 128; z, not g(z), is
    the code.
    """

    name, colour, fewest, images_only = "simclr", "C2", 2, True

    def head(self, encoder: Encoder, latent_dim: int, dataset: Dataset) -> nn.Module:
        return nn.Sequential(
            nn.Linear(latent_dim, PROJECTION), nn.ReLU(), nn.Linear(PROJECTION, PROJECTION)
        )

    def view(self, dataset: Dataset) -> View:
        return FullView(dataset.shape, mirrored=dataset.mirrored)

    def loss(self, model: EncoderModel, batch: Batch) -> Loss:
        assert isinstance(model, BaselineModel) and model.view is not None
        views = torch.cat([model.view(batch.x0, batch.generator) for _ in range(2)])
        code = model.encode(views, batch.t[:1].expand(len(views)))
        first, second = read(model, code.mean).chunk(2)
        return unpenalised(nt_xent(first, second))


class SimCLRGauss(SimCLR):
    """SimCLR whose views are the image plus noise (DRL ICML, downstream).

    What it knows of images is what DRL knows.
    """

    name, colour, images_only = "simclr-gauss", "C8", False

    def view(self, dataset: Dataset) -> View:
        return gauss_view


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


METHODS |= {"simclr": SimCLR(), "simclr-gauss": SimCLRGauss()}
