"""Factors of drawn figures whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from drlcore.data.datasets import load_dataset
from drlcore.data.factors import FACTORS, measure_factors
from drlcore.errors import ParameterError

Image = NDArray[np.float64]


def bar(width: int, height: int, left: int = 10, top: int = 6, size: int = 40) -> Image:
    image = np.zeros((size, size))
    image[top : top + height, left : left + width] = 1
    return image


def leaning(shear: float, width: float = 4, height: int = 30, size: int = 64) -> Image:
    """A bar whose rows move right by ``shear`` for each row up, each pixel lit by its coverage."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rows = np.abs(y) < height / 2
    return np.asarray(np.clip(width / 2 + 0.5 - np.abs(x + shear * y), 0, 1) * rows)


def stroke(width: float, degrees: float, length: float = 40, size: int = 64) -> Image:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.deg2rad(degrees)
    across = np.abs(x * np.cos(angle) + y * np.sin(angle))
    along = np.abs(y * np.cos(angle) - x * np.sin(angle))
    lit = np.clip(width / 2 + 0.5 - across, 0, 1) * np.clip(length / 2 + 0.5 - along, 0, 1)
    return np.asarray(lit)


def ring(width: float, radius: float = 18, size: int = 64) -> Image:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.asarray(np.clip(width / 2 + 0.5 - np.abs(np.hypot(x, y) - radius), 0, 1))


def measure(image: Image) -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure_factors(image[None]).items()}


@given(st.integers(1, 12), st.integers(2, 20), st.integers(0, 28), st.integers(0, 20))
def test_an_upright_bar(width: int, height: int, left: int, top: int) -> None:
    found = measure(bar(width, height, left, top))
    assert found["ink"] == pytest.approx(width * height / 1600)
    assert found["width"] == pytest.approx(width)
    assert found["height"] == pytest.approx(height)
    assert found["x_position"] == pytest.approx(left + (width - 1) / 2 - 19.5)
    assert found["y_position"] == pytest.approx(top + (height - 1) / 2 - 19.5)
    assert found["slant"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("shear", [-0.6, -0.25, 0.1, 0.5])
def test_slant_is_the_shear_and_positive_to_the_right(shear: float) -> None:
    image = leaning(shear)
    assert np.sign(image[:20].sum(0).argmax() - 31.5) == np.sign(shear)  # the top leans that way
    assert measure(image)["slant"] == pytest.approx(shear, abs=0.005)
    assert measure(image[:, ::-1])["slant"] == pytest.approx(-shear, abs=0.005)


@pytest.mark.parametrize("width", [2, 2.5, 3, 4.5, 6])
@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90, 130])
def test_thickness_of_a_stroke_at_any_angle(width: float, degrees: float) -> None:
    assert measure(stroke(width, degrees))["thickness"] == pytest.approx(width, rel=0.15, abs=0.1)


@pytest.mark.parametrize("width", [2, 3, 5])
def test_thickness_of_a_bent_stroke(width: float) -> None:
    assert measure(ring(width))["thickness"] == pytest.approx(width, rel=0.15)


def test_thickness_of_compact_figures() -> None:
    assert measure(np.ones((8, 30)))["thickness"] == pytest.approx(8, rel=0.05)
    y, x = np.mgrid[:40, :40] - 19.5
    disc = np.clip(10.5 - np.hypot(x, y), 0, 1)
    assert measure(disc)["thickness"] == pytest.approx(np.pi * 20 / 4, rel=0.05)


def test_dilation_thickens_every_digit() -> None:
    digits = ((load_dataset("mnist").test.x[:500, 0] + 1) / 2).numpy()
    thicker = ndimage.grey_dilation(digits, size=(1, 2, 2))
    gain = measure_factors(thicker)["thickness"] - measure_factors(digits)["thickness"]
    assert gain.min() > 0.9
    assert 1 < np.median(gain) < 1.45  # one pixel across upright strokes, 2**0.5 across diagonals


@given(st.floats(0.05, 1))
def test_contrast_changes_ink_alone(contrast: float) -> None:
    image = leaning(0.3)
    full, dim = measure(image), measure(image * contrast)
    assert dim.pop("ink") == pytest.approx(full.pop("ink") * contrast)
    assert dim == pytest.approx(full)


@given(st.integers(-8, 8), st.integers(-8, 8))
def test_a_shift_changes_position_alone(right: int, down: int) -> None:
    image = leaning(0.3)
    here, there = measure(image), measure(np.roll(image, (down, right), (0, 1)))
    here["x_position"] += right
    here["y_position"] += down
    assert there == pytest.approx(here, abs=1e-9)


def test_blank_images_are_all_zero() -> None:
    found = measure_factors(np.stack([np.zeros((28, 28)), bar(3, 9, size=28)]))
    assert {name: values[0] for name, values in found.items()} == dict.fromkeys(FACTORS, 0)
    assert found["width"][1] == pytest.approx(3)


@pytest.mark.parametrize(("size", "left", "value"), [(28, 3, 0.1), (27, 11, 1 / 3), (9, 0, 1e-30)])
def test_a_line_and_a_dot_have_no_slant(size: int, left: int, value: float) -> None:
    for width in (1, 7):
        found = measure(bar(width, 1, left, 2, size) * value)
        assert found["slant"] == 0 and found["height"] == pytest.approx(1)
        assert np.isfinite(list(found.values())).all()


def test_rounding_does_not_slant_a_line() -> None:
    lines = np.zeros((500, 27, 28))
    lines[:, 4] = np.random.default_rng(0).random((500, 28))
    assert not measure_factors(lines)["slant"].any()


def test_channels_are_averaged() -> None:
    coloured = np.random.default_rng(0).random((5, 3, 9, 7), np.float32)
    grey = measure_factors(coloured.astype(float).mean(axis=1))
    for name, values in measure_factors(coloured).items():
        assert values == pytest.approx(grey[name]), name


def test_many_images_are_measured_one_by_one() -> None:
    images = np.random.default_rng(0).random((4100, 6, 5))
    found = measure_factors(images)
    assert tuple(found) == FACTORS
    for i in (0, 2047, 2048, 4099):
        assert {name: values[i] for name, values in found.items()} == pytest.approx(
            measure(images[i])
        )
    for values in found.values():
        assert values.shape == (4100,) and values.dtype == np.float64
    assert all(values.shape == (0,) for values in measure_factors(images[:0]).values())


@pytest.mark.parametrize("shape", [(4, 4), (0,), (2, 0, 4), (1, 1, 1, 4, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError, match=r"allowed: \(N, H, W\)"):
        measure_factors(np.zeros(shape))


@pytest.mark.parametrize("value", [-0.01, 1.01, 255, np.nan, np.inf])
def test_other_intensities_are_refused(value: float) -> None:
    with pytest.raises(ParameterError, match=r"allowed: \[0, 1\]"):
        measure_factors(np.full((2, 4, 4), value))
