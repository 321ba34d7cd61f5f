"""What a frozen code says about class and detail: one protocol for every run.

Codes are standardised with the training codes' mean and standard deviation. Probes are fitted on
training codes; hyperparameters are fixed in advance (k = 20, C = 1), so nothing is selected on
test. A VDRL code is its mean unless a sampled code is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drlcore.data.splits import Split

NEIGHBOURS = 20
SILHOUETTE_SAMPLES = 5000
METRIC_COLUMNS = ["split", "metric", "value"]


def probe(
    train_codes: np.ndarray, train: Split, codes: np.ndarray, part: Split
) -> dict[str, float]:
    """All metrics of ``codes`` of ``part``, with probes fitted on ``train_codes`` of ``train``.

    ``silhouette`` is the paper's measure of class separation (DRL Fig. 11).

    ``knn_accuracy``, ``linear_accuracy``, ``silhouette`` (of classes, first 5,000 images),
    ``<factor>_r2`` or, for a factor with few discrete values, ``<factor>_accuracy`` (both by
    k nearest neighbours), ``effective_rank``. Without labels those of classes are left out.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import NearestNeighbors

    fitted, asked = standardise(train_codes, codes)
    labels, truth = (s.y.numpy() if s.labelled else None for s in (train, part))
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(fitted))).fit(fitted)
    near = index.kneighbors(asked, return_distance=False)
    found = neighbour_metrics(near, labels, truth, train.factors, part.factors)
    if labels is None or truth is None:
        return {"effective_rank": effective_rank(codes), **found}
    linear = LogisticRegression(C=1.0, max_iter=500).fit(fitted, labels)
    return {
        "knn_accuracy": found["knn_accuracy"],
        "linear_accuracy": float(linear.score(asked, truth)),
        "silhouette": float(
            silhouette_score(asked[:SILHOUETTE_SAMPLES], truth[:SILHOUETTE_SAMPLES])
        ),
        "effective_rank": effective_rank(codes),
        **found,
    }


def standardise(train_codes: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """``train_codes`` and ``others``, (N, d), by the training codes' mean and deviation."""
    mean, std = train_codes.mean(0), train_codes.std(0) + 1e-8
    return tuple((codes - mean) / std for codes in (train_codes, *others))


def neighbour_metrics(
    near: np.ndarray,
    labels: np.ndarray | None,
    truth: np.ndarray | None,
    factors: Mapping[str, np.ndarray],
    measured: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """What k nearest neighbours tell of class and factors.

    Args:
        near: indices of each asked code's nearest training codes, shape (N, k).
        labels, factors: of the training codes, shape (N_train,); labels None if there are none.
        truth, measured: of the asked codes, shape (N,).

    Returns:
        ``knn_accuracy`` by majority vote (of equals the smallest label) and, for each factor,
        ``<factor>_accuracy`` by vote if it is whole numbers, else ``<factor>_r2`` of the
        neighbours' mean.
    """
    from scipy.stats import mode
    from sklearn.metrics import r2_score

    metrics = {}
    if labels is not None:
        metrics["knn_accuracy"] = float(np.mean(mode(labels[near], axis=1).mode == truth))
    for name, values in factors.items():
        asked = np.asarray(measured[name])
        if np.issubdtype(asked.dtype, np.integer):
            metrics[f"{name}_accuracy"] = float(np.mean(mode(values[near], axis=1).mode == asked))
        else:
            metrics[f"{name}_r2"] = float(r2_score(asked, values[near].mean(1)))
    return metrics


def effective_rank(codes: np.ndarray) -> float:
    """exp(entropy) of the normalised singular values of the centred codes (Roy & Vetterli 2007).

    Between 1 (all codes on a line) and latent_dim; 0 if all codes are the same point.
    """
    singular = np.linalg.svd(codes - codes.mean(0), compute_uv=False)
    if singular.sum() == 0:
        return 0.0
    p = singular / singular.sum()
    return float(np.exp(-np.sum(p * np.log(p, where=p > 0, out=np.zeros_like(p)))))
