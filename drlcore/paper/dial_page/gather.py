"""The dial's levels from what notebook 04 has stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drlcore.data.datasets import load_dataset
from drlcore.paper.dial_page.level import NUMBERS, Level
from drlcore.paper.experiments.noise_dial import NoiseDial
from drlcore.paper.products import Product, codes, metrics, reconstructions, usage
from drlcore.paper.sheets import GRID, Arrays, one_of_each, to_uint8
from drlcore.probes.static import standardise
from drlcore.probes.usage import paid_for
from drlcore.sde import SDES
from drlcore.training.run import RunParameters

PICTURES = 12  # images to choose from, at most
CLOUD = 1500  # codes drawn, at most
NEAREST = 6


def levels_of(experiment: NoiseDial, samples: bool = True) -> list[Level]:
    """The dial of notebook 04, first seed, from its stored products; absent ones are computed.

    To choose from: the first test image of each class, of at most 12; without labels the first ten,
    which are those that samples are drawn of. The noise is one draw for
    all levels, so that the dial changes its strength alone. Nearest and cloud are of the
    standardised codes of all test images, the cloud of the same 1,500 at each level; of a code
    with more than two dimensions it shows the first two principal components.

    Args:
        experiment: its parameters.
        samples: whether to load what the codes of every other level draw.

    Raises:
        ArtefactError, TrainingError: see ``Product.load``.
    """
    dataset = load_dataset(experiment.dataset)
    x, y = dataset.test.x, dataset.test.y.numpy()
    chosen = one_of_each(dataset, PICTURES if dataset.labelled else GRID)
    cloud = np.sort(np.random.default_rng(0).permutation(len(x))[:CLOUD])
    drawn = {run.first_stage: product for run, product in _drawn(experiment)} if samples else {}
    levels = []
    for sigma in experiment.levels:
        run = _first(experiment, sigma)
        (z,) = standardise(codes(run).load()["codes"])
        plane, nearest = in_the_plane(z), nearest_to(z, chosen)
        levels.append(
            Level(
                sigma=sigma,
                clean=to_uint8(x[chosen]),
                noisy=_noisy(experiment, x[chosen], sigma),
                codes=plane[cloud],
                own=plane[chosen],
                neighbours=to_uint8(x[nearest]),
                labels=y[cloud] if dataset.labelled else None,
                picture_labels=y[chosen] if dataset.labelled else None,
                neighbour_labels=y[nearest] if dataset.labelled else None,
                samples=drawn[run].load()["images"][: len(chosen)] if run in drawn else None,
                numbers=_numbers(run),
            )
        )
    return levels


def read_by(experiment: NoiseDial, samples: bool = True) -> list[Product[Any]]:
    """The products that ``levels_of`` reads."""
    runs = [_first(experiment, sigma) for sigma in experiment.levels]
    drawn = [product for _, product in _drawn(experiment)] if samples else []
    return [make(run) for run in runs for make in (codes, metrics, usage)] + drawn


def nearest_to(z: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Which codes of (N, d) are nearest to each of the K ``chosen``, itself left out: (K, M).

    M is 6, or one less than there are codes; of equally near ones the first.
    """
    apart = np.stack([np.square(z - z[k]).sum(axis=1) for k in chosen])
    apart[np.arange(len(chosen)), chosen] = np.inf
    return np.argsort(apart, axis=1, kind="stable")[:, : min(NEAREST, len(z) - 1)]


def in_the_plane(z: np.ndarray) -> np.ndarray:
    """Standardised codes (N, d) as float32 (N, 2): themselves, or their two first components.

    The sign of a component is that of its largest weight.
    """
    if z.shape[1] > 2:
        axes = np.linalg.eigh(np.cov(z, rowvar=False))[1][:, :-3:-1]
        z = z @ (axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]]))
    return z.astype(np.float32)


def _first(experiment: NoiseDial, sigma: float) -> RunParameters:
    return experiment.run(experiment.noise.single(sigma), experiment.seeds[0])


def _drawn(experiment: NoiseDial) -> list[tuple[RunParameters, Product[Arrays]]]:
    steps = experiment.numbers.nfe_steps
    return [(run, reconstructions(run, steps)) for run in experiment.shown()]


def _noisy(experiment: NoiseDial, x0: Tensor, sigma: float) -> np.ndarray:
    """What noise of that level leaves, on the image's own scale and clipped to its range."""
    sde = SDES[experiment.sde](experiment.noise)
    t = sde.t(torch.tensor(sigma))
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(experiment.seeds[0]))
    return to_uint8(sde.perturb(x0, t.expand(len(x0)), noise) / sde.mean_coefficient(t))


def _numbers(run: RunParameters) -> dict[str, float]:
    read, paid = metrics(run).load(), paid_for(usage(run).load())
    test = read[read.split == "test"].set_index("metric").value
    found = {**test, **paid.iloc[0]}
    return {name: float(found[name]) for name in NUMBERS if name in found}
