"""Figures of notebook 11: what a code holds of photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drlcore.data.scene import SCENE
from drlcore.paper.plots.dial import band_lines
from drlcore.paper.plots.latent_space import sheet_over_plane
from drlcore.paper.plots.style import class_bar, code_scatter, line_over_sigma, over_seeds

SCENE_COLOURS = dict(zip(SCENE, ("C7", "C1", "C5", "0.2", "C3", "C2"), strict=True))
CLASS_LABELS = {"knn_accuracy": "class accuracy, kNN", "silhouette": "silhouette of classes"}


def code_planes(
    planes: Mapping[str, tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]],
    classes: Sequence[str],
) -> Figure:
    """Samples over the plane of codes, and test codes by class and by the colour of their border.

    (DRL Fig. 2), (DRL Fig. 3), (DRL Fig. 6), (DRL Fig. 8).

    Args:
        planes: title -> (latent grid as in ``sheets.latent_grid``, cloud as in
            ``sheets.code_cloud``).
        classes: names of the classes, in the order of their labels.
    """
    figure, axes = plt.subplots(
        len(planes), 3, figsize=(11.0, 3.7 * len(planes)), squeeze=False,
        gridspec_kw={"width_ratios": [1, 1.28, 1]},
    )  # fmt: skip
    for row, (title, (grid, cloud)) in zip(axes, planes.items(), strict=True):
        sheet_over_plane(row[0], grid)
        points = code_scatter(row[1], cloud["codes"], cloud["labels"].astype(int), size=3)
        class_bar(points, row[1], cloud["labels"].astype(int), classes)
        _border_scatter(row[2], cloud, size=5)
        shown = ("samples", "test codes by class", "test codes by the colour of the border")
        for ax, what in zip(row, shown, strict=True):
            ax.set(title=f"{title}: {what}", xlabel="$z_1$", ylabel="$z_2$")
    return figure


def border_clouds(clouds: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Test codes, each a dot in the mean colour of its image's border, a panel for each cloud.

    Args:
        clouds: title -> cloud as in ``sheets.code_cloud``.
    """
    figure, axes = plt.subplots(
        1, len(clouds), figsize=(2.9 * len(clouds), 3.1), squeeze=False, layout="constrained"
    )
    for ax, (title, cloud) in zip(axes[0], clouds.items(), strict=True):
        _border_scatter(ax, cloud, size=9)
        ax.set(xlabel="$z_1$", title=title, facecolor="0.93")
    axes[0, 0].set_ylabel("$z_2$")
    return figure


def _border_scatter(ax: Axes, cloud: Mapping[str, np.ndarray], size: float) -> None:
    """The codes of a cloud, framed as ``code_scatter`` does, in the colours of their borders."""
    points = code_scatter(ax, cloud["codes"], cloud["labels"].astype(int), size, alpha=1.0)
    points.set(array=None, facecolor=cloud["border"] / 255)  # these are not looked up in a map


def natural_dial(table: pd.DataFrame) -> Figure:
    """Class, light and colour, and detail against the single level trained at (DRL Fig. 11).

    Above: class accuracy and silhouette, dashed an untrained encoder and dotted an autoencoder; R²
    of each factor. Below: R² of the images by wavelength; what the code is worth to the score
    network, and what of that each factor alone keeps. Bands are one standard deviation over seeds.

    Args:
        table: tidy test probes, bands and usage of single levels, of the autoencoder and of the
            untrained encoder.
    """
    figure, axes = plt.subplots(2, 2, figsize=(10.4, 6.6), sharex=True)
    single = table[table.t_sampler == "single"]
    probed = table[table.split == "test"]
    read = probed[probed.t_sampler == "single"]
    for colour, (metric, label) in zip(("C0", "C4"), CLASS_LABELS.items(), strict=True):
        line_over_sigma(axes[0, 0], read, metric, colour, label=label, ms=3)
        for method, style in {"random": "--", "ae": ":"}.items():
            level = probed.value[(probed.metric == metric) & (probed.method == method)]
            if len(level):
                axes[0, 0].axhline(level.mean(), color=colour, ls=style, lw=1)
    axes[0, 0].set_title("class (dashed untrained, dotted autoencoder)")
    for factor, colour in SCENE_COLOURS.items():
        name = factor.replace("_", " ")
        line_over_sigma(axes[0, 1], read, f"{factor}_r2", colour, label=name, ms=3)
        line_over_sigma(axes[1, 1], single, f"kept_{factor}", colour, label=f"kept by {name}", ms=3)
    axes[0, 1].set_title("light and colour: R², read from the code")
    band_lines(axes[1, 0], single[single.metric == "band_r2"])
    axes[1, 0].set_title("the image by wavelength: R², read")
    line_over_sigma(axes[1, 1], single, "worth", "k", label="worth of the code", ls="--", ms=3)
    line_over_sigma(axes[1, 1], single, "kept_class", "C0", label="kept by class", ms=3)
    axes[1, 1].set_title("what the loss pays for: worth, and shares of it")
    axes[1, 1].set_ylim(-0.1, 1.05)
    for ax in axes.flat:
        ax.set_xscale("log")
        if ax.get_legend_handles_labels()[0]:
            beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if ax in axes[:, 1] else {}
            ax.legend(fontsize=7, **beside)
    for ax in axes[1]:
        ax.set_xlabel("σ trained at (noise added to pixels in [-1, 1])")
    return figure


def natural_ranges(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """What two numbers tell of a photograph, by how they were learned: a dot for each method.

    Bars are one standard deviation over seeds.

    Args:
        table: tidy test probes with a column ``name``.
        names: the values of ``name``, in the order of the legend.
    """
    metrics = {"knn_accuracy": "class accuracy"}
    metrics |= {f"{factor}_r2": factor.replace("_", " ") + " R²" for factor in SCENE}
    found = [metric for metric in metrics if metric in table.metric.values]
    figure, ax = plt.subplots(figsize=(7.6, 0.42 * len(found) + 1.2))
    places = np.arange(len(found))
    for k, name in enumerate(names):
        rows = over_seeds(table[table.name == name], "metric").loc[found]
        shift = 0.5 * (k / (len(names) - 1) - 0.5)
        trained = name not in ("autoencoder", "untrained")
        ax.errorbar(
            rows["mean"], places + shift, xerr=rows["std"], fmt="o" if trained else "D", ms=4,
            color=f"C{k}" if trained else ("0.3", "0.7")[name == "untrained"], label=name,
        )  # fmt: skip
    ax.set_yticks(places, [metrics[metric] for metric in found])
    ax.invert_yaxis()
    ax.set(xlabel="read from the two numbers, test images", xlim=(-0.08, 1.03))
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
