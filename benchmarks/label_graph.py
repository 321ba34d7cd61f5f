"""What do LaplaceNet's pseudo-labels cost, beside the straightforward way to the same ones?

    python benchmarks/label_graph.py                         # N = 10,000 and 50,000, 2 threads
    python benchmarks/label_graph.py --rows 5000 --threads 1

``ours`` is ``laplacenet.label_graph``; ``plain`` is NumPy's inner products in blocks of rows,
argpartition, and SciPy's conjugate gradients one class after another. Features lie around 10
centres in 128 dimensions; 10 labels a class, 50 neighbours. ``search``, ``spread`` and ``align``
are seconds; ``peak_GB`` is the whole process's, of which ``before_GB`` was there before the first
row was searched: imports and features.

Each row has a process of its own, because a process's peak memory never falls.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.linalg import cg

from drlcore.data.splits import Array
from drlcore.laplacenet.label_graph import align, normalised_affinity, spread

CLASSES, PER_CLASS, NEIGHBOURS, DIMENSION, ALPHA = 10, 10, 50, 128, 0.99
BLOCK = 1000


def clustered(n: int, noise: float = 3.0) -> tuple[Array, Array]:
    """Features, float32, (n, 128), around 10 centres, as of a ReLU >= 0, and their classes."""
    generator = np.random.default_rng(0)
    y = np.arange(n) % CLASSES
    centres = generator.standard_normal((CLASSES, DIMENSION), dtype=np.float32)
    x = noise * generator.standard_normal((n, DIMENSION), dtype=np.float32)
    return np.maximum(x + centres[y], 0), y


def plain_affinity(features: Array) -> sp.csr_array:
    """W_n from inner products, a block of rows at a time."""
    n = len(features)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    near = np.empty((n, NEIGHBOURS), np.int64)
    inner = np.empty((n, NEIGHBOURS), np.float64)
    for start in range(0, n, BLOCK):
        products = unit[start : start + BLOCK] @ unit.T
        rows = np.arange(len(products))
        products[rows, start + rows] = -np.inf
        found = np.argpartition(-products, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        near[start : start + BLOCK] = found
        inner[start : start + BLOCK] = np.take_along_axis(products, found, 1).clip(0)
    rows = np.repeat(np.arange(n), NEIGHBOURS)
    w = sp.csr_array((inner.ravel(), (rows, near.ravel())), shape=(n, n))
    w = w.maximum(w.T)
    scale = sp.diags_array(1 / np.sqrt(w.sum(1)))
    return (scale @ w @ scale).tocsr()


def plain_spread(affinity: sp.csr_array, labelled: Array, labels: Array) -> Array:
    """Class probabilities, a class after the other."""
    n = affinity.shape[0]
    y = np.zeros((n, CLASSES))
    y[labelled, labels] = 1
    system = sp.eye_array(n, format="csr") - ALPHA * affinity
    solved = [cg(system, y[:, c], rtol=1e-3, maxiter=30)[0] for c in range(CLASSES)]
    z = np.stack(solved, axis=1).clip(0)
    z = np.where(z.sum(1, keepdims=True) > 0, z, 1)
    z /= z.sum(1, keepdims=True)
    z[labelled] = y[labelled]
    return z


def measure(way: str, n: int, threads: int) -> tuple[dict[str, Any], Array]:
    """Seconds, gigabytes and accuracy of ``way``, ours or plain, and its pseudo-labels."""
    x, y = clustered(n)
    labelled = np.arange(CLASSES * PER_CLASS)
    labels = y[labelled]
    before, times = peak_gigabytes(), [perf_counter()]
    if way == "ours":
        affinity = normalised_affinity(x, NEIGHBOURS, threads)
        times.append(perf_counter())
        probabilities = spread(affinity, labelled, labels, CLASSES, ALPHA, threads=threads)
    else:
        affinity = plain_affinity(x)
        times.append(perf_counter())
        probabilities = plain_spread(affinity, labelled, labels)
    times.append(perf_counter())
    found = align(probabilities, labelled, labels).argmax(1)
    times.append(perf_counter())
    row = {
        "way": way,
        "N": n,
        "threads": threads,
        **dict(zip(("search", "spread", "align"), np.diff(times).round(2), strict=True)),
        "seconds": round(times[-1] - times[0], 2),
        "before_GB": round(before, 2),
        "peak_GB": round(peak_gigabytes(), 2),
        "accuracy": round(float(np.mean(found == y)), 4),
    }
    return row, found


def peak_gigabytes() -> float:
    """The most memory this process has ever had."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return memory * (1 if sys.platform == "darwin" else 1024) / 1e9  # kilobytes, but bytes on a Mac


def compare(n: int, threads: int) -> list[dict[str, Any]]:
    """Both ways, each in a process of its own, and the share of rows they label alike."""
    os.environ.update({name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")})
    rows, found = [], []
    for way in ("ours", "plain"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            row, labels = pool.submit(measure, way, n, threads).result()
        rows.append(row)
        found.append(labels)
    agreement = round(float(np.mean(found[0] == found[1])), 5)
    return [{**row, "agreement": agreement} for row in rows]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    table = [row for n in asked.rows for row in compare(n, asked.threads)]
    print(pd.DataFrame(table).to_string(index=False))


if __name__ == "__main__":
    main()
