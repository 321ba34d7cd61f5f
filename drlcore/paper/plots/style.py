"""The style of every figure: colours, labels, one colour scale for sigma, sheets of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from drlcore.noise_range import NoiseRange

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

FACTOR_COLOURS = {"coarse": "#3b1f5b", "middle": "#21918c", "fine": "#b5c700"}


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


def caption(figure: Figure, noise: NoiseRange, text: str) -> None:
    """``text`` and the SDE's noise range under the figure.

    Which levels of it a model was trained on belongs in the figure's titles and legends.
    """
    whole = f"noise range σ = {noise.sigma_min:g} to {noise.sigma_max:g}"
    figure.supxlabel(f"{text}; {whole}", fontsize=7, color="0.4")
