"""Views: exactly the noise that is said, and crops, colours and mirrors only where they belong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from drlcore.augmentation import CROP_SCALE, GAUSS_SIGMA, FullView, gauss_view

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 28, 28), (3, 20, 31), (2, 9, 9), (4, 16, 16)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramps(n: int, side: int) -> Tensor:
    """Two channels: x from -1 to 1 along the width, and y along the height."""
    line = torch.linspace(-1, 1, side)
    image = torch.stack([line.expand(side, side), line[:, None].expand(side, side)])
    return image.expand(n, 2, side, side)


def test_gauss_view_adds_exactly_that_noise() -> None:
    x0 = torch.rand(200, 3, 16, 16, generator=seeded(1)) * 2 - 1
    added = gauss_view(x0, seeded()) - x0
    assert float(added.std()) == pytest.approx(GAUSS_SIGMA, rel=0.01)
    assert abs(float(added.mean())) < 0.01
    expected = GAUSS_SIGMA * torch.randn(x0.shape, generator=seeded())
    assert torch.allclose(added, expected, atol=1e-6)  # of x0 and of other pixels it is independent


def test_gauss_view_takes_vectors() -> None:
    assert gauss_view(torch.zeros(5, 2), seeded()).shape == (5, 2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mirrored", [True, False])
def test_full_view_keeps_shape_and_range(shape: tuple[int, ...], mirrored: bool) -> None:
    x0 = torch.rand(40, *shape, generator=seeded(1)) * 2 - 1
    view = FullView(shape, mirrored)(x0, seeded())
    assert view.shape == x0.shape and view.dtype == x0.dtype
    assert torch.isfinite(view).all()
    assert view.min() >= -1 - 1e-5 and view.max() <= 1 + 1e-5
    changed = (view - x0).flatten(1).abs().amax(1) > 0.01
    assert changed.float().mean() > 0.9


def test_full_view_depends_on_its_generator_alone() -> None:
    x0 = torch.rand(20, 3, 16, 16, generator=seeded(1)) * 2 - 1
    view, generator = FullView((3, 16, 16), mirrored=True), seeded()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = view(x0, generator), view(x0, generator)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, second)
    torch.manual_seed(6)
    again = FullView((3, 16, 16), mirrored=True)(x0, seeded())
    assert torch.equal(first, again)


def test_every_image_has_its_own_draw() -> None:
    views = FullView((2, 32, 32), mirrored=False)(ramps(20, 32), seeded())
    assert len({tuple(view.flatten().tolist()) for view in views}) == 20


def test_crop_covers_the_area_it_says() -> None:
    # The slope of a ramp in the middle, where neither blur nor borders reach, is the share of the
    # side that the crop shows.
    side, step = 64, 2 / 63
    views = FullView((2, side, side), mirrored=False)(ramps(300, side), seeded())
    width = (views[:, 0, 32, 33] - views[:, 0, 32, 31]) / (2 * step)
    height = (views[:, 1, 33, 32] - views[:, 1, 31, 32]) / (2 * step)
    area = width * height
    low, high = CROP_SCALE
    assert area.min() > low - 0.04 and area.max() < high + 0.01  # whole pixels, hence the margin
    assert area.min() < low + 0.1 and area.max() > high - 0.1
    ratio = width / height
    assert ratio.min() > 0.65 and ratio.max() < 1.55  # 3/4 to 4/3, and whole pixels
    assert ratio.min() < 0.85 and ratio.max() > 1.2


@pytest.mark.parametrize("mirrored", [True, False])
def test_only_what_may_be_mirrored_is(mirrored: bool) -> None:
    views = FullView((2, 28, 28), mirrored)(ramps(300, 28), seeded())
    reversed_x = (views[:, 0, :, -1] < views[:, 0, :, 0]).all(1).float().mean()
    reversed_y = (views[:, 1, -1] < views[:, 1, 0]).all(1).float().mean()
    assert reversed_y == 0
    assert 0.4 < reversed_x < 0.6 if mirrored else reversed_x == 0


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_without_three_channels_values_stay(channels: int) -> None:
    # Crop and blur leave a flat image flat; only colour jitter would change its value.
    flat = torch.linspace(-1, 1, 30)[:, None, None, None].expand(30, channels, 12, 12)
    view = FullView((channels, 12, 12), mirrored=True)(flat, seeded())
    assert torch.allclose(view, flat, atol=1e-5)


def test_three_channels_are_jittered_and_sometimes_grey() -> None:
    orange = torch.tensor([1.0, 0.0, -1.0])[None, :, None, None].expand(600, 3, 8, 8)
    views = FullView((3, 8, 8), mirrored=False)(orange, seeded())
    grey = (views.amax(1) - views.amin(1)).flatten(1).amax(1) < 1e-5
    assert 0.15 < grey.float().mean() < 0.26  # 0.2, and now and then black
    kept = (views - orange).flatten(1).abs().amax(1) < 1e-4
    assert 0.11 < kept.float().mean() < 0.22  # neither jittered, 0.2, nor grey, 0.8


def test_half_the_images_are_blurred() -> None:
    # Stripes one pixel wide: crops of them, enlarged, have stripes still; a blur weakens them.
    stripes = torch.full((1000, 1, 20, 20), -1.0)
    stripes[:, :, ::2] = 1.0
    whole, sharp = FullView((1, 20, 20), mirrored=False), FullView((1, 20, 20), mirrored=False)
    sharp.steps = sharp.steps[:-1]  # the blur is last
    blurred, kept = whole(stripes, seeded()), sharp(stripes, seeded())
    changed = (blurred - kept).flatten(1).abs().amax(1) > 1e-3
    assert 0.42 < changed.float().mean() < 0.53  # 1/2, less those blurred by next to nothing
    contrast = (blurred.flatten(1).std(1) / kept.flatten(1).std(1))[changed]
    assert contrast.max() < 1
