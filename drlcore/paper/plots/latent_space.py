"""Figures of notebook 03: what a code holds, and what is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from drlcore.paper.plots.style import (
    class_bar,
    code_scatter,
    line_with_band,
    over_seeds,
    show_image,
    tile,
)

SIZE_MAP = "Purples"  # the larger a code, the darker


def latent_spaces(
    spaces: Mapping[str, tuple[Mapping[str, np.ndarray], np.ndarray]],
    labels: np.ndarray,
    classes: Sequence[str] = (),
) -> Figure:
    """A sheet of samples over the grid of codes, and test codes by class, for each title.

    (DRL Fig. 2), (DRL Fig. 3), (DRL Fig. 5), (DRL Fig. 7).

    Args:
        spaces: title -> (latent grid as in ``sheets.latent_grid``, codes (N, latent_dim)).
        labels: classes of the codes (N,), or ink, see ``style.colours_of``.
        classes: their names, if labels are classes.
    """
    figure, axes = plt.subplots(
        len(spaces), 2, figsize=(7.6, 3.7 * len(spaces)), squeeze=False,
        gridspec_kw={"width_ratios": [1, 1.12]},
    )  # fmt: skip
    for (left, right), (title, (grid, codes)) in zip(axes, spaces.items(), strict=True):
        sheet_over_plane(left, grid)
        left.set(title=f"{title}: samples", xlabel="$z_1$", ylabel="$z_2$")
        points = code_scatter(right, codes, labels)
        right.set(title=f"{title}: test codes", xlabel="$z_1$", ylabel="$z_2$")
        class_bar(points, right, labels, classes)
    return figure


def sheet_over_plane(ax: Axes, grid: Mapping[str, np.ndarray]) -> None:
    """Samples, as in ``sheets.latent_grid``, each where its code lies."""
    z1, z2 = grid["z1"], grid["z2"]
    picture = np.moveaxis(tile(grid["images"], len(z1)), 0, -1).squeeze()
    half1, half2 = (z1[1] - z1[0]) / 2, (z2[1] - z2[0]) / 2  # the codes are cells' centres
    extent = (z1[0] - half1, z1[-1] + half1, z2[0] - half2, z2[-1] + half2)
    ax.imshow(picture, extent=extent, aspect="auto", vmin=0, vmax=255)


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
            spread = over_seeds(values.reset_index(), "at_sigma")
            line_with_band(ax, spread, colour, ms=3, label=label)
    for ax, name in ((left, "loss = ||D − x₀||² / (d σ²)"), (right, "loss / loss without code")):
        ax.set(xscale="log", xlabel="σ", ylabel=name)
    left.set(yscale="log")
    left.legend()
    return figure


def below_the_floor(table: pd.DataFrame, unconditional: pd.DataFrame) -> Figure:
    """Loss with the own code over that of the same seed's model without one, by code size.

    Mean over seeds and a band of one standard deviation; below 1 the floor of denoising without a
    code (DRL Prop. 1) lies above.

    Args:
        table, unconditional: tidy usage, ``loss_own`` rows (see ``results.usage_rows``), of the
            models with a code and of those without.
    """
    figure, ax = plt.subplots(figsize=(5.2, 3.1))
    by = ["at_sigma", "seed"]
    reference = unconditional[unconditional.metric == "loss_own"].set_index(by).value
    sizes = sorted(table.latent_dim.unique())
    for k, size in enumerate(sizes):
        own = table[(table.metric == "loss_own") & (table.latent_dim == size)].set_index(by).value
        spread = over_seeds((own / reference).reset_index(), "at_sigma")
        colour = to_hex(plt.get_cmap(SIZE_MAP)(1 - 0.6 * (len(sizes) - 1 - k) / len(sizes)))
        line_with_band(ax, spread, colour, ms=3, label=f"code of {size}")
    ax.axhline(1, color="0.5", ls="--", lw=1, label="no code")
    ax.set(xscale="log", xlabel="σ", ylabel="loss / loss without code")
    ax.legend()
    return figure


def samplers(table: pd.DataFrame) -> Figure:
    """Fréchet distance and share of readable samples over the number of function evaluations.

    Mean over seeds and a band of one standard deviation; dashed, the real images themselves.

    Args:
        table: tidy quality by sampler (see ``results.sampler_rows``).
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.9))
    names = {"heun": "C0", "euler-maruyama": "C1", "predictor-corrector": "C2"}
    titles = {"frechet": "Fréchet distance", "readable": "share read with confidence ≥ .9"}
    for ax, (metric, title) in zip(axes, titles.items(), strict=True):
        rows = table[table.metric == f"sample_{metric}"]
        for sampler, colour in names.items():
            spread = over_seeds(rows[rows.sampler == sampler], "nfe")
            line_with_band(ax, spread, colour, ms=3, label=sampler)
        level = rows.value[rows.sampler == "real"].mean()
        ax.axhline(level, color="0.5", ls="--", lw=1, label="real images")
        ax.set(xscale="log", xlabel="function evaluations", ylabel=title)
    axes[0].set(yscale="log")
    axes[0].legend()
    return figure
