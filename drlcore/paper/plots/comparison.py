"""Figures of notebooks 05 to 08; style and colours as in ``style``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drlcore.baselines import METHODS
from drlcore.paper.plots.style import (
    CLASS_MAP,
    METRIC_LABELS,
    SDE_COLOURS,
    code_scatter,
    line_with_band,
    mean_line,
    over_seeds,
)

# Order and colour of the methods in every figure.
METHOD_COLOURS = {method.name: method.colour for method in METHODS.values() if method.colour}
# Looks of the ways to train DRL at the end of the curve.
_WAYS = ({"color": "C3"}, {"color": "C3", "ls": ":"}, {"color": "C1"})


def over_time(table: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Each metric against encoder time (DRL ICML, downstream), (DRL Fig. 12).

    Curves of E(x0, t), level lines of E(x0).

    Args:
        table: tidy test rows with columns dataset, method, time_conditioned, seed, t, metric,
            value. One row of panels a data set; one panel each if there is one metric.
        metrics: one column of panels each.
    """
    datasets = list(dict.fromkeys(table.dataset))
    panels = [[(dataset, metric) for metric in metrics] for dataset in datasets]
    if len(metrics) == 1:
        panels = [[(dataset, metrics[0]) for dataset in datasets]]
    n_rows, n_columns = len(panels), len(panels[0])
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(2.9 * n_columns + 1.2, 2.5 * n_rows), squeeze=False, sharex=True
    )
    for row, asked in zip(axes, panels, strict=True):
        for ax, (dataset, metric) in zip(row, asked, strict=True):
            rows = table[(table.dataset == dataset) & (table.metric == metric)]
            for method, colour in METHOD_COLOURS.items():
                of_method = rows[rows.method == method]
                curve = of_method[of_method.time_conditioned]
                mean_line(ax, curve, "t", color=colour, marker="o", label=f"{method}, E(x₀, t)")
                _level(ax, of_method[~of_method.time_conditioned], colour, method)
            ax.set(title=f"{dataset}: {_label(metric)}", xlabel="encoder time t")
            ax.set_ylabel("on test images" if ax is row[0] else "")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
    return figure


def _label(metric: str) -> str:
    if metric.startswith("few_shot_"):
        return f"accuracy from {int(metric.split('_')[2]):,} labels"
    return METRIC_LABELS.get(metric, metric)


def _level(ax: Axes, rows: pd.DataFrame, colour: str, label: str) -> None:
    if len(rows):
        ax.axhline(rows.value.mean(), color=colour, ls="--", lw=1, label=label)


def code_curves(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], labels: np.ndarray, shown: int = 10
) -> Figure:
    """Curves t -> E(x0, t) of a few images; codes at four times (DRL ICML, trajectories).

    Args:
        curves: method -> (codes (T, N, 2), sigma (T,)).
        labels: classes (N,).
        shown: how many curves, of the first images.
    """
    shown = min(shown, len(labels))
    figure, axes = plt.subplots(len(curves), 5, figsize=(9.0, 2.1 * len(curves)), squeeze=False)
    for row, (method, (codes, sigma)) in zip(axes, curves.items(), strict=True):
        spread = codes.std(axis=1, keepdims=True)
        z = (codes - codes.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-8)
        for n in range(shown):
            colour = plt.get_cmap(CLASS_MAP)(labels[n] / 10 + 0.05)
            row[0].plot(z[:, n, 0], z[:, n, 1], color=colour, lw=1)
            row[0].plot(*z[0, n, :2], "ko", ms=2)
        row[0].set(title=f"{method}: {shown} curves", xticks=[], yticks=[])
        picked = np.linspace(0, len(sigma) - 1, 4).round().astype(int)
        for ax, i in zip(row[1:], picked, strict=True):
            code_scatter(ax, z[i], labels, size=2, alpha=0.7, outside=0.01, margin=0)
            ax.set(xticks=[], yticks=[], title=f"σ = {sigma[i]:.2g}")
    return figure


def against_steps(table: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Each metric against training steps, of the autoencoder and of DRL (DRL Prop. 2).

    Mean and standard deviation over seeds; the untrained encoder, without steps, as a level line.

    Args:
        table: test rows of ``results.last_time_rows``.
        metrics: one panel each.
    """
    figure, axes = plt.subplots(
        1, len(metrics), figsize=(2.5 * len(metrics) + 1.6, 2.5), squeeze=False
    )
    lengths = sorted(set(table.steps[table.method != "random"]))
    ways = table[table.method == "drl"][["weighting", "adam_epsilon"]].drop_duplicates()
    for ax, metric in zip(axes[0], metrics, strict=True):
        rows = table[table.metric == metric]
        _level(ax, rows[rows.method == "random"], METHOD_COLOURS["random"], "untrained")
        ae, drl = rows[rows.method == "ae"], rows[rows.method == "drl"]
        mean_line(ax, ae, "steps", color=METHOD_COLOURS["ae"], marker="o", label="ae")
        for (weighting, epsilon), style in zip(ways.to_numpy(), _WAYS[: len(ways)], strict=True):
            of_way = drl[(drl.weighting == weighting) & (drl.adam_epsilon == epsilon)]
            label = f"drl, λ: {weighting}, ε = {epsilon:g}"
            mean_line(ax, of_way, "steps", marker="o", label=label, **style)
        ax.set(title=_label(metric), xlabel="training steps", xscale="log")
        ax.set_xticks(lengths, [f"{steps:.0f}" for steps in lengths])
        ax.minorticks_off()
        ax.set_ylabel("on test images" if ax is axes[0, 0] else "")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
    return figure


def comparison_bars(table: pd.DataFrame) -> Figure:
    """Accuracy of each method, mean and standard deviation over seeds, one panel a data set.

    Args:
        table: columns dataset, label, method, mean, sd; in the order to be drawn.
    """
    datasets = list(dict.fromkeys(table.dataset))
    figure, axes = plt.subplots(
        1, len(datasets), figsize=(3.6 * len(datasets) + 0.8, 2.9), squeeze=False, sharey=True
    )
    for ax, dataset in zip(axes[0], datasets, strict=True):
        rows = table[table.dataset == dataset]
        colours = [METHOD_COLOURS[method] for method in rows.method]
        ax.barh(rows.label, rows["mean"], xerr=rows.sd.fillna(0), color=colours, alpha=0.8)
        low = max(0.0, float((rows["mean"] - rows.sd.fillna(0)).min()) - 0.05)
        ax.set(title=dataset, xlabel="class accuracy, MLP, test", xlim=(low, 1))
    axes[0, 0].invert_yaxis()
    return figure


def information_heatmaps(table: pd.DataFrame) -> Figure:
    """Normalised mutual information of codes at two times, by method (DRL ICML, trajectories).

    Args:
        table: rows of metric ``nmi`` with columns method, seed, t, t_j, value.
    """
    methods = [m for m in METHOD_COLOURS if m in set(table.method)]
    figure, axes = plt.subplots(1, len(methods), figsize=(3.4 * len(methods), 3.0), squeeze=False)
    for ax, method in zip(axes[0], methods, strict=True):
        rows = table[(table.metric == "nmi") & (table.method == method)]
        wide = rows.pivot_table(index="t", columns="t_j", values="value").round(4)
        wide = wide.rename(index="{:.2f}".format, columns="{:.2f}".format)
        sns.heatmap(
            wide, ax=ax, cmap="YlGnBu", vmin=0, vmax=1, square=True, cbar=ax is axes[0, -1],
            annot=True, fmt=".1f", annot_kws={"fontsize": 5},
        )  # fmt: skip
        ax.invert_yaxis()
        ax.tick_params(axis="both", rotation=0, labelsize=7)
        ax.set(title=f"{method}: normalised MI", xlabel="t", ylabel="t")
    return figure


def trajectory_attention(table: pd.DataFrame) -> Figure:
    """Attention over t; what hiding a time, or all others, does (DRL ICML, trajectories).

    Args:
        table: tidy test rows with columns method, seed, t, metric, value.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.7))
    for method, colour in METHOD_COLOURS.items():
        rows = table[table.method == method]
        attention = rows[rows.metric == "attention"]
        mean_line(left, attention, "t", color=colour, marker="o", label=method)
        alone = rows[rows.metric == "ablation_transformer_only_accuracy"]
        mean_line(right, alone, "t", color=colour, marker="o", label=method)
        whole = rows[rows.metric == "ablation_transformer_accuracy"]
        _level(right, whole, colour, f"{method}, all times")
        hidden = rows[rows.metric == "ablation_transformer_without_accuracy"]
        mean_line(right, hidden, "t", color=colour, ls=":")
    left.axhline(1 / max(1, table.t.nunique()), color="0.7", lw=0.8, zorder=0)
    left.set(
        title="attention", xlabel="encoder time t", ylabel="weight of the time", ylim=(0, None)
    )
    left.legend()
    right.set(title="one time alone (dots), without it (dotted)", xlabel="encoder time t")
    right.set_ylabel("test accuracy")
    right.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def over_time_by_sde(table: pd.DataFrame, metric: str) -> Figure:
    """Accuracy by noise level under each SDE; baselines level (DRL ICML, other SDE).

    Against sigma, not t: the SDEs' clocks differ, their noise levels do not.
    """
    methods = ("drl", "vdrl")
    figure, axes = plt.subplots(1, len(methods), figsize=(7.2, 2.8), sharey=True)
    for ax, method in zip(axes, methods, strict=True):
        for sde, colour in SDE_COLOURS.items():
            rows = table[(table.method == method) & (table.sde == sde) & (table.metric == metric)]
            spread = over_seeds(rows[rows.time_conditioned], "sigma")
            line_with_band(ax, spread, colour, label=sde.upper())
        for baseline in ("ae", "vae"):
            rows = table[(table.method == baseline) & (table.metric == metric)]
            _level(ax, rows, METHOD_COLOURS[baseline], baseline)
        ax.set(title=method.upper(), xscale="log", xlabel="σ at which E(x₀, t) is read")
    axes[0].set_ylabel(_label(metric))
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
