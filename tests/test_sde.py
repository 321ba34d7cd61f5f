import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import solve_ivp

from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange
from drlcore.sde import SDE, SDES, released_range

torch.set_num_threads(1)
NAMES: tuple[str, ...] = ("ve", "vp", "subvp")


@pytest.fixture(params=NAMES)
def sde(request) -> SDE:
    return SDES[request.param](NoiseRange())


def f64(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def times(sde: SDE, n: int) -> torch.Tensor:
    return torch.linspace(sde.t_min, sde.t_max, n, dtype=torch.float64)


def test_paper_values():
    sde = SDES["ve"](NoiseRange(sigma_min=0.01, sigma_max=50))
    sigma = sde.sigma(f64(0, 0.5, 0.7, 0.9, 1))
    torch.testing.assert_close(sigma, f64(0.01, 0.7071, 3.884, 21.33, 50), rtol=3e-4, atol=0)
    assert (sde.t_min, sde.t_max) == (0, 1)
    vp = SDES["vp"](NoiseRange())
    assert vp.t_min == pytest.approx(0.001, abs=2e-4)
    assert vp.t_max == pytest.approx(0.88, abs=5e-3)


def test_kernel_solves_the_moment_equations(sde):
    """d mean/dt = f mean, d var/dt = 2 f var + g^2, from the kernel at t_min."""

    def right(t, moments):
        f, g = (float(h(f64(t))) for h in (sde.drift_coefficient, sde.diffusion))
        return [f * moments[0], 2 * f * moments[1] + g**2]

    t = times(sde, 9)
    begin = [float(sde.mean_coefficient(t[:1])), float(sde.std(t[:1])) ** 2]
    span = (sde.t_min, sde.t_max)
    solution = solve_ivp(right, span, begin, t_eval=t.numpy(), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(solution.y[0], sde.mean_coefficient(t), rtol=1e-7)
    np.testing.assert_allclose(solution.y[1], sde.std(t) ** 2, rtol=1e-7)


def test_euler_maruyama_simulation_has_the_kernel_moments(sde):
    n, steps, x0 = 20_000, 1000, 3.0
    generator = torch.Generator().manual_seed(0)
    t = times(sde, steps + 1)
    draw = lambda: torch.randn(n, 1, generator=generator, dtype=torch.float64)  # noqa: E731
    x = sde.perturb(torch.full((n, 1), x0, dtype=torch.float64), t[0], draw())
    dt = float(t[1] - t[0])
    for now in t[:-1]:
        x = x + dt * sde.drift(x, now) + dt**0.5 * sde.diffusion(now) * draw()
    std = float(sde.std(t[-1]))
    assert float(x.std()) == pytest.approx(std, rel=0.03)
    assert float(x.mean()) == pytest.approx(
        float(sde.mean_coefficient(t[-1])) * x0, abs=4 * std / n**0.5
    )


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    low=st.floats(1e-3, 0.5),
    ratio=st.floats(1.5, 200),
    u=st.floats(0, 1),
)
def test_sigma_and_t_are_inverse(name, low, ratio, u):
    sde = SDES[name](NoiseRange(sigma_min=low, sigma_max=low * ratio))
    sigma = f64(low * ratio**u)
    torch.testing.assert_close(sde.sigma(sde.t(sigma)), sigma, rtol=1e-9, atol=0)
    t = f64(sde.t_min + u * (sde.t_max - sde.t_min))
    torch.testing.assert_close(sde.t(sde.sigma(t)), t, rtol=1e-9, atol=1e-12)


def test_sigma_is_increasing_and_float32_agrees(sde):
    t = times(sde, 200)
    sigma = sde.sigma(t)
    assert (sigma.diff() > 0).all()
    torch.testing.assert_close(sde.sigma(t.float()).double(), sigma, rtol=1e-4, atol=0)


def test_variance_is_preserved_by_vp_and_undercut_by_subvp():
    vp, subvp = SDES["vp"](NoiseRange()), SDES["subvp"](NoiseRange())
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(vp.mean_coefficient(t) ** 2 + vp.std(t) ** 2, torch.ones_like(t))
    torch.testing.assert_close(subvp.std(t), vp.std(t) ** 2)
    assert (subvp.std(t) <= vp.std(t)).all()


@pytest.mark.parametrize("name", ["vp", "subvp"])
def test_ranges_out_of_reach_are_refused(name):
    with pytest.raises(ParameterError, match="sigma_max"):
        SDES[name](NoiseRange(sigma_max=1000))


def test_conversions_and_the_loss_identity(sde):
    generator = torch.Generator().manual_seed(1)
    x0, noise, guess = torch.randn(3, 64, 2, 3, 3, generator=generator, dtype=torch.float64)
    t = times(sde, 64)
    a, std = (h(t).reshape(-1, 1, 1, 1) for h in (sde.mean_coefficient, sde.std))
    xt = sde.perturb(x0, t, noise)
    close = lambda p, q: torch.testing.assert_close(p, q, rtol=1e-8, atol=1e-8)  # noqa: E731
    close(xt, a * x0 + std * noise)
    target = sde.kernel_score(x0, xt, t)
    close(target * std, -noise)
    close(sde.noise_from_score(target, t), noise)
    score = sde.score_from_denoiser(guess, xt, t)
    close(sde.denoiser_from_score(score, xt, t), guess)
    score_error = std**2 * (score - target) ** 2
    close(score_error, (sde.noise_from_score(score, t) - noise) ** 2)
    close(score_error, (guess - x0) ** 2 / sde.sigma(t).reshape(-1, 1, 1, 1) ** 2)
    f, g = sde.drift_coefficient(t).reshape(-1, 1, 1, 1), sde.diffusion(t).reshape(-1, 1, 1, 1)
    close(sde.reverse_drift(xt, t, score), f * xt - g**2 * score)
    close(sde.ode_drift(xt, t, score), f * xt - g**2 * score / 2)


def test_prior_has_the_std_at_t_max(sde):
    x = sde.prior((50_000, 1), torch.Generator().manual_seed(0))
    assert float(x.std()) == pytest.approx(float(sde.std(f64(sde.t_max))), rel=0.015)
    assert x.dtype == torch.float32


# Training times: the law of sigma under every t-sampler.

N_DRAWS = 20_000


def drawn_sigma(name: str, noise: NoiseRange) -> np.ndarray:
    sde = SDES[name](noise)
    t = sde.draw_t(N_DRAWS, torch.Generator().manual_seed(2))
    assert t.shape == (N_DRAWS,)
    assert t.dtype == torch.float32
    sigma = sde.sigma(t.double()).numpy()
    low, high = noise.window
    assert sigma.min() >= low * (1 - 1e-4)
    assert sigma.max() <= high * (1 + 1e-4)
    return sigma


def p_value(draws: np.ndarray, cdf) -> float:
    return float(stats.kstest(draws, cdf).pvalue)


@pytest.mark.parametrize("name", NAMES)
def test_uniform_sigma_is_flat_in_sigma(name):
    sigma = drawn_sigma(name, NoiseRange(t_sampler="uniform_sigma"))
    assert p_value(sigma, stats.uniform(0.01, 49.99).cdf) > 0.01


def test_uniform_sigma_has_the_paper_times():
    sde = SDES["ve"](NoiseRange(t_sampler="uniform_sigma"))
    t = sde.draw_t(100_000, torch.Generator().manual_seed(3))
    assert float(t.median()) == pytest.approx(0.919, abs=0.002)
    assert float((t < 0.5).float().mean()) == pytest.approx(0.014, abs=0.0015)


def test_uniform_t_is_flat_in_the_clock(sde):
    t = sde.draw_t(N_DRAWS, torch.Generator().manual_seed(4)).numpy()
    assert p_value(t, stats.uniform(sde.t_min, sde.t_max - sde.t_min).cdf) > 0.01


def test_uniform_t_is_log_uniform_in_sigma_for_ve():
    assert p_value(drawn_sigma("ve", NoiseRange()), stats.loguniform(0.01, 50).cdf) > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_single_and_interval_stay_in_their_window(name):
    np.testing.assert_allclose(drawn_sigma(name, NoiseRange().single(1.7)), 1.7, rtol=1e-4)
    noise = NoiseRange().interval(0.3, 4)
    drawn_sigma(name, noise)
    sde = SDES[name](noise)
    low, high = sde.t(f64(0.3, 4)).tolist()
    t = sde.draw_t(N_DRAWS, torch.Generator().manual_seed(5)).numpy()
    assert p_value(t, stats.uniform(low, high - low).cdf) > 0.01


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("mean", "std"), [(-1.2, 1.2), (3.0, 1.5), (-8.6, 0.8)], ids=["edm", "high", "far tail"]
)
def test_lognormal_is_the_truncated_law(name, mean, std):
    noise = NoiseRange(t_sampler="lognormal", log_mean=mean, log_std=std)
    low, high = ((math.log(end) - mean) / std for end in noise.window)
    sigma = drawn_sigma(name, noise)
    assert p_value(np.log(sigma), stats.truncnorm(low, high, mean, std).cdf) > 0.01


def test_draws_are_fixed_by_the_generator(sde):
    first, second = (sde.draw_t(10, torch.Generator().manual_seed(6)) for _ in range(2))
    assert torch.equal(first, second)


# The authors' own clock.


def released(name: str, t: np.ndarray) -> dict[str, np.ndarray]:
    """VP and sub-VP from the authors' formulas: beta from 0.1 to 20, t in [0, 1]."""
    beta = 0.1 + t * 19.9
    whole = 0.1 * t + 19.9 * t**2 / 2  # integral of beta from 0
    mean = np.exp(-whole / 2)
    variance = -np.expm1(-whole)
    if name == "vp":
        return {"f": -beta / 2, "g": np.sqrt(beta), "mean": mean, "std": np.sqrt(variance)}
    g = np.sqrt(-beta * np.expm1(-2 * whole))
    return {"f": -beta / 2, "g": g, "mean": mean, "std": variance}


@pytest.mark.parametrize("name", ["vp", "subvp"])
def test_the_released_clock_is_the_authors(name):
    sde = SDES[name](released_range(name))
    t = np.concatenate([np.geomspace(1e-5, 1e-2, 20), np.linspace(0.02, 1, 50)])
    expected = released(name, t)
    found = {
        "f": sde.drift_coefficient(f64(*t)),
        "g": sde.diffusion(f64(*t)),
        "mean": sde.mean_coefficient(f64(*t)),
        "std": sde.std(f64(*t)),
    }
    for what, value in expected.items():
        np.testing.assert_allclose(found[what].numpy(), value, rtol=1e-9, err_msg=what)
    ends = expected["std"][[0, -1]] / expected["mean"][[0, -1]]
    noise = sde.noise
    assert (noise.sigma_min, noise.sigma_max) == pytest.approx(tuple(ends), rel=1e-5)
    assert (sde.t_min, sde.t_max) == pytest.approx((1e-5, 1), rel=3e-5)
    drawn = sde.draw_t(N_DRAWS, torch.Generator().manual_seed(7)).double().numpy()
    assert drawn.min() > 0.99e-5 and drawn.max() <= 1
    assert p_value(drawn, stats.uniform(1e-5, 1 - 1e-5).cdf) > 0.01


def test_the_released_clock_reaches_further_than_the_project_s_range():
    vp, subvp = released_range("vp"), released_range("subvp")
    assert (vp.sigma_max, subvp.sigma_max) == pytest.approx((152, 152), abs=0.5)
    assert vp.sigma_min == pytest.approx(1e-3, rel=1e-2)
    assert subvp.sigma_min == pytest.approx(1e-6, rel=1e-2)
    assert released_range("ve") == NoiseRange()
    for noise in (vp, subvp):  # 6 digits: nothing that could differ in the last bit elsewhere
        for end in (noise.sigma_min, noise.sigma_max):
            assert float(f"{end:.6g}") == end


@pytest.mark.parametrize("name", ["vp", "subvp"])
def test_sampling_may_stop_where_the_authors_do(name):
    trained, walked = (SDES[name](released_range(name, end)) for end in (1e-5, 1e-3))
    assert walked.t_min == pytest.approx(1e-3, rel=3e-5) and walked.t_max == trained.t_max
    t = f64(0.001, 0.3, 1)  # the same clock, so the model that was trained on the one serves both
    for what in ("sigma", "std", "mean_coefficient"):
        assert torch.equal(getattr(trained, what)(t), getattr(walked, what)(t))


@pytest.mark.parametrize("end", [0.0, -1e-3, 1.0, math.nan])
def test_the_released_clock_ends_inside(end):
    with pytest.raises(ParameterError, match="between 0 and 1"):
        released_range("vp", end)
