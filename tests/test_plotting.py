"""Figures hold the numbers they were given; one colour means one sigma everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from generated import of_games, of_starts

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drlcore.noise_range import NoiseRange
from drlcore.oracle.toy import RADII, sample_toy
from drlcore.paper.plots import (
    data_sets,
    dial,
    generative,
    latent_space,
    natural_images,
    style,
    theory,
)
from drlcore.paper.plots import learning_curves as learning
from drlcore.paper.plots import network_dial as networks
from drlcore.probes.bands import BANDS

SIGMAS = [0.1, 1.0, 10.0]

pytestmark = pytest.mark.usefixtures("no_figures")


def images(n: int, colours: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, colours, 4, 4), dtype=np.uint8)


def line(ax: Axes, k: int) -> tuple[list[float], list[float]]:
    x, y = ax.lines[k].get_data()
    return list(map(float, x)), list(map(float, y))


def shown(ax: Axes) -> np.ndarray:
    """The one picture on an axis."""
    (picture,) = ax.images
    return np.asarray(picture.get_array())


def tidy(values: dict[str, Any], **about: Any) -> pd.DataFrame:
    """Columns of a result table; for each metric a row per sigma and seed."""
    return pd.DataFrame(
        [
            {"metric": metric, "sigma_max": sigma, "seed": seed, "value": value, **about}
            for metric, of_levels in values.items()
            for sigma, of_seeds in zip(SIGMAS, of_levels, strict=True)
            for seed, value in enumerate(of_seeds)
        ]
    )


# Colour and style.


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_sigma_colour_darkens_with_noise_over_the_papers_range():
    levels = [luminance(style.sigma_colour(s)) for s in np.geomspace(0.01, 50, 200)]
    assert (np.diff(levels) <= 0).all()
    assert len(set(levels)) > 190
    assert levels[0] - levels[-1] > 0.6  # told apart also on paper without colour


def test_sigma_colour_stands_for_sigma_whatever_is_drawn_around_it():
    before = style.sigma_colour(0.7)
    style.use_style()
    theory.t_sampler_histograms({name: np.array([1.0, 40.0]) for name in "ab"})
    assert style.sigma_colour(0.7) == before
    assert style.sigma_colour(1e-9) == style.sigma_colour(0.01)
    assert style.sigma_colour(1e9) == style.sigma_colour(50.0)


def test_style_is_the_projects():
    style.use_style()
    assert mpl.rcParams["savefig.dpi"] == 150
    assert mpl.rcParams["image.interpolation"] == "nearest"
    assert mpl.rcParams["figure.constrained_layout.use"]


# Images.


def test_tile_puts_images_in_reading_order():
    x = images(6, colours=3)
    picture = style.tile(x, 3)
    assert picture.shape == (3, 8, 12)
    for k in range(6):
        row, column = divmod(k, 3)
        cell = picture[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_array_equal(cell, x[k])


def test_one_image_is_shown_alike_in_bytes_and_in_data_units():
    x = images(1, colours=3)[0]
    _, axes = plt.subplots(1, 3)
    style.show_image(axes[0], x)
    style.show_image(axes[1], x / 127.5 - 1)
    style.show_image(axes[2], 3 * (x / 127.5 - 1))
    np.testing.assert_allclose(shown(axes[0]), np.moveaxis(x, 0, -1) / 255)
    np.testing.assert_allclose(shown(axes[1]), shown(axes[0]), atol=1e-12)
    assert shown(axes[2]).min() == 0 and shown(axes[2]).max() == 1  # clipped, not wrapped
    assert axes[0].images[0].get_clim() == (0, 1)
    assert not axes[0].axison


def test_image_rows_are_labelled_rows_under_titles():
    rows = {"clean": images(3) / 127.5 - 1, "noisy": images(2, seed=1) / 127.5 - 1}
    figure = style.image_rows(rows, ["a", "b", "c"])
    axes = np.array(figure.axes).reshape(2, 3)
    for r, (label, values) in enumerate(rows.items()):
        assert [text.get_text() for text in axes[r, 0].texts] == [label]
        for k, value in enumerate(values):
            np.testing.assert_allclose(shown(axes[r, k]), (value[0] + 1) / 2)
    assert not axes[1, 2].images  # the shorter row ends early
    assert [ax.get_title() for ax in axes[0]] == ["a", "b", "c"]


def test_latent_spaces_show_the_grid_upright_and_every_code():
    labels = np.repeat([0, 3], 100)
    codes = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    grid = {
        "images": images(9), "z1": np.array([-1.0, 0, 1], np.float32),
        "z2": np.array([5.0, 6, 7], np.float32),
    }  # fmt: skip
    figure = latent_space.latent_spaces({"DRL": (grid, codes), "VDRL": (grid, 2 * codes)}, labels)
    left, right = figure.axes[0], figure.axes[1]
    np.testing.assert_array_equal(shown(left), style.tile(grid["images"], 3)[0])
    assert left.images[0].origin == "upper"
    assert left.images[0].get_extent() == [-1.5, 1.5, 4.5, 7.5]  # the row of z2 = 7 on top
    assert left.get_ylim()[0] < left.get_ylim()[1]
    assert left.get_title() == "DRL: samples" and right.get_title() == "DRL: test codes"
    (points,) = right.collections
    np.testing.assert_allclose(points.get_offsets(), codes)
    np.testing.assert_array_equal(points.get_array(), labels)
    below = figure.axes[3]
    np.testing.assert_allclose(below.collections[0].get_offsets(), 2 * codes)


def test_scatter_leaves_outliers_outside_and_gives_classes_their_colour():
    codes = np.random.default_rng(0).normal(size=(1000, 2))
    codes[0] = 1e3
    _, axes = plt.subplots(1, 2)
    for ax, labels in zip(axes, (np.arange(1000) % 10, np.repeat([2, 7], 500)), strict=True):
        style.code_scatter(ax, codes, labels)
        assert ax.get_xlim()[1] < 10 and ax.get_ylim()[1] < 10
        inside = (codes[:, 0] > ax.get_xlim()[0]) & (codes[:, 0] < ax.get_xlim()[1])
        assert inside.mean() > 0.98
    colours = [ax.collections[0].to_rgba([2, 7]) for ax in axes]
    np.testing.assert_array_equal(colours[0], colours[1])  # also when other classes lack


# The dial.


ACCURACY, INK = [[0.2, 0.4], [0.5, 0.7], [0.8, 0.8]], [[0.9, 1.2], [0.5, 0.6], [0.1, 0.3]]
WORTH, KEPT = [[0.1, 0.1], [0.5, 0.6], [0.7, 0.5]], [[0.3, 0.5], [0.9, 0.9], [-0.2, 0.0]]


def dial_table(accuracy: Any = ACCURACY, ink: Any = INK, worth: Any = WORTH) -> pd.DataFrame:
    """As notebook 04 makes it: probes, usage, ranges and the untrained encoder."""
    read = {"knn_accuracy": accuracy, "ink_r2": ink}
    paid = {"worth": worth, "kept_class": KEPT, "kept_ink": worth}
    one = {"t_sampler": "single", "range": "one level", "method": "drl"}
    tables = [tidy(read, split="test", **one), tidy(paid, split="validation", **one)]
    tables.append(tidy({m: [[9.0]] * 3 for m in read}, split="validation", **one))  # not drawn
    for sampler, name, method in (
        ("uniform_t", "uniform t, σ in [1, 2]", "drl"),
        ("interval", "upper", "drl"),
        ("uniform_t", "uniform t, σ in [1, 2]", "random"),
    ):
        rows = tidy(read, split="test", t_sampler=sampler, range=name, method=method)
        sigma = {"uniform t, σ in [1, 2]": 1.0, "upper": 10.0}[name]
        tables.append(rows[rows.sigma_max == sigma])
    return pd.concat(tables, ignore_index=True)


def bands(ax: Axes) -> list[tuple[float, float]]:
    """Lowest and highest point of every band around a line."""
    ends = [band.get_paths()[0].get_extents() for band in ax.collections]
    return [(e.y0, e.y1) for e in ends]


def test_dial_figure_draws_what_is_read_what_is_paid_for_and_the_ranges():
    left, middle, right = dial.dial_figure(dial_table()).axes
    for ax, drawn in ((left, (ACCURACY, INK)), (middle, (WORTH, KEPT, WORTH))):
        for k, of_levels in enumerate(drawn):
            x, y = line(ax, k)
            assert x == pytest.approx(SIGMAS)
            assert y == pytest.approx(np.mean(of_levels, axis=1))
        assert ax.get_xscale() == "log"
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels[:2] == [dial.DIAL_LABELS[m] for m in ("knn_accuracy", "ink_r2")]
    assert labels[2:] == [f"the same of an untrained encoder: {v:.2f}" for v in (0.6, 0.55)]
    labels = [text.get_text() for text in middle.get_legend().get_texts()]
    assert labels == [dial.DIAL_LABELS[m] for m in ("worth", "kept_class", "kept_ink")]
    for ax in (left, right):  # the control is a dashed line through both
        dashed = [li.get_ydata()[0] for li in ax.lines if li.get_linestyle() == "--"]
        assert dashed == pytest.approx([0.6, 0.55])
    for container, of_levels in zip(right.containers, (ACCURACY, INK), strict=True):
        points, _, (bars,) = container
        means = [np.mean(of_levels[1]), np.mean(of_levels[2])]
        assert list(points.get_ydata()) == pytest.approx(means)
        spread = [np.std(of_levels[k], ddof=1) for k in (1, 2)]
        lengths = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
        assert lengths == pytest.approx([2 * s for s in spread])
    assert [t.get_text() for t in right.get_xticklabels()] == ["uniform t\nσ in\n[1, 2]", "upper"]
    # The strip of sigma's colours lies along the axes of sigma.
    strip = [p for p in middle.patches]
    assert len(strip) == 99
    for patch in strip[::20]:
        assert patch.get_facecolor() == style.sigma_colour(patch.get_x())


def test_dial_figure_clips_no_band():
    """A spread that reaches beyond 1 or below 0 is seen to."""
    figure = dial.dial_figure(dial_table())
    figure.canvas.draw()
    for ax in figure.axes[:2]:
        low, high = ax.get_ylim()
        assert low < 0 and high > 1
        assert all(low < below and above < high for below, above in bands(ax))
    assert max(above for _, above in bands(figure.axes[0])) > 1.2  # so there was one to clip


def test_dial_figure_of_one_seed_has_no_spread_and_a_gap_where_nothing_is_shared():
    one = dial_table().query("seed == 0")
    gone = (one.metric == "kept_class") & (one.sigma_max == 1.0)
    figure = dial.dial_figure(one[~gone])
    figure.canvas.draw()
    left, middle, right = figure.axes
    assert line(left, 0)[1] == pytest.approx([of[0] for of in ACCURACY])
    assert line(middle, 1)[1] == pytest.approx([0.3, np.nan, -0.2], nan_ok=True)
    assert list(right.containers[0][0].get_ydata()) == pytest.approx([0.5, 0.8])


def test_dial_factors_draw_how_every_factor_is_read_and_paid_for():
    factors = ("ink", "thickness", "class", "slant", "width", "height")
    probes = ["knn_accuracy" if f == "class" else f"{f}_r2" for f in factors]
    read = {m: [[k + 0.1], [k + 0.2], [k + 0.3]] for k, m in enumerate(probes)}
    paid = {f"kept_{f}": [[-k], [k], [0]] for k, f in enumerate(factors)}
    table = pd.concat([tidy(read, split="test"), tidy(paid, split="validation")])
    axes = np.array(dial.dial_factors(table).axes).reshape(2, 2)
    for number, values in enumerate((read, paid)):
        row = axes[number]
        of_row = list(values.items())
        for ax, drawn in zip(row, (of_row[:2], of_row[2:]), strict=True):
            for k, (_, v) in enumerate(drawn):
                assert line(ax, k)[1] == pytest.approx([of[0] for of in v])
            if number == 0:  # below, the colours say the same
                labels = [text.get_text() for text in ax.get_legend().get_texts()]
                assert labels == [style.METRIC_LABELS[name] for name, _ in drawn]


def test_dial_codes_have_a_panel_for_each_level():
    rng = np.random.default_rng(0)
    clouds = {f"σ = {k}": rng.normal(size=(50, 2)) for k in range(7)}
    labels = np.arange(50) % 10
    *axes, bar = dial.dial_codes(clouds, labels).axes
    assert len(axes) == 10  # two rows of five
    assert bar.get_ylabel() == "class" and list(bar.get_yticks()) == list(range(10))
    for ax, (title, codes) in zip(axes, clouds.items(), strict=False):
        assert ax.get_title() == title
        np.testing.assert_allclose(ax.collections[0].get_offsets(), codes)
        np.testing.assert_array_equal(ax.collections[0].get_array(), labels)
    assert all(not ax.collections for ax in axes[7:])


def test_dial_samples_stand_under_their_image():
    clean = images(3)
    drawn = {
        name: {"clean": clean, "images": images(9, seed=k).reshape(3, 3, 1, 4, 4)}
        for k, name in enumerate(("low", "high"), 1)
    }
    axes = dial.dial_samples(drawn).axes
    assert [ax.texts[0].get_text() for ax in axes] == ["clean", "low", "high"]
    np.testing.assert_allclose(shown(axes[0]), style.tile(clean, 3)[0] / 255)
    for ax, sheet in zip(axes[1:], drawn.values(), strict=True):
        for of_image in range(3):
            for sample in range(3):
                cell = shown(ax)[4 * sample : 4 * sample + 4, 4 * of_image : 4 * of_image + 4]
                np.testing.assert_allclose(cell, sheet["images"][of_image, sample, 0] / 255)


def test_swap_sheet_has_clean_images_above_and_noisy_ones_to_the_left():
    clean, noisy, swapped = images(2), images(4, seed=1), images(8, seed=2)
    sheet = {
        "clean": clean, "noisy": noisy.reshape(2, 2, 1, 4, 4),
        "images": swapped.reshape(2, 2, 2, 1, 4, 4), "sigmas": np.array([0.5, 2.0]),
    }  # fmt: skip
    axes = latent_space.swap_sheets({"DRL": sheet}).axes
    assert [ax.get_title() for ax in axes] == ["DRL, from σ = 0.5", "DRL, from σ = 2"]
    for level, ax in enumerate(axes):
        cells = shown(ax).reshape(3, 4, 3, 4).transpose(0, 2, 1, 3) * 255
        np.testing.assert_allclose(cells[0, 0], 255)
        for i in range(2):
            np.testing.assert_allclose(cells[0, i + 1], clean[i, 0])
            np.testing.assert_allclose(cells[i + 1, 0], sheet["noisy"][level, i, 0])
            for j in range(2):
                np.testing.assert_allclose(cells[i + 1, j + 1], sheet["images"][level, i, j, 0])


def test_same_code_sheets_show_source_samples_and_mean_diversity():
    sheets = {
        d: {
            "source": images(1)[0],
            "images": images(100, seed=d),
            "diversity": np.array([d, 2 * d]),
        }
        for d in (2, 8)
    }
    axes = latent_space.same_code_sheets(sheets).axes
    np.testing.assert_allclose(shown(axes[0]), images(1)[0, 0] / 255)
    for ax, (d, sheet) in zip(axes[1:], sheets.items(), strict=True):
        assert ax.get_title() == f"dim {d}: {1.5 * d:.2f}"
        np.testing.assert_allclose(shown(ax), style.tile(sheet["images"][:25], 5)[0] / 255)


# Curves.


def usage_rows(losses: dict[str, Any]) -> pd.DataFrame:
    """Losses for each sigma and seed, as ``results.usage_rows`` has them."""
    rows = tidy({f"loss_{name}": of for name, of in losses.items()})
    return rows.rename(columns={"sigma_max": "at_sigma"})


def of_networks() -> pd.DataFrame:
    """The dial of two networks, three levels and two seeds; the second's losses are half."""
    tables = []
    for k, network in enumerate(("mlp", "unet")):
        of_levels = [[0.1 * (i + 1) + k, 0.1 * (i + 3) + k] for i in range(len(SIGMAS))]
        read = tidy({m: of_levels for m in ("knn_accuracy", "ink_r2")}, split="test")
        paid = {m: of_levels for m in ("worth", "kept_class", "kept_ink")}
        paid["loss_own"] = [[(1 + s) / (1 + k) for s in (0, 1)] for _ in SIGMAS]
        used = tidy(paid, split="validation").assign(at_sigma=lambda t: t.sigma_max)
        tables += [read.assign(network=network), used.assign(network=network)]
    control = tidy({m: [[0.2, 0.4]] * 3 for m in ("knn_accuracy", "ink_r2")}, split="test")
    return pd.concat([*tables, control], ignore_index=True)


def test_network_dial_draws_a_line_a_network_and_losses_as_shares_of_the_first_s():
    figure = networks.network_dial(of_networks())
    axes = figure.axes
    for panel, ax in enumerate(axes):
        for k in range(2):
            x, y = line(ax, k)
            assert x == SIGMAS
            expected = [0.2 + k, 0.3 + k, 0.4 + k]
            assert y == pytest.approx([1 / (1 + k)] * 3 if panel == 2 else expected)
        assert len(ax.lines) == (3 if panel < 2 else 2)  # the untrained encoder reads, uses nothing
    assert line(axes[0], 2)[1] == pytest.approx([0.3, 0.3])
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["mlp", "unet", "an untrained encoder"]


def test_network_dial_without_labels_has_no_panels_of_classes():
    table = of_networks()
    without = table[~table.metric.isin(["knn_accuracy", "kept_class"])]
    axes = networks.network_dial(without).axes
    assert [ax.get_visible() for ax in axes] == [False, True, True, True, False, True]


def test_network_dial_can_be_about_other_factors():
    renamed = {"ink_r2": "edges_r2", "kept_ink": "kept_brightness"}
    table = of_networks().replace({"metric": renamed})
    axes = networks.network_dial(table, read="edges", kept="brightness").axes
    titles = [axes[i].get_title() for i in (1, 5)]
    assert titles == ["edges R², read", "share of it kept by the brightness"]
    assert [line(axes[i], 0)[1] for i in (1, 5)] == [pytest.approx([0.2, 0.3, 0.4])] * 2


def test_below_the_floor_is_a_line_a_size_of_losses_over_the_same_seeds_no_code():
    own = {2: [[0.1, 0.3], [0.2, 0.2], [0.3, 0.5]], 8: [[0.1, 0.1], [0.1, 0.4], [0.2, 0.2]]}
    none = np.array([[0.5, 0.1], [0.5, 0.2], [1.0, 0.5]])
    table = pd.concat([usage_rows({"own": of}).assign(latent_dim=d) for d, of in own.items()])
    (ax,) = latent_space.below_the_floor(table, usage_rows({"own": none})).axes
    for k, of in enumerate(own.values()):
        assert line(ax, k) == (SIGMAS, pytest.approx(np.mean(np.array(of) / none, axis=1)))
    assert line(ax, 2)[1] == [1, 1]
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["code of 2", "code of 8", "no code"]


def test_dial_nearest_has_a_row_a_level_of_two_images_and_what_is_near_them():
    clean = images(5)
    near = {
        s: np.stack([images(2, seed=10 * k + j) for k in range(5)]) for j, s in enumerate(SIGMAS)
    }
    axes = dial.dial_nearest(near, clean).axes
    assert len(axes) == 7 * len(SIGMAS)
    for j, sigma in enumerate(SIGMAS):
        row = axes[7 * j : 7 * j + 7]
        assert row[0].texts[0].get_text() == f"σ = {sigma:.3g}"
        expected = [clean[0], *near[sigma][0], None, clean[3], *near[sigma][3]]
        for ax, image in zip(row, expected, strict=True):
            shown = np.asarray(ax.images[0].get_array())
            wanted = np.ones_like(shown) if image is None else image[0] / 255
            np.testing.assert_allclose(shown, wanted)


def of_any_images(classes: bool) -> pd.DataFrame:
    """The dial of images of two bands, three levels and two seeds, and of an untrained encoder."""
    of_levels = [[0.1 * (i + 1), 0.1 * (i + 3)] for i in range(len(SIGMAS))]
    bands = []
    for k, band in enumerate(BANDS[2:]):
        rows = tidy({"band_r2": [[v + 0.01 * k for v in of] for of in of_levels]}, split="test")
        bands += [rows.assign(band=band, method="drl")]
        chance = tidy({"band_r2": [[0.02 * k] * 2] * 3}, split="test")
        bands += [chance.assign(band=band, method="random")]
    paid = tidy({"worth": of_levels, "kept_ink": of_levels}, split="validation", method="drl")
    found = [*bands, paid.assign(at_sigma=paid.sigma_max)]
    if classes:
        read = {"knn_accuracy": [[0.5, 0.7]] * 3}
        found += [tidy(read, split=s, method="drl") for s in ("test", "validation")]
    return pd.concat(found, ignore_index=True)


PHOTOGRAPHED = {"knn_accuracy": 0.3, "silhouette": -0.1, "brightness_r2": 0.9, "edges_r2": 0.1}


def of_photographs() -> pd.DataFrame:
    """A dial of two seeds, an autoencoder and an untrained encoder, which know half as much."""
    single = of_any_images(classes=False).query("method == 'drl'").assign(t_sampler="single")
    values = {m: [[v + 0.01 * i, v + 0.01 * i] for i in range(3)] for m, v in PHOTOGRAPHED.items()}
    read = tidy(values, split="test", method="drl", t_sampler="single")
    paid = {"worth": [[0.5] * 2] * 3, "kept_brightness": [[0.4] * 2] * 3}
    paid_for = tidy(paid, split="validation", method="drl", t_sampler="single")
    others = [
        tidy({m: [[v / 2] * 2] * 3 for m, v in PHOTOGRAPHED.items()}, split="test", method=method)
        for method in ("ae", "random")
    ]
    tables = [single[single.metric == "band_r2"], read, paid_for.assign(at_sigma=1.0), *others]
    return pd.concat(tables, ignore_index=True)


def test_natural_dial_shows_each_factor_and_what_the_others_know():
    of_class, factors, bands, paid = natural_images.natural_dial(of_photographs()).axes
    assert line(of_class, 0) == (SIGMAS, pytest.approx([0.3, 0.31, 0.32]))
    assert {round(float(each.get_ydata()[0]), 3) for each in of_class.lines[1:3]} == {0.15}
    names = [each.get_text() for each in factors.get_legend().get_texts()]
    assert names == ["brightness", "edges"]
    assert line(factors, 1) == (SIGMAS, pytest.approx([0.1, 0.11, 0.12]))
    assert len(bands.lines) == 2 and len(paid.lines) == 2
    assert line(paid, 0)[1] == pytest.approx([0.4] * 3)


def test_dials_have_a_row_a_data_set_and_what_the_others_know():
    one = of_photographs().assign(dataset="one")
    another = one.assign(dataset="another", value=one.value / 2)
    axes = data_sets.dials(pd.concat([one, another])).axes
    assert len(axes) == 6
    assert line(axes[0], 0) == (SIGMAS, pytest.approx([0.3, 0.31, 0.32]))
    assert line(axes[3], 0) == (SIGMAS, pytest.approx([0.15, 0.155, 0.16]))
    assert [round(float(each.get_ydata()[0]), 3) for each in axes[3].lines[1:]] == [0.075, 0.075]
    assert len(axes[2].lines) == 2  # bands
    assert line(axes[1], 0)[1] == pytest.approx([0.5] * 3)  # worth; what class keeps is not there
    assert len(axes[1].lines) == 1
    assert [ax.get_ylabel() for ax in axes[::3]][1] == "another"


def test_border_clouds_show_each_code_in_the_colour_of_its_border():
    axes = natural_images.border_clouds({"one": CLOUD, "another": CLOUD}).axes
    assert [ax.get_title() for ax in axes] == ["one", "another"]
    for ax in axes:
        (dots,) = ax.collections
        np.testing.assert_allclose(dots.get_offsets(), CLOUD["codes"])
        colours = np.asarray(dots.get_facecolors())[:, :3]
        np.testing.assert_allclose(colours, CLOUD["border"] / 255)


def lengths() -> pd.DataFrame:
    """Two methods, two lengths and two seeds on two data sets: the second's values are halves."""
    one = [
        {"method": method, "images": images, "seed": seed, "value": value + seed * 0.02}
        for method, values in {"ae": (0.4, 0.5), "drl": (0.3, 0.6)}.items()
        for images, value in zip((1500.0, 1.5e7), values, strict=True)
        for seed in range(2)
    ]
    table = pd.DataFrame(one).assign(dataset="one", metric="mlp_accuracy")
    return pd.concat([table, table.assign(dataset="another", value=table.value / 2)])


def test_training_lengths_are_a_row_a_data_set_and_a_line_a_method():
    axes = data_sets.training_lengths(lengths(), ["mlp_accuracy"]).axes
    assert [ax.get_ylabel() for ax in axes] == ["one", "another"]
    assert line(axes[0], 0) == ([1500.0, 1.5e7], pytest.approx([0.41, 0.51]))
    assert line(axes[1], 3)[1] == pytest.approx([0.155, 0.305])  # three lines a method: two caps
    assert [each.get_text() for each in axes[1].get_xticklabels()] == ["1.5k", "15M"]
    assert [each.get_text() for each in axes[0].get_legend().get_texts()] == ["ae", "drl"]


def test_natural_ranges_has_a_dot_for_each_method_and_metric_there_is():
    table = of_photographs()
    table = table[table.split == "test"].assign(name=table.method)
    (ax,) = natural_images.natural_ranges(table, ["drl", "random"]).axes
    told = [text.get_text() for text in ax.get_yticklabels()]
    assert told == ["class accuracy", "brightness R²", "edges R²"]
    untrained = ax.containers[1][0].get_xdata()
    assert list(untrained) == pytest.approx([0.15, 0.45, 0.05])


def learned() -> pd.DataFrame:
    """Two ways to train, three lengths, two seeds; an untrained encoder knows .1 or .3."""
    tables = [tidy({"mlp_accuracy": [[0.1, 0.3]] * 3}).assign(images=0, way=None)]
    for k, way in enumerate(("ae", "drl")):
        values = {"mlp_accuracy": [[0.2 * (i + 1) + k, 0.2 * (i + 1) + k] for i in range(3)]}
        rows = tidy(values).assign(way=way)
        tables.append(rows.assign(images=1000 * rows.sigma_max))
    return pd.concat(tables, ignore_index=True)


def test_learning_curves_have_a_line_a_way_and_the_untrained_level():
    (ax,) = learning.learning_curves(learned(), ["mlp_accuracy"]).axes
    assert line(ax, 0)[1] == pytest.approx([0.2, 0.2]) and ax.lines[0].get_linestyle() == "--"
    for k in (0, 1):
        values = pytest.approx([0.2 + k, 0.4 + k, 0.6 + k])
        assert line(ax, k + 1) == ([100.0, 1000.0, 10_000.0], values)


def of_changes() -> dict[str, pd.DataFrame]:
    """Of two ways the second is not asked about the last change."""
    rows = tidy({"mlp_accuracy": [[0.2, 0.4], [0.5, 0.5], [0.8, 0.6]]})
    changes = dict(zip(SIGMAS, ("as above", "larger", "other"), strict=True))
    table = rows.assign(change=rows.sigma_max.map(changes))
    return {"drl": table, "ae": table[table.change != "other"]}


def test_varied_has_a_dot_for_each_change_that_concerns_a_way():
    (ax,) = learning.varied(of_changes(), "mlp_accuracy").axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["as above", "larger", "other"]
    drl, ae = (container[0].get_xdata() for container in ax.containers)
    assert list(drl) == pytest.approx([0.3, 0.5, 0.7])
    assert list(ae[:2]) == pytest.approx([0.3, 0.5]) and np.isnan(ae[2])


CLOUD = {
    "codes": np.random.default_rng(0).normal(size=(20, 2)),
    "labels": (np.arange(20) % 5).astype(np.uint8),
    "border": np.random.default_rng(1).integers(0, 256, (20, 3), dtype=np.uint8),
}


def test_code_planes_colour_codes_by_class_and_by_their_border():
    grid = {"images": images(4), "z1": np.arange(2), "z2": np.arange(2)}
    names = ("ape", "bee", "cat", "doe", "eel")
    sheet, by_class, by_border, bar = natural_images.code_planes({"a": (grid, CLOUD)}, names).axes
    assert shown(sheet).shape[:2] == (8, 8)
    for ax in (by_class, by_border):
        np.testing.assert_allclose(ax.collections[0].get_offsets(), CLOUD["codes"])
    np.testing.assert_allclose(
        np.asarray(by_border.collections[0].get_facecolors())[:, :3], CLOUD["border"] / 255
    )
    assert [text.get_text() for text in bar.get_yticklabels()] == list(names)


@pytest.mark.parametrize("classes", [False, True])
def test_own_dial_draws_a_line_a_band_and_class_only_where_there_are_labels(classes):
    left, right = dial.own_dial(of_any_images(classes), "brightness").axes
    for k in range(2):
        assert line(left, k) == (SIGMAS, pytest.approx([v + 0.01 * k for v in (0.2, 0.3, 0.4)]))
        assert left.lines[k].get_color() == dial.BAND_COLOURS[2 + k]
    assert line(left, 2)[1] == [0.02, 0.02]
    told = [text.get_text() for text in right.get_legend().get_texts()]
    assert "share of the worth kept by the brightness alone" in told
    assert ("class accuracy, read" in told) == classes
    if classes:
        assert line(right, len(right.lines) - 1)[1] == pytest.approx([0.6] * 3)


def judged() -> pd.DataFrame:
    """Quality by sampler of two seeds, and of the real images."""
    walks = pd.DataFrame(
        [
            {"metric": f"sample_{metric}", "sampler": sampler, "nfe": nfe, "seed": seed,
             "value": scale * (nfe + k + seed)}
            for metric, scale in (("frechet", 1.0), ("readable", 0.001))
            for k, sampler in enumerate(("heun", "euler-maruyama", "predictor-corrector"))
            for nfe in (10, 100)
            for seed in (0, 2)
        ]
    )  # fmt: skip
    real = {"metric": ["sample_frechet", "sample_readable"], "value": [0.5, 0.98]}
    return pd.concat([walks, pd.DataFrame(real).assign(sampler="real", nfe=0, seed=0)])


def test_samplers_are_drawn_over_evaluations_with_the_real_images_beside_them():
    axes = latent_space.samplers(judged()).axes
    for ax, scale, level in zip(axes, (1.0, 0.001), (0.5, 0.98), strict=True):
        for k in range(3):  # the mean of two seeds
            assert line(ax, k) == ([10, 100], pytest.approx([scale * (11 + k), scale * (101 + k)]))
        assert line(ax, 3)[1] == [level, level]
        assert ax.get_xscale() == "log"
    told = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert told == ["heun", "euler-maruyama", "predictor-corrector", "real images"]


def test_code_usage_draws_losses_over_seeds_and_their_ratio_to_the_same_seeds_no_code():
    losses = {
        "own": [[0.1, 0.3], [0.2, 0.2], [0.3, 0.5]],
        "shuffled": [[0.4, 0.4], [0.5, 0.7], [0.6, 0.6]],
        "constant": [[0.3, 0.3], [0.3, 0.3], [0.5, 0.5]],
    }
    none = np.array([[0.5, 0.1], [0.5, 0.2], [1.0, 0.5]])
    figure = latent_space.code_usage(usage_rows(losses), usage_rows({"own": none}))
    left, right = figure.axes
    for k, (name, values) in enumerate({"no": none, **losses}.items()):
        assert line(left, k)[0] == SIGMAS
        assert line(left, k)[1] == pytest.approx(np.mean(values, axis=1))
        assert left.lines[k].get_label() == f"{name} code"
        ratio = np.divide(values, none)
        assert line(right, k)[1] == pytest.approx(ratio.mean(axis=1))
        vertices = right.collections[k].get_paths()[0].vertices
        top = (ratio.mean(axis=1) + ratio.std(axis=1, ddof=1)).max()
        assert vertices[:, 1].max() == pytest.approx(top)


FLOORS = {
    "dsm": [[0.5, 0.7], [1.5, 1.7], [2.5, 2.7]],
    "constant": [[0.3, 0.5], [1.3, 1.5], [2.3, 2.5]],
    "esm": [[0.2, 0.2]] * 3,
    "floor_nothing": [[0.3, 0.3], [1.3, 1.3], [2.3, 2.3]],
    "floor_shuffled": [[0.2, 0.4], [1.2, 1.4], [2.2, 2.4]],
    **{f"floor_{f}": [[k, k], [k + 1, k + 1], [k + 2, k + 2]] for k, f in enumerate(RADII)},
    **{f"gain_{f}": [[k, k + 2], [k + 1, k + 3], [k, k]] for k, f in enumerate(RADII)},
    "gain_shuffled": [[0.0, 0.0]] * 3,
}


def mean_line(ax: Axes, label: str) -> list[list[float]]:
    (found,) = [li for li in ax.lines if li.get_label() == label]
    return [list(map(float, values)) for values in found.get_data()]


def test_prop1_curves_are_the_means_over_seeds_of_the_terms_and_the_floors():
    left, right = theory.prop1_curves(tidy(FLOORS)).axes
    means = {metric: [np.mean(of) for of in values] for metric, values in FLOORS.items()}
    for label, metric in {"DSM": "dsm", "constant": "constant", "ESM": "esm"}.items():
        x, y = mean_line(left, label)
        assert x == SIGMAS and y == pytest.approx(means[metric])
    names = {"nothing": "nothing", **{f: f for f in RADII}, "a shuffled factor": "shuffled"}
    for label, name in names.items():
        x, y = mean_line(right, label)
        assert x == SIGMAS and y == pytest.approx(means[f"floor_{name}"])
    assert mean_line(right, "x0")[1] == [0, 0]


def test_factor_gains_draw_mean_gains_the_control_radii_and_the_toy_set():
    left, right = theory.factor_gains(tidy(FLOORS)).axes
    for factor, radius in RADII.items():
        expected = [np.mean(of) for of in FLOORS[f"gain_{factor}"]]
        assert mean_line(right, factor)[1] == pytest.approx(expected)
        colours = {li.get_color() for li in right.lines if li.get_label() == factor}
        (mark,) = [li for li in right.lines if list(li.get_xdata()) == [radius, radius]]
        assert colours == {mark.get_color()} == {style.FACTOR_COLOURS[factor]}
    assert mean_line(right, "a shuffled factor") == [SIGMAS, [0.0] * 3]
    x, factors = sample_toy(3000, seed=0)
    np.testing.assert_allclose(left.collections[0].get_offsets(), x)
    np.testing.assert_array_equal(left.collections[0].get_array(), factors["middle"])
    (inset,) = left.child_axes
    assert np.ptp(np.asarray(inset.collections[0].get_offsets()), axis=0).max() < 1.2


def test_toy_dial_shades_where_a_factor_pays():
    accuracy = {f"{f}_accuracy": [[0.3, 0.4], [0.9, 1.0], [0.5, 0.6]] for f in RADII}
    gains = pd.DataFrame(
        [(s, f, g) for f, of in zip(RADII, ([0, 1, 3], [0, 0, 0], [3, 2, 0]), strict=True)
         for s, g in zip(SIGMAS, of, strict=True)],
        columns=["sigma", "factor", "gain"],
    )  # fmt: skip
    axes = dial.toy_dial(tidy(accuracy), gains, price=0.5).axes
    spans = {"coarse": (1.0, 10.0), "middle": None, "fine": (0.1, 1.0)}
    for ax, factor in zip(axes, style.FACTOR_COLOURS, strict=True):
        assert ax.get_title() == factor
        assert line(ax, 0)[1] == pytest.approx([0.35, 0.95, 0.55])
        assert line(ax, 1)[1] == gains[gains.factor == factor].gain.tolist()
        assert list(ax.lines[2].get_ydata()) == pytest.approx([1 / 3] * 2)  # chance
        found = [(p.get_x(), p.get_x() + p.get_width()) for p in ax.patches]
        assert found == ([] if spans[factor] is None else [pytest.approx(spans[factor])])


def test_t_sampler_histograms_are_shares_in_the_colours_of_sigma():
    rng = np.random.default_rng(0)
    draws = {"low": np.full(500, 0.02), "wide": np.exp(rng.uniform(np.log(0.01), np.log(50), 500))}
    axes = theory.t_sampler_histograms(draws).axes
    for ax, (name, sigma) in zip(axes, draws.items(), strict=True):
        assert ax.get_ylabel() == name
        assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)
        for bar in ax.patches[::10]:
            low, high = bar.get_x(), bar.get_x() + bar.get_width()
            assert bar.get_facecolor() == style.sigma_colour(low + (high - low) / 2)
        assert len(sigma) == 500
    (peak,) = [bar for bar in axes[0].patches if bar.get_height() > 0]
    assert peak.get_height() == 1
    assert peak.get_x() * 0.9 < 0.02 < (peak.get_x() + peak.get_width()) * 1.1


def test_scheme_shows_the_chain_of_the_image():
    x0, noisy = images(1)[0] / 127.5 - 1, {0.5: images(1, seed=1)[0] / 127.5 - 1}
    (ax,) = theory.scheme(x0, noisy).axes
    pictures = [shown(inset) for inset in ax.child_axes]
    for picture, image in zip(pictures, (x0, noisy[0.5]), strict=True):
        np.testing.assert_allclose(picture, (image[0] + 1) / 2)
    texts = [text.get_text() for text in ax.texts]
    assert "$x_0$" in texts and "$x_t$, σ = 0.5" in texts


def test_caption_names_the_noise_range():
    figure = plt.figure()
    style.caption(figure, NoiseRange(sigma_min=0.02, sigma_max=9.0), "mnist")
    text = figure._supxlabel.get_text()  # type: ignore[attr-defined]
    assert text == "mnist; noise range σ = 0.02 to 9"


# Every figure function returns its one figure and opens no other.

SHEET = {
    "clean": images(2),
    "noisy": images(2)[None],
    "images": images(4).reshape(1, 2, 2, 1, 4, 4),
}
FIGURES: dict[str, Callable[[], Figure]] = {
    "image_rows": lambda: style.image_rows({"a": images(2)}),
    "latent_spaces": lambda: latent_space.latent_spaces(
        {"a": ({"images": images(4), "z1": np.arange(2), "z2": np.arange(2)},
               np.random.default_rng(0).normal(size=(20, 2)))}, np.arange(20) % 10
    ),
    "dial_figure": lambda: dial.dial_figure(dial_table()),
    "dial_factors": lambda: dial.dial_factors(dial_table()),
    "dial_codes": lambda: dial.dial_codes({"a": np.eye(2)}, np.arange(2)),
    "dial_samples": lambda: dial.dial_samples(
        {"a": {"clean": images(2), "images": images(6).reshape(2, 3, 1, 4, 4)}}
    ),
    "swap_sheets": lambda: latent_space.swap_sheets({"a": {**SHEET, "sigmas": np.array([1.0])}}),
    "same_code_sheets": lambda: latent_space.same_code_sheets(
        {2: {"source": images(1)[0], "images": images(25), "diversity": np.ones(2)}}
    ),
    "network_dial": lambda: networks.network_dial(of_networks()),
    "dial_nearest": lambda: dial.dial_nearest({1.0: np.stack([images(3)] * 2)}, images(2)),
    "own_dial": lambda: dial.own_dial(of_any_images(classes=True)),
    "below_the_floor": lambda: latent_space.below_the_floor(
        usage_rows({"own": [[1.0]] * 3}).assign(latent_dim=2), usage_rows({"own": [[1.0]] * 3})
    ),
    "samplers": lambda: latent_space.samplers(judged()),
    "code_usage": lambda: latent_space.code_usage(
        usage_rows({name: [[1.0]] * 3 for name in ("own", "shuffled", "constant")}),
        usage_rows({"own": [[1.0]] * 3}),
    ),
    "prop1_curves": lambda: theory.prop1_curves(tidy(FLOORS)),
    "factor_gains": lambda: theory.factor_gains(tidy(FLOORS)),
    "toy_dial": lambda: dial.toy_dial(
        tidy({f"{f}_accuracy": [[0.5]] * 3 for f in RADII}),
        pd.DataFrame({"sigma": [1.0], "factor": ["fine"], "gain": [1.0]}), 0.5,
    ),
    "t_sampler_histograms": lambda: theory.t_sampler_histograms(
        {"a": np.ones(5), "b": np.ones(5)}
    ),
    "learning_curves": lambda: learning.learning_curves(learned(), ["mlp_accuracy"]),
    "varied": lambda: learning.varied(of_changes(), "mlp_accuracy"),
    "code_planes": lambda: natural_images.code_planes(
        {"a": ({"images": images(4), "z1": np.arange(2), "z2": np.arange(2)}, CLOUD)},
        "abcde",
    ),
    "natural_dial": lambda: natural_images.natural_dial(of_photographs()),
    "natural_ranges": lambda: natural_images.natural_ranges(
        of_photographs().assign(name=lambda t: t.method), ["drl", "ae", "random"]
    ),
    "border_clouds": lambda: natural_images.border_clouds({"one": CLOUD}),
    "training_lengths": lambda: data_sets.training_lengths(lengths(), ["mlp_accuracy"]),
    "dials": lambda: data_sets.dials(of_photographs().assign(dataset="one")),
    "start_sheets": lambda: generative.start_sheets(
        {"black": images(32).reshape(2, 16, 1, 4, 4), "starts": np.array([0.5, 1.0]),
         "sigmas": np.array([0.7, 50.0])}, ["black"]
    ),
    "quality_over_starts": lambda: generative.quality_over_starts(
        of_starts(), {"dsm": "no code", "vdrl": "code of 2"}
    ),
    "adversary": lambda: generative.adversary(*of_games()),
    "misled": lambda: generative.misled(
        pd.DataFrame({"data": "toy", "weighting": "std2", "against": "loss", "sigma": [0.1, 1.0],
                      "loss": [1.0, 0.5], "constant": [0.9, 0.2]}),
        pd.DataFrame({"data": "toy", "weighting": "std2", "against": "loss", "seed": [0, 1],
                      "step": 50, "alpha": [-0.5, -0.6]}),
    ),
    "priors": lambda: generative.priors(
        tidy({"sample_frechet": [[1.0]] * 3, "sample_readable": [[0.5]] * 3}).assign(prior="none"),
        {"none": "no code"},
    ),
    "exchange": lambda: generative.exchange(
        {"σ = 1": {"ends": images(4).reshape(2, 2, 1, 4, 4),
                   **{way: images(6).reshape(2, 3, 1, 4, 4) for way in ("code", "noise", "both")}}},
        tidy({"class_of_code": [[0.5]] * 3, "class_of_noise": [[0.3]] * 3}).assign(name="σ = 1"),
    ),
    "scheme": lambda: theory.scheme(torch.zeros(1, 4, 4).numpy(), {}),
}  # fmt: skip


def test_every_figure_function_is_listed():
    returning = {
        name
        for module in (
            style,
            latent_space,
            dial,
            natural_images,
            data_sets,
            learning,
            generative,
            networks,
            theory,
        )
        for name, function in vars(module).items()
        if getattr(function, "__module__", "") == module.__name__
        and getattr(function, "__annotations__", {}).get("return") == "Figure"
    }
    assert returning == FIGURES.keys()


@pytest.mark.parametrize("name", FIGURES)
def test_no_figure_leaks(name):
    figure = FIGURES[name]()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == [figure.number]
    figure.canvas.draw()  # and it can be drawn
    plt.close(figure)
    assert plt.get_fignums() == []
