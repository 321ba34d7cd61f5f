"""Light, colour and edges of pictures whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drlcore.data.factors import SCENES, image_factors
from drlcore.data.scene import SCENE, frame, measure_scene
from drlcore.errors import ParameterError


def painted(inside: tuple[float, ...], outside: tuple[float, ...], size: int = 32) -> np.ndarray:
    """A square of one colour in a border of another, an eighth of the side wide."""
    x = np.empty((1, 3, size, size))
    x[:] = np.array(inside)[None, :, None, None]
    x[:, :, frame(size, size)] = np.array(outside)[None, :, None]
    return x


def test_a_border_has_its_own_light_and_colour():
    found = measure_scene(painted(inside=(0.9, 0.3, 0.0), outside=(0.1, 0.2, 0.6)))
    share = frame(32, 32).mean()
    assert share == pytest.approx(1 - (24 / 32) ** 2)
    assert found["border_brightness"] == pytest.approx(0.3)
    assert found["border_warmth"] == pytest.approx(-0.5)
    assert found["brightness"] == pytest.approx(0.3 * share + 0.4 * (1 - share))
    assert found["warmth"] == pytest.approx(-0.5 * share + 0.9 * (1 - share))
    assert found["contrast"] == pytest.approx(0.1 * np.sqrt(share * (1 - share)))


def test_edges_are_the_mean_length_of_the_gradient():
    ramp = np.add.outer(3 * np.arange(16), 4 * np.arange(16)) / 200  # rises by 3 and 4 a pixel
    x = np.broadcast_to(ramp, (2, 3, 16, 16))
    assert measure_scene(x)["edges"] == pytest.approx([5 / 200] * 2)


@given(st.floats(0.1, 0.4), st.floats(0.0, 0.3))
def test_brighter_and_warmer_pictures(light: float, red: float):
    x = np.random.default_rng(0).random((3, 3, 8, 9)) * 0.3
    more = x + light
    more[:, 0] += red
    before, after = measure_scene(x), measure_scene(more)
    for where in ("", "border_"):
        risen = after[f"{where}brightness"] - before[f"{where}brightness"]
        assert risen == pytest.approx([light + red / 3] * 3)
        warmer = after[f"{where}warmth"] - before[f"{where}warmth"]
        assert warmer == pytest.approx([red] * 3)
    for same in ("contrast", "edges"):
        assert after[same] == pytest.approx(before[same])


def test_grey_pictures_have_no_warmth_and_small_ones_a_border_of_a_pixel():
    found = measure_scene(np.random.default_rng(0).random((4, 1, 4, 4)))
    assert not found["warmth"].any() and not found["border_warmth"].any()
    assert frame(4, 4).sum() == 12 and frame(2, 2).all()
    assert tuple(found) == SCENE and all(values.shape == (4,) for values in found.values())


@pytest.mark.parametrize("shape", [(4, 8, 8), (1, 2, 8, 8), (1, 3, 1, 8), (1, 3, 8, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ParameterError, match="allowed: .N, C, H, W. with C = 1 or 3"):
        measure_scene(np.zeros(shape))


def test_factors_of_photographs_are_measured_on_intensities():
    x = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    measured = image_factors(2 * x - 1, measure=SCENES)
    assert list(measured) == list(SCENE)
    for name, values in measure_scene(x.numpy()).items():
        assert measured[name] == pytest.approx(values, abs=1e-6)
