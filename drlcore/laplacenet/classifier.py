"""LaplaceNet: a classifier from few labels, whose encoder may be pretrained.

Sellars et al. 2021 as coded by the authors of DRL: what is set, and the network. The training is in
``fine_tuning``.
"""

from __future__ import annotations

import copy
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from drlcore.errors import ParameterError
from drlcore.model import EncoderModel
from drlcore.parameters import Parameters, fingerprint

Mixup = Literal["off", "on", "released"]
EncoderTime = Literal["learned", "fixed", "chosen"]


class FineTuning(Parameters):
    """Everything that decides a fine-tuning beside the pretrained run; defaults as published.

    Attributes:
        n_labels, label_split: which labels are known, see ``data.label_splits``.
        seed: of the class head, the batches and the views.
        mixup: ``on``; ``off``; or ``released``, off in the supervised phase alone, which is what
            the authors' ``--mixup 0`` does.
        encoder_time: of E(x0, t): ``fixed`` at ``t``; ``learned`` from ``t`` on, by the same SGD;
            or ``chosen``, learned from that of ``times`` whose supervised phase does best on
            validation. (The released ``check_t`` compares training losses.)
        t, times: encoder times, in (0, 1).
        supervised_epochs, passes: the first phase, and how often each of its epochs goes through
            the labelled images.
        steps: optimiser steps in all; the second phase takes as many whole epochs as fit.
        batch_size: images a step; in the second phase half of them labelled.
        copies: views of each image in a step. They pass the network together, and mixup mixes all
            of them; the released code permutes each copy alike.
        neighbours, alpha: of the graph and of the spreading.
        mixup_alpha: l ~ Beta(mixup_alpha, mixup_alpha).
        learning_rate, momentum, weight_decay: Nesterov SGD; the rate falls by a cosine.
        cosine_tail: epochs after the last one at which the rate would reach 0.
    """

    n_labels: int = Field(default=4000, ge=1)
    label_split: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)
    mixup: Mixup = "off"
    encoder_time: EncoderTime = "learned"
    t: float = Field(default=0.5, gt=0, lt=1)
    times: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99), min_length=1
    )
    supervised_epochs: int = Field(default=10, ge=1)
    passes: int = Field(default=10, ge=1)
    steps: int = Field(default=250_000, ge=1)
    batch_size: int = Field(default=100, ge=2)
    copies: int = Field(default=3, ge=1)
    neighbours: int = Field(default=50, ge=1)
    alpha: float = Field(default=0.99, gt=0, lt=1)
    mixup_alpha: float = Field(default=1.0, gt=0)
    learning_rate: float = Field(default=0.03, gt=0)
    cosine_tail: int = Field(default=10, ge=0)
    momentum: float = Field(default=0.9, gt=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)

    @property
    def key(self) -> str:
        """8 hex digits that tell fine-tunings of one run apart in file names."""
        return fingerprint(self.model_dump(mode="json"))[:8]

    @property
    def supervised_steps(self) -> int:
        """Steps of the first phase; 100 floor(n / 100) as published."""
        return self.supervised_epochs * self.passes * max(1, self.n_labels // self.batch_size)

    def epochs(self, n_images: int) -> int:
        """Both phases together, for ``n_images`` of which ``n_labels`` are labelled.

        Raises:
            ParameterError: ``steps`` does not reach the end of the first second-phase epoch, or
                there are too few images for ``n_labels`` or ``neighbours``.
        """
        if n_images <= self.neighbours:
            raise ParameterError(
                f"neighbours = {self.neighbours}; allowed: below the number of images, {n_images}"
            )
        of_epoch = (n_images - self.n_labels) // self.unlabelled
        if of_epoch < 1:
            raise ParameterError(
                f"n_labels = {self.n_labels}; allowed: leave {self.unlabelled} or more of the "
                f"{n_images} images unlabelled"
            )
        if self.steps < self.supervised_steps + of_epoch:
            raise ParameterError(
                f"steps = {self.steps}; allowed: {self.supervised_steps + of_epoch} or more, since "
                f"the supervised phase takes {self.supervised_steps} and an epoch after it "
                f"{of_epoch}"
            )
        return self.supervised_epochs + (self.steps - self.supervised_steps) // of_epoch

    @property
    def unlabelled(self) -> int:
        """Unlabelled images a step of the second phase."""
        return self.batch_size // 2


class Classifier(nn.Module):
    """A linear class head on the features of a pretrained encoder, all of it trained (DRL Table 1).

    The encoder's code head is left behind. t = sigmoid(logit_t) is one number for all images.

    Args:
        model: the pretrained model, left as it is.
        n_classes: width of the head.
        t: initial encoder time, in (0, 1); an encoder E(x0) has none.
        learn_t: whether ``logit_t`` is trained.
    """

    ends: Tensor

    def __init__(self, model: EncoderModel, n_classes: int, t: float, learn_t: bool) -> None:
        super().__init__()
        if model.encoder is None:
            raise ParameterError("this model has no encoder to classify with")
        self.sde, self.timed = model.sde, model.time_conditioned
        self.register_buffer("ends", torch.tensor([model.sde.t_min, model.sde.t_max]))
        self.embedding = copy.deepcopy(model.embedding)
        self.encoder = copy.deepcopy(model.encoder).requires_grad_(True)
        self.encoder.head = None
        self.head = nn.Linear(self.encoder.n_features, n_classes)
        self.logit_t = nn.Parameter(
            torch.logit(torch.tensor(t)), requires_grad=learn_t and self.timed
        )

    @property
    def t(self) -> Tensor:
        """Encoder time as a share of the noise range's t_min to t_max, scalar in (0, 1)."""
        return torch.sigmoid(self.logit_t)

    def features(self, x0: Tensor) -> Tensor:
        """What the encoder's code head would read, shape (B, n_features)."""
        if not self.timed:
            return self.encoder.features(x0)
        t = torch.lerp(self.ends[0], self.ends[1], self.t)
        return self.encoder.features(x0, self.embedding(self.sde.sigma(t.expand(len(x0)))))

    def forward(self, x0: Tensor) -> Tensor:
        """Logits, shape (B, n_classes)."""
        return self.head(self.features(x0))
