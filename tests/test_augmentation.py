"""Views: exactly the noise that is said, and crops, colours and mirrors only where they belong."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn

from drlcore.baselines.views import (
    CROP_SCALE,
    GAUSS_SIGMA,
    FullView,
    ImageView,
    StrongView,
    WeakView,
    gauss_view,
)
from drlcore.errors import ParameterError

KINDS = (FullView, WeakView, StrongView)
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
@pytest.mark.parametrize("kind", KINDS)
def test_views_keep_shape_and_range(
    kind: type[ImageView], shape: tuple[int, ...], mirrored: bool
) -> None:
    x0 = torch.rand(40, *shape, generator=seeded(1)) * 2 - 1
    view = kind(shape, mirrored)(x0, seeded())
    assert view.shape == x0.shape and view.dtype == x0.dtype
    assert torch.isfinite(view).all()
    assert view.min() >= -1 - 1e-5 and view.max() <= 1 + 1e-5
    changed = (view - x0).flatten(1).abs().amax(1) > 0.01
    assert changed.float().mean() > 0.8  # one in nine of 8 x 8 is not moved by the weak view


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_have_no_such_views(kind: type[ImageView]) -> None:
    with pytest.raises(ParameterError, match=r"shape = \(2,\).*allowed: \(C, H, W\)"):
        kind((2,), mirrored=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_depends_on_its_generator_alone(kind: type[ImageView], channels: int) -> None:
    shape = (channels, 16, 16)
    x0 = torch.rand(20, *shape, generator=seeded(1)) * 2 - 1
    view, generator = kind(shape, mirrored=True), seeded()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = view(x0, generator), view(x0, generator)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, second)
    torch.manual_seed(6)
    again = kind(shape, mirrored=True)(x0, seeded())
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
@pytest.mark.parametrize("kind", KINDS)
def test_only_what_may_be_mirrored_is(kind: type[ImageView], mirrored: bool) -> None:
    views = kind((2, 28, 28), mirrored)(ramps(300, 28), seeded())
    left, right, top, bottom = (
        views[..., :9],
        views[..., 19:],
        views[..., :9, :],
        views[..., 19:, :],
    )
    reversed_x = (right[:, 0].mean((1, 2)) < left[:, 0].mean((1, 2))).float().mean()
    reversed_y = (bottom[:, 1].mean((1, 2)) < top[:, 1].mean((1, 2))).float().mean()
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


# LaplaceNet's views.


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 16, 25)])
@pytest.mark.parametrize("mirrored", [True, False])
def test_a_weak_view_is_the_image_moved_by_whole_pixels(
    shape: tuple[int, ...], mirrored: bool
) -> None:
    n, (_, height, width) = 400, shape
    down, right = height // 8, width // 8
    x0 = torch.rand(n, *shape, generator=seeded(1)) * 2 - 1
    views = WeakView(shape, mirrored)(x0, seeded())
    moves = []
    for image, view in zip(x0, views, strict=True):
        found = []
        for flipped in (False, True):
            source = image.flip(-1) if flipped else image
            padded = F.pad(source[None], (right, right, down, down), mode="reflect")[0]
            for i in range(2 * down + 1):
                for j in range(2 * right + 1):
                    if torch.allclose(view, padded[:, i : i + height, j : j + width], atol=1e-6):
                        found += [(flipped, i, j)]
        assert len(found) == 1  # a shift, and one only
        moves += found
    flips, rows, columns = torch.tensor(moves, dtype=torch.float64).T
    assert 0.4 < flips.mean() < 0.6 if mirrored else not flips.any()
    for draws, most in ((rows, 2 * down), (columns, 2 * right)):
        counts = torch.bincount(draws.long(), minlength=most + 1).numpy()
        assert len(counts) == most + 1
        assert stats.chisquare(counts).pvalue > 0.001  # every shift as likely
    assert abs(stats.pearsonr(rows, columns).statistic) < 4 / n**0.5


def test_a_strong_view_begins_with_the_weak_one_and_goes_on() -> None:
    x0 = torch.rand(30, 1, 28, 28, generator=seeded(1)) * 2 - 1
    weak, strong = WeakView((1, 28, 28), True), StrongView((1, 28, 28), True)
    whole = strong(x0, seeded())
    assert ((whole - weak(x0, seeded())).flatten(1).abs().mean(1) > 0.05).all()
    strong.steps = strong.steps[: len(weak.steps)]
    assert torch.equal(strong(x0, seeded()), weak(x0, seeded()))


def steps_from(view: ImageView, *names: str) -> ImageView:
    """``view`` reduced to these of its steps."""
    view.steps = nn.Sequential(*(s for s in view.steps if type(s).__name__ in names))
    assert len(view.steps) == len(names)
    return view


def test_the_strong_view_turns_shears_and_scales_each_image_within_its_range() -> None:
    """From the gradients of two ramps: the inverse of the map that moved the pixels."""
    side, n = 65, 300
    turned = steps_from(StrongView((2, side, side), False), "RandomAffine")(
        ramps(n, side), seeded()
    )
    near = turned[..., 29:36, 29:36] * (side - 1) / 2  # pixels of the original, near the centre
    along = (near[..., 3, -1] - near[..., 3, 0]) / 6
    down = (near[..., -1, 3] - near[..., 0, 3]) / 6
    inverse = torch.stack([along, down], dim=2)  # (n, 2, 2): d original / d view
    moves = torch.linalg.inv(inverse.double())
    scale = torch.linalg.det(moves).sqrt()  # rotation and shear keep areas
    assert 0.79 < scale.min() < 0.85 and 1.15 < scale.max() < 1.21
    stretch = torch.linalg.svdvals(moves / scale[:, None, None])
    # A shear by tan(a) has the singular values of ratio e^(2 asinh(tan(a) / 2)).
    shear = torch.rad2deg(torch.atan(2 * torch.sinh((stretch[:, 0] / stretch[:, 1]).log() / 2)))
    assert shear.max() < 10.2 and shear.max() > 8 and shear.min() < 1
    # kornia shears first along x, then turns: the image of the x axis shows the turn alone.
    angle = torch.rad2deg(torch.atan2(moves[:, 1, 0], moves[:, 0, 0]))
    assert angle.abs().max() < 20.2 and angle.max() > 17 and angle.min() < -17
    centre = turned[:, :, side // 2, side // 2].abs() * (side - 1) / 2
    assert centre.max() < 0.1  # nothing moves the centre: the weak part does that


def test_the_strong_view_erases_one_grey_rectangle() -> None:
    n, side = 300, 40
    erased = steps_from(StrongView((1, side, side), False), "RandomErasing")
    views = erased(torch.full((n, 1, side, side), -1.0), seeded())
    assert set(views.unique().tolist()) == {-1.0, 0.0}  # mid-grey of [-1, 1]
    grey = views[:, 0] == 0
    heights, widths = grey.any(2).sum(1), grey.any(1).sum(1)
    assert torch.equal(heights * widths, grey.sum((1, 2)))  # a full rectangle
    area = (heights * widths) / side**2
    assert 0.01 < area.min() < 0.04 and 0.13 < area.max() < 0.17
    assert len({tuple(g.flatten().tolist()) for g in grey}) > 0.95 * n


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_strong_view_changes_tones_and_of_three_channels_saturation(channels: int) -> None:
    n, low, high, offset = 300, 0.4, 0.42, 0.02  # of [0, 1], so that nothing is cut off
    names = ("ColorJitter",) if channels == 3 else ("RandomBrightness", "RandomContrast")
    tones = steps_from(StrongView((channels, 8, 8), False), *names)
    x0 = torch.full((n, channels, 8, 8), low)
    x0[..., 4:] = high
    x0[:, 0] += offset
    views = (tones(2 * x0 - 1, seeded()) + 1) / 2
    contrast = (views[:, 0, 0, -1] - views[:, 0, 0, 0]) / (high - low)
    assert contrast.min() < 0.85 and contrast.max() > 1.15
    assert contrast.std() > 0.1  # each image its own
    assert views.flatten(1).mean(1).std() > 0.05
    if channels != 3:  # (x + brightness) contrast
        assert contrast.min() > 0.699 and contrast.max() < 1.301
        brightness = views[:, 0, 0, 0] / contrast - low - offset
        assert -0.301 < brightness.min() < -0.27 and 0.27 < brightness.max() < 0.301
    if channels > 1:  # without saturation, what lies between channels is scaled as all else is
        between = (views[:, 0, 0, 0] - views[:, -1, 0, 0]) / offset
        assert torch.allclose(between, contrast, atol=1e-3) == (channels != 3)


@pytest.mark.parametrize("kind", [WeakView, StrongView])
def test_every_image_has_its_own_weak_or_strong_view(kind: type[ImageView]) -> None:
    views = kind((2, 64, 64), mirrored=False)(ramps(20, 64), seeded())
    assert len({tuple(view.flatten().tolist()) for view in views}) > 15  # weak ones may coincide
