"""Diffusion-based representation learning (DRL, arXiv 2105.14257): the vocabulary, in one place.

Each name is loaded when it is first asked for, so that ``import drlcore`` costs nothing. Everything
else is imported from its own module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drlcore.baselines import METHODS
    from drlcore.data.datasets import DATASETS, from_arrays, load_dataset
    from drlcore.encoder import ConvEncoder, Encoder
    from drlcore.errors import ArtefactError, DataError, ParameterError, TrainingError
    from drlcore.loss import drl_loss
    from drlcore.model import RepresentationModel, encode
    from drlcore.networks import ENCODERS, SCORE_NETWORKS
    from drlcore.noise_range import NoiseRange
    from drlcore.sampling import probability_flow_ode
    from drlcore.score_network import Denoiser
    from drlcore.sde import VESDE, VPSDE, SubVPSDE
    from drlcore.training.loop import train
    from drlcore.training.run import RunParameters
    from drlcore.training.store import load_or_train

__all__ = [
    "ArtefactError",
    "ConvEncoder",
    "DATASETS",
    "DataError",
    "Denoiser",
    "ENCODERS",
    "Encoder",
    "METHODS",
    "NoiseRange",
    "ParameterError",
    "RepresentationModel",
    "RunParameters",
    "SCORE_NETWORKS",
    "SubVPSDE",
    "TrainingError",
    "VESDE",
    "VPSDE",
    "drl_loss",
    "encode",
    "from_arrays",
    "load_dataset",
    "load_or_train",
    "probability_flow_ode",
    "train",
]

_HOMES = {
    "METHODS": "baselines",
    "DATASETS": "data.datasets",
    "from_arrays": "data.datasets",
    "load_dataset": "data.datasets",
    "ConvEncoder": "encoder",
    "Encoder": "encoder",
    "ArtefactError": "errors",
    "DataError": "errors",
    "ParameterError": "errors",
    "TrainingError": "errors",
    "drl_loss": "loss",
    "RepresentationModel": "model",
    "encode": "model",
    "ENCODERS": "networks",
    "SCORE_NETWORKS": "networks",
    "NoiseRange": "noise_range",
    "probability_flow_ode": "sampling",
    "Denoiser": "score_network",
    "VESDE": "sde",
    "VPSDE": "sde",
    "SubVPSDE": "sde",
    "train": "training.loop",
    "RunParameters": "training.run",
    "load_or_train": "training.store",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'drlcore' has no attribute {name!r}")
    return getattr(import_module(f"drlcore.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
