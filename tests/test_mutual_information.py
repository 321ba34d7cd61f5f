"""Mutual information against closed forms, and against scikit-learn's estimator."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.feature_selection import mutual_info_regression

from drlcore.errors import DataError, ParameterError
from drlcore.probes.mutual_information import (
    COLUMNS,
    mutual_information,
    mutual_information_over_time,
)


def gaussians(d: int, rho: float, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Samples whose covariance is exactly that of d pairs correlated by ``rho``.

    Without that, the sample's own information differs from the law's by more than 5 %.
    """
    raw = np.random.default_rng(seed).standard_normal((n, 2 * d))
    raw -= raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / n)).T
    x, other = white[:, :d], white[:, d:]
    return x, rho * x + np.sqrt(1 - rho**2) * other


def closed_form(d: int, rho: float, resolution: float) -> float:
    """Nats between readings: noise of variance d resolution^2 on coordinates of variance 1."""
    seen = rho / (1 + d * resolution**2)
    return -0.5 * d * np.log(1 - seen**2)


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("rho", [0.6, 0.8, 0.95])
def test_correlated_gaussians_within_5_percent(d: int, rho: float) -> None:
    x, y = gaussians(d, rho, 5000)
    found = mutual_information(x, y, resolution=0.2)
    assert found.value == pytest.approx(closed_form(d, rho, 0.2), rel=0.05)


@pytest.mark.parametrize("d", [8, 32])
@pytest.mark.parametrize("rho", [0, 0.8, 1])
def test_the_two_estimates_enclose_the_answer_where_it_is_hard(d: int, rho: float) -> None:
    found = mutual_information(*gaussians(d, rho, 1000), resolution=0.2)
    assert found.leave_one_out < closed_form(d, rho, 0.2) < found.plug_in


@pytest.mark.parametrize(
    ("d", "rho"), [(32, 0.3), (32, 0.5), (32, 0.8), (8, 0.3), (8, 0.5), (4, 0.0), (1, 0.05)]
)
def test_the_bias_of_weak_dependence_in_many_directions_is_named(d: int, rho: float) -> None:
    found = mutual_information(*gaussians(d, rho, 1000), resolution=0.2)
    error = found.value - closed_form(d, rho, 0.2)
    if d == 32:  # what is too much is the bias, or part of it
        assert 0.05 < error < found.bias
        assert found.bias > 0.5


@pytest.mark.parametrize(
    ("d", "rho"), [(1, 0.8), (1, 1), (2, 0.8), (2, 1), (4, 0.95), (4, 1), (8, 0.95), (8, 1)]
)
def test_strong_dependence_is_within_a_tenth_of_the_closed_form(d: int, rho: float) -> None:
    found = mutual_information(*gaussians(d, rho, 1000), resolution=0.2)
    assert found.value == pytest.approx(closed_form(d, rho, 0.2), rel=0.1)


@pytest.mark.parametrize("d", [2, 8, 32])
def test_of_codes_that_share_nothing_the_bias_is_all_there_is(d: int) -> None:
    found = mutual_information(*gaussians(d, 0, 1000), resolution=0.2)
    assert found.value == pytest.approx(found.bias, abs=0.2)
    assert (found.value > 0.5) == (d == 32)


@pytest.mark.parametrize(("d", "resolution"), [(1, 0.05), (2, 0.1), (4, 0.2), (8, 0.2)])
def test_self_information_of_a_gaussian_code(d: int, resolution: float) -> None:
    x, _ = gaussians(d, 0, 3000)
    found = mutual_information(x, x, resolution)
    assert found.value == pytest.approx(closed_form(d, 1, resolution), rel=0.05)


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("variance", [0.25, 1])
def test_information_of_a_code_with_its_noisy_copy(d: int, variance: float) -> None:
    x, noise = gaussians(d, 0, 3000)
    found = mutual_information(x, x + np.sqrt(variance) * noise, resolution=0.2)
    # Reading noise is in proportion to each code's own variance, 1 and 1 + variance.
    correlation = 1 / ((1 + d * 0.2**2) * np.sqrt(1 + variance))
    assert found.value == pytest.approx(-0.5 * d * np.log(1 - correlation**2), rel=0.05)


def test_equals_the_definition_term_by_term() -> None:
    generator = np.random.default_rng(3)
    x, y = generator.standard_normal((60, 3)), generator.standard_normal((60, 2))
    y[:, 0] += x[:, 0]
    found = mutual_information(x, y, resolution=0.4, seed=5)
    draws = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(0,)))
    readings = []
    for codes in (x, y):
        scale = 0.4 * np.sqrt(codes.var(0).sum())
        readings.append((codes, codes + scale * draws.standard_normal(codes.shape), scale))
    plug_in, left_out = [], []
    for n in range(60):
        logs = [
            multivariate_normal(reading[n], scale**2 * np.eye(codes.shape[1])).logpdf(codes)
            for codes, reading, scale in readings
        ]
        a, b = logs
        others = np.arange(60) != n
        plug_in.append(logsumexp(a + b) - logsumexp(a) - logsumexp(b) + np.log(60))
        left_out.append(
            logsumexp((a + b)[others]) - logsumexp(a[others]) - logsumexp(b[others]) + np.log(59)
        )
    assert found.plug_in == pytest.approx(np.mean(plug_in), abs=1e-5)
    assert found.leave_one_out == pytest.approx(np.mean(left_out), abs=1e-5)
    assert found.value == pytest.approx((found.plug_in + found.leave_one_out) / 2)

    broken = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(1,))).permutation(60)
    (_, x_read, x_scale), (_, y_read, y_scale) = readings
    null = []
    for left_out in (False, True):
        logs = []
        for n in range(60):
            seen = np.arange(60) != n if left_out else np.full(60, True)
            a = multivariate_normal(x_read[n], x_scale**2 * np.eye(3)).logpdf(x)[seen]
            b = multivariate_normal(y_read[broken[n]], y_scale**2 * np.eye(2)).logpdf(y[broken])[
                seen
            ]
            logs.append(logsumexp(a + b) - logsumexp(a) - logsumexp(b) + np.log(seen.sum()))
        null.append(np.mean(logs))
    assert found.bias == pytest.approx(np.mean(null), abs=1e-5)


def test_agrees_with_the_library_in_one_dimension() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (5000, 1))
    y = x**2 + 0.1 * generator.standard_normal((5000, 1))  # uncorrelated, yet dependent
    assert abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]) < 0.05
    readings = []
    for codes in (x, y):
        noise = 0.1 * codes.std() * generator.standard_normal(codes.shape)
        readings.append(codes + noise)
    reference = mutual_info_regression(readings[0], readings[1][:, 0], random_state=0)[0]
    assert mutual_information(x, y, 0.1).value == pytest.approx(reference, rel=0.05)


@pytest.mark.parametrize("n_clusters", [2, 10])
def test_clusters_share_their_index_and_no_more(n_clusters: int) -> None:
    generator = np.random.default_rng(0)
    index = np.arange(2000) % n_clusters
    x, y = (
        (generator.standard_normal((n_clusters, 32)) * 10)[index]
        + 0.1 * generator.standard_normal((2000, 32))
        for _ in range(2)
    )
    assert mutual_information(x, y, 0.1).value == pytest.approx(np.log(n_clusters), rel=0.01)


def test_independent_codes_share_nothing() -> None:
    x, y = gaussians(2, 0, 5000)
    assert mutual_information(x, y).value == pytest.approx(0, abs=0.03)


def test_unchanged_by_shift_scale_rotation_and_padding() -> None:
    x, y = gaussians(3, 0.9, 1000)
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    moved = np.hstack([7 - 1000 * x @ turn, np.full((1000, 2), 5.0)])
    draws = [
        [mutual_information(codes, y, 0.2, seed).value for seed in range(8)] for codes in (x, moved)
    ]
    error = np.std(draws[0]) / np.sqrt(4)  # of a difference of two means of eight
    assert np.mean(draws[0]) == pytest.approx(np.mean(draws[1]), abs=4 * error)
    assert mutual_information(x, y, 0.2) == mutual_information(x, y, 0.2)


def test_coarser_readings_share_less() -> None:
    x, y = gaussians(2, 0.95, 1000)
    values = [mutual_information(x, y, r).value for r in (0.15, 0.3, 1.0, 3.0)]
    assert values == sorted(values, reverse=True) and values[0] > 10 * values[-1]


def test_table_over_times() -> None:
    n, t = 2000, np.linspace(0, 1, 4)
    a, b = (gaussians(2, 0, n, seed)[0] for seed in (1, 2))
    angle = t * np.pi / 2  # corr(z_i, z_j) = cos(angle_i - angle_j)
    z = np.stack([np.cos(w) * a + np.sin(w) * b for w in angle]).astype(np.float32)
    table = mutual_information_over_time(z, t, 10**t, resolution=0.2)
    assert list(table.columns) == COLUMNS and len(table) == 16
    mi = table.mi.to_numpy().reshape(4, 4)
    nmi = table.nmi.to_numpy().reshape(4, 4)
    assert (mi == mi.T).all() and np.allclose(np.diag(nmi), 1)
    assert (np.diff(nmi[0]) < 0).all()
    for i in range(4):
        for j in range(4):
            expected = closed_form(2, np.cos(angle[i] - angle[j]), 0.2)
            assert mi[i, j] == pytest.approx(expected, rel=0.08, abs=0.05)
            assert nmi[i, j] == pytest.approx(mi[i, j] / np.sqrt(mi[i, i] * mi[j, j]))
    row = table.iloc[6]
    assert (row.t_i, row.t_j, row.sigma_i) == pytest.approx((1 / 3, 2 / 3, 10 ** (1 / 3)))


def test_a_static_code_and_a_constant_one() -> None:
    x, _ = gaussians(3, 0, 200)
    table = mutual_information_over_time(
        np.broadcast_to(x, (3, 200, 3)), np.arange(3), np.arange(3)
    )
    assert np.allclose(table.nmi, 1) and table.mi.nunique() == 1
    z = np.stack([x, np.zeros_like(x)])
    table = mutual_information_over_time(z, np.arange(2), np.arange(2)).set_index(["t_i", "t_j"])
    assert table.mi[(0, 1)] == table.mi[(1, 1)] == 0 < table.mi[(0, 0)]
    assert table.nmi.isna().tolist() == [False, True, True, True]


def test_noise_does_not_follow_codes_drawn_with_the_same_seed() -> None:
    x = np.random.default_rng(7).standard_normal((1000, 4))
    noises = [mutual_information(x, x, 0.3, seed).value for seed in range(5, 10)]
    assert np.abs(np.diff(noises)).max() < 0.15


def test_only_the_first_samples_are_read() -> None:
    x, _ = gaussians(2, 0, 300)
    z = np.stack([x, x[::-1]])
    whole = mutual_information_over_time(z[:, :100], np.arange(2), np.arange(2))
    assert whole.equals(mutual_information_over_time(z, np.arange(2), np.arange(2), samples=100))


@pytest.mark.parametrize("resolution", [0, -1.0, np.nan, np.inf])
def test_resolution_is_checked(resolution: float) -> None:
    with pytest.raises(ParameterError, match="resolution"):
        mutual_information(np.ones((5, 2)), np.ones((5, 2)), resolution)


@pytest.mark.parametrize(
    ("x", "y"), [((5, 2), (4, 2)), ((5,), (5, 2)), ((1, 2), (1, 2)), ((2, 5, 2), (5, 2))]
)
def test_shapes_are_checked(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="allowed"):
        mutual_information(np.ones(x), np.ones(y))


def test_values_and_times_are_checked() -> None:
    broken = np.ones((5, 2))
    broken[1, 1] = np.nan
    with pytest.raises(DataError, match="finite"):
        mutual_information(np.ones((5, 2)), broken)
    with pytest.raises(DataError, match=r"\(T, N, d\)"):
        mutual_information_over_time(np.ones((2, 5, 2)), np.arange(3), np.arange(2))
