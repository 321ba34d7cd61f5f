"""The picture of label spreading; style and colours as in ``style``."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drlcore.paper.plots.style import CLASS_MAP

GIVEN_NOT = "0.85"  # colour of a node without a label


def label_graph_before_after(
    positions: np.ndarray,
    edges: np.ndarray,
    true: np.ndarray,
    given: np.ndarray,
    spread: np.ndarray,
) -> Figure:
    """The idea of LaplaceNet on one graph: classes, the labels given, the pseudo-labels spread.

    Args:
        positions: of the nodes in the plane, (N, 2).
        edges: pairs of nodes, (M, 2).
        true: classes (N,), from 0 to 9.
        given: the class of each labelled node, -1 of the others, (N,).
        spread: labels after spreading, (N,).
    """
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.0))
    labelled = given >= 0
    wrong = (spread != true) & ~labelled
    share = wrong.sum() / max(1, int((~labelled).sum()))
    titles = (
        "true classes",
        f"given: {labelled.sum()} labels of {len(given)}",
        f"pseudo-labels: {100 * share:.1f} % wrong (ringed)",
    )
    colours = plt.get_cmap(CLASS_MAP)
    for ax, title, shown in zip(axes, titles, (true, given, spread), strict=True):
        ax.add_collection(LineCollection(list(positions[edges]), colors="0.8", lw=0.4, zorder=0))
        c = [colours(int(label)) if label >= 0 else GIVEN_NOT for label in shown]
        ax.scatter(*positions.T, c=c, s=9, lw=0, zorder=2)
        ax.set(title=title, xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_visible(False)
    for ax in axes[1:]:
        given_colours = [colours(int(label)) for label in given[labelled]]
        ax.scatter(*positions[labelled].T, c=given_colours, s=42, lw=0.9, ec="k", zorder=3)
    axes[2].scatter(*positions[wrong].T, s=30, fc="none", ec="k", lw=0.8, zorder=4)
    classes = [Line2D([], [], ls="", marker="o", color=colours(int(c))) for c in np.unique(true)]
    names = [str(c) for c in np.unique(true)]
    figure.legend(classes, names, loc="outside right center", title="class", title_fontsize=8)
    return figure
