import math

import numpy as np
import pandas as pd
import pytest
import torch

from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange
from drlcore.oracle.gaussian_mixture import floor
from drlcore.oracle.toy import FACTORS, RADII, TOLD, TOY, factor_gain, floors, sample_toy
from drlcore.paper.experiments import Floor
from drlcore.sde import SDES

torch.set_num_threads(1)
SIGMAS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]


def offsets(name: str) -> torch.Tensor:
    """The factor's three offsets, read back from the means."""
    return torch.stack([TOY.means[FACTORS[name] == value].mean(dim=0) for value in range(3)])


def test_the_hierarchy():
    assert TOY.means.shape == (27, 2)
    assert TOY.std == 0.01
    torch.testing.assert_close(TOY.weights, torch.full((27,), 1 / 27, dtype=torch.float64))
    assert len({tuple(int(FACTORS[name][k]) for name in FACTORS) for k in range(27)}) == 27
    total = sum(offsets(name)[FACTORS[name]] for name in FACTORS)
    torch.testing.assert_close(total, TOY.means)
    for name, radius in RADII.items():
        torch.testing.assert_close(
            offsets(name).norm(dim=1), torch.full((3,), radius, dtype=torch.float64)
        )


def test_no_two_levels_align():
    """Directions within a level repeat every 60 degrees, up to sign; levels differ from it."""
    angles = [math.degrees(math.atan2(*offsets(name)[0].flip(0).tolist())) for name in RADII]
    for i, first in enumerate(angles):
        for second in angles[i + 1 :]:
            assert abs((first - second + 30) % 60 - 30) > 15


def test_samples_and_factors():
    x, factors = sample_toy(30_000, seed=0)
    assert x.shape == (30_000, 2)
    assert x.dtype == torch.float32
    assert set(factors) == {"coarse", "middle", "fine"}
    component = 9 * factors["coarse"] + 3 * factors["middle"] + factors["fine"]
    assert np.bincount(component, minlength=27).min() > 30_000 / 27 * 0.85
    residual = x - TOY.means[component].float()
    assert float(residual.std()) == pytest.approx(0.01, rel=0.01)
    assert float(x.std()) == pytest.approx(5.70, abs=0.05)
    for values in factors.values():
        assert values.dtype == np.int64
        assert set(values) == {0, 1, 2}


def test_samples_are_fixed_by_the_seed():
    x, factors = sample_toy(100, seed=1)
    again, factors_again = sample_toy(100, seed=1)
    assert torch.equal(x, again)
    assert all(np.array_equal(factors[name], factors_again[name]) for name in factors)
    assert not torch.equal(x, sample_toy(100, seed=2)[0])


@pytest.fixture(scope="module")
def gain() -> pd.DataFrame:
    return factor_gain(SIGMAS, SDES["ve"](NoiseRange()), 4000, seed=0)


def test_every_noise_level_rewards_its_own_factor(gain):
    table = gain.pivot(index="sigma", columns="factor", values="gain")
    assert (table >= 0).all().all()
    best = table.idxmax(axis=1)
    assert best[[0.1, 1.0, 10.0]].tolist() == ["fine", "middle", "coarse"]
    # What can be seen through the noise earns nothing; what is hidden at most its variance.
    assert table.loc[0.1, "coarse"] < 1e-9
    assert table.loc[0.01].max() < 1e-3
    for name, radius in RADII.items():
        bound = radius**2 / 2 / table.index.to_numpy() ** 2
        assert (table[name] <= 1.1 * bound).all()
        assert table.loc[30.0, name] > 0.5 * bound[-1]


def test_gain_is_the_difference_of_the_floors(gain):
    sde = SDES["ve"](NoiseRange())
    for row in gain.itertuples():
        t = float(sde.t(torch.tensor(row.sigma, dtype=torch.float64)))
        nothing, known = (
            floor(TOY.noised(sde, labels), t, 4000, torch.Generator().manual_seed(9))
            for labels in (None, FACTORS[row.factor])
        )
        error = math.hypot(
            row.standard_error, math.hypot(nothing.standard_error, known.standard_error)
        )
        assert abs(nothing.mean - known.mean - row.gain) <= 4 * error + 1e-9


def test_gain_does_not_depend_on_the_sde(gain):
    other = factor_gain([1.0], SDES["vp"](NoiseRange()), 4000, seed=0)
    expected = gain[gain.sigma == 1.0].gain.to_numpy()
    np.testing.assert_allclose(other.gain.to_numpy(), expected, rtol=1e-6, atol=1e-12)


def test_a_shuffled_factor_is_worth_nothing_though_it_is_computed_like_one():
    sde = SDES["ve"](NoiseRange())
    names = [*FACTORS, "shuffled"]
    gain = factor_gain(SIGMAS, sde, 2000, seed=3, factors=names)
    assert gain.factor.tolist() == names * len(SIGMAS)
    of_shuffled = gain[gain.factor == "shuffled"]
    assert (of_shuffled.gain.abs() < 1e-12).all()
    assert gain.groupby("factor").gain.max()[list(FACTORS)].min() > 0.1  # the method can see a gain
    law, labels = TOLD["shuffled"]
    x0, component = law.sample(3000, torch.Generator().manual_seed(0))
    assert set(labels[component].tolist()) == {0, 1, 2}
    t = torch.full((3000,), 0.5)
    np.testing.assert_allclose(
        law.noised(sde, labels).log_density(x0, t, labels[component]),
        TOY.noised(sde).log_density(x0, t),
    )


def test_floors_are_those_of_what_z_tells():
    sde = SDES["vp"](NoiseRange())
    table = floors([0.1, 2.0], sde, 3000, seed=5)
    assert list(table.columns) == ["nothing", *FACTORS, "shuffled"]
    assert table.index.tolist() == [0.1, 2.0]
    for sigma in table.index:
        t = float(sde.t(torch.tensor(sigma, dtype=torch.float64)))

        def at(told, t=t):
            return floor(TOY.noised(sde, told), t, 3000, torch.Generator().manual_seed(5))

        assert table.nothing[sigma] == at(None).mean
        assert table.fine[sigma] == at(FACTORS["fine"]).mean
        error = math.sqrt(2) * at(None).standard_error
        assert abs(table.shuffled[sigma] - table.nothing[sigma]) <= 4 * error
    assert floors([2.0], sde, 3000, seed=6).nothing[2.0] != table.nothing[2.0]


def test_the_floor_s_seeds_follow_the_first_and_share_the_draws():
    experiment = Floor(preset="laptop", seed=4)
    assert list(experiment.seeds) == [4, 5, 6]
    assert experiment.draws == experiment.numbers.monte_carlo // 3
    one = Floor(n_seeds=1)
    assert list(one.seeds) == [0] and one.draws == one.numbers.monte_carlo
    assert Floor(preset="smoke", n_seeds=100).draws >= 2  # a standard error takes two
    with pytest.raises(ParameterError, match="'n_seeds' = 0"):
        Floor(n_seeds=0)
