"""Notebooks 11, 12 and 15: the paper's CIFAR-10 figures."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator

from drlcore.baselines import METHODS
from drlcore.paper.experiments.base import image_dataset
from drlcore.paper.experiments.comparison import CURVES, LAMBDA, UNTRAINED_CURVE, DatasetNames
from drlcore.paper.experiments.latent_space import SETTINGS
from drlcore.paper.experiments.noise_dial import Dial
from drlcore.paper.experiments.over_time import Downstream, SDEAblation
from drlcore.paper.presets import NetworkPreset
from drlcore.paper.products import (
    Product,
    bands,
    code_cloud,
    latent_grid,
    many_labels,
    metrics,
    shared_information,
    single_times,
    usage,
    whole_trajectory,
)
from drlcore.paper.protocol import Protocol
from drlcore.training.run import RunParameters


class NaturalImages(Dial):
    """Notebook 11: what a two-dimensional code holds of photographs, along the dial and on ranges.

    Notebook 04's single levels, every other one, and notebook 03's four settings, DRL and VDRL at
    uniform t and at uniform sigma. DRL at single levels and at uniform t with the best of notebook
    10's score networks too. Beside them an autoencoder's code and an untrained one. Samples are
    drawn by second stages.

    The images are asked for only when something is trained or computed: what is committed is shown
    without them.
    """

    notebook = "11_cifar10"
    writes = (notebook,)
    needs_images = False
    dataset: Annotated[str, AfterValidator(image_dataset)] = "cifar10"

    @property
    def levels(self) -> list[float]:
        return super().levels[::2]

    @property
    def network(self) -> NetworkPreset:
        """The best score network of notebook 10's."""
        return self.numbers.networks[-1]

    def at_level(self, sigma: float, **changes: Any) -> list[RunParameters]:
        """DRL at one noise level alone, every seed."""
        return [self.run(self.noise.single(sigma), seed, **changes) for seed in self.seeds]

    def with_network(self) -> list[RunParameters]:
        """DRL with ``network``, at every level and at uniform t."""
        how = self.network.model_dump()
        at_levels = [run for sigma in self.levels for run in self.at_level(sigma, **how)]
        return at_levels + self.on_range("drl", "uniform_t", **how)

    def on_range(self, method: str, t_sampler: str, **changes: Any) -> list[RunParameters]:
        """One of notebook 03's settings, every seed."""
        price = LAMBDA["vdrl"] if METHODS[method].gaussian else self.lambda_z
        how = {"method": method, "lambda_z": price, **changes}
        noise = self.noise.updated(t_sampler=t_sampler)
        return [self.run(noise, seed).updated(**how) for seed in self.seeds]

    def autoencoder(self) -> list[RunParameters]:
        """An autoencoder with as large a code, every seed."""
        code = {"method": "ae", "latent_dim": self.latent_dim}
        return [self.base(**code).updated(seed=seed) for seed in self.seeds]

    def sampler(self, method: str, t_sampler: str, **changes: Any) -> RunParameters:
        """The run that samples are drawn from: a second stage of the first seed's."""
        first = self.on_range(method, t_sampler, **changes)[0]
        return first.second_stage(self.noise, **self._drawn)

    def sampler_with_network(self) -> RunParameters:
        """That of DRL at uniform t with ``network``."""
        return self.sampler("drl", "uniform_t", **self.network.model_dump())

    def samplers(self) -> list[RunParameters]:
        """Every run that samples are drawn from."""
        return [*(self.sampler(*each) for each in SETTINGS), self.sampler_with_network()]

    def dial(self) -> list[RunParameters]:
        """DRL at every level; DRL and VDRL on every range; DRL with another network."""
        at_levels = [run for sigma in self.levels for run in self.at_level(sigma)]
        ranges = [run for setting in SETTINGS for run in self.on_range(*setting)]
        return [*at_levels, *ranges, *self.with_network()]

    def side_by_side(self) -> dict[str, list[RunParameters]]:
        """The first seed's runs at the middle level and at uniform t, with either network."""
        how, middle = self.network.model_dump(), self.levels[len(self.levels) // 2]
        return {
            f"σ = {middle:.3g}": [self.at_level(middle, **c)[0] for c in ({}, how)],
            "uniform t": [self.on_range("drl", "uniform_t", **c)[0] for c in ({}, how)],
        }

    def compared(self) -> list[RunParameters]:
        """What their codes are compared with."""
        return [*self.autoencoder(), *self.control()]

    def runs(self) -> list[RunParameters]:
        return [*self.dial(), *self.compared(), *self.samplers()]

    def products(self) -> list[Product[Any]]:
        probed = [of(run) for run in self.dial() + self.compared() for of in (metrics, bands)]
        drawn = [self.on_range(*each)[0] for each in SETTINGS]
        drawn += [run for runs in self.side_by_side().values() for run in runs]
        clouds = [code_cloud(run) for run in dict.fromkeys(drawn)]
        grids = [latent_grid(run, self.numbers.nfe_steps) for run in self.samplers()]
        return [*probed, *(usage(run) for run in self.dial()), *clouds, *grids]


class NaturalDownstream(Downstream):
    """Notebook 12: notebook 06 on CIFAR-10, with the paper's three numbers of labels (Fig. 12).

    A number of labels that the training images cannot fill is left out.
    """

    notebook = "12_cifar10_downstream"
    writes = (notebook,)
    needs_images = False
    n_labels: ClassVar[tuple[int, ...]] = (100, 1000, 10_000)
    dataset: DatasetNames | None = "cifar10"

    @property
    def protocol(self) -> Protocol:
        return super().protocol.updated(n_labels=self.n_labels)

    def products(self) -> list[Product[Any]]:
        many = [many_labels(run, self.protocol) for run in self.runs() if self.protocol.beyond]
        return [*super().products(), *many]


class NaturalTrajectory(SDEAblation):
    """Notebook 15: notebooks 07 and 08 on CIFAR-10."""

    notebook = "15_cifar10_trajectory"
    writes = (notebook,)
    needs_images = False
    dataset: DatasetNames | None = "cifar10"

    def trained(self) -> list[RunParameters]:
        """DRL and VDRL, E(x0, t), under VE."""
        return self.per_seed(*CURVES)

    def untrained(self) -> list[RunParameters]:
        """E(x0, t) as it is drawn: the control of what times share."""
        return self.per_seed(UNTRAINED_CURVE)

    def compared(self) -> list[RunParameters]:
        """DRL and VDRL under every SDE, and the baselines."""
        return super().runs()

    def runs(self) -> list[RunParameters]:
        return self.compared() + self.untrained()

    def products(self) -> list[Product[Any]]:
        single = [single_times(run, self.protocol) for run in self.compared()]
        whole = [whole_trajectory(run, self.protocol) for run in self.trained()]
        both = self.trained() + self.untrained()
        return [*single, *whole, *(shared_information(run, self.protocol) for run in both)]
