"""Figures of notebook 13: class in a code against training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from drlcore.paper.plots.comparison import METHOD_COLOURS
from drlcore.paper.plots.style import METRIC_LABELS, line_with_band, over_seeds, short_count

# Of the ways to train, in order: an autoencoder and DRL, DRL at other levels, both once more.
_AE, _DRL = METHOD_COLOURS["ae"], METHOD_COLOURS["drl"]
WAY_STYLES = ((_AE, "-"), (_DRL, "-"), ("C1", "-"), ("C4", "-"), (_AE, ":"), (_DRL, ":"))


def learning_curves(table: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Each metric against the number of training images seen, a line for each way to train.

    Bands are one standard deviation over seeds; dashed, an untrained encoder.

    Args:
        table: tidy test rows with columns ``way``, nan for the untrained encoder, and ``images``.
        metrics: one panel each.
    """
    figure, axes = plt.subplots(
        1, len(metrics), figsize=(3.3 * len(metrics) + 1.8, 3.0), squeeze=False
    )
    ways = list(dict.fromkeys(table.way.dropna()))
    for ax, metric in zip(axes[0], metrics, strict=True):
        rows = table[table.metric == metric]
        level = rows.value[rows.way.isna()]
        ax.axhline(level.mean(), color="0.5", ls="--", lw=1, label="untrained")
        ax.axhspan(*(level.mean() + level.std() * np.array([-1, 1])), color="0.5", alpha=0.15, lw=0)
        for way, (colour, ls) in zip(ways, WAY_STYLES, strict=False):
            of_way = over_seeds(rows[rows.way == way], "images")
            line_with_band(ax, of_way, colour, label=way, ls=ls, ms=4)
        ax.set(xscale="log", title=METRIC_LABELS[metric], xlabel="images seen in training")
        seen = np.unique(rows.images[rows.way.notna()])
        ax.set_xticks(seen, map(short_count, seen))
        ax.minorticks_off()
    axes[0, 0].set_ylabel("on test images")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
    return figure


def varied(tables: Mapping[str, pd.DataFrame], metric: str) -> Figure:
    """A metric under one change at a time, a dot for each way to train.

    Bars are one standard deviation over seeds; lines, without any change.

    Args:
        tables: way -> tidy test rows with a column ``change``, the first of them no change.
    """
    changes = list(dict.fromkeys(c for table in tables.values() for c in table.change))
    figure, ax = plt.subplots(figsize=(6.4, 0.45 * len(changes) + 1.0))
    for (way, table), (colour, _) in zip(tables.items(), WAY_STYLES, strict=False):
        found = over_seeds(table[table.metric == metric], "change").reindex(changes)
        places = np.arange(len(changes))
        ax.errorbar(
            found["mean"], places, xerr=found["std"], fmt="o", color=colour, capsize=3, label=way
        )
        ax.axvline(found["mean"].iloc[0], color=colour, lw=0.8, alpha=0.6, zorder=0)
    ax.set_yticks(np.arange(len(changes)), changes)
    ax.invert_yaxis()
    ax.set(xlabel=f"{METRIC_LABELS[metric]}, test images")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
