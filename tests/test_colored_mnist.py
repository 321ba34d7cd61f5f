"""Colored-MNIST is MNIST in known colours that say nothing about the digit."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, chisquare

from drlcore.data.colored_mnist import BACKGROUND_COLOURS, DIGIT_COLOURS, draw_colours, paint
from drlcore.data.datasets import Split, load_dataset
from drlcore.data.factors import FACTORS
from drlcore.probes.static import probe

PARTS = ("train", "validation", "test")
KNOWN = ("digit_colour", "background_colour")
DIGIT = np.array(list(DIGIT_COLOURS.values()))
BACKGROUND = np.array(list(BACKGROUND_COLOURS.values()))


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance of an sRGB colour, WCAG 2."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.divide(colour, 255)
    ]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def part(name: str) -> Split:
    return getattr(load_dataset("colored-mnist"), name)


def rgb(split: Split, n: int) -> NDArray[np.int64]:
    return ((split.x[:n] + 1) * 127.5).round().long().numpy()


def test_a_digit_stands_out_from_every_background() -> None:
    for digit in DIGIT_COLOURS.values():
        for background in BACKGROUND_COLOURS.values():
            assert (luminance(digit) + 0.05) / (luminance(background) + 0.05) >= 4.5


@pytest.mark.parametrize("palette", [DIGIT_COLOURS, BACKGROUND_COLOURS])
def test_colours_of_a_palette_differ(palette: dict[str, tuple[int, int, int]]) -> None:
    for a, b in combinations(palette.values(), 2):
        assert np.linalg.norm(np.subtract(a, b)) >= 80


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 4)] * 3)),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_paint_mixes_the_two_colours(grey: NDArray[np.uint8], digit: int, background: int) -> None:
    n = len(grey)
    painted = paint(grey, np.full(n, digit), np.full(n, background))
    share = grey[:, None] / 255
    low, high = BACKGROUND[background][:, None, None], DIGIT[digit][:, None, None]
    assert painted.dtype == np.uint8 and painted.shape == (n, 3, *grey.shape[1:])
    assert np.abs(painted - (low * (1 - share) + high * share)).max() <= 0.5


def test_each_image_has_its_own_colours() -> None:
    grey = np.array([0, 255], np.uint8).repeat(2).reshape(2, 2, 1)
    painted = paint(grey, np.array([1, 2]), np.array([3, 4]))
    assert painted[0, :, 0, 0].tolist() == list(BACKGROUND_COLOURS["blue"])
    assert painted[1, :, 0, 0].tolist() == list(DIGIT_COLOURS["cyan"])


def test_colours_are_drawn_by_seed() -> None:
    first, again, other = (draw_colours(50, seed) for seed in (1, 1, 2))
    for name in KNOWN:
        assert first[name].tolist() == again[name].tolist() != other[name].tolist()


@pytest.mark.parametrize("name", PARTS)
def test_class_and_colours_are_independent(name: str) -> None:
    split = part(name)
    variables = [split.y.numpy(), *(split.factors[factor] for factor in KNOWN)]
    for values in variables[1:]:
        assert values.dtype == np.int64 and set(values) == set(range(5))
        assert chisquare(np.bincount(values)).pvalue > 1e-3
    for a, b in combinations(variables, 2):
        table = np.zeros((a.max() + 1, b.max() + 1))
        np.add.at(table, (a, b), 1)
        assert chi2_contingency(table).pvalue > 1e-3


@pytest.mark.parametrize("name", PARTS)
def test_images_are_those_of_mnist_in_the_colours_they_are_said_to_have(name: str) -> None:
    split, grey = part(name), getattr(load_dataset("mnist"), name)
    assert torch.equal(split.y, grey.y)
    n = 2000
    low = BACKGROUND[split.factors["background_colour"][:n]][:, :, None, None]
    high = DIGIT[split.factors["digit_colour"][:n]][:, :, None, None]
    share = (grey.x[:n].numpy() + 1) / 2
    assert np.abs(rgb(split, n) - (low * (1 - share) + high * share)).max() < 0.51


def test_other_factors_are_those_of_the_grey_image() -> None:
    factors, grey = part("validation").factors, load_dataset("mnist").validation.factors
    assert tuple(factors) == (*KNOWN, *FACTORS) and len(factors) == 9
    for name in FACTORS:
        np.testing.assert_allclose(factors[name], grey[name], atol=1e-5)


def test_a_probe_tells_which_colour_a_code_holds() -> None:
    train, test = (
        Split(split.x[:n], split.y[:n], {name: split.factors[name][:n] for name in KNOWN})
        for split, n in ((part("train"), 2000), (part("test"), 1000))
    )
    corner = [split.x[:, :, 0, 0].numpy() for split in (train, test)]  # a code of the background
    found = probe(corner[0], train, corner[1], test)
    assert found["background_colour_accuracy"] == 1
    assert found["digit_colour_accuracy"] == pytest.approx(1 / 5, abs=0.06)
    assert found["knn_accuracy"] == pytest.approx(1 / 10, abs=0.06)
