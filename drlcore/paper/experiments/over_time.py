"""Notebooks 05 to 08: the code as a curve, downstream tasks, the trajectory, another SDE."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from drlcore.noise_range import NoiseRange
from drlcore.paper.experiments.base import LatentDim
from drlcore.paper.experiments.comparison import (
    COMPARED,
    CURVES,
    ENDS,
    UNTRAINED_CURVE,
    Compared,
    Comparison,
)
from drlcore.paper.products import (
    Product,
    curves,
    shared_information,
    single_times,
    whole_trajectory,
)
from drlcore.sde import released_range
from drlcore.training.run import RunParameters, Weighting


class CodeCurve(Comparison):
    """Notebook 05: E(x0, t), one encoder that holds the whole dial.

    A code of two dimensions, so that it must choose and can be drawn. DRL is trained under both
    weightings, the paper's ``std2`` and ``edm``; the control is an untrained E(x0, t).

    The end of the curve is another question, put to codes of the preset's size: E(x0) trained by
    DRL at ``sigma_max`` alone against an autoencoder, at several training lengths.

    Attributes:
        latent_dim: of the curve; None takes the preset's.
    """

    notebook = "05_code_as_a_curve"
    writes = (notebook,)
    latent_dim: LatentDim | None = 2

    def along_curve(self) -> list[RunParameters]:
        """E(x0, t): DRL and VDRL, DRL under the other weighting, and untrained."""
        other: Weighting = "edm" if self.weighting_used == "std2" else "std2"
        under_other = [run.updated(weighting=other) for run in self.per_seed(CURVES[0])]
        return [*self.per_seed(*CURVES), *under_other, *self.per_seed(UNTRAINED_CURVE)]

    def at_end(self) -> list[RunParameters]:
        """E(x0): DRL at ``sigma_max`` alone, as ``ENDS``; autoencoder; untrained (DRL Prop. 2)."""
        numbers, end = self.numbers_compared, self.noise.single(self.sigma_max)

        def static(method: str, **changes: Any) -> list[RunParameters]:
            runs = self.per_seed(Compared(method, False))
            return [run.updated(latent_dim=numbers.latent_dim, **changes) for run in runs]

        runs = []
        for share in self.numbers.comparison.lengths:
            steps = max(1, round(share * (self.steps or numbers.steps)))
            for how in ENDS:
                runs += static("drl", noise=end, steps=steps, **how)
            runs += static("ae", steps=steps)
        return [*dict.fromkeys(runs), *static("random")]

    def runs(self) -> list[RunParameters]:
        return self.along_curve() + self.at_end()

    def products(self) -> list[Product[Any]]:
        drawn = [run for run in self.along_curve() if run.steps_taken]
        pictures = [curves(run, self.protocol) for run in drawn if run.seed == self.seeds[0]]
        return super().products() + pictures


class Downstream(Comparison):
    """Notebook 06: every method on every data set, by one protocol."""

    notebook = "06_downstream"
    writes = (notebook,)
    shows_one = False

    def runs(self) -> list[RunParameters]:
        return [run for name in self.datasets for run in self.per_seed(*COMPARED, dataset=name)]


class Trajectory(Comparison):
    """Notebook 07: what the times share, and what they tell together.

    What times share is measured of an untrained E(x0, t) too: its codes at two times are alike
    without any training.
    """

    notebook = "07_trajectory"
    writes = (notebook,)

    def trained(self) -> list[RunParameters]:
        """DRL and VDRL."""
        return self.per_seed(*CURVES)

    def runs(self) -> list[RunParameters]:
        return self.trained() + self.per_seed(UNTRAINED_CURVE)

    def products(self) -> list[Product[Any]]:
        probed = [
            product(run, self.protocol)
            for product in (single_times, whole_trajectory)
            for run in self.trained()
        ]
        return probed + [shared_information(run, self.protocol) for run in self.runs()]


class SDEAblation(Comparison):
    """Notebook 08: DRL and VDRL under VE, VP and sub-VP, everything else the same.

    Beside them the baselines whose defeat is the benefit in question.

    Attributes:
        clock: what uniform t means under VP and sub-VP: ``range`` the t of sigma_min to sigma_max,
            the same noise levels as under VE; ``released`` the authors', t in (1e-5, 1], whatever
            noise that is, see ``sde.released_range``.
    """

    notebook = "08_sde_ablation"
    writes = (notebook,)
    sdes: ClassVar[tuple[str, ...]] = ("ve", "vp", "subvp")
    baselines: ClassVar[tuple[Compared, ...]] = (Compared("ae", False), Compared("vae", False))
    clock: Literal["range", "released"] = "range"

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if self.clock == "released" and self.noise != NoiseRange():
            raise ValueError(
                f"sigma_min = {self.sigma_min:g}, sigma_max = {self.sigma_max:g}: "
                "clock = 'released' has its own range, so leave these at 0.01 and 50"
            )
        return self

    @property
    def about_clock(self) -> str:
        """For captions: where the clock is not that of the noise range."""
        return "" if self.clock == "range" else "; VP and sub-VP: all t in (1e-5, 1]"

    def run(self, compared: Compared, dataset: str, seed: int, sde: str = "ve") -> RunParameters:
        run = super().run(compared, dataset, seed, sde)
        own = self.clock == "released" and run.sees_noise
        return run.updated(noise=released_range(sde)) if own else run

    def runs(self) -> list[RunParameters]:
        curves = [run for sde in self.sdes for run in self.per_seed(*CURVES, sde=sde)]
        return curves + self.per_seed(*self.baselines)
