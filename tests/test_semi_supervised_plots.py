"""Figures of notebook 09 hold the numbers they were given, each arm in its colour."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from semi_supervised_rows import FEW_STEPS, LABELS, STEPS, condition, full_table

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from drlcore.errors import DataError
from drlcore.paper.plots import label_graph as label_graph_plots
from drlcore.paper.plots import semi_supervised as semi_supervised_plots
from drlcore.paper.plots.comparison import METHOD_COLOURS
from drlcore.paper.plots.label_graph import label_graph_before_after
from drlcore.paper.plots.semi_supervised import (
    ARM_COLOURS,
    accuracy_by_labels,
    gain_by_labels,
    pretraining_questions,
)
from drlcore.paper.published import published_table_1
from drlcore.paper.tables.semi_supervised import ARMS, gains

pytestmark = pytest.mark.usefixtures("no_figures")

TABLE, PUBLISHED = full_table(), published_table_1()


def bars(ax: Axes) -> dict[str, ErrorbarContainer]:
    """The error-bar lines of an axis by the arm whose colour they have."""
    arm = {to_rgba(colour): method for method, colour in ARM_COLOURS.items()}
    found = [c for c in ax.containers if isinstance(c, ErrorbarContainer)]
    return {arm[to_rgba(c.lines[0].get_color())]: c for c in found}


def ends(bar: ErrorbarContainer) -> np.ndarray:
    """Lower and upper ends, (N, 2)."""
    (vertical,) = bar.lines[2]
    return np.array([segment[:, 1] for segment in vertical.get_segments()], dtype=float)


def y_of(bar: ErrorbarContainer) -> np.ndarray:
    return np.asarray(bar.lines[0].get_ydata(), dtype=float)


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_each_arm_has_one_colour_and_compared_methods_keep_theirs():
    assert set(ARM_COLOURS) == set(ARMS)
    assert len({to_rgba(c) for c in ARM_COLOURS.values()}) == len(ARMS)
    for method in set(ARMS) & set(METHOD_COLOURS):
        assert ARM_COLOURS[method] == METHOD_COLOURS[method]
    red, green, blue, _ = to_rgba(ARM_COLOURS["none"])
    assert red == green == blue


def test_accuracy_is_mean_and_spread_over_label_splits():
    figure = accuracy_by_labels(TABLE, PUBLISHED)
    for ax, mixup in zip(figure.axes, ("off", "on"), strict=False):
        drawn = bars(ax)
        assert list(drawn) == list(ARMS)
        for method, bar in drawn.items():
            rows = TABLE[
                (TABLE.method == method) & (TABLE.mixup == mixup) & (TABLE.steps == STEPS)
                & (TABLE.split == "test") & (TABLE.metric == "accuracy")
                & (TABLE.pretrained_on != "labelled") & (TABLE.encoder_time == "learned")
            ]  # fmt: skip
            by_labels = rows.groupby("n_labels").value
            mean, sd = 100 * by_labels.mean(), 100 * by_labels.std()
            np.testing.assert_allclose(y_of(bar), mean)
            np.testing.assert_allclose(ends(bar), np.stack([mean - sd, mean + sd], axis=1))
    names = legend_of(figure)
    assert names == ["no pretraining", "DRL", "VDRL", "DRL-mixup", "AE", "SimCLR"]


def test_bars_of_neighbouring_arms_do_not_overlap():
    """Nor do the arms of one number of labels reach those of the next."""
    ax = accuracy_by_labels(TABLE, PUBLISHED).axes[0]
    x = np.array([bar.lines[0].get_xdata() for bar in bars(ax).values()], dtype=float)
    share = 100 * np.array(LABELS) / 5000
    np.testing.assert_allclose(np.exp(np.log(x).mean(axis=0)), share)
    assert (np.diff(x, axis=0) > 0.05 * share).all()
    assert (x[-1, :-1] < x[0, 1:]).all()


def test_ours_and_published_share_the_axes():
    figure = accuracy_by_labels(TABLE, PUBLISHED)
    ours, _, theirs = figure.axes
    assert ours.get_ylim() == theirs.get_ylim()
    np.testing.assert_allclose(ours.get_xticks(), theirs.get_xticks())  # as shares, not numbers
    assert [t.get_text() for t in ours.get_xticklabels()][0] == "10\n0.2"
    assert [t.get_text() for t in theirs.get_xticklabels()][-1] == "4000\n8"
    assert "no spread" in theirs.get_title() and not bars(theirs)


def test_published_lines_are_the_columns_of_table_1():
    ax = accuracy_by_labels(TABLE, PUBLISHED).axes[2]
    drawn = {(to_rgba(line.get_color()), line.get_linestyle()): line for line in ax.lines}
    assert len(drawn) == 5
    cifar = PUBLISHED[PUBLISHED.dataset == "cifar10"]
    for (method, mixup), rows in cifar.groupby(["method", "mixup"]):
        line = drawn[to_rgba(ARM_COLOURS[method]), {"off": "-", "on": "--"}[mixup]]
        np.testing.assert_allclose(line.get_ydata(), rows.accuracy)
        np.testing.assert_allclose(line.get_xdata(), [0.2, 1, 2, 4, 8])


def test_accuracies_lie_within_the_axis_and_in_order():
    """Also that of a perfect classifier, whose log error is not finite."""
    perfect = TABLE.assign(value=TABLE.value.where(TABLE.n_labels < 400, 1.0))
    figure = accuracy_by_labels(perfect, PUBLISHED)
    figure.canvas.draw()
    low, high = figure.axes[0].get_ylim()
    drawn = TABLE[(TABLE.split == "test") & (TABLE.steps == STEPS)]
    assert 0 < low < 100 * drawn.value.min() < 99.9 < high < 100
    pixels = [figure.axes[0].transData.transform((1, a))[1] for a in (70, 80, 90, 95, 97.5)]
    assert np.diff(pixels)[1:] == pytest.approx(np.diff(pixels)[1])  # the error halves each time


def test_gains_are_differences_with_their_intervals():
    figure = gain_by_labels(TABLE)
    found = gains(TABLE)
    found = found[(found.pretrained_on == "all") & (found.encoder_time == "learned")]
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["all steps, no mixup", "all steps, mixup", "25 % of the steps, no mixup"]
    shown = ((STEPS, "off"), (STEPS, "on"), (FEW_STEPS, "off"))
    for ax, (steps, mixup) in zip(figure.axes, shown, strict=True):
        of_panel = found[(found.steps == steps) & (found.mixup == mixup)]
        drawn = bars(ax)
        assert set(drawn) == set(of_panel.method) and "none" not in drawn
        for method, bar in drawn.items():
            rows = of_panel[of_panel.method == method].sort_values("n_labels")
            np.testing.assert_allclose(y_of(bar), 100 * rows.difference)
            np.testing.assert_allclose(ends(bar), 100 * rows[["low", "high"]])
        assert any(np.all(np.asarray(line.get_ydata()) == 0) for line in ax.lines)
    assert legend_of(figure) == ["DRL", "VDRL", "DRL-mixup", "AE", "SimCLR"]


def test_filled_marks_are_gains_beyond_their_interval():
    scatter = 0.01 * np.array([-1, -0.5, 0, 0.5, 1])
    more = {10: 0.05, 50: 0.002, 100: -0.05}
    table = pd.concat([condition({"drl": g + scatter}, n) for n, g in more.items()])
    (ax,) = gain_by_labels(table).axes
    (filled,) = (line for line in ax.lines if line.get_marker() == "o" and line.get_zorder() == 3)
    np.testing.assert_allclose(sorted(filled.get_ydata()), [-5, 5])


def test_one_split_has_gains_without_bars():
    (ax,) = gain_by_labels(condition({"drl": 0.1}, 100, n_splits=1)).axes
    (bar,) = bars(ax).values()
    np.testing.assert_allclose(y_of(bar), [10])
    np.testing.assert_allclose(ends(bar), [[10, 10]])


def test_questions_show_each_split_and_the_mean():
    figure = pretraining_questions(TABLE)
    axes = np.array(figure.axes).reshape(2, 3)  # 10 and 100 labels
    assert [ax.get_title() for ax in axes[0]] == [
        "pretraining images", "encoder time", "mixup in fine-tuning",
    ]  # fmt: skip
    ticks = [[t.get_text() for t in ax.get_xticklabels()] for ax in axes[1]]
    assert ticks == [["labelled", "all"], ["fixed", "learned", "chosen"], ["off", "released", "on"]]
    test = TABLE[(TABLE.split == "test") & (TABLE.metric == "accuracy") & (TABLE.steps == STEPS)]
    for row, n_labels in zip(axes, (10, 100), strict=True):
        rows = test[(test.n_labels == n_labels) & (test.method == "drl")]
        learned = rows[(rows.mixup == "off") & (rows.encoder_time == "learned")]
        on_all = rows[(rows.mixup == "off") & (rows.pretrained_on == "all")]
        wanted = {
            0: learned.pivot(index="pretrained_on", columns="label_split", values="value"),
            1: on_all.pivot(index="encoder_time", columns="label_split", values="value"),
            2: rows[(rows.pretrained_on == "all") & (rows.encoder_time == "learned")].pivot(
                index="mixup", columns="label_split", values="value"
            ),
        }
        none = test[(test.n_labels == n_labels) & (test.method == "none")]
        for i, values in wanted.items():
            red = to_rgba(ARM_COLOURS["drl"])
            lines = [line for line in row[i].lines if to_rgba(line.get_color())[:3] == red[:3]]
            drawn = np.array([line.get_ydata() for line in lines]).T
            np.testing.assert_allclose(drawn, 100 * values.loc[ticks[i]])
            (marks,) = (
                c for c in row[i].collections
                if isinstance(c, LineCollection) and tuple(c.get_colors()[0]) == red
            )  # fmt: skip
            height = [segment[0, 1] for segment in marks.get_segments()]
            np.testing.assert_allclose(height, 100 * values.loc[ticks[i]].mean(axis=1))
        (level,) = (line for line in row[0].lines if line.get_linestyle() == "--")
        mean = 100 * none[none.mixup == "off"].value.mean()
        np.testing.assert_allclose(level.get_ydata(), [mean, mean])


def test_a_question_that_was_not_asked_has_no_answers():
    kept = TABLE[
        (TABLE.encoder_time == "learned") & ((TABLE.n_labels == 10) | (TABLE.mixup != "x"))
    ]
    kept = kept[~((kept.mixup == "released") & (kept.n_labels == 100))]
    figure = pretraining_questions(kept)
    assert len(figure.axes) == 6
    assert [t.get_text() for t in figure.axes[4].get_xticklabels()] == ["learned"]


def test_nothing_varied_is_refused():
    with pytest.raises(DataError, match="main grid"):
        pretraining_questions(condition({"drl": 0.1}, 100))


@pytest.mark.parametrize(
    "draw",
    [gain_by_labels, pretraining_questions, lambda table: accuracy_by_labels(table, PUBLISHED)],
)
def test_two_data_sets_are_refused(draw):
    with pytest.raises(DataError, match="one in a figure"):
        draw(pd.concat([TABLE, TABLE.assign(dataset="cifar10")]))


def test_gains_without_a_baseline_are_refused():
    with pytest.raises(DataError, match="beside no pretraining"):
        gain_by_labels(TABLE[TABLE.method != "none"])


@pytest.mark.parametrize("n_splits", [1, 2])
def test_a_smoke_run_can_be_drawn(n_splits):
    """Few splits and arms, accuracies near chance: nothing warns, and all is within the axes."""
    about = {"n_splits": n_splits, "steps": 7}
    table = pd.concat(
        [condition({"drl": -0.1, "vdrl": 0.02 * np.arange(n_splits)}, n, 0.15, mixup=mixup, **about)
         for n in (10, 100) for mixup in ("off", "on", "released")]
    )  # fmt: skip
    accuracy = accuracy_by_labels(table, PUBLISHED)
    for figure in (accuracy, gain_by_labels(table), pretraining_questions(table)):
        figure.canvas.draw()
    low, high = accuracy.axes[0].get_ylim()
    for bar in bars(accuracy.axes[0]).values():
        assert (low < ends(bar)).all() and (ends(bar) < high).all()


def graph() -> dict[str, np.ndarray]:
    """Ten nodes, two labelled; of the other eight, two get the wrong class."""
    rng = np.random.default_rng(0)
    true = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    given, spread = np.full(10, -1), true.copy()
    given[[1, 8]] = true[[1, 8]]
    spread[[4, 5]] = [1, 0]
    edges = np.array([[0, 1], [1, 2], [3, 4], [5, 6], [8, 9]])
    return {"positions": rng.normal(size=(10, 2)), "edges": edges, "true": true, "given": given,
            "spread": spread}  # fmt: skip


def nodes(ax: Axes) -> list[PathCollection]:
    return [c for c in ax.collections if isinstance(c, PathCollection)]


def test_label_graph_shows_classes_given_labels_and_wrong_ones():
    g = graph()
    figure = label_graph_before_after(**g)
    axes = figure.axes
    assert [ax.get_title() for ax in axes] == [
        "true classes", "given: 2 labels of 10", "pseudo-labels: 25.0 % wrong (ringed)",
    ]  # fmt: skip
    colour = [plt.get_cmap("tab10")(label) for label in (0, 1)]
    grey = to_rgba(label_graph_plots.GIVEN_NOT)
    for ax, labels in zip(axes, (g["true"], g["given"], g["spread"]), strict=True):
        np.testing.assert_allclose(nodes(ax)[0].get_offsets(), g["positions"])
        wanted = [colour[label] if label >= 0 else grey for label in labels]
        np.testing.assert_allclose(nodes(ax)[0].get_facecolors(), wanted)
        (edges,) = (c for c in ax.collections if isinstance(c, LineCollection))
        np.testing.assert_allclose(edges.get_segments(), g["positions"][g["edges"]])
    for ax in axes[1:]:
        np.testing.assert_allclose(nodes(ax)[1].get_offsets(), g["positions"][[1, 8]])
    assert len(nodes(axes[0])) == 1 and len(nodes(axes[1])) == 2
    np.testing.assert_allclose(nodes(axes[2])[2].get_offsets(), g["positions"][[4, 5]])
    assert legend_of(figure) == ["0", "1"]


def test_given_labels_are_never_wrong():
    g = graph()
    figure = label_graph_before_after(**{**g, "given": g["true"]})
    assert "0.0 % wrong" in figure.axes[2].get_title()


# Every figure function returns its one figure and opens no other.

FIGURES: dict[str, Callable[[], Figure]] = {
    "accuracy_by_labels": lambda: accuracy_by_labels(TABLE, PUBLISHED),
    "gain_by_labels": lambda: gain_by_labels(TABLE),
    "pretraining_questions": lambda: pretraining_questions(TABLE),
    "label_graph_before_after": lambda: label_graph_before_after(**graph()),
}


def test_every_figure_function_is_listed():
    returning = {
        name
        for module in (semi_supervised_plots, label_graph_plots)
        for name, function in vars(module).items()
        if getattr(function, "__module__", "") == module.__name__
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
