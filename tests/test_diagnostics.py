"""What z is worth by noise level, on models whose use of z is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drlcore.datasets import load_dataset
from drlcore.diagnostics import USAGE_LEVELS, code_usage
from drlcore.encoder import Code
from drlcore.model import RepresentationModel
from drlcore.noise_range import NoiseRange
from drlcore.run import RunParameters, build_model
from drlcore.sde import make_sde

RUN = RunParameters(dataset="digits", latent_dim=64)
X0 = load_dataset("digits").validation.x  # fewer than the 1,000 images looked at


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


class Believes(Ignores):
    """What z says, whatever it is shown."""

    def forward(self, x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        self.seen.append(x)
        return z.view_as(x)


def usage_of(denoiser: Any, run: RunParameters = RUN, encoder: nn.Module | None = None) -> Any:
    model = RepresentationModel(make_sde(run.sde, run.noise), denoiser, encoder or Flat(), False)
    table = code_usage(run, model)
    assert list(table.columns) == ["sigma", "z", "loss"]
    assert len(table) == 3 * USAGE_LEVELS
    return table.pivot(index="sigma", columns="z", values="loss")


@pytest.mark.parametrize("sde", ["ve", "vp", "subvp"])
def test_a_model_that_ignores_z_has_three_equal_losses(sde):
    run = RUN.updated(sde=sde)
    wide = usage_of(Ignores(), run)
    assert (wide.own == wide.shuffled).all() and (wide.own == wide.constant).all()
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


def test_all_three_codes_meet_the_same_noisy_images():
    denoiser = Ignores()
    usage_of(denoiser)
    assert len(denoiser.seen) == 3 * USAGE_LEVELS
    for i in range(0, len(denoiser.seen), 3):
        own, shuffled, constant = denoiser.seen[i : i + 3]
        assert torch.equal(own, shuffled) and torch.equal(own, constant)


def test_a_probabilistic_code_is_its_mean():
    wide = usage_of(Believes(), RUN.updated(method="vdrl"), Flat(logvar=3.0))
    assert (wide.own < 1e-9).all()


@pytest.mark.parametrize(
    ("noise", "ends"),
    [
        (NoiseRange(), (0.01, 50)),
        (NoiseRange().interval(0.2, 3), (0.2, 3)),
        (NoiseRange(sigma_max=20).single(3), (0.01, 20)),  # a single level is no range to look at
        (NoiseRange(t_sampler="uniform_sigma"), (0.01, 50)),
    ],
)
def test_levels_are_log_spaced_over_what_training_saw(noise, ends):
    sigma = usage_of(Ignores(), RUN.updated(noise=noise)).index.to_numpy()
    np.testing.assert_allclose(sigma, np.geomspace(*ends, USAGE_LEVELS), rtol=1e-3)


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
    wide = code_usage(run, model).pivot(index="sigma", columns="z", values="loss")
    if method == "dsm":
        assert (wide.own == wide.shuffled).all() and (wide.own == wide.constant).all()
    else:
        assert (wide.own != wide.shuffled).any()
