"""What figures of notebooks 17 to 19 show of made-up numbers."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from generated import STARTS, of_games, of_starts

from drlcore.paper.plots import generative

pytestmark = pytest.mark.usefixtures("no_figures")


def test_lines_over_starts_are_means_and_the_toy_set_is_theory_beside_walks() -> None:
    figure = generative.quality_over_starts(of_starts(), {"dsm": "none", "vdrl": "with"})
    left, right, toy = figure.axes
    assert [ax.get_title() for ax in (left, right)] == ["none", "with"]
    for ax, scale in ((left, 2.0), (right, 1.0)):
        lines = [line for line in ax.lines if len(line.get_xdata())]
        assert len(lines) == 2  # the stand-ins that there are
        for line in lines:
            assert line.get_ydata() == pytest.approx([scale * 1.5 + 0.05, scale * 1.0 + 0.05])
    assert left.get_ylim() == right.get_ylim() and left.get_yscale() == "log"
    theory, walks = toy.lines
    assert theory.get_ydata() == pytest.approx([0.5, 0.0])
    assert walks.get_linestyle() == "None" and walks.get_ydata() == pytest.approx([0.55, 0.05])
    plt.close(figure)


def test_losses_are_each_seeds_over_its_own_control() -> None:
    table, histories = of_games()
    figure = generative.adversary(table, histories)
    left, middle, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["p_KL = 0", "p_KL = 1"]
    assert left.lines[0].get_ydata() == pytest.approx([-0.505, -0.905])
    assert middle.lines[0].get_ydata() == pytest.approx([0.5, 0.5])
    assert middle.lines[1].get_ydata() == pytest.approx([1.0, 1.0])
    assert [bar.get_height() for bar in right.patches] == pytest.approx([1.5, 3.0])
    plt.close(figure)


def test_a_sheet_has_a_row_for_each_stand_in_and_a_column_for_each_start() -> None:
    images = np.zeros((2, 16, 1, 4, 4), dtype=np.uint8)
    sheet = {"black": images, "uniform": images + 255, "starts": np.array(STARTS),
             "sigmas": np.array([0.7071, 50.0])}  # fmt: skip
    figure = generative.start_sheets(sheet, ["uniform", "black"])
    assert len(figure.axes) == 4
    assert [ax.get_title() for ax in figure.axes[:2]] == ["t = 0.5, σ = 0.707", "t = 1.0, σ = 50"]
    shown = [float(np.asarray(ax.images[0].get_array()).mean()) for ax in figure.axes]
    assert shown == [1.0, 1.0, 0.0, 0.0]
    plt.close(figure)
