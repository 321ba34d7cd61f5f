"""What z is worth by noise level and detail, on models whose use of z is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from drlcore.baselines import METHODS
from drlcore.data.datasets import load_dataset
from drlcore.encoder import Code
from drlcore.model import RepresentationModel
from drlcore.noise_range import NoiseRange
from drlcore.probes import usage as diagnostics
from drlcore.probes.usage import USAGE_LEVELS, another, code_usage, paid_for
from drlcore.sde import SDES
from drlcore.training.run import RunParameters, build_model

RUN = RunParameters(dataset="digits", latent_dim=64)
PART = load_dataset("digits").validation
X0 = PART.x  # fewer than the images looked at at each level
CODES = {
    "own", "shuffled", "constant", "interpolated", "same_class",
    *(f"same_{factor}" for factor in PART.factors),
}  # fmt: skip


class Flat(nn.Module):
    """The whole image as the code; a probabilistic one is very uncertain of it."""

    def __init__(self, logvar: float | None = None) -> None:
        super().__init__()
        self.logvar = logvar
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, x0: Tensor) -> Code:
        mean = x0.flatten(1)
        return Code(mean, None if self.logvar is None else torch.full_like(mean, self.logvar))


class Ignores(nn.Module):
    """Half of what it is shown, whatever z says; records what it saw."""

    latent_dim, sigma_data = 64, 0.5

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        self.seen.append(x)
        return 0.5 * x


class Checks(Ignores):
    """Knows each image by its faint noise; off by as much as z is wrong about its value."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        image = torch.cdist(x.flatten(1), X0.flatten(1)).argmin(1)
        return X0[image] + (z[:, 0] - self.values[image])[:, None, None, None]


class Told(nn.Module):
    """The value of each image, as the first of its code."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = values
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, x0: Tensor) -> Code:
        image = torch.cdist(x0.flatten(1), X0.flatten(1)).argmin(1)
        return Code(self.values[image][:, None].expand(-1, 64), None)


class Believes(Ignores):
    """What z says, whatever it is shown."""

    def forward(self, x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        self.seen.append(x)
        return z.view_as(x)


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    """Two passes over the validation images at each of 12 levels."""
    monkeypatch.setattr(diagnostics, "USAGE_DENOISED", 2 * USAGE_LEVELS * len(X0))


def table_of(denoiser: Any, run: RunParameters = RUN, encoder: nn.Module | None = None) -> Any:
    model = RepresentationModel(SDES[run.sde](run.noise), denoiser, encoder or Flat(), False)
    return code_usage(model, PART, METHODS[run.method], run.seed, run.train_images)


def usage_of(denoiser: Any, run: RunParameters = RUN, encoder: nn.Module | None = None) -> Any:
    table = table_of(denoiser, run, encoder)
    assert list(table.columns) == ["sigma", "z", "loss"]
    assert set(table.z) == CODES
    n_levels = 1 if run.noise.t_sampler.name == "single" else USAGE_LEVELS
    assert len(table) == len(CODES) * n_levels
    return table.pivot(index="sigma", columns="z", values="loss")


@pytest.mark.parametrize("sde", ["ve", "vp", "subvp"])
def test_a_model_that_ignores_z_has_equal_losses(sde):
    run = RUN.updated(sde=sde)
    wide = usage_of(Ignores(), run)
    assert all((wide.own == wide[name]).all() for name in CODES)
    # ||x/2 - x0||^2 / (d sigma^2) at x = x0 + sigma noise: 1/4 (1 + mean square / sigma^2).
    expected = 0.25 * (1 + float(X0.square().mean()) / wide.index.to_numpy() ** 2)
    np.testing.assert_allclose(wide.own, expected, rtol=0.05)


def test_an_oracle_pays_for_a_wrong_code_alone():
    wide = usage_of(Believes())
    sigma = wide.index.to_numpy()
    assert (wide.own < 1e-9).all() and (wide.own < wide.shuffled).all()
    # A constant mean code leaves the variance; another image's code twice that, in expectation.
    variance = float(X0.var(dim=0, correction=0).mean())
    np.testing.assert_allclose(wide.constant, variance / sigma**2, rtol=1e-3)
    np.testing.assert_allclose(wide.shuffled, 2 * variance / sigma**2, rtol=0.1)
    np.testing.assert_allclose(wide.interpolated, wide.shuffled / 4, rtol=1e-5)
    # Digits of a class look alike, so the code of one serves another better than any other's.
    assert (wide.same_class < 0.8 * wide.shuffled).all()


def test_all_codes_meet_the_same_noisy_images_and_every_draw_other_noise():
    denoiser = Ignores()
    usage_of(denoiser)
    n = len(CODES)
    assert len(denoiser.seen) == USAGE_LEVELS * n  # of so few images both draws at once
    levels = [denoiser.seen[i : i + n] for i in range(0, len(denoiser.seen), n)]
    assert all(torch.equal(seen, level[0]) for level in levels for seen in level)
    first, second = levels[0][0].chunk(2)
    assert first.shape == second.shape and not torch.equal(first, second)


def test_of_large_images_one_draw_is_denoised_at_a_time(monkeypatch):
    together = usage_of(Believes())
    monkeypatch.setattr(diagnostics, "_NUMBERS", X0[0].numel())
    denoiser = Believes()
    assert usage_of(denoiser).equals(together)
    assert len(denoiser.seen) == 2 * USAGE_LEVELS * len(CODES)


def test_with_and_without_a_code_the_same_noisy_images_are_denoised():
    with_code, without = Ignores(), Ignores()
    usage_of(with_code)
    table_of(without, RUN.updated(method="dsm"))
    assert torch.equal(with_code.seen[0], without.seen[0])
    assert torch.equal(with_code.seen[-1], without.seen[-1])


def test_images_are_denoised_in_batches(monkeypatch):
    whole = usage_of(Believes())
    monkeypatch.setattr(diagnostics, "_BATCH", 100)
    np.testing.assert_allclose(usage_of(Believes()), whole, rtol=1e-5, atol=1e-9)


def test_a_short_training_is_looked_at_on_as_many_images():
    denoiser = Ignores()
    usage_of(denoiser, RUN.updated(train_images=60))
    assert {len(x) for x in denoiser.seen} == {60 // USAGE_LEVELS}
    alone = Ignores()
    usage_of(alone, RUN.updated(train_images=60, noise=NoiseRange().single(1)))
    assert {len(x) for x in alone.seen} == {60}


# What the code is paid for.


def test_another_is_never_itself_and_equal_or_nearest():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    chosen = another(labels, rng).numpy()
    assert (chosen != np.arange(200)).all() and (labels[chosen] == labels).all()
    assert (another(labels, rng).numpy() != chosen).any()  # by chance
    values = rng.normal(size=200)
    distance = np.abs(values[:, None] - values) + np.diag(np.full(200, np.inf))
    assert another(values, rng).tolist() == distance.argmin(1).tolist()
    alike_in_nothing = another(np.zeros(200), rng).numpy()
    assert (alike_in_nothing != np.arange(200)).all()
    assert len(set(alike_in_nothing)) >= 199  # everyone's code is given to someone else


def test_a_value_that_is_alone_has_the_nearest_or_itself():
    rng = np.random.default_rng(0)
    assert another(np.array([0, 5, 5, 9]), rng).tolist()[0] in (1, 2)
    assert another(np.array([3.0]), rng).tolist() == [0]


@pytest.mark.parametrize("detail", ["class", "ink", "slant"])
def test_a_code_of_one_detail_keeps_its_worth_with_that_detail_alone(detail):
    """The code tells one value of the image, and the error is how wrong that is."""
    told = PART.y if detail == "class" else torch.from_numpy(PART.factors[detail])
    values = (told.float() - told.float().mean()) / told.float().std()
    run = RUN.updated(noise=NoiseRange().single(0.01))
    paid = paid_for(table_of(Checks(values), run, Told(values))).loc[0.01]
    assert paid.worth == pytest.approx(1, abs=1e-4)
    assert paid[f"kept_{detail}"] > 0.95
    others = {"class", "ink", "slant"} - {detail}
    assert all(paid[f"kept_{other}"] < 0.7 for other in others)


def test_paid_for_is_the_share_of_the_loss_saved_and_what_a_detail_keeps_of_it():
    losses = {"own": [6.0, 1], "shuffled": [10.0, 1], "same_class": [7.0, 1], "same_ink": [11.0, 1]}
    table = pd.DataFrame(
        [(s, z, v) for z, of in losses.items() for s, v in zip((0.1, 5), of, strict=True)],
        columns=["sigma", "z", "loss"],
    )
    paid = paid_for(table)
    assert paid.loc[0.1].to_dict() == pytest.approx(
        {"worth": 0.4, "kept_class": 0.75, "kept_ink": -0.25}
    )
    assert paid.worth[5] == 0 and paid.loc[5].drop("worth").isna().all()  # nothing to share


def test_a_probabilistic_code_is_its_mean():
    wide = usage_of(Believes(), RUN.updated(method="vdrl"), Flat(logvar=3.0))
    assert (wide.own < 1e-9).all()


@pytest.mark.parametrize(
    ("noise", "ends"),
    [
        (NoiseRange(), (0.01, 50)),
        (NoiseRange().interval(0.2, 3), (0.2, 3)),
        (NoiseRange(sigma_max=20).single(3), (3, 3)),
        (NoiseRange(t_sampler="uniform_sigma"), (0.01, 50)),
    ],
)
def test_levels_are_log_spaced_over_what_training_saw(noise, ends):
    sigma = usage_of(Ignores(), RUN.updated(noise=noise)).index.to_numpy()
    n_levels = USAGE_LEVELS if ends[0] < ends[1] else 1
    np.testing.assert_allclose(sigma, np.geomspace(*ends, n_levels), rtol=1e-3)


def test_draws_are_fixed_by_the_seed_of_the_run():
    first, again = usage_of(Ignores()), usage_of(Ignores())
    other = usage_of(Ignores(), RUN.updated(seed=1))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("method", ["dsm", "csm"])
def test_models_without_an_encoder_are_measured_too(method):
    run = RunParameters(dataset="digits", method=method, latent_dim=10, width=16)
    model = build_model(run, load_dataset("digits")).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(0)
            )
    wide = code_usage(model, PART, METHODS[method], run.seed).pivot(
        index="sigma", columns="z", values="loss"
    )
    if method == "dsm":
        assert all((wide.own == wide[name]).all() for name in wide)
    else:
        assert (wide.own != wide.shuffled).any()
