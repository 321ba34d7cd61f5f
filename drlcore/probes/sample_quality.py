"""How good are samples? As a small classifier reads them: a few numbers, no downloads.

Published Fréchet distances take Inception's features of a network trained on ImageNet; these take
the code of a classifier of the very data, so the two cannot be compared with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import rel_entr
from torch import Tensor

from drlcore.data.splits import Array

CONFIDENT = 0.9
NEAREST = 3  # as in Kynkäänniemi et al. 2019


@dataclass(frozen=True)
class Reading:
    """What a classifier makes of images.

    Attributes:
        codes: its features, float32 (N, d).
        probabilities: of each class, float32 (N, classes); None if it tells no classes.
    """

    codes: Array
    probabilities: Array | None

    @classmethod
    def of(cls, codes: Array, logits: Tensor | None) -> Self:
        """From the features of N images and the classifier's logits, (N, classes), if it is one."""
        return cls(codes, None if logits is None else logits.softmax(1).numpy())

    @property
    def classes(self) -> Array | None:
        """The class it takes each image for, int64 (N,)."""
        return None if self.probabilities is None else self.probabilities.argmax(1)


def sample_quality(samples: Reading, shown: Reading, real: Reading) -> dict[str, float]:
    """Numbers of samples beside real images, by name.

    ``readable``: share read with a confidence of 0.9 or more.
    ``agreement``: share taken for the class that the image is taken for whose code it was drawn
    from; by chance for samples without a code.
    ``frechet``: ``frechet_distance`` of their codes to the real ones'.
    ``precision``, ``recall``: see ``precision_and_recall``.

    The first two are nan where no classes are told.

    Args:
        samples: of what is judged, one for each image that gave a code.
        shown: of the images that gave them.
        real: of other images of the same kind, at least as many.
    """
    n = len(samples.codes)
    precision, recall = precision_and_recall(samples.codes, real.codes[:n])
    readable = agreement = np.array(np.nan)
    if samples.probabilities is not None:
        readable = samples.probabilities.max(1) >= CONFIDENT
        agreement = np.asarray(samples.classes == shown.classes)
    return {
        "readable": float(readable.mean()),
        "agreement": float(agreement.mean()),
        "frechet": frechet_distance(samples.codes, real.codes),
        "precision": precision,
        "recall": recall,
    }


def classifier_score(samples: Reading) -> float:
    """exp E KL(p(y|x) || p(y)), from 1 to the number of classes (Salimans et al. 2016).

    Inception Score with this classifier in Inception's place: high if each sample is taken for one
    class and all classes are there. nan where no classes are told.

    Example:
        >>> import numpy as np
        >>> from drlcore.probes.sample_quality import Reading, classifier_score
        >>> float(classifier_score(Reading(np.zeros((3, 1)), np.eye(3))))
        3.0
    """
    p = samples.probabilities
    if p is None:
        return np.nan
    p = p.astype(np.float64)
    divergence = rel_entr(p, p.mean(0)).sum(1)
    return float(np.exp(divergence.mean()))


def frechet_distance(a: Array, b: Array) -> float:
    """||m_a - m_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of two sets of features, (N, d).

    The squared Wasserstein distance of two Gaussians with their means and covariances (Heusel et
    al. 2017, FID). For few features it is biased upwards, so sets of other sizes do not compare.

    Example:
        >>> import numpy as np
        >>> from drlcore.probes.sample_quality import frechet_distance
        >>> a = np.random.default_rng(0).normal(size=(1000, 4))
        >>> round(frechet_distance(a, 2 * a + 3) - 4 * 3**2, 0)
        4.0
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    difference = a.mean(0) - b.mean(0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The trace of the root is the sum of the roots of the eigenvalues, which are real and >= 0.
    roots = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(0))
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * roots.sum())


def precision_and_recall(samples: Array, real: Array) -> tuple[float, float]:
    """Share of samples among the real, and of the real among samples (Kynkäänniemi et al. 2019).

    A point is among the others if it lies no further from one of them than that one's third
    nearest of its own kind.

    Args:
        samples, real: features, (N, d) and (M, d), more than three of each.
    """
    return _among(samples, real), _among(real, samples)


def _among(points: Array, others: Array) -> float:
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=NEAREST + 1).fit(others)  # the first is the point itself
    radius = near.kneighbors(others)[0][:, -1]
    return float((cdist(points, others) <= radius).any(1).mean())
