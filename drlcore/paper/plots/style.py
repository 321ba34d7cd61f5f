"""The style of every figure: colours, labels, lines with their spread, codes, sheets of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

from drlcore.data.splits import Split
from drlcore.noise_range import NoiseRange

STYLE = Path(__file__).with_name("drl.mplstyle")

SIGMA_MAP = "viridis_r"  # low noise light, high noise dark, on the paper's range, everywhere

SIGMA_NORM = LogNorm(0.01, 50.0)

CLASS_MAP = "tab10"

INK_MAP = "cividis"

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

FACTOR_COLOURS = {"coarse": "#3b1f5b", "middle": "#21918c", "fine": "#b5c700"}


def use_style() -> None:
    """Apply the project's style to all figures that follow."""
    plt.style.use(STYLE)


def sigma_colour(sigma: float) -> tuple[float, float, float, float]:
    """The colour that stands for ``sigma`` in every figure."""
    return plt.get_cmap(SIGMA_MAP)(SIGMA_NORM(np.clip(sigma, 0.01, 50.0)))


def mean_line(ax: Axes, rows: pd.DataFrame, x: str, **style: Any) -> None:
    """Mean of ``value`` at each ``x``, and a band of one standard deviation; nothing of no rows."""
    if len(rows):
        sns.lineplot(rows, x=x, y="value", ax=ax, errorbar="sd", legend=False, **style)


def over_seeds(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean and standard deviation (0 for one seed) of ``value``, for each ``by``."""
    return rows.groupby(by).value.agg(["mean", "std"]).fillna({"std": 0})


def short_count(n: float) -> str:
    """A number of images, to two digits: 15k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.2g}{letter}" if n < 10 * size else f"{n / size:.0f}{letter}"
    return f"{n:.0f}"


def line_with_band(ax: Axes, spread: pd.DataFrame, colour: str, **style: Any) -> None:
    """What ``over_seeds`` gives against its index; a gap where it is nan."""
    x, mean, sd = spread.index, spread["mean"], spread["std"]
    ax.plot(x, mean, color=colour, marker="o", **style)
    ax.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.2, lw=0)


def line_over_sigma(ax: Axes, table: pd.DataFrame, metric: str, colour: str, **style: Any) -> None:
    """``line_with_band`` of ``metric`` against the single level trained at.

    A gap where one of the table's levels has no value, nothing where none has.
    """
    if len(rows := table[table.metric == metric]):
        levels = np.unique(table.sigma_max)
        line_with_band(ax, over_seeds(rows, "sigma_max").reindex(levels), colour, **style)


def colours_of(part: Split) -> np.ndarray:
    """What the codes of ``part`` are coloured by, (N,): its classes; without labels its ink."""
    return part.y.numpy() if part.labelled else np.asarray(part.factors["ink"], float)


def code_scatter(
    ax: Axes,
    codes: np.ndarray,
    labels: np.ndarray,
    size: float = 1.5,
    alpha: float = 0.5,
    outside: float = 0.005,
    margin: float = 0.05,
) -> PathCollection:
    """The first two coordinates of codes (N, d), coloured by class, or by ink.

    Args:
        labels: classes, integers, or ink, floats.
        outside: share of the codes left outside at each end of each axis.
        margin: around the others, as a share of what they span.
    """
    by_class = np.issubdtype(labels.dtype, np.integer)
    vmin, vmax = (-0.5, 9.5) if by_class else np.quantile(labels, [outside, 1 - outside])
    points = ax.scatter(
        codes[:, 0], codes[:, 1], c=labels, cmap=CLASS_MAP if by_class else INK_MAP, s=size,
        alpha=alpha, lw=0, vmin=vmin, vmax=vmax, rasterized=True,
    )  # fmt: skip
    low, high = np.quantile(codes[:, :2], [outside, 1 - outside], axis=0)
    pad = margin * (high - low) + 1e-6  # apart, also where the code is one point
    (left, bottom), (right, top) = low - pad, high + pad
    ax.set(xlim=(left, right), ylim=(bottom, top))
    return points


def class_bar(
    points: PathCollection,
    ax: Axes | np.ndarray,
    labels: np.ndarray,
    names: Sequence[str] = (),
) -> None:
    """Which colour of ``code_scatter`` is which class, or how much ink.

    Args:
        names: of the classes, in the order of their labels; numbers need no telling.
    """
    if not np.issubdtype(labels.dtype, np.integer):
        ink = plt.colorbar(points, ax=ax, pad=0.01, label="ink")
        if ink.solids is not None:
            ink.solids.set_alpha(1)
        return
    classes = np.unique(labels)
    told = any(name != str(k) for k, name in enumerate(names))
    bar = plt.colorbar(points, ax=ax, ticks=classes, pad=0.01, label="" if told else "class")
    if told:
        bar.ax.set_yticklabels([names[k] for k in classes], fontsize=7)
    if bar.solids is not None:
        bar.solids.set_alpha(1)
    bar.ax.set_ylim(classes[0] - 0.5, classes[-1] + 0.5)


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


def caption(figure: Figure, noise: NoiseRange, text: str) -> None:
    """``text`` and the SDE's noise range under the figure.

    Which levels of it a model was trained on belongs in the figure's titles and legends.
    """
    whole = f"noise range σ = {noise.sigma_min:g} to {noise.sigma_max:g}"
    figure.supxlabel(f"{text}; {whole}", fontsize=7, color="0.4")
