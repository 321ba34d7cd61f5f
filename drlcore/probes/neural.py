"""Training neural probes of frozen codes, chosen on validation.

The protocol of "From Points to Functions" (Mittal et al. 2022): Adam, the epoch and the learning
rate that do best on validation are kept, test is read once. The defaults here are cut to 12 s of a
laptop core for 10,000 codes at 11 times; whitening and the falling rate make that enough to come
near convergence. Preset ``paper`` has the numbers of their code instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

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
NETWORKS: dict[ProbeName, type[MLPProbe] | type[GRUProbe] | type[TransformerProbe]] = {
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


class SeedProbe:
    """A probe trained from one seed at one learning rate.

    Attributes:
        visible: which times it sees, shape (T,), bool.
        validation_accuracy: of the kept epoch.
        epoch: the kept one, counted from 1.
    """

    def __init__(self, network: nn.Module, mean: Tensor, axes: Tensor, visible: Tensor) -> None:
        self.network, self._mean, self._axes, self.visible = network, mean, axes, visible
        self.validation_accuracy, self.epoch = -1.0, 0

    @torch.no_grad()
    def accuracy(self, part: CodeSplit) -> float:
        """See ``FittedProbe``."""
        return _accuracy(self.network, self._inputs(part.z), torch.as_tensor(part.y), self.visible)

    @torch.no_grad()
    def attention(self, part: CodeSplit) -> Array:
        """See ``FittedProbe``."""
        if not isinstance(self.network, TransformerProbe):
            raise ParameterError("attention: only the transformer probe has it")
        self.network.eval()
        batches = self._inputs(part.z).split(2000)
        total = sum(self.network.attention(batch, self.visible).sum(0) for batch in batches)
        return (torch.as_tensor(total) / part.z.shape[1]).numpy()

    @torch.no_grad()
    def importance(self, part: CodeSplit, seed: int = 0) -> Array:
        """See ``FittedProbe``."""
        z, y = self._inputs(part.z), torch.as_tensor(part.y)
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
        whole = _accuracy(self.network, z, y, self.visible)
        lost = []
        for i in range(z.shape[1]):
            permuted = z.clone()
            permuted[:, i] = z[order, i]
            lost.append(whole - _accuracy(self.network, permuted, y, self.visible))
        return np.array(lost)

    def _inputs(self, z: Array) -> Tensor:
        return (torch.tensor(z, dtype=torch.float32).transpose(0, 1) - self._mean) @ self._axes


@dataclass(frozen=True)
class FittedProbe:
    """A trained probe: every number is the mean over its seeds.

    Attributes:
        learning_rate: the kept one.
        members: the probe of each seed at that rate.
    """

    learning_rate: float
    members: tuple[SeedProbe, ...]

    @property
    def validation_accuracy(self) -> float:
        """What the rate was chosen by: each seed's at its best epoch."""
        return float(np.mean([member.validation_accuracy for member in self.members]))

    def accuracy(self, part: CodeSplit) -> float:
        """Share of ``part`` whose class is found."""
        return float(np.mean([member.accuracy(part) for member in self.members]))

    def attention(self, part: CodeSplit) -> Array:
        """Weight that the transformer's query token gives each time, shape (T,), mean over codes.

        Mean over heads and iterations too; what is missing to 1 is the token's weight on itself.
        After the first iteration the keys are mixtures of times: for attention that means times,
        train with ``iterations = 1``.

        Raises:
            ParameterError: the probe is not a transformer.
        """
        return np.mean([member.attention(part) for member in self.members], axis=0)

    def importance(self, part: CodeSplit, seed: int = 0) -> Array:
        """Accuracy lost when the codes of one time are permuted among images, shape (T,).

        Permutation importance (Breiman 2001), for any probe. A time whose content other times
        repeat can have none.
        """
        return np.mean([member.importance(part, seed) for member in self.members], axis=0)


def fit_probe(
    codes: Trajectories,
    name: ProbeName,
    seed: int,
    settings: ProbeTraining | None = None,
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
    settings = settings or ProbeTraining()
    n_times, n, latent_dim = codes.train.z.shape
    seen = sorted(set(range(n_times) if times is None else times))
    if name not in get_args(ProbeName):
        raise ParameterError(f"probe {name!r}; allowed: {', '.join(get_args(ProbeName))}")
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
    options: dict[str, int] = {} if settings.width is None else {"width": settings.width}
    if name == "transformer":
        options["iterations"] = settings.iterations

    def trained(rate: float, seed: int) -> SeedProbe:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = NETWORKS[name](latent_dim, codes.n_classes, settings.dropout, **options)
            probe = SeedProbe(network, mean, axes, visible)
            _train(probe, codes, seed, rate, settings)
        return probe

    seeds = [seed + 1000 * i for i in range(settings.seeds)]
    fitted = [
        FittedProbe(rate, tuple(trained(rate, each) for each in seeds))
        for rate in settings.learning_rates
    ]
    return max(fitted, key=lambda probe: probe.validation_accuracy)


def _whitening(z: Array) -> tuple[Tensor, Tensor]:
    """Mean and principal axes, each over its standard deviation, of codes (T, N, latent_dim)."""
    flat = torch.tensor(z, dtype=torch.float64).flatten(0, 1)
    mean = flat.mean(0)
    variances, axes = torch.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
    floor = WHITENING_FLOOR * variances[-1].clamp(min=1e-30)
    return mean.float(), (axes / variances.clamp(min=floor).sqrt()).float()


def _train(
    probe: SeedProbe, codes: Trajectories, seed: int, rate: float, settings: ProbeTraining
) -> None:
    """Train ``probe.network``; leave the epoch that is best on validation in it."""
    network, visible = probe.network, probe.visible
    z, y = probe._inputs(codes.train.z), torch.as_tensor(codes.train.y, dtype=torch.int64)
    asked, truth = probe._inputs(codes.validation.z), torch.as_tensor(codes.validation.y)
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
    kept: dict[str, Tensor] = {}
    for epoch in range(settings.epochs):
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
        with torch.no_grad():
            accuracy = _accuracy(network, asked, truth, visible)
        if accuracy > probe.validation_accuracy:
            probe.validation_accuracy, probe.epoch = accuracy, epoch + 1
            kept = {key: value.clone() for key, value in network.state_dict().items()}
    network.load_state_dict(kept)
    network.eval().requires_grad_(False)


def _accuracy(network: nn.Module, z: Tensor, y: Tensor, visible: Tensor) -> float:
    network.eval()
    found = torch.cat([network(batch, visible).argmax(1) for batch in z.split(2000)])
    return float((found == y).double().mean())
