"""Figure of notebook 14: the dial on several data sets."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from drlcore.paper.plots.dial import band_lines
from drlcore.paper.plots.style import line_with_band, over_seeds

PANELS = ("class accuracy, kNN", "what the loss pays for", "the image by wavelength: R², read")


def dials(table: pd.DataFrame) -> Figure:
    """The dial of each data set, one row each, against the single level trained at.

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
        class_read = read[read.metric == "knn_accuracy"]
        lines = (
            (row[0], class_read[class_read.t_sampler == "single"], "C0", "-", "DRL"),
            (row[1], single[single.metric == "worth"], "k", "--", "worth of the code"),
            (row[1], single[single.metric == "kept_class"], "C0", "-", "kept by class"),
        )
        for ax, rows, colour, ls, label in lines:
            spread = over_seeds(rows, "sigma_max").reindex(np.unique(single.sigma_max))
            line_with_band(ax, spread, colour, label=label, ls=ls, ms=3)
        for method, ls in {"random": "--", "ae": ":"}.items():
            level = class_read.value[class_read.method == method].mean()
            label = {"random": "untrained", "ae": "autoencoder"}[method]
            row[0].axhline(level, color="0.4", ls=ls, lw=1, label=label)
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
