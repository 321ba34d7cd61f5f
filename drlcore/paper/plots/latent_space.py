"""Figures of notebook 03: what a code holds, and what is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drlcore.paper.plots.dial import _class_bar
from drlcore.paper.plots.style import CLASS_MAP, show_image, tile


def latent_spaces(
    spaces: Mapping[str, tuple[Mapping[str, np.ndarray], np.ndarray]], labels: np.ndarray
) -> Figure:
    """A sheet of samples over the grid of codes, and test codes by class, for each title.

    (DRL Fig. 2), (DRL Fig. 3), (DRL Fig. 5), (DRL Fig. 7).

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


def swap_sheets(sheets: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Rows: the noisy image; columns: whose code is given; by sigma (DRL Fig. 9)."""
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
    """The image a code came from, and 25 samples of that code, for each code size (DRL Fig. 10)."""
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
        table, unconditional: tidy usage, ``loss_`` rows (see ``results.usage_rows``), of the model
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
