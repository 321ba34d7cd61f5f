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
    from drlcore.estimator.drl import DRL
    from drlcore.loss import drl_loss
    from drlcore.model import RepresentationModel, encode
    from drlcore.networks import ENCODERS, SCORE_NETWORKS, Denoiser
    from drlcore.noise_range import NoiseRange
    from drlcore.sampling import probability_flow_ode
    from drlcore.sde import VESDE, VPSDE, SubVPSDE
    from drlcore.training.loop import train
    from drlcore.training.run import RunParameters
    from drlcore.training.store import load_or_train

__all__ = [
    "ArtefactError",
    "ConvEncoder",
    "DATASETS",
    "DRL",
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

_NAMES = {
    "baselines": ["METHODS"],
    "data.datasets": ["DATASETS", "from_arrays", "load_dataset"],
    "encoder": ["ConvEncoder", "Encoder"],
    "errors": ["ArtefactError", "DataError", "ParameterError", "TrainingError"],
    "estimator.drl": ["DRL"],
    "loss": ["drl_loss"],
    "model": ["RepresentationModel", "encode"],
    "networks": ["ENCODERS", "SCORE_NETWORKS", "Denoiser"],  # so that it knows them all
    "noise_range": ["NoiseRange"],
    "sampling": ["probability_flow_ode"],
    "sde": ["VESDE", "VPSDE", "SubVPSDE"],
    "training.loop": ["train"],
    "training.run": ["RunParameters"],
    "training.store": ["load_or_train"],
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'drlcore' has no attribute {name!r}")
    return getattr(import_module(f"drlcore.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
