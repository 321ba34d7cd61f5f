"""Probes of the code at single encoder times: accuracy and detail over t."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from drlcore.data.splits import Array
from drlcore.errors import DataError, ParameterError
from drlcore.probes.neural import DEFAULT, ProbeTraining, fit_probe
from drlcore.probes.static import METRIC_COLUMNS, neighbour_metrics, standardise
from drlcore.probes.trajectory import CodeSplit, Trajectories

NEIGHBOUR_CHOICES = (5, 10, 20)
INVERSE_PENALTIES = (0.1, 1.0)
TIME_COLUMNS = ["t", "sigma", *METRIC_COLUMNS]

Metrics = Mapping[str, tuple[float, float]]


def probe_times(
    codes: Trajectories,
    seed: int,
    neighbours: Sequence[int] = NEIGHBOUR_CHOICES,
    settings: ProbeTraining = DEFAULT,
) -> pd.DataFrame:
    """Every probe at each time: columns t, sigma, split, metric, value (DRL ICML, downstream).

    ``knn_accuracy``; ``<factor>_r2`` or ``<factor>_accuracy`` by nearest neighbours, see
    ``static.neighbour_metrics``; ``linear_accuracy``, logistic regression; ``mlp_accuracy``, see
    ``fit_probe``. Codes are standardised. The number of neighbours (for each metric), the penalty,
    and the MLP's epoch and learning rate are those that do best on validation at that time; only
    these are evaluated on test.

    Args:
        seed: of the MLP.
        neighbours: numbers to choose from, each at least 1.
        settings: of the MLP.

    Raises:
        ParameterError: nothing to choose from, or an impossible choice.
    """
    if not neighbours or min(neighbours) < 1 or max(neighbours) > codes.train.z.shape[1]:
        raise ParameterError(
            f"neighbours = {tuple(neighbours)}; allowed: 1 to {codes.train.z.shape[1]} codes"
        )

    def probe(i: int) -> Metrics:
        mlp = fit_probe(codes, "mlp", seed, settings, [i])
        return {
            **_neighbours(codes, i, neighbours),
            "linear_accuracy": _linear(codes, i),
            "mlp_accuracy": (mlp.validation_accuracy, mlp.accuracy(codes.test)),
        }

    return _over_times(codes, probe)


def few_shot(codes: Trajectories, n_labels: int, draws: int = 5, seed: int = 0) -> pd.DataFrame:
    """Accuracy at each time from few labels (DRL App., few-shot), (DRL Fig. 12).

    scikit-learn's ``SVC`` with its defaults (RBF, C = 1, gamma ``scale``) on codes as they are,
    as in the authors' code. Nothing is chosen, so validation serves to choose a time. Draw 0 takes
    the first n_labels / n_classes codes of each class, as the authors do; the others a random
    order's first, the same for all times.

    Returns:
        Columns t, sigma, split, metric (``few_shot_accuracy``), value, n_labels, draw.

    Raises:
        ParameterError: n_labels is not a multiple of the classes, or draws < 1.
        DataError: a class has fewer codes.
    """
    per_class, rest = divmod(n_labels, codes.n_classes)
    if rest or per_class < 1 or draws < 1:
        raise ParameterError(
            f"n_labels = {n_labels}, draws = {draws}; allowed: a multiple of the "
            f"{codes.n_classes} classes, and at least 1 draw"
        )
    from sklearn.svm import SVC

    fewest = int(np.bincount(codes.train.y).min())
    if fewest < per_class:
        raise DataError(f"n_labels = {n_labels}: a class has {fewest} codes, {per_class} needed")
    generator = np.random.default_rng(seed)
    tables = []
    for draw in range(draws):
        n = len(codes.train.y)
        order = generator.permutation(n) if draw > 0 else np.arange(n)
        y = codes.train.y[order]
        chosen = np.concatenate([order[y == c][:per_class] for c in range(codes.n_classes)])

        def probe(i: int, chosen: Array = chosen) -> Metrics:
            model = SVC().fit(codes.train.z[i, chosen], codes.train.y[chosen])
            validation, test = (model.score(p.z[i], p.y) for p in (codes.validation, codes.test))
            return {"few_shot_accuracy": (validation, test)}

        tables.append(_over_times(codes, probe).assign(n_labels=n_labels, draw=draw))
    return pd.concat(tables, ignore_index=True)


def _over_times(codes: Trajectories, probe: Callable[[int], Metrics]) -> pd.DataFrame:
    """The (validation, test) values of ``probe`` at each time; static codes are probed once."""
    rows = []
    metrics: Metrics = {}
    for i, (t, sigma) in enumerate(zip(codes.t, codes.sigma, strict=True)):
        if i == 0 or not codes.static:
            metrics = probe(i)
        for name, (validation, test) in metrics.items():
            rows.append((t, sigma, "validation", name, validation))
            rows.append((t, sigma, "test", name, test))
    return pd.DataFrame(rows, columns=TIME_COLUMNS)


def _neighbours(codes: Trajectories, i: int, candidates: Sequence[int]) -> Metrics:
    from sklearn.neighbors import NearestNeighbors

    fitted, validation, test = _standardised(codes, i)
    index = NearestNeighbors(n_neighbors=max(candidates)).fit(fitted)

    def evaluate(near: Array, part: CodeSplit, k: int) -> dict[str, float]:
        return neighbour_metrics(
            near[:, :k], codes.train.y, part.y, codes.train.factors, part.factors
        )

    near = index.kneighbors(validation, return_distance=False)
    found = {k: evaluate(near, codes.validation, k) for k in candidates}
    near = index.kneighbors(test, return_distance=False)
    metrics = {}
    for name in found[candidates[0]]:
        best = max(candidates, key=lambda k: found[k][name])  # noqa: B023 (used at once)
        metrics[name] = (found[best][name], evaluate(near, codes.test, best)[name])
    return metrics


def _linear(codes: Trajectories, i: int) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    fitted, validation, test = _standardised(codes, i)
    models = [
        LogisticRegression(C=c, max_iter=500).fit(fitted, codes.train.y) for c in INVERSE_PENALTIES
    ]
    scores = [model.score(validation, codes.validation.y) for model in models]
    best = int(np.argmax(scores))
    return scores[best], models[best].score(test, codes.test.y)


def _standardised(codes: Trajectories, i: int) -> tuple[Array, ...]:
    return standardise(codes.train.z[i], codes.validation.z[i], codes.test.z[i])
