"""Training neural probes of frozen codes, chosen on validation.

The protocol of "From Points to Functions" (Mittal et al. 2022): Adam, the epoch and the learning
rate that do best on validation are kept, test is read once. The defaults here are cut to 12 s of a
laptop core for 10,000 codes at 11 times; whitening and the falling rate make that enough to come
near convergence. Preset ``paper`` has the numbers of their code instead.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from drlcore.data.splits import Array
from drlcore.errors import ParameterError
from drlcore.parameters import Parameters
from drlcore.probes.networks import GRUProbe, MLPProbe, TransformerProbe
from drlcore.probes.trajectory import CodeSplit, Trajectories

ProbeName = Literal["mlp", "gru", "transformer"]
NETWORKS: dict[ProbeName, type[nn.Module]] = {
    "mlp": MLPProbe,
    "gru": GRUProbe,
    "transformer": TransformerProbe,
}

WHITENING_FLOOR = 1e-6
"""Variance over the largest, below which a direction of the codes is not blown up further."""


class ProbeTraining(Parameters):
    """How a neural probe is trained.

    Attributes:
        width: hidden units; None for the probe's own default.
        iterations: passes through the transformer's block; other probes ignore it.
        epochs: so many are run; the best on validation is kept.
        batch_size: codes a step.
        drop_last: leave out an epoch's last batch where it is not full, unless it is the only one.
        learning_rates: tried in turn; the one with the best mean validation accuracy over the
            probe's seeds is kept.
        constant_rate: keep the rate as it is; otherwise it falls linearly to 0 over the epochs.
        seeds: how often the probe is trained at each rate, from other weights and batches.
        whitened: whiten the codes first, see ``fit_probe``; otherwise they are taken as they are.
        dropout: in every network.
        weight_decay: of Adam. clip_norm: largest norm of a gradient; None for no limit.
    """

    # Fields that may be absent from a dump came later: at their default, products made before them
    # keep their names.
    width: int | None = Field(default=None, ge=4)
    iterations: int = Field(default=1, ge=1)
    epochs: int = Field(default=12, ge=1)
    batch_size: int = Field(default=128, ge=2)
    drop_last: bool = Field(default=False, exclude_if=lambda given: not given)
    learning_rates: tuple[float, ...] = Field(default=(5e-3,), min_length=1)
    constant_rate: bool = Field(default=False, exclude_if=lambda given: not given)
    seeds: int = Field(default=1, ge=1, le=1000, exclude_if=lambda given: given == 1)
    whitened: bool = Field(default=True, exclude_if=lambda given: given)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=1e-5, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)


DEFAULT = ProbeTraining()


@dataclass(frozen=True)
class FittedProbe:
    """A trained probe: every number is the mean over its seeds.

    Attributes:
        learning_rate: the kept one.
        validation_accuracy: what it was chosen by: each seed's at its best epoch.
        networks: those of all seeds at that rate, as they were after that epoch.
        inputs: what they read of codes (T, N, latent_dim), shape (N, T, latent_dim).
        visible: which times they see, shape (T,), bool.
    """

    learning_rate: float
    validation_accuracy: float
    networks: tuple[nn.Module, ...]
    inputs: Callable[[Array], Tensor]
    visible: Tensor

    def accuracy(self, part: CodeSplit) -> float:
        """Share of ``part`` whose class is found."""
        return float(self._accuracies(self.inputs(part.z), part.y).mean())

    @torch.no_grad()
    def attention(self, part: CodeSplit) -> Array:
        """Weight that the transformer's query token gives each time, shape (T,), mean over codes.

        Mean over heads and iterations too; what is missing to 1 is the token's weight on itself.
        After the first iteration the keys are mixtures of times: for attention that means times,
        train with ``iterations = 1``.

        Raises:
            ParameterError: the probe is not a transformer.
        """
        z, weights = self.inputs(part.z), []
        for network in self.networks:
            if not isinstance(network, TransformerProbe):
                raise ParameterError("attention: only the transformer probe has it")
            total = sum(network.attention(batch, self.visible).sum(0) for batch in z.split(2000))
            weights.append(torch.as_tensor(total).numpy() / len(z))
        return np.mean(weights, axis=0)

    def importance(self, part: CodeSplit) -> Array:
        """Accuracy lost when the codes of one time are permuted among images, shape (T,).

        Permutation importance (Breiman 2001), for any probe. A time whose content other times
        repeat can have none.
        """
        z = self.inputs(part.z)
        order = torch.randperm(len(z), generator=torch.Generator().manual_seed(0))
        whole, lost = self._accuracies(z, part.y), []
        for i in range(z.shape[1]):
            permuted = z.clone()
            permuted[:, i] = z[order, i]
            lost.append((whole - self._accuracies(permuted, part.y)).mean())
        return np.array(lost)

    def _accuracies(self, z: Tensor, y: Array) -> Array:
        truth = torch.as_tensor(y)
        return np.array([_accuracy(each, z, truth, self.visible) for each in self.networks])


def fit_probe(
    codes: Trajectories,
    name: ProbeName,
    seed: int,
    settings: ProbeTraining = DEFAULT,
    times: Sequence[int] | None = None,
) -> FittedProbe:
    """Train a probe on frozen codes (DRL ICML, downstream).

    It is trained on ``codes.train`` and chosen on ``codes.validation``; test is not looked at.

    Codes are whitened by the training codes of all visible times together: one invertible linear
    map for all times, which every probe could learn, but only slowly, because codes often spread
    a hundred times more in one direction than in another. (The original takes them as they are:
    ``whitened=False``.)

    Args:
        name: ``mlp`` reads exactly one time, so it takes one in ``times``.
        seed: of weights, batches and dropout; the same seed gives the same probe. Further seeds
            that the settings ask for are this one and 1000, 2000 ... more, so that they are no
            other run's.
        times: indices of the times it may see, in any order; None for all. The others are masked
            in training and evaluation; positions stay.

    Raises:
        ParameterError: an unknown probe, or times that are not there.
    """
    n_times, _, latent_dim = codes.train.z.shape
    seen = sorted(set(range(n_times) if times is None else times))
    if name not in NETWORKS:
        raise ParameterError(f"probe {name!r}; allowed: {', '.join(NETWORKS)}")
    if not seen or not set(seen) <= set(range(n_times)) or (name == "mlp" and len(seen) != 1):
        raise ParameterError(
            f"times = {times}: probe {name!r} takes indices from 0 to {n_times - 1}, "
            + ("exactly one" if name == "mlp" else "at least one")
        )
    visible = torch.zeros(n_times, dtype=torch.bool)
    visible[seen] = True
    mean, axes = torch.zeros(latent_dim), torch.eye(latent_dim)
    if settings.whitened:
        mean, axes = _whitening(codes.train.z[seen])

    def inputs(z: Array) -> Tensor:
        return (torch.tensor(z, dtype=torch.float32).transpose(0, 1) - mean) @ axes

    train, validation = (
        (inputs(part.z), torch.as_tensor(part.y, dtype=torch.int64))
        for part in (codes.train, codes.validation)
    )
    options = {} if settings.width is None else {"width": settings.width}
    if name == "transformer":
        options["iterations"] = settings.iterations

    def trained(rate: float, seed: int) -> tuple[nn.Module, float]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = NETWORKS[name](latent_dim, codes.n_classes, settings.dropout, **options)
            return _train(network, visible, train, validation, seed, rate, settings)

    def fitted(rate: float) -> FittedProbe:
        members = [trained(rate, seed + 1000 * i) for i in range(settings.seeds)]
        networks, accuracies = zip(*members, strict=True)
        return FittedProbe(rate, float(np.mean(accuracies)), networks, inputs, visible)

    return max(map(fitted, settings.learning_rates), key=lambda probe: probe.validation_accuracy)


def _whitening(z: Array) -> tuple[Tensor, Tensor]:
    """Mean and principal axes, each over its standard deviation, of codes (T, N, latent_dim)."""
    flat = torch.tensor(z, dtype=torch.float64).flatten(0, 1)
    mean = flat.mean(0)
    variances, axes = torch.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
    floor = WHITENING_FLOOR * variances[-1].clamp(min=1e-30)
    return mean.float(), (axes / variances.clamp(min=floor).sqrt()).float()


def _train(
    network: nn.Module,
    visible: Tensor,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    seed: int,
    rate: float,
    settings: ProbeTraining,
) -> tuple[nn.Module, float]:
    """``network`` as it was after the epoch that is best on validation, and its accuracy there."""
    z, y = train
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(
        network.parameters(), lr=rate, weight_decay=settings.weight_decay, fused=True
    )
    full, rest = divmod(len(y), settings.batch_size)
    batches = full if full and settings.drop_last else full + bool(rest)
    end = 1.0 if settings.constant_rate else 0.0
    schedule = torch.optim.lr_scheduler.LinearLR(
        optimiser, 1.0, end, total_iters=settings.epochs * batches
    )
    kept, best = network, -1.0
    for _ in range(settings.epochs):
        network.train()
        order = torch.randperm(len(y), generator=generator)
        for chosen in order.split(settings.batch_size)[:batches]:
            loss = nn.functional.cross_entropy(network(z[chosen], visible), y[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
            optimiser.step()
            schedule.step()
        accuracy = _accuracy(network, *validation, visible)
        if accuracy > best:
            kept, best = copy.deepcopy(network).requires_grad_(False), accuracy
    return kept, best


@torch.no_grad()
def _accuracy(network: nn.Module, z: Tensor, y: Tensor, visible: Tensor) -> float:
    network.eval()
    found = torch.cat([network(batch, visible).argmax(1) for batch in z.split(2000)])
    return float((found == y).double().mean())
