"""Figures of notebook 04: the noise dial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drlcore.paper.plots.style import (
    FACTOR_COLOURS,
    METRIC_LABELS,
    class_bar,
    code_scatter,
    image_rows,
    line_over_sigma,
    line_with_band,
    mean_line,
    over_seeds,
    show_image,
    sigma_colour,
    tile,
)
from drlcore.probes.bands import BANDS

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


def dial_figure(table: pd.DataFrame) -> Figure:
    """What is read from the code, what is paid for, what ranges teach (DRL Fig. 11).

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
    places = np.arange(len(names))
    for metric, colour in _there(DIAL_COLOURS, ranges).items():
        rows = over_seeds(ranges[ranges.metric == metric], "range").loc[names]
        right.errorbar(places, rows["mean"], rows["std"], fmt="o", color=colour, capsize=3)
    right.set_xticks(places, [n.replace(", σ in ", "\nσ in\n") for n in names], fontsize=6)
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


def _there(colours: Mapping[str, str], table: pd.DataFrame) -> dict[str, str]:
    """Those of ``colours`` whose metric the table has: none of classes without labels."""
    return {metric: colour for metric, colour in colours.items() if metric in table.metric.values}


def _lines_over_sigma(
    ax: Axes, table: pd.DataFrame, colours: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    """Mean over seeds and a band of one standard deviation; a gap where a level has no value."""
    for metric, colour in colours.items():
        line_over_sigma(ax, table, metric, colour, label=labels.get(metric))
    for end in (0, 1):
        ax.axhline(end, color="0.9", lw=0.8, zorder=0)
    ax.set_xscale("log")


def _untrained(ax: Axes, control: pd.DataFrame) -> None:
    """What an untrained encoder's code tells: dashed, with a band over seeds."""
    test = control[control.split == "test"]
    for metric, colour in _there(DIAL_COLOURS, test).items():
        mean, spread = over_seeds(test[test.metric == metric], "metric").loc[metric]
        label = f"the same of an untrained encoder: {mean:.2f}"
        ax.axhline(mean, color=colour, ls="--", lw=1, label=label)
        ax.axhspan(mean - spread, mean + spread, color=colour, alpha=0.12, lw=0)


def _sigma_strip(ax: Axes) -> None:
    """The colours of sigma along the x axis."""
    edges = np.geomspace(*ax.get_xlim(), 100)
    for low, high in pairwise(edges):
        ax.axvspan(low, high, ymax=0.025, color=sigma_colour(low), lw=0)
    ax.set_xlim(edges[0], edges[-1])


def dial_codes(
    clouds: Mapping[str, np.ndarray], labels: np.ndarray, classes: Sequence[str] = ()
) -> Figure:
    """Test codes of one run for each noise level, first two coordinates.

    Args:
        clouds: title -> codes (N, latent_dim).
        labels: what they are coloured by, see ``style.colours_of``.
        classes: their names, if labels are classes.
    """
    columns = min(5, len(clouds))
    rows = -(-len(clouds) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.6 * columns + 0.6, 1.7 * rows), squeeze=False
    )
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, codes) in zip(axes.flat, clouds.items(), strict=False):
        points = code_scatter(ax, codes, labels, size=0.6, margin=0.02)
        ax.set_title(title)
    class_bar(points, axes, labels, classes)
    return figure


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


def toy_dial(table: pd.DataFrame, gains: pd.DataFrame, price: float) -> Figure:
    """Accuracy of each factor from the code (solid) and its gain (dashed) by noise level."""
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 2.5), sharey=True)
    for ax, (factor, colour) in zip(axes, FACTOR_COLOURS.items(), strict=True):
        rows = table[table.metric == f"{factor}_accuracy"]
        mean_line(ax, rows, "sigma_max", color=colour, marker="o")
        theory = gains[gains.factor == factor]
        ax.plot(theory.sigma, theory.gain, color=colour, ls="--", lw=1)
        pays = theory.sigma[theory.gain > price]
        if len(pays):
            ax.axvspan(pays.min(), pays.max(), color=colour, alpha=0.15, lw=0)
        ax.axhline(1 / 3, color="0.7", lw=0.8, zorder=0)
        ax.set(xscale="log", ylim=(0, 1.03), xlabel="σ trained on", title=factor)
    axes[0].set_ylabel("accuracy from z")
    return figure


def dial_nearest(
    neighbours: Mapping[float, np.ndarray], clean: np.ndarray, shown: tuple[int, int] = (0, 3)
) -> Figure:
    """Images whose codes are nearest to those of two images, a row for each noise level.

    Args:
        neighbours: by level, uint8 (K, M, C, H, W).
        clean: uint8 (K, C, H, W), the images they are nearest to.
        shown: which two of these; others where there are fewer.
    """
    chosen = [min(k, len(clean) - 1) for k in shown]
    blank = np.full_like(clean[:1], 255)
    rows = {}
    for sigma, nearest in neighbours.items():
        one, other = (np.concatenate([clean[k : k + 1], nearest[k]]) for k in chosen)
        rows[f"σ = {sigma:.3g}"] = np.concatenate([one, blank, other])
    titles = ["image", "nearest", *[""] * nearest.shape[1], "image", "nearest"]
    return image_rows(rows, titles, size=0.5)


BAND_COLOURS = ("#fde0c5", "#f59b7c", "#c2556b", "#5c2a5a")  # long waves light, short ones dark


def band_lines(ax: Axes, told: pd.DataFrame) -> None:
    """Share of the images' variance told by the code, by level, for each band of wavelengths.

    Args:
        told: rows ``band_r2``, tidy, with a column ``band``.
    """
    for band, colour in zip(BANDS, BAND_COLOURS, strict=True):
        if (rows := told[told.band == band]).empty:
            continue  # the images are too small for such waves
        spread = over_seeds(rows, "sigma_max")
        line_with_band(ax, spread, colour, ms=3, label=f"{band} pixels")


def own_dial(table: pd.DataFrame, intensity: str = "ink") -> Figure:
    """What codes of any images hold, by noise level; classes too where there are labels.

    Left: share of the images' variance told by the code, for each band of wavelengths (see
    ``probes.bands``); dashed, the band that an untrained encoder tells best. Right: what the code
    is worth to the score network and what of it an image of the same ink, or class, keeps; dotted,
    class accuracy.

    Args:
        table: tidy test probes, bands and usage of single levels and of the untrained encoder.
        intensity: what the mean intensity is called, the factor ``ink``.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4))
    told, untrained = (
        table[(table.metric == "band_r2") & ((table.method == "random") == chance)]
        for chance in (False, True)
    )
    band_lines(left, told)
    best = untrained.groupby("band").value.mean().max()
    left.axhline(best, color="0.5", ls="--", lw=1, label="untrained, at best")
    left.set(title="what the code tells, by wavelength", ylabel="share of the variance")
    trained = table[table.method != "random"]
    labels = DIAL_LABELS | {"kept_ink": DIAL_LABELS["kept_ink"].replace("ink", intensity)}
    _lines_over_sigma(right, trained, PAID_COLOURS, labels)
    of_test = {"ls": ":", "ms": 3, "label": "class accuracy, read"}
    line_over_sigma(right, trained[trained.split == "test"], "knn_accuracy", "C0", **of_test)
    right.set(title="what the loss pays it for", ylim=(-0.05, 1.05))
    for ax in (left, right):
        ax.set(xscale="log", xlabel="σ trained at (noise added to pixels in [-1, 1])")
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22), fontsize=7)
    return figure
