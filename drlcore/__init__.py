"""Diffusion-based representation learning (DRL, arXiv 2105.14257): the small module.

The names below are the vocabulary; everything else is imported from its own module.
"""

from drlcore.errors import ArtefactError, DataError, ParameterError, TrainingError
from drlcore.noise_range import NoiseRange

__all__ = [
    "ArtefactError",
    "DataError",
    "NoiseRange",
    "ParameterError",
    "TrainingError",
]
