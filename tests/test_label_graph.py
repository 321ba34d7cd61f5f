"""LaplaceNet's pseudo-labels against dense algebra, loops and scikit-learn's label spreading."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.semi_supervised import LabelSpreading

from drlcore.data.splits import Array
from drlcore.errors import DataError, ParameterError
from drlcore.laplacenet.label_graph import align, normalised_affinity, pseudo_labels, spread
from drlcore.laplacenet.nearest import nearest, nearest_by_distance

CLASSES = 4
LABELLED = np.arange(5 * CLASSES)
SEARCHES = [nearest, nearest_by_distance]


def clustered(n: int, noise: float = 0.8, d: int = 16, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    y = np.arange(n) % CLASSES
    centres = generator.standard_normal((CLASSES, d))
    x = centres[y] + noise * generator.standard_normal((n, d))
    return x.astype(np.float32), y


def unit_rows(x: Array) -> Array:
    length = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    return np.divide(x, length, where=length > 0, out=np.zeros(x.shape)).astype(np.float32)


def dense_z(affinity: sp.csr_array, labels: Array, alpha: float) -> Array:
    """Z of the first rows' labels."""
    n = affinity.shape[0]
    y = np.zeros((n, CLASSES))
    y[range(len(labels)), labels] = 1
    return np.linalg.solve(np.eye(n) - alpha * affinity.toarray(), y)


def dense_probabilities(affinity: sp.csr_array, labels: Array, alpha: float) -> Array:
    z = dense_z(affinity, labels, alpha)
    z /= z.sum(1, keepdims=True)
    z[: len(labels)] = np.eye(CLASSES)[labels]
    return z


# The search


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(("n", "k"), [(7, 3), (300, 11), (1200, 51)])
def test_search_is_a_sort_of_all_inner_products(
    search: Callable[..., tuple[Array, Array]], n: int, k: int
) -> None:
    unit = unit_rows(np.random.default_rng(n).standard_normal((n, 9)))
    inner, near = search(unit, k)
    products = unit.astype(np.float64) @ unit.T.astype(np.float64)
    order = np.argsort(-products, axis=1)[:, :k]
    np.testing.assert_array_equal(near, order)
    np.testing.assert_allclose(inner, np.take_along_axis(products, order, 1), atol=1e-6)


def test_both_searches_find_the_same_beside_rows_of_zeros() -> None:
    x = np.random.default_rng(0).standard_normal((60, 5))
    x[[3, 40]] = 0
    unit = unit_rows(x)
    searched = [search(unit, 12) for search in SEARCHES]
    asked = unit.any(1)
    np.testing.assert_array_equal(searched[0][1][asked], searched[1][1][asked])
    np.testing.assert_allclose(searched[0][0], searched[1][0], atol=1e-6)
    assert (searched[1][0][~asked] == 0).all()


def test_without_faiss_the_graph_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = clustered(200)
    x[5] = 0
    expected = normalised_affinity(x, 10)
    monkeypatch.setitem(sys.modules, "faiss", None)
    without = normalised_affinity(x, 10)
    np.testing.assert_allclose(without.toarray(), expected.toarray(), atol=1e-6)
    np.testing.assert_array_equal(without.toarray() > 0, expected.toarray() > 0)


def test_threads_are_faiss_s_while_it_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    faiss = pytest.importorskip("faiss")
    asked: list[int] = []
    set_threads = faiss.omp_set_num_threads
    monkeypatch.setattr(faiss, "omp_set_num_threads", lambda n: (asked.append(n), set_threads(n)))
    before = faiss.omp_get_max_threads()
    nearest(unit_rows(clustered(50)[0]), 3, threads=2)
    assert asked == [2, before]
    assert faiss.omp_get_max_threads() == before


def test_a_gpu_build_searches_on_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    faiss = pytest.importorskip("faiss")
    unit = unit_rows(clustered(50)[0])
    expected = nearest(unit, 4)
    moved = []

    def to_gpus(index: object) -> SimpleNamespace:
        moved.append(index)
        return SimpleNamespace(add=index.add, search=index.search)  # type: ignore[attr-defined]

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", to_gpus)
    found = nearest(unit, 4)
    assert len(moved) == 1 and isinstance(moved[0], faiss.IndexFlatIP)
    np.testing.assert_array_equal(found[1], expected[1])


# The graph


@pytest.mark.parametrize(("n", "k", "d"), [(30, 4, 3), (90, 12, 16)])
def test_graph_by_loops(n: int, k: int, d: int) -> None:
    x = np.random.default_rng(n).standard_normal((n, d)).astype(np.float32)
    u = unit_rows(x).astype(np.float64)
    w = np.zeros((n, n))
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: -(u[i] @ u[j]))
        for j in others[:k]:
            w[i, j] = w[j, i] = max(u[i] @ u[j], 0)
    expected = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if w[i, j]:
                expected[i, j] = w[i, j] / np.sqrt(w[i].sum() * w[j].sum())
    affinity = normalised_affinity(x, k)
    assert isinstance(affinity, sp.csr_array) and affinity.dtype == np.float64
    np.testing.assert_allclose(affinity.toarray(), expected, atol=1e-6)
    assert affinity.nnz == np.count_nonzero(expected)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(3, 40),
    d=st.integers(1, 6),
    zeros=st.integers(0, 3),
    equal=st.integers(0, 8),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_graph_is_symmetric_with_eigenvalues_in_one(
    n: int, d: int, zeros: int, equal: int, seed: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, n - 1))
    x = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    x[:equal] = x[0]
    x[n - zeros :] = 0
    w = normalised_affinity(x, k).toarray()
    assert np.isfinite(w).all() and (w >= 0).all()
    np.testing.assert_array_equal(w, w.T)
    assert (np.diag(w) == 0).all()
    assert (w[n - zeros :] == 0).all()
    eigenvalues, vectors = np.linalg.eigh(w)
    assert -1 - 1e-12 <= eigenvalues[0] and eigenvalues[-1] <= 1 + 1e-12
    if w.any():  # D^1/2 1 is the eigenvector of 1
        assert eigenvalues[-1] == pytest.approx(1)


def test_length_of_features_is_nothing() -> None:
    x, _ = clustered(80)
    length = np.float32(2.0) ** np.random.default_rng(0).integers(-100, 100, (80, 1))
    np.testing.assert_array_equal(
        normalised_affinity(x * length, 5).toarray(), normalised_affinity(x, 5).toarray()
    )


def test_equal_rows_hide_no_row_from_itself() -> None:
    x = np.ones((9, 4), np.float32)  # 9 equal rows, of which a search for 4 may miss the asker
    w = normalised_affinity(x, 3).toarray()
    assert (np.diag(w) == 0).all()
    assert ((w > 0).sum(1) >= 3).all()


# Spreading


@pytest.mark.parametrize("noise", [0.3, 0.8, 1.5])
@pytest.mark.parametrize(("n", "k"), [(120, 5), (400, 50)])
@pytest.mark.parametrize(("alpha", "error"), [(0.99, 1e-3), (0.5, 1e-2)])
def test_spread_is_the_dense_solution(
    n: int, k: int, noise: float, alpha: float, error: float
) -> None:
    x, y = clustered(n, noise)
    affinity, labels = normalised_affinity(x, k), y[LABELLED]
    z = dense_z(affinity, labels, alpha)
    assert (z > -1e-12).all()  # I + alpha W_n + ...: only the solver can make it negative
    expected = dense_probabilities(affinity, labels, alpha)
    tight = spread(affinity, LABELLED, labels, CLASSES, alpha, 1e-12, 5000)
    np.testing.assert_allclose(tight, expected, atol=1e-10)
    default = spread(affinity, LABELLED, labels, CLASSES, alpha)
    # The tolerance is Z's. Labels fade faster at 0.5: rows far from any are small, then scaled up.
    assert np.linalg.norm(default - expected) <= error * np.linalg.norm(expected)
    sure = np.ptp(np.sort(expected, axis=1)[:, -2:], axis=1) > 10 * error
    assert sure.mean() > 0.7
    np.testing.assert_array_equal(default.argmax(1)[sure], expected.argmax(1)[sure])


def test_thirty_iterations_carry_a_label_over_29_edges() -> None:
    """Where labels are far away, the default is not the dense solution: a ring of 400 nodes."""
    angle = 2 * np.pi * np.arange(400) / 400
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    affinity = normalised_affinity(x, 2)
    labelled, labels = np.array([0, 100, 200, 300]), np.arange(CLASSES)
    default = spread(affinity, labelled, labels, CLASSES)
    for node in range(400):
        away = np.abs((node - labelled + 200) % 400 - 200)
        if away.min() > 29:
            np.testing.assert_array_equal(default[node], 1 / CLASSES)
        else:
            assert default[node].argmax() == away.argmin()
    further = spread(affinity, labelled, labels, CLASSES, tolerance=1e-12, iterations=5000)
    assert (further.argmax(1)[31:50] == 0).all()


def test_spread_agrees_with_scikit_learn_on_every_unlabelled_node() -> None:
    x, y = clustered(300)
    affinity, labels = normalised_affinity(x, 10), y[LABELLED]
    # It normalises what it is given: for that to be the same graph, it needs W, not W_n.
    similarity = unit_rows(x).astype(np.float64) @ unit_rows(x).T.astype(np.float64)
    w = np.where(affinity.toarray() > 0, similarity, 0)
    targets = np.full(300, -1)
    targets[LABELLED] = labels
    other = LabelSpreading(kernel=lambda a, b: w, alpha=0.99, tol=1e-12, max_iter=10_000)
    other.fit(x, targets)
    ours = spread(affinity, LABELLED, labels, CLASSES, 0.99, 1e-12, 5000)
    np.testing.assert_array_equal(
        ours.argmax(1)[len(LABELLED) :], other.transduction_[len(LABELLED) :]
    )
    np.testing.assert_allclose(
        ours[len(LABELLED) :], other.label_distributions_[len(LABELLED) :], atol=1e-6
    )
    assert len(set(ours.argmax(1))) == CLASSES


def test_a_node_without_an_edge_is_uniform() -> None:
    x, y = clustered(60)
    x[[50, 59]] = 0
    probabilities = spread(normalised_affinity(x, 5), LABELLED, y[LABELLED], CLASSES)
    np.testing.assert_array_equal(probabilities[[50, 59]], 1 / CLASSES)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_array_equal(probabilities[LABELLED], np.eye(CLASSES)[y[LABELLED]])


def test_threads_change_no_bit_of_spreading() -> None:
    x, y = clustered(500)
    affinity = normalised_affinity(x, 20)
    one, two = (spread(affinity, LABELLED, y[LABELLED], CLASSES, threads=t) for t in (1, 2))
    assert one.tobytes() == two.tobytes()


# Alignment


def skewed(n: int = 200, seed: int = 0) -> tuple[Array, Array]:
    """Probabilities in which most rows lean to class 0, and the labels of the first rows."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet([1.6, 1.2, 1.0, 0.8], n)
    labels = np.repeat(np.arange(CLASSES), [4, 5, 6, 5])
    probabilities[LABELLED] = np.eye(CLASSES)[labels]
    return probabilities, labels


@pytest.mark.parametrize("rounds", [0, 1, 7, 100])
def test_alignment_by_loops(rounds: int) -> None:
    probabilities, labels = skewed()
    n_labelled, p = len(LABELLED), probabilities.copy()
    known = [sum(labels == c) / n_labelled for c in range(CLASSES)]
    for _ in range(rounds):
        pseudo = [int(np.argmax(row)) for row in p[n_labelled:]]
        for c in range(CLASSES):
            share = pseudo.count(c) / len(pseudo)
            ratio = known[c] / share if share else np.inf
            p[n_labelled:, c] *= min(max(ratio, 0.99), 1.01)
        for i in range(n_labelled, len(p)):
            p[i] /= p[i].sum()
    np.testing.assert_allclose(align(probabilities, LABELLED, labels, rounds), p, atol=1e-12)


def test_alignment_moves_shares_toward_the_labels() -> None:
    probabilities, labels = skewed()
    before = probabilities.copy()
    aligned = align(probabilities, LABELLED, labels)
    np.testing.assert_array_equal(probabilities, before)  # what it was given is left alone
    known = np.bincount(labels, minlength=CLASSES) / len(labels)

    def apart(p: Array) -> float:
        shares = np.bincount(p[len(labels) :].argmax(1), minlength=CLASSES) / (len(p) - len(labels))
        return float(np.abs(shares - known).sum())

    assert apart(aligned) < 0.2 * apart(probabilities)
    np.testing.assert_array_equal(aligned[LABELLED], np.eye(CLASSES)[labels])
    np.testing.assert_allclose(aligned.sum(1), 1)


def test_alignment_of_classes_without_labels_or_pseudo_labels() -> None:
    p = np.full((30, 3), [0.6, 0.3, 0.1])  # all rows say class 0; no label is of class 2
    aligned = align(p, np.array([0, 1]), np.array([0, 1]), rounds=10)
    expected = np.array([0.6 * 0.99**10, 0.3 * 1.01**10, 0.1 * 0.99**10])
    np.testing.assert_allclose(aligned[2:], np.tile(expected / expected.sum(), (28, 1)))


def test_alignment_with_every_row_labelled() -> None:
    y = np.array([2, 0, 1])
    np.testing.assert_array_equal(align(np.full((3, 3), 1 / 3), np.arange(3), y), np.eye(3)[y])


# All of it


def test_pseudo_labels_are_the_three_steps() -> None:
    x, y = clustered(400, noise=1.2)
    labels = y[LABELLED]
    found = pseudo_labels(x, LABELLED, labels, CLASSES, 15, alpha=0.9)
    affinity = normalised_affinity(x, 15)
    spreaded = spread(affinity, LABELLED, labels, CLASSES, 0.9)
    np.testing.assert_array_equal(found, align(spreaded, LABELLED, labels).argmax(1))
    assert found.dtype == np.int64 and found.shape == (400,)
    np.testing.assert_array_equal(found[LABELLED], labels)


def test_pseudo_labels_find_the_clusters() -> None:
    x, y = clustered(400, noise=0.6)
    np.testing.assert_array_equal(pseudo_labels(x, LABELLED, y[LABELLED], CLASSES, 10), y)


def test_wrong_labels_are_kept() -> None:
    x, y = clustered(200, noise=0.3)
    labels = y[LABELLED].copy()
    labels[0] = (labels[0] + 1) % CLASSES
    np.testing.assert_array_equal(pseudo_labels(x, LABELLED, labels, CLASSES, 10)[LABELLED], labels)


def test_order_of_rows_is_nothing() -> None:
    x, y = clustered(300, noise=1.0)
    order = np.random.default_rng(1).permutation(300)
    place = np.argsort(order)  # row i of x is row place[i] of x[order]
    w, permuted = normalised_affinity(x, 10), normalised_affinity(x[order], 10)
    np.testing.assert_allclose(permuted.toarray(), w.toarray()[np.ix_(order, order)], atol=1e-6)
    labels = y[LABELLED]
    probabilities = spread(w, LABELLED, labels, CLASSES)
    np.testing.assert_allclose(
        spread(permuted, place[LABELLED], labels, CLASSES), probabilities[order], atol=1e-4
    )
    np.testing.assert_allclose(
        align(probabilities[order], place[LABELLED], labels),
        align(probabilities, LABELLED, labels)[order],
        atol=1e-12,
    )
    np.testing.assert_array_equal(
        pseudo_labels(x[order], place[LABELLED], labels, CLASSES, 10),
        pseudo_labels(x, LABELLED, labels, CLASSES, 10)[order],
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_same_features_give_the_same_bits(threads: int) -> None:
    x, y = clustered(1500, noise=1.5, d=64)
    first, second = (normalised_affinity(x, 50, threads) for _ in range(2))
    for part in ("data", "indices", "indptr"):
        assert getattr(first, part).tobytes() == getattr(second, part).tobytes()
    labels = [pseudo_labels(x, LABELLED, y[LABELLED], CLASSES, threads=threads) for _ in range(2)]
    np.testing.assert_array_equal(*labels)


# Refusals


@pytest.mark.parametrize("neighbours", [0, -1, 30, 50])
def test_impossible_neighbours(neighbours: int) -> None:
    x, y = clustered(30)
    message = rf"^neighbours = {neighbours}; allowed: 1 to 29, as N = 30$"
    with pytest.raises(ParameterError, match=message):
        normalised_affinity(x, neighbours)
    with pytest.raises(ParameterError, match=message):
        pseudo_labels(x, LABELLED, y[LABELLED], CLASSES, neighbours)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite(value: float) -> None:
    x, _ = clustered(30)
    x[7, 3] = value
    with pytest.raises(DataError, match=r"^features of shape \(30, 16\); allowed: .* finite$"):
        normalised_affinity(x, 5)


def test_features_of_another_shape() -> None:
    with pytest.raises(DataError, match=r"^features of shape \(30, 4, 4\); allowed: \(N, d\)"):
        normalised_affinity(np.ones((30, 4, 4), np.float32), 5)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, np.nan])
def test_impossible_alpha(alpha: float) -> None:
    x, y = clustered(30)
    with pytest.raises(ParameterError, match="^alpha = .*; allowed: above 0, below 1$"):
        pseudo_labels(x, LABELLED, y[LABELLED], CLASSES, 5, alpha)
    with pytest.raises(ParameterError, match="^alpha = "):
        spread(normalised_affinity(x, 5), LABELLED, y[LABELLED], CLASSES, alpha)


@pytest.mark.parametrize(
    ("labelled", "labels", "message"),
    [
        ([0, 30], [0, 1], "labelled: .* integers from 0 to 29"),
        ([-1, 2], [0, 1], "labelled: .* integers from 0 to 29"),
        ([True] * 30, [0] * 30, "labelled: bool of shape"),
        ([], [], "labelled: .* one or more"),
        ([0, 1], [0, CLASSES], "labels: .* integers from 0 to 3"),
        ([0, 1], [0, -1], "labels: .* integers from 0 to 3"),
        ([0, 1], [0.0, 1.0], "labels: float64"),
        ([0, 1], [[0], [1]], r"labels: int64 of shape \(2, 1\)"),
        ([0, 1], [0, 1, 2], "3 labels of 2 rows"),
        ([0, 0], [0, 1], "2 labels of 2 rows, 1 different"),
    ],
)
def test_impossible_labels(labelled: list[int], labels: list[int], message: str) -> None:
    x, _ = clustered(30)
    rows, known = np.array(labelled), np.array(labels)
    for attempt in (
        lambda: pseudo_labels(x, rows, known, CLASSES, 5),
        lambda: spread(normalised_affinity(x, 5), rows, known, CLASSES),
        lambda: align(np.full((30, CLASSES), 1 / CLASSES), rows, known),
    ):
        with pytest.raises(DataError, match="^" + message):
            attempt()
