"""What the page shows at one position of the dial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from drlcore.errors import ParameterError

# What the page can say of a level; whatever else a table holds is not for it.
NUMBERS = ("knn_accuracy", "ink_r2", "worth", "kept_class", "kept_ink")


@dataclass(frozen=True, eq=False)
class Level:
    """One noise level: K images to choose from, and what a code trained at it makes of them.

    Attributes:
        sigma: the level, above 0.
        clean: uint8 (K, C, H, W), the images, the same at each level.
        noisy: uint8 (K, C, H, W), what noise of that level leaves of them.
        codes: float (N, 2), a cloud of codes.
        own: float (K, 2), the codes of the K images, in the same plane.
        neighbours: uint8 (K, M, C, H, W), the images whose codes are nearest, nearest first.
        labels: int (N,), the classes of the cloud; None where there are none.
        picture_labels, neighbour_labels: int (K,) and (K, M), likewise.
        samples: uint8 (K, S, C, H, W), drawn from the K codes; None where none were.
        numbers: any of ``NUMBERS``; those that are absent or nan are not shown.

    Raises:
        ParameterError: shapes that do not agree, or a number that is not one of them.

    Example:
        >>> import numpy as np
        >>> image, code = np.zeros((1, 1, 8, 8), np.uint8), np.zeros((1, 2), np.float32)
        >>> Level(0.5, image, image, code, code, image[:, None]).sigma
        0.5
    """

    sigma: float
    clean: np.ndarray
    noisy: np.ndarray
    codes: np.ndarray
    own: np.ndarray
    neighbours: np.ndarray
    labels: np.ndarray | None = None
    picture_labels: np.ndarray | None = None
    neighbour_labels: np.ndarray | None = None
    samples: np.ndarray | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Notice here what would be a wrong picture there."""
        k, *image = self.clean.shape
        n, m = len(self.codes), self.neighbours.shape[1]
        drawn = self.samples.shape[1] if self.samples is not None else 0
        wanted: dict[str, tuple[int, ...]] = {
            "clean": (k, *image),
            "noisy": (k, *image),
            "codes": (n, 2),
            "own": (k, 2),
            "neighbours": (k, m, *image),
            "labels": (n,),
            "picture_labels": (k,),
            "neighbour_labels": (k, m),
            "samples": (k, drawn, *image),
        }
        for name, shape in wanted.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ParameterError(f"{name} has shape {value.shape}; it should be {shape}")
            if value is not None and len(shape) > 2 and value.dtype != np.uint8:
                raise ParameterError(f"{name} is {value.dtype}; images are uint8 here")
        if len(image) != 3 or k == 0:
            raise ParameterError(f"clean has shape {self.clean.shape}; allowed: (K, C, H, W)")
        if not self.sigma > 0:
            raise ParameterError(f"sigma = {self.sigma}; allowed: above 0")
        if unknown := set(self.numbers) - set(NUMBERS):
            raise ParameterError(f"unknown numbers {sorted(unknown)}; known are {NUMBERS}")

    @property
    def told(self) -> dict[str, float]:
        """The numbers that are there, in the order of ``NUMBERS``."""
        found = {name: float(self.numbers.get(name, np.nan)) for name in NUMBERS}
        return {name: value for name, value in found.items() if np.isfinite(value)}

    @property
    def same_class(self) -> np.ndarray | None:
        """How many of the M nearest are of each image's class: int (K,)."""
        if self.picture_labels is None or self.neighbour_labels is None:
            return None
        return (self.neighbour_labels == self.picture_labels[:, None]).sum(axis=1)

    @property
    def ink_apart(self) -> np.ndarray:
        """By what share of an image's ink (mean intensity) that of its M nearest differs: (K,)."""
        own = self.clean.reshape(len(self.clean), -1).mean(axis=1)
        near = self.neighbours.reshape(*self.neighbours.shape[:2], -1).mean(axis=2)
        return np.abs(near - own[:, None]).mean(axis=1) / np.maximum(own, 1.0)


def of_the_nearest(levels: Sequence[Level]) -> pd.DataFrame:
    """What the nearest images in code space have in common with an image, mean over the K images.

    Returns:
        Index ``sigma``; ``same class``, the share of them that are of its class (nan without
        labels), and ``ink differs by``, the mean difference of their ink as a share of its own.
    """
    rows = {
        f"{level.sigma:g}": {
            "same class": np.nan
            if level.same_class is None
            else level.same_class.mean() / level.neighbours.shape[1],
            "ink differs by": level.ink_apart.mean(),
        }
        for level in levels
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("sigma")
