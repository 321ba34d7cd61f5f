"""Sheets drawn with a denoiser that paints its code, so that every cell can be read back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drlcore.data.datasets import load_dataset
from drlcore.encoder import Code
from drlcore.model import RepresentationModel
from drlcore.noise_range import NoiseRange
from drlcore.paper import sheets
from drlcore.sampling import in_chunks, probability_flow_ode
from drlcore.sde import SDES
from drlcore.training.run import RunParameters

DIGITS = load_dataset("digits")
RUN = RunParameters(dataset="digits")
STEPS = 4
SHAPE = (1, 8, 8)


class Encoder(nn.Module):
    """A code in [-1, 1] that tells the images apart: means of the left and of the right half."""

    def __init__(self, latent_dim: int = 2) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, x0: Tensor) -> Code:
        halves = torch.stack([x0[..., :4].flatten(1).mean(1), x0[..., 4:].flatten(1).mean(1)], 1)
        rest = 0.3 * x0.flatten(1)[:, 20 : 20 + self.latent_dim - 2]
        return Code(torch.cat([halves, rest], dim=1))


class Painter(nn.Module):
    """An image whose upper half is z1, whose lower half is z2, both a tenth as large."""

    sigma_data = 0.5

    def __init__(self, paint: Callable[[Tensor, Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.paint, self.codes, self.latent_dim = paint, [], 2

    def forward(self, x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        self.codes.append(z)
        if self.paint is not None:
            return self.paint(x, z)
        image = torch.empty_like(x)
        image[..., :4, :], image[..., 4:, :] = (z[:, k, None, None, None] / 10 for k in (0, 1))
        return image


def keep_above_paint_below(x: Tensor, z: Tensor) -> Tensor:
    """The upper half stays as it began, the lower half is z1."""
    image = x.clone()
    image[..., 4:, :] = z[:, 0, None, None, None]
    return image


def model_of(run: RunParameters = RUN, painter: Any = None, latent_dim: int = 2) -> Any:
    sde = SDES[run.sde](run.noise)
    return RepresentationModel(sde, painter or Painter(), Encoder(latent_dim), False)


def in_bytes(values: Any) -> np.ndarray:
    """[-1, 1] to 0 ... 255."""
    return np.round((np.clip(np.asarray(values, dtype=np.float64), -1, 1) + 1) * 127.5)


def first_of(label: int) -> Tensor:
    return next(x for x, y in zip(DIGITS.test.x, DIGITS.test.y, strict=True) if int(y) == label)


# The grid over codes.


@pytest.mark.parametrize("method", ["drl", "vdrl"])
@pytest.mark.parametrize("sde", ["ve", "vp"])
def test_latent_grid_rows_fall_in_z2_and_columns_rise_in_z1(method, sde):
    run = RUN.updated(method=method, sde=sde)
    grid = sheets.latent_grid(run, model_of(run), STEPS)
    assert grid["images"].shape == (100, *SHAPE) and grid["images"].dtype == np.uint8
    for name in ("z1", "z2"):
        assert grid[name].shape == (10,) and grid[name].dtype == np.float32
        assert (np.diff(grid[name]) > 0).all()
    for cell, image in enumerate(grid["images"].astype(float)):
        row, column = divmod(cell, 10)
        assert image[0, :4] == pytest.approx(in_bytes(grid["z1"][column] / 10), abs=1)
        assert image[0, 4:] == pytest.approx(in_bytes(grid["z2"][9 - row] / 10), abs=1)
    if method == "vdrl":
        for name in ("z1", "z2"):
            np.testing.assert_allclose(grid[name], np.linspace(-2, 2, 10), rtol=1e-6)
    else:
        codes = Encoder()(DIGITS.validation.x).mean.detach().numpy()
        for k, name in enumerate(("z1", "z2")):
            ends = np.quantile(codes[:, k], [0.025, 0.975])
            np.testing.assert_allclose(grid[name][[0, -1]], ends, rtol=1e-5)


def test_latent_grid_leaves_further_coordinates_at_their_median():
    run, painter = RUN.updated(latent_dim=5), Painter()
    sheets.latent_grid(run, model_of(run, painter, latent_dim=5), STEPS)
    codes = Encoder(5)(DIGITS.validation.x).mean.detach().numpy()
    for z in painter.codes:
        assert z.shape == (100, 5)
        np.testing.assert_allclose(
            z[:, 2:], np.tile(np.median(codes[:, 2:], axis=0), (100, 1)), atol=1e-6
        )


def test_every_cell_has_its_own_prior_draw_fixed_by_the_seed():
    keep = Painter(lambda x, z: x)  # the flow stands still: what comes out is the prior
    run = RUN.updated(noise=NoiseRange(sigma_max=0.3))
    one = sheets.latent_grid(run, model_of(run, keep), STEPS)["images"]
    assert len({image.tobytes() for image in one}) == 100
    again = sheets.latent_grid(run, model_of(run, keep), STEPS)["images"]
    np.testing.assert_array_equal(one, again)
    other = sheets.latent_grid(run.updated(seed=1), model_of(run, keep), STEPS)["images"]
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_price_is_that_of_heuns_method(steps):
    for draw in (sheets.latent_grid, sheets.swapped_codes, sheets.reconstructions):
        assert int(draw(RUN, model_of(), steps)["nfe"]) == 2 * steps - 1
    assert int(sheets.same_code(RUN, model_of(), steps)["nfe"]) == 2 * steps - 1


# Another image's code.


@pytest.mark.parametrize("sde", ["ve", "vp"])
def test_swapped_codes_are_noisy_digit_i_under_the_code_of_digit_j(sde):
    run = RUN.updated(sde=sde)
    sheet = sheets.swapped_codes(run, model_of(run, Painter(keep_above_paint_below)), STEPS)
    assert sheet["sigmas"].tolist() == [0.5, 2.0, 10.0]
    assert sheet["sigmas"].dtype == np.float32
    assert sheet["clean"].shape == (4, *SHAPE)
    assert sheet["noisy"].shape == (3, 4, *SHAPE)
    assert sheet["images"].shape == (3, 4, 4, *SHAPE)
    assert all(sheet[name].dtype == np.uint8 for name in ("clean", "noisy", "images"))
    clean = torch.stack([first_of(label) for label in range(4)])
    np.testing.assert_array_equal(sheet["clean"], in_bytes(clean))
    codes = Encoder()(clean).mean.detach()[:, 0].numpy()
    assert len(set(in_bytes(codes).tolist())) == 4  # else the layout could not be seen
    images = sheet["images"].astype(float)
    for level in range(3):
        for i in range(4):
            for j in range(4):
                cell = images[level, i, j, 0]
                start = sheet["noisy"][level, i, 0, :4].astype(float)
                np.testing.assert_allclose(cell[:4], start, atol=1)
                np.testing.assert_allclose(cell[4:], in_bytes(codes[j]), atol=1)


def test_swapped_codes_in_a_range_without_the_usual_levels():
    run = RUN.updated(noise=NoiseRange(sigma_min=0.04, sigma_max=0.25))
    sheet = sheets.swapped_codes(run, model_of(run), STEPS)
    assert sheet["sigmas"].tolist() == pytest.approx([0.1])
    assert sheet["images"].shape == (1, 4, 4, *SHAPE)


def test_noisy_images_have_the_noise_of_their_level():
    run = RUN.updated(seed=5)
    sheet = sheets.swapped_codes(run, model_of(run), STEPS)
    clean = torch.stack([first_of(label) for label in range(4)])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
    for sigma, noisy in zip(sheet["sigmas"].tolist(), sheet["noisy"], strict=True):
        np.testing.assert_allclose(noisy, in_bytes(clean + sigma * noise), atol=1)


def test_levels_outside_the_range_are_left_out():
    run = RUN.updated(noise=NoiseRange(sigma_min=1.0, sigma_max=5.0))
    sheet = sheets.swapped_codes(run, model_of(run), STEPS)
    assert sheet["sigmas"].tolist() == [2.0]
    assert sheet["images"].shape == (1, 4, 4, *SHAPE)


# Many samples of one code.


def test_same_code_of_a_painter_has_no_diversity_and_the_painters_error():
    sheet = sheets.same_code(RUN, model_of(), STEPS)
    x0 = DIGITS.test.x[:50]
    codes = Encoder()(x0).mean.detach().numpy()
    assert sheet["images"].shape == (100, *SHAPE) and sheet["images"].dtype == np.uint8
    np.testing.assert_array_equal(sheet["source"], in_bytes(x0[0]))
    assert np.ptp(sheet["images"].astype(float), axis=0).max() == 0
    np.testing.assert_allclose(sheet["images"][0, 0, [0, 7], 0], in_bytes(codes[0] / 10), atol=1)
    assert sheet["diversity"].shape == sheet["error"].shape == (50,)
    assert sheet["diversity"].dtype == sheet["error"].dtype == np.float32
    np.testing.assert_allclose(sheet["diversity"], 0, atol=1e-6)
    painted = np.repeat(codes / 10, 32, axis=1).reshape(50, 64)
    expected = np.sqrt(((painted - x0.flatten(1).numpy()) ** 2).mean(axis=1))
    np.testing.assert_allclose(sheet["error"], expected, atol=0.005)


def test_diversity_is_the_spread_of_a_pixel_over_samples_of_one_code():
    keep = Painter(lambda x, z: x)
    run = RUN.updated(noise=NoiseRange(sigma_max=0.3), seed=2)
    sheet = sheets.same_code(run, model_of(run, keep), STEPS)
    model = model_of(run, keep)
    z = Encoder()(DIGITS.test.x[:50]).mean.detach().repeat_interleave(20, 0)
    drawn = probability_flow_ode(
        model.sde, model.denoise, z, (1000, *SHAPE), STEPS, torch.Generator().manual_seed(2)
    ).x
    values = drawn.clamp(-1, 1).view(50, 20, 64).numpy()
    spread = [np.sqrt(np.mean([np.var(pixel) for pixel in image.T])) for image in values]
    np.testing.assert_allclose(sheet["diversity"], spread, atol=0.004)
    assert float(sheet["diversity"].mean()) == pytest.approx(0.3 * (19 / 20) ** 0.5, rel=0.03)
    away = values - DIGITS.test.x[:50].view(50, 1, 64).numpy()
    np.testing.assert_allclose(sheet["error"], np.sqrt((away**2).mean(axis=(1, 2))), atol=0.004)


# Reconstructions and codes.


def test_reconstructions_are_three_samples_of_one_image_of_each_class():
    sheet = sheets.reconstructions(RUN, model_of(), STEPS)
    assert sheet["clean"].shape == (10, *SHAPE) and sheet["images"].shape == (10, 3, *SHAPE)
    assert sheet["clean"].dtype == sheet["images"].dtype == np.uint8
    for label in range(10):
        clean = first_of(label)
        np.testing.assert_array_equal(sheet["clean"][label], in_bytes(clean))
        z = Encoder()(clean[None]).mean.detach()[0].numpy() / 10
        for sample in sheet["images"][label].astype(float):
            np.testing.assert_allclose(sample[0, :4], in_bytes(z[0]), atol=1)
            np.testing.assert_allclose(sample[0, 4:], in_bytes(z[1]), atol=1)


def test_codes_of_test_are_those_of_all_test_images_in_order():
    codes = sheets.codes_of_test(RUN, model_of())["codes"]
    assert codes.dtype == np.float32
    np.testing.assert_allclose(codes, Encoder()(DIGITS.test.x).mean.detach(), atol=1e-6)


def test_bytes_round_and_clip():
    x = torch.tensor([-3.0, -1.0, -0.001, 0.0, 0.5, 1.0, 1.5])
    assert sheets.to_uint8(x).tolist() == [0, 0, 127, 128, 191, 255, 255]


@pytest.mark.parametrize(
    ("sampler", "steps", "nfe"),
    [("heun", 4, 7), ("euler-maruyama", 5, 5), ("predictor-corrector", 3, 6)],
)
def test_samples_of_codes_paint_the_code_of_each_image(sampler: str, steps: int, nfe: int) -> None:
    """One sample for each of the first validation images, by every sampler."""
    samples, images, evaluations = sheets.samples_of_codes(RUN, model_of(), steps, 30, sampler)
    assert evaluations == nfe
    assert torch.equal(images, DIGITS.validation.x[:30])
    z = Encoder()(images).mean
    torch.testing.assert_close(samples[:, 0, 0, 0], z[:, 0] / 10, rtol=0, atol=0.5 / 127.5 + 1e-4)
    torch.testing.assert_close(samples[:, 0, 7, 0], z[:, 1] / 10, rtol=0, atol=0.5 / 127.5 + 1e-4)


def test_samples_of_codes_are_of_all_images_where_fewer_are_there() -> None:
    samples, images, _ = sheets.samples_of_codes(RUN, model_of(), 2, 10**6)
    assert samples.shape == images.shape == DIGITS.validation.x.shape


def test_samples_are_the_same_whatever_is_denoised_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, _, _ = sheets.samples_of_codes(RUN, model_of(), STEPS, 30)
    monkeypatch.setattr(sheets, "in_chunks", partial(in_chunks, size=7))
    assert torch.equal(whole, sheets.samples_of_codes(RUN, model_of(), STEPS, 30)[0])
