"""Figures of notebook 14: the dial, and the longest training, on several data sets."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from drlcore.paper.plots.comparison import METHOD_COLOURS
from drlcore.paper.plots.dial import band_lines
from drlcore.paper.plots.style import METRIC_LABELS, line_over_sigma, over_seeds, short_count

PANELS = ("class accuracy, kNN", "what the loss pays for", "the image by wavelength: R², read")
OTHERS = {"random": ("untrained", "--"), "ae": ("autoencoder", ":")}


def dials(table: pd.DataFrame) -> Figure:
    """The dial of each data set, a row each, against the single level trained at (DRL Fig. 11).

    Left: class accuracy of the code, dashed an untrained encoder's and dotted an autoencoder's.
    Middle: what the code is worth to the score network, and the share of that which the code of an
    image of the same class keeps. Right: R² of the images by wavelength. Bands are one standard
    deviation over seeds.

    Args:
        table: tidy test probes, bands and usage of single levels, of an autoencoder and of an
            untrained encoder, of every data set.
    """
    datasets = list(dict.fromkeys(table.dataset))
    figure, axes = plt.subplots(
        len(datasets), 3, figsize=(10.4, 2.3 * len(datasets) + 0.5), sharex=True, squeeze=False
    )
    for row, dataset in zip(axes, datasets, strict=True):
        of_set = table[table.dataset == dataset]
        single, read = of_set[of_set.t_sampler == "single"], of_set[of_set.split == "test"]
        told = single[single.split == "test"]
        line_over_sigma(row[0], told, "knn_accuracy", "C0", label="DRL", ms=3)
        line_over_sigma(row[1], single, "worth", "k", label="worth of the code", ls="--", ms=3)
        line_over_sigma(row[1], single, "kept_class", "C0", label="kept by class", ms=3)
        for method, (label, ls) in OTHERS.items():
            level = read.value[(read.metric == "knn_accuracy") & (read.method == method)]
            row[0].axhline(level.mean(), color="0.4", ls=ls, lw=1, label=label)
        band_lines(row[2], single[single.metric == "band_r2"])
        row[0].set_ylabel(dataset)
        row[1].set_ylim(-0.05, 1.05)
        for ax in row:
            ax.set_xscale("log")
    for ax, title in zip(axes[0], PANELS, strict=True):
        ax.set_title(title)
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if ax is axes[0, 2] else {}
        ax.legend(fontsize=7, **beside)
    for ax in axes[-1]:
        ax.set_xlabel("σ trained at")
    return figure


def training_lengths(table: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Each metric by training length, a row for each data set, a line for each method.

    Bars are one standard deviation over seeds.

    Args:
        table: tidy test rows with a column ``images``, how many were seen in training.
        metrics: one column each.
    """
    datasets, methods = (list(dict.fromkeys(table[c])) for c in ("dataset", "method"))
    figure, axes = plt.subplots(
        len(datasets), len(metrics), figsize=(3.0 * len(metrics), 2.0 * len(datasets) + 0.5),
        sharex=True, squeeze=False,
    )  # fmt: skip
    for row, dataset in zip(axes, datasets, strict=True):
        for ax, metric in zip(row, metrics, strict=True):
            of_panel = table[(table.dataset == dataset) & (table.metric == metric)]
            for method in methods:
                found = over_seeds(of_panel[of_panel.method == method], "images")
                ax.errorbar(
                    found.index, found["mean"], yerr=found["std"], fmt="o-", ms=4, capsize=3,
                    color=METHOD_COLOURS[method], label=method,
                )  # fmt: skip
            seen = np.unique(table.images)
            ax.set(xscale="log", xlim=(seen[0] / 2, seen[-1] * 2))
            ax.set_xticks(seen, map(short_count, seen))
            ax.minorticks_off()
        row[0].set_ylabel(dataset)
    for ax, metric in zip(axes[0], metrics, strict=True):
        ax.set_title(METRIC_LABELS[metric])
    for ax in axes[-1]:
        ax.set_xlabel("images seen in training")
    axes[0, 0].legend()
    return figure
