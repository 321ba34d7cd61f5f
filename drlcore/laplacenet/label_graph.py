"""LaplaceNet's pseudo-labels: labels spread over a graph of nearest neighbours of the features.

Label spreading (Zhou et al. 2004) as LaplaceNet (Sellars et al. 2021) uses it: a graph W_n of the
k nearest neighbours, one linear system per class, distribution alignment. Time O(N^2 d), of the
exact search; memory O(N (d + k + C)), no N x N array.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import cg
from threadpoolctl import threadpool_limits

from drlcore.data.splits import Array
from drlcore.errors import DataError, ParameterError
from drlcore.laplacenet.nearest import nearest

ALIGNMENT_STEP = 0.01  # a class's weight moves by at most this share in a round


def pseudo_labels(
    features: Array,
    labelled: Array,
    labels: Array,
    n_classes: int,
    neighbours: int = 50,
    alpha: float = 0.99,
    threads: int = 1,
) -> Array:
    """A label for every row: graph, spreading, alignment, largest probability (DRL Table 1).

    The same arguments give the same labels on the same machine; another number of threads may
    turn the last bit of an inner product, see ``align``.

    Args:
        features: of all images, float32, shape (N, d); they are L2-normalised here.
        labelled: row numbers of the n labelled images, each once, shape (n,).
        labels: theirs, integers from 0 to n_classes - 1, shape (n,).
        neighbours: k of the graph, below N.
        alpha: how far labels spread, above 0 and below 1.
        threads: CPU threads of search and solver.

    Returns:
        int64, shape (N,); labelled rows keep their labels.

    Raises:
        ParameterError: impossible neighbours or alpha.
        DataError: features that are not finite or not (N, d), or labels other than that.
    """
    _check_labels(labelled, labels, len(features), n_classes)  # before the long search
    affinity = normalised_affinity(features, neighbours, threads)
    probabilities = spread(affinity, labelled, labels, n_classes, alpha, threads=threads)
    return align(probabilities, labelled, labels).argmax(1).astype(np.int64)


def normalised_affinity(features: Array, neighbours: int = 50, threads: int = 1) -> sp.csr_array:
    """W_n = D^-1/2 W D^-1/2 of the graph of nearest neighbours (DRL Table 1).

    Float64, shape (N, N). W_ij is the inner product of the unit vectors i and j if either is among
    the other's k nearest, else 0; the diagonal is 0. A negative inner product is no weight and
    counts as 0. A node without an edge, such as a row of zeros, has a row of zeros. W_n is
    symmetric to the bit, and its eigenvalues lie in [-1, 1].

    Args:
        features: float32, shape (N, d), N > neighbours.
        neighbours: k >= 1, of each row, itself not counted.
        threads: of the search, see ``nearest``.

    Raises:
        ParameterError, DataError: see ``pseudo_labels``.
    """
    unit = _unit_rows(features)
    n = len(unit)
    if not 1 <= neighbours < n:
        raise ParameterError(f"neighbours = {neighbours}; allowed: 1 to {n - 1}, as N = {n}")
    inner, near = nearest(unit, neighbours + 1, threads)
    other = near != np.arange(n)[:, None]
    other[other.all(1), -1] = False  # equal rows came before the row itself
    weights = np.maximum(inner[other], 0).astype(np.float64)
    ends = np.arange(0, n * neighbours + 1, neighbours)
    directed = sp.csr_array((weights, near[other].astype(np.int32), ends), shape=(n, n))
    graph = directed.maximum(directed.T).tocoo()
    graph.eliminate_zeros()
    degree = graph.sum(1)
    scale = np.divide(1, np.sqrt(degree), where=degree > 0, out=np.zeros(n))
    graph.data *= scale[graph.row] * scale[graph.col]
    return graph.tocsr()


def spread(
    affinity: sp.csr_array,
    labelled: Array,
    labels: Array,
    n_classes: int,
    alpha: float = 0.99,
    tolerance: float = 1e-3,
    iterations: int = 30,
    threads: int = 1,
) -> Array:
    """Class probabilities of every node, float64, shape (N, C) (DRL Table 1).

    Solves (I - alpha W_n) Z_c = Y_c for every class by conjugate gradients. Z below 0, an error of
    the solver, counts as 0; rows are divided by their sum, and a row of zeros, which no label
    reaches, becomes uniform. Labelled rows are one-hot.

    Args:
        affinity: W_n, see ``normalised_affinity``.
        labelled, labels, alpha: see ``pseudo_labels``.
        tolerance: relative residual at which a class is solved.
        iterations: after which it is taken as it is, as LaplaceNet does; m iterations carry a
            label over m - 1 edges.
        threads: classes solved side by side; the result does not depend on it.

    Raises:
        ParameterError, DataError: see ``pseudo_labels``.
    """
    n = affinity.shape[0]
    _check_labels(labelled, labels, n, n_classes)
    if not 0 < alpha < 1:
        raise ParameterError(f"alpha = {alpha}; allowed: above 0, below 1")
    system = (sp.eye_array(n) - alpha * affinity).tocsr()
    y = _clamped(np.zeros((n, n_classes)), labelled, labels)

    def solve(c: int) -> Array:
        return np.asarray(cg(system, y[:, c], rtol=tolerance, maxiter=iterations)[0])

    # BLAS would share out each inner product: slower, and other bits for other threads.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        z = np.stack(list(pool.map(solve, range(n_classes))), axis=1)
    return _clamped(_rows_to_one(z.clip(0)), labelled, labels)


def align(probabilities: Array, labelled: Array, labels: Array, rounds: int = 100) -> Array:
    """Distribution alignment: the classes' shares moved to the known ones (DRL Table 1).

    In each round the unlabelled rows' column of class c is multiplied by (share of c among the
    labels) / (share of c among the unlabelled rows' most probable classes), kept in [0.99, 1.01],
    and rows are divided by their sum. Shares count labels, as upstream: no mean probabilities. Near
    balance the steps go to and fro, so one doubtful label can turn up to a percent of the others.

    Args:
        probabilities: shape (N, C), rows sum to 1, see ``spread``.
        labelled, labels: see ``pseudo_labels``.

    Returns:
        float64, shape (N, C); rows sum to 1, labelled rows are one-hot.

    Raises:
        DataError: see ``pseudo_labels``.
    """
    n, n_classes = probabilities.shape
    _check_labels(labelled, labels, n, n_classes)
    unlabelled = np.delete(probabilities, labelled, axis=0)
    known = np.bincount(labels, minlength=n_classes) / len(labels)
    weight = np.ones(n_classes)  # of all rounds; what rows are divided by turns no label
    for _ in range(rounds if len(unlabelled) else 0):
        pseudo = (unlabelled * weight).argmax(1)
        share = np.bincount(pseudo, minlength=n_classes) / len(pseudo)
        ratio = known / np.maximum(share, 1e-12)
        weight *= ratio.clip(1 - ALIGNMENT_STEP, 1 + ALIGNMENT_STEP)
    return _clamped(_rows_to_one(probabilities * weight), labelled, labels)


def _unit_rows(features: Array) -> Array:
    x = np.asarray(features, dtype=np.float32)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise DataError(f"features of shape {x.shape}; allowed: (N, d), all of them finite")
    length = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    return np.divide(x, length, where=length > 0, out=np.zeros(x.shape)).astype(np.float32)


def _rows_to_one(values: Array) -> Array:
    total = values.sum(1, keepdims=True)
    uniform = np.full(values.shape, 1 / values.shape[1])
    return np.divide(values, total, where=total > 0, out=uniform)


def _clamped(probabilities: Array, labelled: Array, labels: Array) -> Array:
    probabilities[labelled] = 0
    probabilities[labelled, labels] = 1
    return probabilities


def _check_labels(labelled: Array, labels: Array, n: int, n_classes: int) -> None:
    for name, values, end in (("labelled", labelled, n), ("labels", labels, n_classes)):
        integers = values.ndim == 1 and len(values) > 0 and values.dtype.kind in "iu"
        if not integers or values.min() < 0 or values.max() >= end:
            given = f"{name}: {values.dtype} of shape {values.shape}"
            raise DataError(f"{given}; allowed: one or more integers from 0 to {end - 1}")
    different = len(np.unique(labelled))
    if len(labels) != len(labelled) or different != len(labelled):
        given = f"{len(labels)} labels of {len(labelled)} rows, {different} different"
        raise DataError(f"{given}; allowed: one each")
