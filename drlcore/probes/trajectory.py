"""The code as a curve: E(x0, t) over a grid of encoder times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from drlcore.data.datasets import Dataset, Split
from drlcore.data.splits import Array
from drlcore.errors import DataError, ParameterError
from drlcore.model import EncoderModel, encode
from drlcore.sde import SDE


@dataclass(frozen=True, eq=False)
class CodeSplit:
    """Frozen codes of one part of a dataset, and what can be read from them.

    Attributes:
        z: shape (T, N, latent_dim), float; the code of image n at time i is ``z[i, n]``.
        y: class labels, shape (N,), integers from 0.
        factors: arrays of shape (N,) by name; see ``datasets.Split``.

    Raises:
        DataError: on construction, for codes that are not finite.
    """

    z: Array
    y: Array
    factors: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:  # noqa: D105
        if not np.isfinite(self.z).all():
            raise DataError("codes hold values that are not finite")


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Codes of all parts of a dataset over encoder times: all that a probe sees.

    Attributes:
        t: encoder times in the SDE's clock, ascending, shape (T,).
        sigma: the noise levels they stand for, data units, shape (T,).
        train, validation, test: the parts; same T and latent_dim.
        static: the encoder does not depend on t, so ``z[i]`` is the same for all i; probes of
            single times are then fitted once.

    Raises:
        DataError: on construction, for a class that train lacks.
    """

    t: Array
    sigma: Array
    train: CodeSplit
    validation: CodeSplit
    test: CodeSplit
    static: bool = False

    def __post_init__(self) -> None:  # noqa: D105
        for name, part in (("validation", self.validation), ("test", self.test)):
            if part.y.max() > self.train.y.max():
                raise DataError(f"{name} has the class {part.y.max()}, which train lacks")

    @property
    def n_classes(self) -> int:
        return int(self.train.y.max()) + 1


def time_grid(sde: SDE, n: int) -> tuple[Array, Array]:
    """``n`` times evenly spaced in t where training looked, and their sigma: both (n,), ascending.

    From t_min to t_max of the SDE, or between the ends of the t-sampler's window if it is
    narrower: outside of it a time-conditioned encoder was never trained. Under VE even spacing in
    t is even spacing in log sigma.

    Raises:
        ParameterError: n < 2, or training at a single level, which leaves one time.
    """
    low, high = sde.noise.window
    if n < 2 or low == high:
        raise ParameterError(
            f"n = {n} times over sigma in [{low:g}, {high:g}]: at least 2, over a range, are needed"
        )
    ends = sde.t(torch.tensor([low, high], dtype=torch.float64))
    t = torch.linspace(float(ends[0]), float(ends[1]), n, dtype=torch.float64)
    return t.numpy(), sde.sigma(t).numpy()


def codes_over_time(model: EncoderModel, x: Tensor, sigma: Sequence[float] | Array) -> Array:
    """E(x0, t) at each level of ``sigma``, float32, shape (T, N, latent_dim) (DRL Sec. 3).

    A VDRL code is its mean. An encoder E(x0) without a time gives the same code at every time:
    computed once, and returned as a read-only view that takes the memory of one.
    """
    if not model.time_conditioned:
        z = encode(model, x)
        return np.broadcast_to(z, (len(sigma), *z.shape))
    return np.stack([encode(model, x, float(level)) for level in sigma])


def trajectories(
    model: EncoderModel, dataset: Dataset, n_times: int, train_images: int | None = None
) -> Trajectories:
    """Codes of ``dataset`` over ``time_grid``, those of train of the first ``train_images``.

    Codes E(x0) of a model trained at a single level are given at that one time.

    Raises:
        ParameterError: see ``time_grid``.
    """
    level, high = model.sde.noise.window
    if level == high and not model.time_conditioned:
        sigma = np.array([level])
        t = model.sde.t(torch.from_numpy(sigma)).numpy()
    else:
        t, sigma = time_grid(model.sde, n_times)

    def part(split: Split) -> CodeSplit:
        return CodeSplit(codes_over_time(model, split.x, sigma), split.y.numpy(), split.factors)

    return Trajectories(
        t=t,
        sigma=sigma,
        train=part(dataset.train.first(train_images)),
        validation=part(dataset.validation),
        test=part(dataset.test),
        static=not model.time_conditioned,
    )
