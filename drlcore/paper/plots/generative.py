"""Figures of notebooks 17 to 19: the model as a generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from drlcore.paper.plots.style import line_with_band, mean_line, over_seeds, show_image, tile

STAND_IN_STYLES = {
    "black": {"colour": "0.1", "label": "Gaussian, around black (the paper's)"},
    "grey": {"colour": "0.55", "label": "Gaussian, around grey"},
    "uniform": {"colour": "C3", "label": "uniform + Gaussian (the paper's)"},
    "fitted": {"colour": "C0", "label": "Gaussian fitted to images"},
    "data": {"colour": "C2", "label": "images: the exact law"},
}
P_KL_MAP = "plasma"
WEIGHTING_TITLES = {"std2": "λ = σ²", "edm": "all levels alike"}
MOVES = {"code": "code moves", "noise": "noise moves", "both": "both move"}
TILE = 4


def start_sheets(sheet: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    """Samples by when the walk back begins (columns), and around what (rows) (DRL Fig. 4).

    Args:
        sheet: as in ``initial_time.sheet_by_start``.
        names: the stand-ins to show.
    """
    starts, sigmas = sheet["starts"], sheet["sigmas"]
    size = (1.32 * len(starts) + 0.5, 1.32 * len(names) + 0.3)
    figure, axes = plt.subplots(len(names), len(starts), figsize=size, squeeze=False)
    for row, name in zip(axes, names, strict=True):
        for ax, images in zip(row, sheet[name], strict=True):
            show_image(ax, tile(images[: TILE * TILE], TILE))
        row[0].text(
            -0.06, 0.5, name, transform=row[0].transAxes, ha="right", va="center", rotation=90
        )
    for ax, t, sigma in zip(axes[0], starts, sigmas, strict=True):
        ax.set_title(f"t = {t:.1f}, σ = {sigma:.3g}", fontsize=8)
    return figure


def quality_over_starts(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Fréchet distance by start, and on the toy set the error theory foretells (DRL Table 3).

    Bands are one standard deviation over seeds. On the toy set lines are theory, dots are walks.

    Args:
        table: rows of ``tables.generative``.
        titles: of each method's panel.
    """
    figure, axes = plt.subplots(1, len(titles) + 1, figsize=(3.6 * (len(titles) + 1), 3.4))
    distances = table[table.metric == "sample_frechet"]
    for ax in axes[1:-1]:
        ax.sharey(axes[0])
    for ax, (method, title) in zip(axes, titles.items(), strict=False):
        for name, style in STAND_IN_STYLES.items():
            rows = distances[(distances.method == method) & (distances.stand_in == name)]
            line_with_band(
                ax, over_seeds(rows, "start"), style["colour"], ms=3, label=style["label"]
            )
        ax.set(yscale="log", xlabel="walk begun at t", ylabel="Fréchet distance", title=title)
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    toy = table[table.dataset == "toy"]
    for name, style in STAND_IN_STYLES.items():
        rows = dict(list(toy[toy.stand_in == name].groupby("metric")))
        if rows:
            mean_line(axes[-1], rows["error_foretold"], "start", color=style["colour"])
            spread = over_seeds(rows["error_measured"], "start")
            axes[-1].plot(spread.index, spread["mean"], "o", ms=4, color=style["colour"])
    axes[-1].set(
        xlabel="walk begun at t", ylabel="error of component shares",
        title="toy set: theory (lines), walks (dots)",
    )  # fmt: skip
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def adversary(table: pd.DataFrame, histories: Mapping[float, Sequence[pd.DataFrame]]) -> Figure:
    """Alpha by step (DRL Fig. 14), loss by level (DRL Fig. 13), quality by p_KL (DRL Table 2).

    Bands and bars are one standard deviation over seeds; losses are each seed's over that of its
    p_KL = 1, where the score network is left alone.

    Args:
        table: usage and quality, with a column ``p_kl``.
        histories: of each p_KL, one for each seed, see ``train``.
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10.8, 3.1))
    shares = sorted(histories)
    colours = {p: to_hex(plt.get_cmap(P_KL_MAP)(0.85 * p)) for p in shares}
    for p, tables in histories.items():
        rows = pd.concat(tables).rename(columns={"alpha": "value"})
        spread = over_seeds(rows, "step")
        left.plot(spread.index, spread["mean"], color=colours[p], label=f"p_KL = {p:g}")
    left.set(xlabel="training step", ylabel="α", ylim=(-1.05, 0.05), title="the adversary")
    losses = table[table.metric == "loss_own"].set_index(["p_kl", "at_sigma", "seed"]).value
    for p in shares:
        spread = over_seeds((losses[p] / losses[1.0]).reset_index(), "at_sigma")
        line_with_band(middle, spread, colours[p], ms=3)
    middle.set(xscale="log", xlabel="σ", ylabel="loss / loss at p_KL = 1", title="the loss")
    quality = over_seeds(table[table.metric == "sample_frechet"], "p_kl")
    places = np.arange(len(shares))
    for k, p in enumerate(shares):
        right.bar(k, quality["mean"][p], yerr=quality["std"][p], color=colours[p], capsize=2)
    right.set_xticks(places, [f"{p:g}" for p in shares])
    right.set(xlabel="p_KL", ylabel="Fréchet distance", title="the samples")
    left.legend(fontsize=7)
    return figure


def misled(losses: pd.DataFrame, alphas: pd.DataFrame) -> Figure:
    """What the adversary climbs where the constant is known, and where that leads (DRL Prop. 1).

    Above the loss of a network after the game against the whole loss; below alpha by step.

    Args:
        losses: columns data, weighting, against, sigma, loss, constant.
        alphas: columns data, weighting, seed, against, step, alpha.
    """
    cells = losses[["data", "weighting"]].drop_duplicates().itertuples(index=False)
    chosen = list(cells)
    size = (2.7 * len(chosen), 4.6)
    figure, axes = plt.subplots(2, len(chosen), figsize=size, sharey="row", squeeze=False)
    colours = {"loss": "k", "loss less constant": "C3"}
    for (name, weighting), (above, below) in zip(chosen, axes.T, strict=True):
        of = losses[(losses.data == name) & (losses.weighting == weighting)]
        of = of[of.against == "loss"]
        above.plot(of.sigma, of.loss, "k", label="loss")
        above.fill_between(of.sigma, of.constant, color="0.85", label="constant: the floor")
        above.plot(of.sigma, of.loss - of.constant, color="C3", label="loss less constant")
        above.set(xscale="log", xlabel="σ", title=f"{name}, {WEIGHTING_TITLES[weighting]}")
        climbed = alphas[(alphas.data == name) & (alphas.weighting == weighting)]
        for against, rows in climbed.rename(columns={"alpha": "value"}).groupby("against"):
            spread = over_seeds(rows, "step")
            line_with_band(below, spread, colours[str(against)], ms=0, label=f"climbs {against}")
        below.axhline(0, color="0.7", lw=0.8)
        below.set(xlabel="training step", ylim=(-1.05, 1.05))
    axes[0, 0].set_ylabel("weighted loss")
    axes[1, 0].set_ylabel("α")
    axes[0, 0].legend(fontsize=7)
    axes[1, 0].legend(fontsize=7)  # its curves lie at the bottom
    return figure


def priors(table: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Fréchet distance and share of readable samples, by where the code comes from.

    Bars are means over seeds, with their standard deviation.

    Args:
        table: quality, with a column ``prior``.
        names: what each prior is called, in the order shown.
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 2.7), sharey=True)
    titles = {"frechet": "Fréchet distance", "readable": "share read with confidence ≥ .9"}
    for ax, (metric, title) in zip(axes, titles.items(), strict=True):
        spread = over_seeds(table[table.metric == f"sample_{metric}"], "prior").loc[list(names)]
        colours = ["0.6", *["C1"] * (len(names) - 2), "C2"]
        ax.barh(list(names.values()), spread["mean"], xerr=spread["std"], color=colours, capsize=2)
        ax.set_xlabel(title)
    axes[0].invert_yaxis()
    return figure


def exchange(sheets: Mapping[str, Mapping[str, np.ndarray]], table: pd.DataFrame) -> Figure:
    """From one image to another by its code, by its noise, and by both; whose class is drawn.

    Args:
        sheets: title -> as in ``generation.paths``.
        table: rows of ``exchange_rows``, with a column ``name`` that is the title.
    """
    rows = tuple(MOVES)
    figure = plt.figure(figsize=(10.6, 1.95 * len(sheets) * 1.1))
    grid = figure.add_gridspec(len(sheets), 2, width_ratios=[4.4, 1])
    for k, (title, sheet) in enumerate(sheets.items()):
        ax = figure.add_subplot(grid[k, 0])
        show_image(ax, _strips(sheet, rows))
        ax.set_title(f"code learned at {title}", fontsize=9)
        for i, row in enumerate(rows):
            place = (i + 0.5) / len(rows)
            ax.text(
                -0.01, 1 - place, MOVES[row], transform=ax.transAxes, ha="right", va="center",
                fontsize=8,
            )  # fmt: skip
        _whose(figure.add_subplot(grid[k, 1]), table[table.name == title])
    return figure


def _strips(sheet: Mapping[str, np.ndarray], rows: Sequence[str], pair: int = 0) -> np.ndarray:
    first, second = sheet["ends"][pair]
    blank = np.full_like(first, 255)
    lines = []
    for row in rows:
        lines += [first, blank, *sheet[row][pair], blank, second]
    return tile(np.stack(lines), len(sheet[rows[0]][pair]) + 4)


def _whose(ax: Axes, table: pd.DataFrame) -> None:
    shares = {"class_of_code": "the code's", "class_of_noise": "the noise's"}
    spread = over_seeds(table[table.metric.isin(shares)], "metric").reindex(list(shares))
    ax.bar(list(shares.values()), spread["mean"], yerr=spread["std"], color=["C1", "C0"], capsize=2)
    ax.set(ylim=(0, 1), title="class drawn")
