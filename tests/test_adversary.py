"""The linear lambda as a law of t, and the adversary that learns it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drlcore import VESDE, VPSDE, NoiseRange, ParameterError, RunParameters, load_dataset
from drlcore.noise_range import Linear
from drlcore.training.adversary import RATE, Adversary
from drlcore.training.loop import train
from drlcore.training.resume import HISTORY, RESUME, WITH_ADVERSARY
from drlcore.training.run import build_model

VE = VESDE(NoiseRange())
RUN = RunParameters(dataset="digits", method="dsm", steps=120, batch_size=16, adversary=0.25)


def cdf(u: np.ndarray, alpha: float) -> np.ndarray:
    """The integral of 2 alpha u + 1 - alpha."""
    return alpha * u**2 + (1 - alpha) * u


@pytest.mark.parametrize("alpha", [-1.0, -0.5, -1e-7, 0.0, 1e-7, 0.3, 1.0])
def test_linear_draws_from_its_density(alpha: float) -> None:
    u = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    drawn = Linear(alpha=alpha).draw(NoiseRange(), VE.t, u).double().numpy()
    found = stats.kstest(drawn, lambda t: cdf(t, alpha))
    assert found.statistic < 1.36 / np.sqrt(len(u))  # the 5 % point
    wrong = stats.kstest(drawn, lambda t: cdf(t, alpha - 0.3 if alpha > 0 else alpha + 0.3))
    assert wrong.statistic > 3 / np.sqrt(len(u))


@given(st.floats(-1, 1), st.floats(0, 1, exclude_max=True))
def test_linear_inverts_its_distribution(alpha: float, u: float) -> None:
    share = Linear(alpha=alpha).draw(NoiseRange(), VE.t, torch.tensor([u], dtype=torch.float64))
    assert 0 <= float(share) <= 1
    assert cdf(share.numpy(), alpha)[0] == pytest.approx(u, abs=1e-6)


def test_linear_stays_in_the_range_of_another_clock() -> None:
    sde = VPSDE(NoiseRange(t_sampler="linear", alpha=-0.8))
    t = sde.draw_t(5000, torch.Generator().manual_seed(0))
    assert sde.t_min <= float(t.min()) and float(t.max()) <= sde.t_max
    assert float(t.mean()) < (sde.t_min + sde.t_max) / 2 - 0.05


@pytest.mark.parametrize("alpha", [-1.01, 1.01, float("nan")])
def test_alpha_outside_of_a_density_is_refused(alpha: float) -> None:
    with pytest.raises(ParameterError, match="alpha"):
        NoiseRange(t_sampler="linear", alpha=alpha)


def test_without_a_linear_law_the_json_of_a_range_is_as_it_was() -> None:
    assert "alpha" not in NoiseRange().model_dump()
    again = NoiseRange(**NoiseRange(t_sampler="linear", alpha=0.5).model_dump())
    assert again.t_sampler == Linear(alpha=0.5)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_adversary_climbs_what_it_is_shown(sign: float) -> None:
    adversary, generator = Adversary(p_kl=0.0), torch.Generator().manual_seed(0)
    assert adversary.alpha == 0.0
    for _ in range(60):
        t = VE.draw_t(64, generator)
        adversary.climb(VE, t, 1 + sign * t)
    assert 0.9 < sign * adversary.alpha < 1


def test_its_step_is_adam_on_the_clipped_mean() -> None:
    adversary = Adversary(p_kl=0.4)
    t, errors = torch.tensor([0.1, 0.5, 0.9]), torch.tensor([3.0, 1.0, 0.2], requires_grad=True)
    a = torch.zeros((), requires_grad=True)
    adam = torch.optim.Adam([a], lr=RATE)
    for _ in range(30):
        adversary.climb(VE, t, errors)
        alpha = torch.tanh(a / 2)  # 2 sigmoid(a) - 1, written otherwise
        mean = torch.stack([(2 * alpha * u + 1 - alpha).clamp(min=0.4) * e
                            for u, e in zip(t, errors.detach(), strict=True)]).mean()  # fmt: skip
        adam.zero_grad()
        (-mean).backward()
        torch.nn.utils.clip_grad_norm_([a], 1.0)
        adam.step()
    assert errors.grad is None
    assert adversary.alpha == pytest.approx(float(torch.tanh(a.detach() / 2)), abs=1e-6)
    assert adversary.alpha < -0.5


def test_a_flat_loss_leaves_it_where_it_is() -> None:
    adversary = Adversary(p_kl=0.0)
    adversary.climb(VE, torch.tensor([0.25, 0.75]), torch.ones(2))
    assert adversary.alpha == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("p_kl", [0.0, 0.5, 1.0])
def test_the_share_that_stays_uniform(p_kl: float) -> None:
    adversary = Adversary(p_kl)
    with torch.no_grad():
        adversary.a.fill_(-20.0)  # alpha = -1
    t = adversary.draw_t(VE, 20_000, torch.Generator().manual_seed(0)).double().numpy()
    law = stats.kstest(t, lambda u: p_kl * u + (1 - p_kl) * cdf(u, -1.0))
    assert law.statistic < 1.36 / np.sqrt(len(t))


def trained(run: RunParameters, folder: Path, **options: object) -> tuple[dict, object]:
    digits = load_dataset("digits")
    model = build_model(run, digits)
    table = train(run, model, digits, folder, progress=False, **options)  # type: ignore[arg-type]
    return model.state_dict(), table


def test_its_alpha_is_in_the_history_and_falls(tmp_path: Path) -> None:
    _, history = trained(RUN, tmp_path)
    assert tuple(history.columns) == WITH_ADVERSARY == (*HISTORY, "alpha")
    assert history.alpha.iloc[0] < -0.1 and history.alpha.is_monotonic_decreasing
    _, alone = trained(RUN.updated(adversary=None), tmp_path / "alone")
    assert tuple(alone.columns) == HISTORY


def test_a_killed_game_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, table = trained(RUN, tmp_path / "whole")

    def kill(step: int) -> None:
        if step == 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(RUN, tmp_path / "killed", checkpoint_seconds=0.0, on_step=kill)
    assert (tmp_path / "killed" / RESUME).is_file()
    again, same = trained(RUN, tmp_path / "killed")
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert table.equals(same)  # type: ignore[attr-defined]


def test_it_belongs_to_the_run_and_none_is_as_before() -> None:
    assert RUN.key != RUN.updated(adversary=0.5).key != RUN.updated(adversary=None).key
    assert "adversary" not in RUN.updated(adversary=None).model_dump()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "ae"}, "trains no score network"),
        ({"noise": NoiseRange().single(1.0)}, "t_sampler is 'single'"),
        ({"noise": NoiseRange().whole("uniform_sigma")}, "t_sampler is 'uniform_sigma'"),
        ({"adversary": -0.1}, "adversary"),
        ({"adversary": 1.1}, "adversary"),
    ],
)
def test_what_it_cannot_weigh_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        RUN.updated(**changes)
