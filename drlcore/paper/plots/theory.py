"""Figures of notebooks 00 to 02: the idea, the noise, the floor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from drlcore.oracle.toy import RADII, sample_toy
from drlcore.paper.plots.style import FACTOR_COLOURS, mean_line, show_image, sigma_colour

SHUFFLED = {"color": "C3", "ls": ":", "label": "a shuffled factor"}


def prop1_curves(table: pd.DataFrame) -> Figure:
    """Left: the three terms (DRL Prop. 1). Right: the floor given what z tells; the control.

    Mean over seeds, with their standard deviation.

    Args:
        table: rows of ``tables.theory.floor_rows``.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.8))
    rows = dict(list(table.groupby("metric")))
    for label, colour in {"DSM": "k", "constant": "C1", "ESM": "C0"}.items():
        mean_line(left, rows[label.lower()], "sigma_max", color=colour, label=label)
    left.set(
        xscale="log", xlabel="σ", ylabel="std² × squared error", title="Prop. 1, a wrong score"
    )
    left.legend()
    # The line of "nothing" is wide: others lie on it where they tell nothing new.
    mean_line(right, rows["floor_nothing"], "sigma_max", color="k", lw=4, label="nothing")
    for factor, colour in FACTOR_COLOURS.items():
        mean_line(right, rows[f"floor_{factor}"], "sigma_max", color=colour, label=factor)
    mean_line(right, rows["floor_shuffled"], "sigma_max", **SHUFFLED)
    right.axhline(0, color="0.7", label="x0")
    right.set(xscale="log", xlabel="σ", ylabel="", title="the floor")
    right.legend(title="z tells", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def factor_gains(table: pd.DataFrame) -> Figure:
    """Gain of each factor and of the control by noise level, and the toy set they belong to.

    Mean over seeds, with their standard deviation.

    Args:
        table: rows of ``tables.theory.floor_rows``.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7.2, 2.8), gridspec_kw={"width_ratios": [1, 1.6]}
    )
    x, factors = sample_toy(3000, seed=0)
    left.scatter(x[:, 0], x[:, 1], s=1, c=factors["middle"], cmap="viridis", rasterized=True)
    left.set(title="the toy set", aspect="equal")
    inset = left.inset_axes((0.62, 0.62, 0.36, 0.36))
    near = (x - x[0]).norm(dim=1) < 0.6
    inset.scatter(x[near, 0], x[near, 1], s=2, c=factors["fine"][near], cmap="viridis")
    inset.set(xticks=[], yticks=[])
    inset.text(0.05, 0.95, "one of the nine", transform=inset.transAxes, fontsize=6, va="top")
    rows = dict(list(table.groupby("metric")))
    for factor, colour in FACTOR_COLOURS.items():
        mean_line(right, rows[f"gain_{factor}"], "sigma_max", color=colour, label=factor)
        right.axvline(RADII[factor], color=colour, ls=":", lw=1)
    mean_line(right, rows["gain_shuffled"], "sigma_max", **SHUFFLED)
    right.set(
        xscale="log", xlabel="σ", ylabel="fall of the floor", title="what telling a factor is worth"
    )
    right.legend()
    return figure


def t_sampler_histograms(draws: Mapping[str, np.ndarray]) -> Figure:
    """Share of training at each noise level, for each t-sampler."""
    size = (5.5, 0.85 * len(draws))
    figure, grid = plt.subplots(len(draws), 1, figsize=size, sharex=True, squeeze=False)
    axes = grid[:, 0]
    drawn = np.concatenate(list(draws.values()))
    edges = np.geomspace(min(0.009, drawn.min() / 1.1), max(55, 1.1 * drawn.max()), 60)
    centres = np.sqrt(edges[1:] * edges[:-1])
    for ax, (name, sigma) in zip(axes, draws.items(), strict=True):
        counts, _ = np.histogram(sigma, bins=edges)
        ax.bar(
            centres, counts / len(sigma), width=np.diff(edges),
            color=[sigma_colour(s) for s in centres],
        )  # fmt: skip
        ax.set(xscale="log", yticks=[])
        ax.spines["left"].set_visible(False)
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
    axes[-1].set_xlabel("σ")
    return figure


def scheme(x0: np.ndarray, noisy: Mapping[float, np.ndarray]) -> Figure:
    """The idea: noise one way, the score network back, with a code of x0 (DRL Fig. 1)."""
    figure, ax = plt.subplots(figsize=(7.2, 2.6))
    ax.set(xlim=(0, 10), ylim=(0, 3.6), aspect="equal")
    ax.axis("off")
    arrow = {"arrowstyle": "->", "lw": 1.2, "color": "0.2"}
    bent = {**arrow, "connectionstyle": "arc3,rad=0.3"}
    box = {"boxstyle": "round,pad=0.4", "lw": 1.2}
    text = partial(ax.text, ha="center")
    chain = {"$x_0$": x0} | {f"$x_t$, σ = {sigma:g}": x for sigma, x in noisy.items()}
    for k, (label, image) in enumerate(chain.items()):
        inset = ax.inset_axes((0.2 + 1.75 * k, 0.5, 1.25, 1.25), transform=ax.transData)
        show_image(inset, image)
        text(0.82 + 1.75 * k, 0.2, label, fontsize=8)
        if k:
            ax.annotate("", (0.15 + 1.75 * k, 1.1), (1.75 * k - 0.25, 1.1), arrowprops=arrow)
    text(0.82, 3.0, "encoder $E$", va="center", bbox={**box, "fc": "#dceaf7"})
    ax.annotate("", (0.82, 2.65), (0.82, 1.85), arrowprops=arrow)
    text(8.7, 3.0, "score network\n$s(x_t, t, z)$", va="center", bbox={**box, "fc": "#fbe5d6"})
    ax.annotate("", (7.6, 3.0), (1.65, 3.0), arrowprops=arrow)
    text(4.6, 3.15, "code $z = E(x_0)$: what denoising at these noise levels lacks", fontsize=8)
    ax.annotate("", (8.7, 2.45), (7.0, 1.2), arrowprops=bent)
    loss = "loss $\\lambda(t)\\,||s - \\nabla \\log p_{0t}||^2$\ntrains both"
    text(8.75, 1.0, loss, fontsize=8)
    return figure
