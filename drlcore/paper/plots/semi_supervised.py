"""Figures of notebook 09; style and colours as in ``style`` and ``comparison``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from drlcore.errors import DataError
from drlcore.paper.plots.comparison import METHOD_COLOURS
from drlcore.paper.tables.semi_supervised import ARMS, accuracies, gains, in_main_grid, main_grid

ARM_COLOURS = {"none": "0.45", "drl-mixup": "C4"} | {
    method: METHOD_COLOURS[method] for method in ("drl", "vdrl", "ae", "simclr")
}
MIXUP = {"off": "no mixup", "on": "mixup", "released": "mixup as released"}
ANSWERS = {
    "pretrained_on": ["labelled", "all"],
    "encoder_time": ["fixed", "learned", "chosen"],
    "mixup": ["off", "released", "on"],
}
ACCURACY_TICKS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 97, 98, 99, 99.5, 99.8)
GAIN_TICKS = (-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50)
TOP = 0.05  # error in % that ends the log axis
DODGE = 1.07  # between neighbouring arms, on the log axis of labels


def accuracy_by_labels(table: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Test accuracy by number of labels, ours and as published on CIFAR-10 (DRL Table 1).

    The axes are the labels' share of the images, on which data sets of other sizes compare, and
    accuracy on the scale of log error, on which equal steps divide the error equally. Error bars
    are standard deviations over label splits.

    Args:
        table: the result table of notebook 09, of one data set.
        published: as ``published.published_table_1``.
    """
    ours = main_grid(_of_one_dataset(table))
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.1), sharey=True)
    for ax, mixup in zip(axes, ("off", "on"), strict=False):
        of_mixup = ours[ours.mixup == mixup]
        for method, rows in _by_arm(of_mixup):
            cells = rows.groupby(["n_labels", "n_images"]).value.agg(["mean", "std"]).reset_index()
            x = 100 * cells.n_labels / cells.n_images * _dodge(method, ours.method)
            ax.errorbar(x, 100 * cells["mean"], 100 * cells["std"].fillna(0), **_line(method))
        _label_axis(ax, ours)
        ax.set_title(f"{ours.dataset.iloc[0]}, {MIXUP[mixup]}")
    theirs = published[published.dataset == "cifar10"]
    for mixup, line, filled in (("off", "-", True), ("on", "--", False)):
        for method, rows in _by_arm(theirs[theirs.mixup == mixup]):
            axes[2].plot(
                100 * rows.n_labels / rows.n_images, rows.accuracy, line, lw=1, marker="o", ms=3.5,
                color=ARM_COLOURS[method], mfc=None if filled else "white",
            )  # fmt: skip
    _label_axis(axes[2], theirs)
    axes[2].set_title("CIFAR-10, published, no spread")
    lines = [Line2D([], [], ls=ls, color="k", lw=1) for ls in ("-", "--")]
    axes[2].legend(lines, ["no mixup", "mixup"], loc="lower right")
    low = min(100 * ours.value.min(), theirs.accuracy.min())
    spread = ours.groupby(["method", "mixup", "n_labels"]).value.agg(["mean", "std"]).fillna(0)
    highest = 100 * max(ours.value.max(), spread.sum(axis=1).max())
    top = min(100.0 - TOP, max(highest, theirs.accuracy.max()))
    axes[0].set_yscale("function", functions=(_log_error, _of_log_error))
    axes[0].set_yticks([t for t in ACCURACY_TICKS if low - 5 <= t <= top])
    axes[0].yaxis.set_minor_locator(NullLocator())
    axes[0].set(ylabel="test accuracy, %", ylim=(low - 2, top + 0.2 * (100 - top)))
    _arm_legend(figure, [m for m in ARMS if m in {*ours.method, *theirs.method}])
    return figure


def gain_by_labels(table: pd.DataFrame) -> Figure:
    """Gain over no pretraining by number of labels (DRL Table 4), (DRL Table 5).

    Paired by label split, with 95 % intervals.

    The axis is linear to 2 points, logarithmic from there. A mark is hollow where its interval
    holds 0, or where one split gives none.
    One panel for full compute without mixup, one with, and one for each smaller compute.

    Args:
        table: the result table of notebook 09, of one data set.
    """
    found = gains(_of_one_dataset(table))
    found = found[(found.encoder_time == "learned") & (found.pretrained_on == "all")]
    panel = ["compute", "mixup"]
    shown = found[found.mixup.isin(["off", "on"])].sort_values(panel, ascending=[False, True])
    panels = list(shown.groupby(panel, sort=False))
    if not panels:
        raise DataError("no arm beside no pretraining")
    images = table[["n_labels", "n_images"]].drop_duplicates()
    figure, axes = plt.subplots(
        1, len(panels), figsize=(2.6 * len(panels) + 1.2, 2.8), sharex=True, sharey=True,
        squeeze=False,
    )  # fmt: skip
    for ax, ((compute, mixup), of_panel) in zip(axes[0], panels, strict=True):
        ax.axhline(0, color="0.45", lw=0.8, zorder=0)
        for method, rows in _by_arm(of_panel.merge(images)):
            x = 100 * rows.n_labels / rows.n_images * _dodge(method, found.method)
            ends = (rows.difference - rows.low, rows.high - rows.difference)
            style = _line(method)
            ax.errorbar(x, 100 * rows.difference, 100 * np.nan_to_num(ends), **style, mfc="white")
            clear = (rows.low > 0) | (rows.high < 0)
            ax.plot(
                x[clear], 100 * rows.difference[clear], "o", ms=3.5, color=style["color"], zorder=3
            )
        _label_axis(ax, images)
        share = "all steps" if compute == 1 else f"{100 * compute:.0f} % of the steps"
        ax.set_title(f"{share}, {MIXUP[mixup]}")
    axes[0, 0].set_yscale("symlog", linthresh=2, linscale=0.7)
    low, high = np.nanmin(found[["difference", "low"]]), np.nanmax(found[["difference", "high"]])
    ticks = [t for t in GAIN_TICKS if 110 * low <= t <= 110 * high or abs(t) <= 1]
    axes[0, 0].set_yticks(ticks, [f"{t:+d}" if t else "0" for t in ticks])
    axes[0, 0].yaxis.set_minor_locator(NullLocator())
    axes[0, 0].set_ylabel("gain in accuracy, points")
    _arm_legend(figure, [m for m in ARMS if m in set(found.method)])
    return figure


def pretraining_questions(table: pd.DataFrame) -> Figure:
    """What else may matter: images of pretraining, the encoder's time, mixup in each phase.

    Each label split is a thin line, the mean a thick mark; dashed is no pretraining, without mixup.
    A row of panels for each number of labels at which any of it was varied; a panel shows what was.

    Args:
        table: the result table of notebook 09, of one data set.
    """
    rows = accuracies(_of_one_dataset(table))
    rows = rows[(rows.compute == 1) & rows.method.isin(["none", "drl"])]
    by_default = in_main_grid(rows)
    off = rows.mixup == "off"
    plain = rows[off & (rows.method == "drl")]
    panels = {
        "pretraining images": (plain[plain.encoder_time == "learned"], "pretrained_on"),
        "encoder time": (plain[plain.pretrained_on == "all"], "encoder_time"),
        "mixup in fine-tuning": (rows[by_default | (rows.mixup == "released")], "mixup"),
    }
    budgets = sorted(set(rows.n_labels[~by_default]))
    if not budgets:
        raise DataError("nothing but the main grid: none of these was varied")
    figure, axes = plt.subplots(
        len(budgets), 3, figsize=(7.6, 2.1 * len(budgets) + 0.5), squeeze=False, sharey="row",
        sharex="col", width_ratios=[2, 3, 3],
    )  # fmt: skip
    for row, n_labels in zip(axes, budgets, strict=True):
        none = rows[(rows.method == "none") & off & by_default & (rows.n_labels == n_labels)]
        for ax, (question, (of, column)) in zip(row, panels.items(), strict=True):
            of_budget = of[of.n_labels == n_labels]
            answers = [a for a in ANSWERS[column] if a in set(of[column])]
            if column != "mixup":
                ax.axhline(100 * none.value.mean(), color=ARM_COLOURS["none"], ls="--", lw=1)
            for method, of_arm in _by_arm(of_budget):
                _splits(ax, of_arm, column, answers, ARM_COLOURS[method])
            if ax in axes[0]:
                ax.set_title(question)
        row[0].set_ylabel(f"{n_labels} labels\ntest accuracy, %")
    _arm_legend(figure, ["none", "drl"])
    return figure


def _splits(ax: Axes, rows: pd.DataFrame, column: str, answers: Sequence[str], colour: str) -> None:
    """Accuracy in % at each answer: a thin line for each label split, a thick mark at the mean."""
    wide = 100 * rows.pivot(index=column, columns="label_split", values="value").reindex(answers)
    x = np.arange(len(answers))
    ax.plot(x, wide, color=colour, lw=0.7, alpha=0.5, marker="o", ms=2.5)
    ax.hlines(wide.mean(axis=1), x - 0.18, x + 0.18, color=colour, lw=3)
    ax.set_xticks(x, answers)
    ax.set_xlim(-0.5, len(answers) - 0.5)


def _of_one_dataset(table: pd.DataFrame) -> pd.DataFrame:
    if table.dataset.nunique() != 1:
        raise DataError(f"data sets {sorted(set(table.dataset))}; allowed: one in a figure")
    return table


def _by_arm(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each arm there is, fewest labels first, in the order of every figure."""
    there = set(rows.method)
    return [(m, rows[rows.method == m].sort_values("n_labels")) for m in ARMS if m in there]


def _dodge(method: str, there: pd.Series[str]) -> float:
    """Factor that moves an arm off its neighbours on a log axis, the same in every panel."""
    arms = [m for m in ARMS if m in set(there)]
    return float(DODGE ** (arms.index(method) - (len(arms) - 1) / 2))


def _line(method: str) -> dict[str, Any]:
    """An arm's line with error bars."""
    return {
        "color": ARM_COLOURS[method], "marker": "o", "ms": 3.5, "lw": 0.9, "elinewidth": 1,
        "capsize": 2,
    }  # fmt: skip


def _log_error(accuracy: np.ndarray) -> np.ndarray:
    return -np.log10(np.maximum(100 - np.asarray(accuracy), TOP))


def _of_log_error(value: np.ndarray) -> np.ndarray:
    return 100 - 10 ** -np.asarray(value)


def _label_axis(ax: Axes, rows: pd.DataFrame) -> None:
    """The axis of labels: share of the images, on a log scale, and the number over it."""
    budgets = rows[["n_labels", "n_images"]].drop_duplicates().sort_values("n_labels")
    share = 100 * budgets.n_labels / budgets.n_images
    ax.set_xscale("log")
    names = [f"{n}\n{s:g}" for n, s in zip(budgets.n_labels, share, strict=True)]
    ax.set_xticks(share, names)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("labels, and as % of the images")


def _arm_legend(figure: Figure, methods: Sequence[str]) -> None:
    names = {**ARMS, "none": "no pretraining"}
    handles = [Line2D([], [], color=ARM_COLOURS[m], marker="o", ms=3.5, lw=1.2) for m in methods]
    figure.legend(handles, [names[m] for m in methods], loc="outside right center")
