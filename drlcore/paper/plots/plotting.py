"""One function per kind of figure, one style, one colour scale for sigma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from drlcore.noise_range import NoiseRange
from drlcore.oracle.toy import RADII, sample_toy

STYLE = Path(__file__).with_name("drl.mplstyle")
SIGMA_MAP = "viridis_r"  # low noise light, high noise dark, on the paper's range, everywhere
SIGMA_NORM = LogNorm(0.01, 50.0)
CLASS_MAP = "tab10"
SDE_COLOURS = {"ve": "C0", "vp": "C1", "subvp": "C2"}
METRIC_LABELS = {
    "mlp_accuracy": "class accuracy, MLP",
    "knn_accuracy": "class accuracy, kNN",
    "linear_accuracy": "class accuracy, linear",
    "silhouette": "silhouette of classes",
    "ink_r2": "ink R²",
    "thickness_r2": "stroke thickness R²",
    "slant_r2": "slant R²",
    "width_r2": "width R²",
    "height_r2": "height R²",
    "x_position_r2": "x position R²",
    "y_position_r2": "y position R²",
    "digit_colour_accuracy": "digit colour accuracy",
    "background_colour_accuracy": "background colour accuracy",
}
# The headline says what its numbers are.
DIAL_LABELS = {
    "knn_accuracy": "class accuracy, by the nearest codes",
    "ink_r2": "ink R²: share told of the variance of total ink",
    "worth": "worth: share of the loss saved by the right code",
    "kept_class": "share of the worth kept by the class alone",
    "kept_ink": "share of the worth kept by the ink alone",
}
DIAL_COLOURS = {"knn_accuracy": "C0", "ink_r2": "C3"}
PAID_COLOURS = {"worth": "0.2", "kept_class": "C0", "kept_ink": "C3"}
FACTOR_COLOURS = {"coarse": "#3b1f5b", "middle": "#21918c", "fine": "#b5c700"}
SHUFFLED = {"color": "C3", "ls": ":", "label": "a shuffled factor"}


def use_style() -> None:
    """Apply the project's style to all figures that follow."""
    plt.style.use(STYLE)


def sigma_colour(sigma: float) -> tuple[float, float, float, float]:
    """The colour that stands for ``sigma`` in every figure."""
    return plt.get_cmap(SIGMA_MAP)(SIGMA_NORM(np.clip(sigma, 0.01, 50.0)))


def image_rows(
    rows: Mapping[str, np.ndarray], columns: Sequence[str] = (), size: float = 0.62
) -> Figure:
    """Rows of images under column titles: each value has shape (N, C, H, W)."""
    n_columns = max(len(images) for images in rows.values())
    figure, axes = plt.subplots(
        len(rows), n_columns, figsize=(size * n_columns + 0.9, size * len(rows) + 0.35),
        squeeze=False,
    )  # fmt: skip
    for row, (label, images) in zip(axes, rows.items(), strict=True):
        for ax in row:
            ax.axis("off")
        for ax, image in zip(row, images, strict=False):
            show_image(ax, image)
        row[0].text(
            -0.15, 0.5, label, transform=row[0].transAxes, ha="right", va="center", fontsize=8
        )
    for ax, title in zip(axes[0], columns, strict=False):
        ax.set_title(title, fontsize=8)
    return figure


def show_image(ax: Axes, image: np.ndarray) -> None:
    """One image, (C, H, W), floats in [-1, 1] or uint8."""
    low, high = (0, 255) if image.dtype == np.uint8 else (-1, 1)
    picture = np.clip((np.moveaxis(image, 0, -1).astype(float) - low) / (high - low), 0, 1)
    ax.imshow(picture.squeeze(), vmin=0, vmax=1)
    ax.axis("off")


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Images (N, C, H, W) as one picture (C, rows * H, columns * W)."""
    n, channels, height, width = images.shape
    grid = images.reshape(n // columns, columns, channels, height, width)
    return grid.transpose(2, 0, 3, 1, 4).reshape(channels, n // columns * height, columns * width)


def latent_spaces(
    spaces: Mapping[str, tuple[Mapping[str, np.ndarray], np.ndarray]], labels: np.ndarray
) -> Figure:
    """For each title a sheet of samples over the grid of codes, and test codes by class.

    Args:
        spaces: title -> (latent grid as in ``sheets.latent_grid``, codes (N, latent_dim)).
        labels: classes of the codes (N,).
    """
    figure, axes = plt.subplots(
        len(spaces), 2, figsize=(7.6, 3.7 * len(spaces)), squeeze=False,
        gridspec_kw={"width_ratios": [1, 1.12]},
    )  # fmt: skip
    for (left, right), (title, (grid, codes)) in zip(axes, spaces.items(), strict=True):
        z1, z2 = grid["z1"], grid["z2"]
        picture = tile(grid["images"], len(z1))
        picture = np.moveaxis(picture, 0, -1).squeeze()
        half1, half2 = (z1[1] - z1[0]) / 2, (z2[1] - z2[0]) / 2  # the codes are cells' centres
        extent = (z1[0] - half1, z1[-1] + half1, z2[0] - half2, z2[-1] + half2)
        left.imshow(picture, extent=extent, aspect="auto", vmin=0, vmax=255)
        left.set(title=f"{title}: samples", xlabel="$z_1$", ylabel="$z_2$")
        code_scatter(right, codes, labels, title=f"{title}: test codes")
    return figure


def code_scatter(ax: Axes, codes: np.ndarray, labels: np.ndarray, title: str = "") -> None:
    """The first two coordinates of codes, coloured by class; outer 0.5 % left outside."""
    points = ax.scatter(
        codes[:, 0], codes[:, 1], c=labels, cmap=CLASS_MAP, s=1.5, alpha=0.5, lw=0,
        vmin=-0.5, vmax=9.5, rasterized=True,
    )  # fmt: skip
    low, high = np.quantile(codes[:, :2], [0.005, 0.995], axis=0)
    pad = 0.05 * (high - low) + 1e-6
    ax.set_xlim(low[0] - pad[0], high[0] + pad[0])
    ax.set_ylim(low[1] - pad[1], high[1] + pad[1])
    ax.set(title=title, xlabel="$z_1$", ylabel="$z_2$")
    _class_bar(points, ax, labels)


def dial_figure(table: pd.DataFrame) -> Figure:
    """What can be read from the code, what the loss pays for, and what ranges of noise teach.

    Left: class accuracy and ink R² against the single level trained at; dashed, an untrained
    encoder. Middle: what the code is worth to the score network, and the share of that which is
    kept when only the class, or only the ink, of the code is right (see ``paid_for``); no point
    where it is worth too little to share. Right: as left, trained on ranges. Bands and bars are
    one standard deviation over seeds.

    Args:
        table: tidy results of every dial run, test probes and usage, and of the untrained encoder
            (method ``random``), with a column ``range`` that names the noise.
    """
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(10.2, 4.0), sharey=True, gridspec_kw={"width_ratios": [1.5, 1.5, 1.15]}
    )
    trained = table[table.method != "random"]
    single, ranges = (trained[(trained.t_sampler == "single") == one] for one in (True, False))
    probed = single[single.split == "test"]
    _lines_over_sigma(left, probed, DIAL_COLOURS, DIAL_LABELS)
    _lines_over_sigma(middle, single, PAID_COLOURS, DIAL_LABELS)
    for ax in (left, right):
        _untrained(ax, table[table.method == "random"])
    left.set(title="what can be read from the code", ylabel="1 is perfect, 0 is nothing")
    middle.set(title="what the loss pays the code for")
    names = list(dict.fromkeys(ranges.range))
    for metric, colour in DIAL_COLOURS.items():
        rows = _over_seeds(ranges[ranges.metric == metric], "range").loc[names]
        right.errorbar(
            np.arange(len(names)), rows["mean"], rows["std"], fmt="o", color=colour, capsize=3
        )
    right.set_xticks(
        range(len(names)), [n.replace(", σ in ", "\nσ in\n") for n in names], fontsize=6
    )
    right.set(title="read, trained on a range", xlim=(-0.5, len(names) - 0.5))
    for ax in (left, middle):
        ax.set_xlabel("σ trained at (noise added to pixels in [-1, 1])")
        _sigma_strip(ax)
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2))
    return figure


def dial_factors(single: pd.DataFrame) -> Figure:
    """R² of every measured factor, and class accuracy, against the level trained at.

    Below, what the code is paid for: the share of its worth kept when only that factor is right.

    Args:
        single: tidy results of the runs at a single level, test probes and usage.
    """
    figure, axes = plt.subplots(2, 2, figsize=(7.6, 5.0), sharex=True, sharey="row")
    fine = {"ink": "C3", "thickness": "C1"}
    layout = {"class": "C0", "slant": "C2", "width": "C4", "height": "C5"}
    read = single[single.split == "test"]
    for (above, below), colours in zip(axes.T, (fine, layout), strict=True):
        probes = {f"{f}_r2" if f != "class" else "knn_accuracy": c for f, c in colours.items()}
        _lines_over_sigma(above, read, probes, METRIC_LABELS)
        _lines_over_sigma(below, single, {f"kept_{f}": c for f, c in colours.items()}, {})
        below.set_xlabel("σ trained at")
        above.legend()
    axes[0, 0].set(title="stroke", ylabel="read from the code")
    axes[0, 1].set(title="class and layout")
    axes[1, 0].set(ylabel="share of the worth kept by it alone")
    return figure


def _over_seeds(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean and standard deviation (0 for one seed) of ``value``, for each ``by``."""
    return rows.groupby(by, sort=by == "sigma_max").value.agg(["mean", "std"]).fillna(0)


def _lines_over_sigma(
    ax: Axes, table: pd.DataFrame, colours: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    """Mean over seeds and a band of one standard deviation; a gap where a level has no value."""
    levels = np.unique(table.sigma_max)
    for metric, colour in colours.items():
        rows = _over_seeds(table[table.metric == metric], "sigma_max").reindex(levels)
        low, high = rows["mean"] - rows["std"], rows["mean"] + rows["std"]
        ax.plot(levels, rows["mean"], color=colour, marker="o", label=labels.get(metric))
        ax.fill_between(levels, low, high, color=colour, alpha=0.2, lw=0)
    for end in (0, 1):
        ax.axhline(end, color="0.9", lw=0.8, zorder=0)
    ax.set_xscale("log")


def _untrained(ax: Axes, control: pd.DataFrame) -> None:
    """What an untrained encoder's code tells: dashed, with a band over seeds."""
    test = control[control.split == "test"]
    for metric, colour in DIAL_COLOURS.items():
        value = test[test.metric == metric].value
        mean, spread = value.mean(), value.std() if len(value) > 1 else 0.0
        label = f"the same of an untrained encoder: {mean:.2f}"
        ax.axhline(mean, color=colour, ls="--", lw=1, label=label)
        ax.axhspan(mean - spread, mean + spread, color=colour, alpha=0.12, lw=0)


def _sigma_strip(ax: Axes) -> None:
    """The colours of sigma along the x axis."""
    edges = np.geomspace(*ax.get_xlim(), 100)
    for low, high in pairwise(edges):
        ax.axvspan(low, high, ymax=0.025, color=sigma_colour(low), lw=0)
    ax.set_xlim(edges[0], edges[-1])


def dial_codes(clouds: Mapping[str, np.ndarray], labels: np.ndarray) -> Figure:
    """Test codes of one run for each noise level, first two coordinates, coloured by class.

    A code of one dimension is drawn against the class.
    """
    columns = min(5, len(clouds))
    rows = -(-len(clouds) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.6 * columns + 0.6, 1.7 * rows), squeeze=False
    )
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, codes) in zip(axes.flat, clouds.items(), strict=False):
        low, high = np.quantile(codes[:, :2], [0.005, 0.995], axis=0)
        pad = 0.02 * (high - low) + 1e-6
        points = ax.scatter(
            codes[:, 0], codes[:, 1], c=labels, cmap=CLASS_MAP, s=0.6, alpha=0.5, lw=0,
            vmin=-0.5, vmax=9.5, rasterized=True,
        )  # fmt: skip
        (x_low, y_low), (x_high, y_high) = low - pad, high + pad
        ax.set(title=title, xlim=(x_low, x_high), ylim=(y_low, y_high))
    _class_bar(points, axes, labels)
    return figure


def _class_bar(points: PathCollection, ax: Axes | np.ndarray, labels: np.ndarray) -> None:
    """Which colour is which class."""
    classes = np.unique(labels)
    bar = plt.colorbar(points, ax=ax, ticks=classes, pad=0.01, label="class")
    if bar.solids is not None:
        bar.solids.set_alpha(1)
    bar.ax.set_ylim(classes[0] - 0.5, classes[-1] + 0.5)


def dial_samples(drawn: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Clean images, and under each three samples of its code for each noise level."""
    clean = next(iter(drawn.values()))["clean"]
    figure, axes = plt.subplots(
        len(drawn) + 1, 1, figsize=(0.5 * len(clean) + 1.0, 0.5 + 1.55 * len(drawn)),
        height_ratios=[1, *[3] * len(drawn)],
    )  # fmt: skip
    sheets = {"clean": clean[:, None]} | {k: v["images"] for k, v in drawn.items()}
    for ax, (label, images) in zip(axes, sheets.items(), strict=True):
        by_sample = images.swapaxes(0, 1).reshape(-1, *clean.shape[1:])
        show_image(ax, tile(by_sample, len(clean)))
        ax.text(-0.02, 0.5, label, transform=ax.transAxes, ha="right", va="center", fontsize=8)
    return figure


def swap_sheets(sheets: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Rows: the noisy image; columns: the image whose code is given; one sheet per sigma."""
    n_levels = max(len(sheet["sigmas"]) for sheet in sheets.values())
    figure, axes = plt.subplots(
        len(sheets), n_levels, figsize=(2.4 * n_levels, 2.5 * len(sheets)), squeeze=False
    )
    for row, (title, sheet) in zip(axes, sheets.items(), strict=True):
        clean = sheet["clean"]
        blank = np.full_like(clean[:1], 255)
        for ax, sigma, noisy, images in zip(
            row, sheet["sigmas"], sheet["noisy"], sheet["images"], strict=True
        ):
            lines = [np.concatenate([blank, clean])]
            lines += [np.concatenate([noisy[i : i + 1], images[i]]) for i in range(len(clean))]
            show_image(ax, tile(np.concatenate(lines), len(clean) + 1))
            ax.set_title(f"{title}, from σ = {sigma:g}")
    return figure


def same_code_sheets(sheets: Mapping[int, Mapping[str, np.ndarray]]) -> Figure:
    """The image a code came from, and 25 samples of that code, for each code size."""
    figure, axes = plt.subplots(1, len(sheets) + 1, figsize=(1.75 * (len(sheets) + 1), 2.1))
    first = next(iter(sheets.values()))
    show_image(axes[0], first["source"])
    axes[0].set_title("the image")
    for ax, (dimension, sheet) in zip(axes[1:], sheets.items(), strict=True):
        show_image(ax, tile(sheet["images"][:25], 5))
        ax.set_title(f"dim {dimension}: {sheet['diversity'].mean():.2f}")
    return figure


def code_usage(table: pd.DataFrame, unconditional: pd.DataFrame) -> Figure:
    """Loss by noise level with own, shuffled and constant code, and of a model without one.

    Mean over seeds and a band of one standard deviation; right, each seed's loss over that of its
    model without a code.

    Args:
        table, unconditional: tidy usage, ``loss_`` rows (see ``results.of_usage``), of the model
            with a code and of the one without.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.9))
    by = ["at_sigma", "seed"]
    reference = unconditional[unconditional.metric == "loss_own"].set_index(by).value
    losses = {"no code": (reference, "0.5")}
    for name, colour in {"own": "C0", "shuffled": "C3", "constant": "C1"}.items():
        losses[f"{name} code"] = table[table.metric == f"loss_{name}"].set_index(by).value, colour
    for label, (loss, colour) in losses.items():
        for ax, values in ((left, loss), (right, loss / reference)):
            of_level = values.groupby("at_sigma").agg(["mean", "std"]).fillna(0)
            mean, spread = of_level["mean"], of_level["std"]
            ax.plot(mean.index, mean, color=colour, marker="o", ms=3, label=label)
            ax.fill_between(mean.index, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)
    left.set(xscale="log", yscale="log", xlabel="σ", ylabel="loss = ||D − x₀||² / (d σ²)")
    right.set(xscale="log", yscale="log", xlabel="σ", ylabel="loss / loss without code")
    left.legend()
    return figure


def prop1_curves(table: pd.DataFrame) -> Figure:
    """Left: the three terms of Prop. 1. Right: the floor given what z tells, and the control.

    Mean over seeds, with their standard deviation.

    Args:
        table: rows of ``results.of_floor``.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.8))
    for name, colour, label in (
        ("dsm", "k", "DSM"),
        ("constant", "C1", "constant"),
        ("esm", "C0", "ESM"),
    ):
        _over_levels(left, table, name, color=colour, label=label)
    left.set(
        xscale="log", xlabel="σ", ylabel="std² × squared error", title="Prop. 1, a wrong score"
    )
    left.legend()
    # The line of "nothing" is wide: others lie on it where they tell nothing new.
    _over_levels(right, table, "floor_nothing", color="k", lw=4, label="nothing")
    for factor, colour in FACTOR_COLOURS.items():
        _over_levels(right, table, f"floor_{factor}", color=colour, label=factor)
    _over_levels(right, table, "floor_shuffled", **SHUFFLED)
    right.axhline(0, color="0.7", label="x0")
    right.set(xscale="log", xlabel="σ", ylabel="", title="the floor")
    right.legend(title="z tells", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _over_levels(ax: Axes, table: pd.DataFrame, metric: str, **style: Any) -> None:
    rows = table[table.metric == metric]
    sns.lineplot(rows, x="sigma_max", y="value", ax=ax, errorbar="sd", legend=False, **style)


def factor_gains(table: pd.DataFrame) -> Figure:
    """Gain of each factor and of the control by noise level, and the toy set they belong to.

    Mean over seeds, with their standard deviation.

    Args:
        table: rows of ``results.of_floor``.
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
    for factor, colour in FACTOR_COLOURS.items():
        _over_levels(right, table, f"gain_{factor}", color=colour, label=factor)
        right.axvline(RADII[factor], color=colour, ls=":", lw=1)
    _over_levels(right, table, "gain_shuffled", **SHUFFLED)
    right.set(
        xscale="log", xlabel="σ", ylabel="fall of the floor", title="what telling a factor is worth"
    )
    right.legend()
    return figure


def toy_dial(table: pd.DataFrame, gains: pd.DataFrame, price: float) -> Figure:
    """Accuracy of each factor from the code (solid) and its gain (dashed) by noise level."""
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 2.5), sharey=True)
    for ax, factor in zip(axes, FACTOR_COLOURS, strict=True):
        colour = FACTOR_COLOURS[factor]
        rows = table[table.metric == f"{factor}_accuracy"]
        sns.lineplot(rows, x="sigma_max", y="value", ax=ax, color=colour, marker="o", errorbar="sd")
        theory = gains[gains.factor == factor]
        ax.plot(theory.sigma, theory.gain, color=colour, ls="--", lw=1)
        pays = theory.sigma[theory.gain > price]
        if len(pays):
            ax.axvspan(pays.min(), pays.max(), color=colour, alpha=0.15, lw=0)
        ax.axhline(1 / 3, color="0.7", lw=0.8, zorder=0)
        ax.set(
            xscale="log",
            xlabel="σ trained on",
            ylabel="accuracy from z",
            title=factor,
            ylim=(0, 1.03),
        )
    return figure


def t_sampler_histograms(draws: Mapping[str, np.ndarray]) -> Figure:
    """Share of training at each noise level, for each t-sampler."""
    figure, axes = plt.subplots(
        len(draws), 1, figsize=(5.5, 0.85 * len(draws)), sharex=True, squeeze=False
    )
    axes = axes[:, 0]
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
    """The idea: noise goes one way, the score network back, with a code of the clean image."""
    figure, ax = plt.subplots(figsize=(7.2, 2.6))
    ax.set(xlim=(0, 10), ylim=(0, 3.6), aspect="equal")
    ax.axis("off")
    arrow = {"arrowstyle": "->", "lw": 1.2, "color": "0.2"}
    box = {"boxstyle": "round,pad=0.4", "lw": 1.2}
    chain = {"$x_0$": x0} | {f"$x_t$, σ = {sigma:g}": x for sigma, x in noisy.items()}
    for k, (label, image) in enumerate(chain.items()):
        inset = ax.inset_axes((0.2 + 1.75 * k, 0.5, 1.25, 1.25), transform=ax.transData)
        show_image(inset, image)
        ax.text(0.82 + 1.75 * k, 0.2, label, ha="center", fontsize=8)
        if k:
            ax.annotate("", (0.15 + 1.75 * k, 1.1), (1.75 * k - 0.25, 1.1), arrowprops=arrow)
    ax.text(0.82, 3.0, "encoder $E$", ha="center", va="center", bbox={**box, "fc": "#dceaf7"})
    ax.annotate("", (0.82, 2.65), (0.82, 1.85), arrowprops=arrow)
    ax.text(
        8.7,
        3.0,
        "score network\n$s(x_t, t, z)$",
        ha="center",
        va="center",
        bbox={**box, "fc": "#fbe5d6"},
    )
    ax.annotate("", (7.6, 3.0), (1.65, 3.0), arrowprops=arrow)
    ax.text(
        4.6,
        3.15,
        "code $z = E(x_0)$: what denoising at these noise levels lacks",
        ha="center",
        fontsize=8,
    )
    ax.annotate(
        "", (8.7, 2.45), (7.0, 1.2), arrowprops={**arrow, "connectionstyle": "arc3,rad=0.3"}
    )
    ax.text(
        8.75,
        1.0,
        "loss $\\lambda(t)\\,||s - \\nabla \\log p_{0t}||^2$\ntrains both",
        ha="center",
        fontsize=8,
    )
    return figure


def caption(figure: Figure, noise: NoiseRange, text: str) -> None:
    """``text`` and the SDE's noise range under the figure.

    Which levels of it a model was trained on belongs in the figure's titles and legends.
    """
    whole = f"noise range σ = {noise.sigma_min:g} to {noise.sigma_max:g}"
    figure.supxlabel(f"{text}; {whole}", fontsize=7, color="0.4")
