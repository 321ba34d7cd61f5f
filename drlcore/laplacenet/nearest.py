"""Exact nearest neighbours of unit vectors, without the N x N array of their inner products."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from drlcore.data.splits import Array


def nearest(unit: Array, k: int, threads: int = 1) -> tuple[Array, Array]:
    """The ``k`` rows of ``unit`` that each row has the largest inner products with, itself too.

    By faiss, on all GPUs if it is built for them; without faiss, by scikit-learn.

    Args:
        unit: float32, shape (N, d), N >= k; rows of length 1 or 0.
        k: how many, >= 1.
        threads: CPU threads.

    Returns:
        Inner products, largest first, and row numbers, both of shape (N, k).
    """
    try:
        import faiss
    except ModuleNotFoundError:
        # On a Mac: pip's faiss and torch bring an OpenMP each, and crash together (pytorch issue
        # 149201, faiss-wheels issue 73).
        return nearest_by_distance(unit, k, threads)
    index: faiss.Index = faiss.IndexFlatIP(unit.shape[1])
    if faiss.get_num_gpus() > 0:
        index = faiss.index_cpu_to_all_gpus(index)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        index.add(unit)
        inner, near = index.search(unit, k)
    finally:
        faiss.omp_set_num_threads(before)
    return inner, near


def nearest_by_distance(unit: Array, k: int, threads: int = 1) -> tuple[Array, Array]:
    """``nearest`` by scikit-learn and Euclidean distance: q.u = 1 - |q - u|^2 / 2.

    A row of zeros is no unit vector and would be near to all: it is given one more coordinate of
    1, which is 0 in the other rows and in whoever asks.
    """
    from sklearn.neighbors import NearestNeighbors  # see drlcore.probes

    length = unit.any(1, keepdims=True).astype(unit.dtype)
    index = NearestNeighbors(n_neighbors=k, algorithm="brute")
    index.fit(np.hstack([unit, 1 - length]))
    with threadpool_limits(threads):
        distance, near = index.kneighbors(np.hstack([unit, np.zeros_like(length)]))
    return length * (1 - distance.astype(np.float64) ** 2 / 2), near
