"""Which runs each notebook needs: the one list that notebooks and batch reproduction share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from drlcore.errors import ParameterError
from drlcore.paper.experiments.base import Experiment
from drlcore.paper.experiments.closed_form import Floor, ForwardSDE, StartHere
from drlcore.paper.experiments.data_sets import DataSets
from drlcore.paper.experiments.generative import AdversarialWeighting, Generation, InitialTime
from drlcore.paper.experiments.latent_space import LatentSpace
from drlcore.paper.experiments.learning_curves import LearningCurves
from drlcore.paper.experiments.natural_images import (
    NaturalDownstream,
    NaturalImages,
    NaturalTrajectory,
)
from drlcore.paper.experiments.network_dial import NetworkDial
from drlcore.paper.experiments.noise_dial import NoiseDial
from drlcore.paper.experiments.over_time import CodeCurve, Downstream, SDEAblation, Trajectory
from drlcore.paper.experiments.semi_supervised import NaturalSemiSupervised, SemiSupervised

EXPERIMENTS: dict[str, type[Experiment]] = {
    experiment.notebook: experiment
    for experiment in (
        StartHere,
        ForwardSDE,
        Floor,
        LatentSpace,
        NoiseDial,
        CodeCurve,
        Downstream,
        Trajectory,
        SDEAblation,
        SemiSupervised,
        NetworkDial,
        NaturalImages,
        NaturalDownstream,
        LearningCurves,
        DataSets,
        NaturalTrajectory,
        NaturalSemiSupervised,
        InitialTime,
        AdversarialWeighting,
        Generation,
    )
}


class Verdicts(Experiment):
    """Notebook 99: claims and what became of them."""

    notebook = "99_claims"
    described = False
    writes = ("claims",)
    reads = tuple(name for name, experiment in EXPERIMENTS.items() if experiment.writes)


EXPERIMENTS[Verdicts.notebook] = Verdicts


def plan(settings: Mapping[str, Any]) -> dict[str, Experiment]:
    """Every notebook's experiment under ``settings``, as given to the batch run.

    A setting goes to the notebooks that know it.

    Raises:
        ParameterError: a setting that no notebook knows, or an impossible value.
    """
    known = {name for cls in EXPERIMENTS.values() for name in cls.model_fields}
    if unknown := sorted(set(settings) - known):
        raise ParameterError(
            f"unknown parameter {unknown[0]!r}; known are: {', '.join(sorted(known))}"
        )
    return {
        notebook: cls(**{k: v for k, v in settings.items() if k in cls.model_fields})
        for notebook, cls in EXPERIMENTS.items()
    }


def papermill_arguments(experiment: Experiment) -> str:
    """The ``-p name value`` that give a notebook this experiment: all but its defaults."""
    given = experiment.changed.items()
    return " ".join(f"-p {name} {shlex.quote(str(value))}" for name, value in given)
