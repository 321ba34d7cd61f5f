"""Figures of notebooks 05 to 08 hold the numbers they were given, each method in its colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drlcore.paper.experiments.comparison import COMPARED
from drlcore.paper.plots import comparison as comparison_plots
from drlcore.paper.plots import style
from drlcore.paper.plots.comparison import METHOD_COLOURS
from drlcore.paper.plots.style import METRIC_LABELS

TIMES = [0.0, 0.5, 1.0]

pytestmark = pytest.mark.usefixtures("no_figures")


def over_times(values: Sequence[Sequence[float]], method: str, **about: Any) -> pd.DataFrame:
    """Rows of ``values[time][seed]``."""
    defaults = {"dataset": "mnist", "time_conditioned": True, "metric": "mlp_accuracy", "sde": "ve"}
    return pd.DataFrame(
        [{**defaults, "method": method, "seed": seed, "t": t, "sigma": 0.01 * 5000**t, "value": v,
          **about}
         for t, of_seeds in zip(TIMES, values, strict=True) for seed, v in enumerate(of_seeds)]
    )  # fmt: skip


def static(of_seeds: Sequence[float], method: str, **about: Any) -> pd.DataFrame:
    return over_times([of_seeds] * len(TIMES), method, **{"time_conditioned": False, **about})


def labelled(ax: Axes) -> dict[str, Line2D]:
    """The lines of an axis that have a name of their own."""
    found = {str(line.get_label()): line for line in ax.lines}
    return {label: line for label, line in found.items() if not label.startswith("_")}


def data(line: Line2D) -> tuple[list[float], list[float]]:
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def colour(method: str) -> tuple[float, ...]:
    return to_rgba(METHOD_COLOURS[method])


def bands(ax: Axes) -> list[PolyCollection]:
    return [c for c in ax.collections if isinstance(c, PolyCollection)]


def test_every_method_compared_has_one_colour_of_its_own():
    assert {compared.method for compared in COMPARED} == set(METHOD_COLOURS)
    assert len({to_rgba(c) for c in METHOD_COLOURS.values()}) == len(METHOD_COLOURS)


DRL, VDRL = [[0.1, 0.3], [0.5, 0.7], [0.2, 0.4]], [[0.2, 0.2], [0.4, 0.4], [0.6, 0.6]]


def test_over_time_draws_curves_at_the_mean_and_levels():
    knn = [[1.0, 0.9], [0.8, 0.7], [0.6, 0.5]]
    table = pd.concat(
        [
            over_times(DRL, "drl"),
            over_times(VDRL, "vdrl"),
            static([0.35, 0.45], "drl"),
            static([0.5, 0.6], "ae"),
            over_times(knn, "drl", metric="knn_accuracy"),
            over_times(knn[::-1], "drl", dataset="digits"),
        ]
    )
    figure = comparison_plots.over_time(table, ["mlp_accuracy", "knn_accuracy"])
    axes = np.array(figure.axes).reshape(2, 2)
    titles = [[f"{d}: {METRIC_LABELS[m]}" for m in ("mlp_accuracy", "knn_accuracy")]
              for d in ("mnist", "digits")]  # fmt: skip
    assert [[ax.get_title() for ax in row] for row in axes] == titles
    lines = labelled(axes[0, 0])
    assert set(lines) == {"drl, E(x₀, t)", "vdrl, E(x₀, t)", "drl", "ae"}
    for method, values in (("drl", DRL), ("vdrl", VDRL)):
        x, y = data(lines[f"{method}, E(x₀, t)"])
        assert x == TIMES and y == pytest.approx(np.mean(values, axis=1))
    for method, value in (("drl", 0.4), ("ae", 0.55)):
        assert data(lines[method])[1] == pytest.approx([value] * 2)
        assert lines[method].get_linestyle() == "--"
    for label, line in lines.items():
        assert to_rgba(line.get_color()) == colour(label.split(",")[0])
    (line,) = labelled(axes[0, 1]).values()
    assert data(line)[1] == pytest.approx(np.mean(knn, axis=1))
    (line,) = labelled(axes[1, 0]).values()
    assert data(line)[1] == pytest.approx(np.mean(knn, axis=1)[::-1])
    assert not axes[1, 1].lines  # not measured there
    legend = axes[0, 1].get_legend()
    assert legend is not None


def test_bands_are_the_standard_deviation_over_seeds():
    figure = comparison_plots.over_time(over_times(DRL, "drl"), ["mlp_accuracy"])
    (band,) = bands(figure.axes[0])
    corners = band.get_paths()[0].vertices
    for t, of_seeds in zip(TIMES, DRL, strict=True):
        at = corners[np.isclose(corners[:, 0], t), 1]
        mean, sd = np.mean(of_seeds), np.std(of_seeds, ddof=1)
        assert (at.min(), at.max()) == pytest.approx((mean - sd, mean + sd))


def test_code_curves_draw_each_image_s_path_in_units_of_the_spread():
    rng = np.random.default_rng(0)
    sigma = np.geomspace(0.01, 50, 7)
    codes = {
        m: rng.normal(3, 5, (7, 20, 2)).astype(np.float32) * sigma[:, None, None]
        for m in ("drl", "vdrl")
    }
    labels = np.arange(20) % 10
    figure = comparison_plots.code_curves({m: (z, sigma) for m, z in codes.items()}, labels, 4)
    axes = np.array(figure.axes).reshape(2, 5)
    for row, (method, z) in zip(axes, codes.items(), strict=True):
        scaled = (z - z.mean(axis=1, keepdims=True)) / z.std(axis=1, keepdims=True)
        paths, dots = row[0].lines[::2], row[0].lines[1::2]
        assert len(paths) == len(dots) == 4 and method in row[0].get_title()
        for n in range(4):
            np.testing.assert_allclose(paths[n].get_xydata(), scaled[:, n], rtol=1e-5)
            np.testing.assert_allclose(dots[n].get_xydata(), scaled[:1, n], rtol=1e-5)
            cloud = row[1].collections[0]
            assert to_rgba(paths[n].get_color()) == tuple(cloud.to_rgba(labels[n]))
        for ax, i in zip(row[1:], (0, 2, 4, 6), strict=True):
            np.testing.assert_allclose(ax.collections[0].get_offsets(), scaled[i], rtol=1e-5)
            np.testing.assert_array_equal(ax.collections[0].get_array(), labels)
            assert ax.get_title() == f"σ = {sigma[i]:.2g}"


def test_a_code_that_is_one_point_can_be_drawn():
    codes = np.ones((4, 12, 2), np.float32)
    codes[1:] += np.random.default_rng(0).normal(size=(3, 12, 2))
    figure = comparison_plots.code_curves({"drl": (codes, np.ones(4))}, np.arange(12) % 10, 3)
    assert np.isfinite(figure.axes[0].lines[0].get_xydata()).all()


def test_bars_are_as_long_as_the_mean_with_the_spread_at_the_end():
    table = pd.DataFrame(
        [("mnist", "drl, E(x₀, t)", "drl", 0.7, 0.05), ("mnist", "ae", "ae", 0.6, 0.1),
         ("digits", "vae", "vae", 0.9, np.nan)],
        columns=["dataset", "label", "method", "mean", "sd"],
    )  # fmt: skip
    left, right = comparison_plots.comparison_bars(table).axes
    assert (left.get_title(), right.get_title()) == ("mnist", "digits")
    for ax, (dataset, rows) in zip(
        (left, right), table.groupby("dataset", sort=False), strict=True
    ):
        bars = [p for p in ax.patches if p.get_width() > 0]
        assert [b.get_width() for b in bars] == rows["mean"].tolist(), dataset
        assert [to_rgba(b.get_facecolor())[:3] for b in bars] == [
            colour(m)[:3] for m in rows.method
        ]
        (lines,) = [c for c in ax.containers if hasattr(c, "has_xerr")]
        segments = lines[2][0].get_segments()
        ends = [(s[:, 0].min(), s[:, 0].max()) for s in segments]
        spread = rows.sd.fillna(0)
        assert ends == [
            pytest.approx((m - s, m + s)) for m, s in zip(rows["mean"], spread, strict=True)
        ]
        low, high = ax.get_xlim()
        assert high == 1 and 0 <= low < (rows["mean"] - spread).min()
    names = [tick.get_text() for tick in left.get_yticklabels()]
    assert names[:2] == ["drl, E(x₀, t)", "ae"]
    assert left.yaxis_inverted()  # first on top


def pairs(values: np.ndarray, method: str, seed: int) -> pd.DataFrame:
    return pd.DataFrame(
        [(method, seed, a, b, "nmi", values[i, j])
         for i, a in enumerate(TIMES) for j, b in enumerate(TIMES)],
        columns=["method", "seed", "t", "t_j", "metric", "value"],
    )  # fmt: skip


def test_heatmap_cells_are_means_over_seeds_at_their_pair_of_times():
    rng = np.random.default_rng(0)
    values = {m: rng.uniform(size=(2, 3, 3)) for m in ("vdrl", "drl")}
    table = pd.concat(pairs(v[s], m, s) for m, v in values.items() for s in range(2))
    table = pd.concat([table, table.assign(metric="mi", value=9.0)])
    axes = [ax for ax in comparison_plots.information_heatmaps(table).axes if ax.get_title()]
    assert [ax.get_title() for ax in axes] == ["drl: normalised MI", "vdrl: normalised MI"]
    for ax, method in zip(axes, ("drl", "vdrl"), strict=True):
        cells = np.asarray(ax.collections[0].get_array()).reshape(3, 3)
        np.testing.assert_allclose(cells, values[method].mean(axis=0), atol=1e-4)
        assert ax.collections[0].get_clim() == (0, 1)
        assert [t.get_text() for t in ax.get_xticklabels()] == ["0.00", "0.50", "1.00"]
        assert not ax.yaxis_inverted()  # t grows upwards
        written = [float(text.get_text()) for text in ax.texts]
        assert written == pytest.approx(values[method].mean(axis=0).ravel().tolist(), abs=0.0501)


def test_attention_and_ablation_are_drawn_where_they_belong():
    attention = {"drl": [[0.1, 0.3], [0.6, 0.4], [0.3, 0.3]], "vdrl": [[0.5], [0.3], [0.2]]}
    alone, without = [[0.3], [0.5], [0.4]], [[0.8], [0.7], [0.75]]
    whole = over_times([[0.85]] * 3, "drl", metric="ablation_transformer_accuracy", t=np.nan).iloc[
        :1
    ]
    # What a whole trajectory gives is not conditioned on one time.
    table = pd.concat(
        [
            *[over_times(v, m, metric="attention") for m, v in attention.items()],
            over_times(alone, "drl", metric="ablation_transformer_only_accuracy"),
            over_times(without, "drl", metric="ablation_transformer_without_accuracy"),
            whole,
            whole.assign(metric="transformer_accuracy", value=0.1),
        ]
    )
    left, right = comparison_plots.trajectory_attention(table).axes
    lines = labelled(left)
    assert set(lines) == {"drl", "vdrl"}
    for method, values in attention.items():
        assert data(lines[method]) == (
            TIMES,
            pytest.approx([float(np.mean(v)) for v in values]),
        )
        assert to_rgba(lines[method].get_color()) == colour(method)
    (even,) = [line for line in left.lines if line not in lines.values()]
    assert data(even)[1] == pytest.approx([1 / 3] * 2)  # every time alike
    assert set(labelled(right)) == {"drl", "drl, all times"}
    assert data(labelled(right)["drl"])[1] == pytest.approx([v[0] for v in alone])
    assert data(labelled(right)["drl, all times"])[1] == pytest.approx([0.85] * 2)
    (dotted,) = [line for line in right.lines if line.get_linestyle() == ":"]
    assert data(dotted) == (TIMES, pytest.approx([v[0] for v in without]))
    assert {to_rgba(line.get_color()) for line in right.lines} == {colour("drl")}


def test_sdes_are_compared_at_their_noise_levels():
    sdes = {"ve": DRL, "vp": VDRL, "subvp": DRL[::-1]}
    shift = {"ve": 1.0, "vp": 2.0, "subvp": 3.0}  # other noise levels at the same t
    tables = []
    for sde, values in sdes.items():
        for method, up in (("drl", 0.0), ("vdrl", 0.1)):
            of_method = over_times((np.array(values) + up).tolist(), method, sde=sde)
            tables.append(of_method.assign(sigma=of_method.sigma * shift[sde]))
            tables.append(static([0.0], method, sde=sde))  # E(x0) is not a curve
            tables.append(of_method.assign(metric="knn_accuracy", value=0.0))
    tables += [static([0.3, 0.5], "ae"), static([0.2, 0.4], "vae"), static([0.9], "simclr")]
    figure = comparison_plots.over_time_by_sde(pd.concat(tables), "mlp_accuracy")
    for ax, up in zip(figure.axes, (0.0, 0.1), strict=True):
        lines = labelled(ax)
        assert set(lines) == {"VE", "VP", "SUBVP", "ae", "vae"}
        for sde, values in sdes.items():
            x, y = data(lines[sde.upper()])
            assert x == pytest.approx([shift[sde] * 0.01 * 5000**t for t in TIMES])
            assert y == pytest.approx(np.mean(values, axis=1) + up)
            assert lines[sde.upper()].get_color() == style.SDE_COLOURS[sde]
        for method, value in (("ae", 0.4), ("vae", 0.3)):
            assert data(lines[method])[1] == pytest.approx([value] * 2)
            assert to_rgba(lines[method].get_color()) == colour(method)
        assert ax.get_xscale() == "log" and len(bands(ax)) == 3
    assert [ax.get_title() for ax in figure.axes] == ["DRL", "VDRL"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_method_has_its_colour_whatever_stands_beside_it(order):
    """In any order, and alone."""
    methods = list(METHOD_COLOURS)[::order]
    tables = {m: over_times([[0.1], [0.2], [0.3]], m) for m in methods}
    figures: Mapping[str, Figure] = {
        "all": comparison_plots.over_time(pd.concat(tables.values()), ["mlp_accuracy"]),
        **{m: comparison_plots.over_time(t, ["mlp_accuracy"]) for m, t in tables.items()},
    }
    for name, figure in figures.items():
        lines = labelled(figure.axes[0])
        assert len(lines) == (len(methods) if name == "all" else 1)
        for label, line in lines.items():
            assert to_rgba(line.get_color()) == colour(label.split(",")[0])


def at_end(values: Mapping[int, Sequence[float]], method: str, **about: Any) -> pd.DataFrame:
    """Rows of ``results.last_time_rows``: ``values[steps][seed]``."""
    defaults = {"weighting": "std2", "adam_epsilon": 1e-8, "metric": "knn_accuracy"}
    return pd.DataFrame(
        [{**defaults, "method": method, "steps": steps, "seed": seed, "value": v, **about}
         for steps, of_seeds in values.items() for seed, v in enumerate(of_seeds)]
    )  # fmt: skip


END = {
    "ae": at_end({3: [0.5, 0.7], 48: [0.8, 1.0]}, "ae"),
    "drl, λ: std2, ε = 1e-08": at_end({3: [0.1, 0.3], 48: [0.4, 0.6]}, "drl"),
    "drl, λ: std2, ε = 1e-15": at_end({3: [0.2], 48: [0.3]}, "drl", adam_epsilon=1e-15),
    "drl, λ: edm, ε = 1e-08": at_end({3: [0.0], 48: [0.9]}, "drl", weighting="edm"),
}


def test_against_steps_draws_each_way_and_the_untrained_level():
    untrained = at_end({0: [0.2, 0.4]}, "random")
    table = pd.concat([*END.values(), untrained, END["ae"].assign(metric="ink_r2", value=0.25)])
    left, right = comparison_plots.against_steps(table, ["knn_accuracy", "ink_r2"]).axes
    lines = labelled(left)
    assert set(lines) == {"untrained", *END}
    for name, rows in END.items():
        mean = rows.groupby("steps").value.mean()
        assert data(lines[name])[0] == mean.index.tolist()
        assert data(lines[name])[1] == pytest.approx(mean.tolist())
    assert list(lines["untrained"].get_ydata()) == pytest.approx([0.3, 0.3])
    looks = {(to_rgba(line.get_color()), line.get_linestyle()) for line in lines.values()}
    assert len(looks) == len(lines)
    assert to_rgba(lines["ae"].get_color()) == colour("ae")
    assert left.get_xscale() == "log"
    assert [text.get_text() for text in left.get_xticklabels()] == ["3", "48"]
    assert {name: data(line)[1] for name, line in labelled(right).items()} == {"ae": [0.25, 0.25]}


# Every figure function returns its one figure and opens no other.

FIGURES: dict[str, Callable[[], Figure]] = {
    "over_time": lambda: comparison_plots.over_time(over_times(DRL, "drl"), ["mlp_accuracy"]),
    "code_curves": lambda: comparison_plots.code_curves(
        {"drl": (np.random.default_rng(0).normal(size=(4, 20, 2)), np.ones(4))}, np.arange(20) % 10
    ),
    "against_steps": lambda: comparison_plots.against_steps(
        pd.concat(END.values()), ["knn_accuracy"]
    ),
    "comparison_bars": lambda: comparison_plots.comparison_bars(
        pd.DataFrame({"dataset": ["a"], "label": ["ae"], "method": ["ae"], "mean": [0.5],
                      "sd": [np.nan]})
    ),
    "information_heatmaps": lambda: comparison_plots.information_heatmaps(
        pairs(np.eye(3), "drl", 0)
    ),
    "trajectory_attention": lambda: comparison_plots.trajectory_attention(
        pd.concat(over_times(DRL, "drl", metric=m)
                  for m in ("attention", "ablation_transformer_only_accuracy"))
    ),
    "over_time_by_sde": lambda: comparison_plots.over_time_by_sde(
        pd.concat([over_times(DRL, m) for m in ("drl", "vdrl")]), "mlp_accuracy"
    ),
}  # fmt: skip


def test_every_figure_function_is_listed():
    returning = {
        name
        for name, function in vars(comparison_plots).items()
        if getattr(function, "__module__", "") == comparison_plots.__name__
        and getattr(function, "__annotations__", {}).get("return") == "Figure"
    }
    assert returning == FIGURES.keys()


@pytest.mark.parametrize("name", FIGURES)
def test_no_figure_leaks(name):
    figure = FIGURES[name]()
    assert plt.get_fignums() == [figure.number]
    figure.canvas.draw()  # and it can be drawn
    plt.close(figure)
    assert plt.get_fignums() == []
