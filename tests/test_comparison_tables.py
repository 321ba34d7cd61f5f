"""Tables of notebooks 05 to 08: whose a row is, what times share, the best of a method."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from drlcore.errors import DataError
from drlcore.noise_range import NoiseRange
from drlcore.paper.experiments.comparison import Compared
from drlcore.paper.products import Product
from drlcore.paper.tables import results
from drlcore.paper.tables.paired import over_seeds
from drlcore.training.run import RunParameters

RUN = RunParameters(dataset="digits", steps=3, batch_size=8, width=16)
CURVE, POINT = Compared("drl", True), Compared("drl", False)


class Stored(Product[pd.DataFrame]):
    """A product that is there already."""

    def load(self, *, progress: bool = True) -> pd.DataFrame:
        return self.compute(self.run, None)  # type: ignore[arg-type]


def stored(run: RunParameters, table: pd.DataFrame) -> Product[pd.DataFrame]:
    return Stored(run, "made", ".csv", lambda *_: table.copy(), {})


# Gather.


def test_gathered_rows_say_whose_they_are() -> None:
    runs = [
        RUN.updated(time_conditioned=True, weighting="edm", seed=1, sde="vp", latent_dim=3),
        RUN.updated(method="ae", noise=NoiseRange(sigma_min=0.1)),
    ]
    columns = ["t", "sigma", "split", "metric", "value"]
    tables = [
        pd.DataFrame([(0.0, 0.01, "test", "a", 1.0), (1.0, 50.0, "test", "a", 2.0)],
                     columns=columns),
        pd.DataFrame([(0.5, 1.0, "validation", "b", 3.0)], columns=columns),
    ]  # fmt: skip
    found = results.gather(stored(r, t) for r, t in zip(runs, tables, strict=True))
    assert found.index.tolist() == [0, 1, 2]
    pd.testing.assert_frame_equal(found[columns], pd.concat(tables, ignore_index=True))
    assert found.run.tolist() == [runs[0].key, runs[0].key, runs[1].key]
    assert found.method.tolist() == ["drl", "drl", "ae"]
    assert found.sde.tolist() == ["vp", "vp", "ve"]
    assert found.seed.tolist() == [1, 1, 0]
    assert found.latent_dim.tolist() == [3, 3, 2]
    assert found.sigma_min.tolist() == [0.01, 0.01, 0.1]
    assert found.weighting.tolist() == ["edm", "edm", "std2"]
    # Boolean, so that tables can be cut by it and by its opposite.
    assert found.time_conditioned.dtype == bool
    assert found.time_conditioned.tolist() == [True, True, False]


# The end of the curve.


def test_the_end_has_one_row_a_metric_and_says_how_each_code_was_trained() -> None:
    end = RUN.updated(noise=NoiseRange().single(50.0), steps=300)
    runs = [
        end,
        end.updated(adam_epsilon=1e-15, weighting="std2"),
        end.updated(weighting="edm", seed=1),
        RUN.updated(method="ae", steps=1200),
        RUN.updated(method="random", steps=1200),
    ]
    columns = ["t", "sigma", "split", "metric", "value"]
    once = [(1.0, 50.0, "test", "a", 2.0), (1.0, 50.0, "validation", "a", 3.0)]
    before = [(0.5, 1.0, "test", "a", 2.0), (0.5, 1.0, "validation", "a", 3.0)]
    tables = [pd.DataFrame(once, columns=columns)] * 3
    tables += [pd.DataFrame(before + once, columns=columns)] * 2  # a baseline is told at all times
    found = results.last_time_rows(stored(r, t) for r, t in zip(runs, tables, strict=True))
    assert found.index.tolist() == list(range(10))
    assert (found.t == 1).all() and found.value.tolist() == [2.0, 3.0] * 5
    of_run = found[found.split == "test"]
    assert of_run.run.tolist() == [run.key for run in runs]
    assert of_run.steps.tolist() == [300, 300, 300, 1200, 0]
    assert of_run.adam_epsilon.tolist() == [1e-8, 1e-15, 1e-8, 1e-8, 1e-8]
    assert of_run.weighting.tolist() == [run.weighting for run in runs]
    assert not of_run.time_conditioned.any()


# Information.


def shared(n: int, seed: int) -> pd.DataFrame:
    """As ``mutual_information_over_time`` returns it: symmetric, one row an ordered pair."""
    values = np.random.default_rng(seed).uniform(1, 2, (n, n))
    values = values + values.T
    scale = np.sqrt(np.outer(np.diag(values), np.diag(values)))
    return pd.DataFrame(
        [
            {
                "t_i": i / n, "t_j": j / n, "sigma_i": 10.0**i, "sigma_j": 10.0**j,
                "mi": values[i, j], "mi_leave_one_out": -1.0, "mi_plug_in": -2.0,
                "mi_bias": values[j, i] / 9,
                "nmi": values[i, j] / scale[i, j],
            }
            for i in range(n)
            for j in range(n)
        ]
    )  # fmt: skip


def test_information_becomes_a_row_for_each_ordered_pair_and_metric() -> None:
    runs = [RUN.updated(time_conditioned=True, seed=s, method=m) for s in (0, 1)
            for m in ("drl", "vdrl")]  # fmt: skip
    made = [shared(4, seed) for seed in range(4)]
    found = results.information_rows(stored(r, t) for r, t in zip(runs, made, strict=True))
    assert len(found) == 4 * 3 * 16
    assert set(found.metric) == {"mi", "mi_bias", "nmi"}
    assert (found.split == "test").all() and found.time_conditioned.all()
    assert found.index.is_unique
    for run, table in zip(runs, made, strict=True):
        rows = found[found.run == run.key]
        assert (rows.method == run.method).all() and (rows.seed == run.seed).all()
        for metric in ("mi", "mi_bias", "nmi"):
            wide = rows[rows.metric == metric].pivot(index="t", columns="t_j", values="value")
            expected = table.pivot(index="t_i", columns="t_j", values=metric)
            np.testing.assert_array_equal(wide, expected)
            np.testing.assert_allclose(wide, wide.T)
            assert wide.index.tolist() == wide.columns.tolist() == [0, 0.25, 0.5, 0.75]
        np.testing.assert_allclose(rows[rows.metric == "nmi"].query("t == t_j").value, 1)
        np.testing.assert_allclose(rows.sigma, 10 ** (4 * rows.t))
        np.testing.assert_allclose(rows.sigma_j, 10 ** (4 * rows.t_j))


# The best time of each method.

TIMES, SIGMAS = (0.0, 0.5, 1.0), (0.01, 1.0, 50.0)


def probed(
    validation: list[list[float]], test: list[list[float]], compared: Compared = CURVE,
    dataset: str = "mnist", metric: str = "m",
) -> pd.DataFrame:  # fmt: skip
    """Rows of values[seed][time]."""
    return pd.DataFrame(
        [
            (dataset, *compared, seed, t, sigma, split, metric, values[seed][i])
            for split, values in (("validation", validation), ("test", test))
            for seed in range(len(values))
            for i, (t, sigma) in enumerate(zip(TIMES, SIGMAS, strict=True))
        ],
        columns=["dataset", "method", "time_conditioned", "seed", "t", "sigma", "split", "metric",
                 "value"],
    )  # fmt: skip


def test_each_seed_s_time_is_chosen_on_validation_and_told_on_test() -> None:
    """Test would take the first time; validation the second, or for one seed the last."""
    validation = [[0.1, 0.9, 0.2], [0.1, 0.8, 0.3], [0.1, 0.2, 0.7]]
    test = [[0.9, 0.5, 0.1], [0.9, 0.6, 0.1], [0.9, 0.1, 0.4]]
    (row,) = results.best_times(probed(validation, test), [CURVE], "m").to_dict("records")
    chosen = [0.5, 0.6, 0.4]
    assert row == {
        "dataset": "mnist", "label": "drl, E(x₀, t)", "method": "drl",
        "sigma": 1.0,  # the median of 1, 1 and 50
        "mean": pytest.approx(np.mean(chosen)), "sd": pytest.approx(np.std(chosen, ddof=1)),
        "seeds": 3,
    }  # fmt: skip


def test_a_code_without_time_has_no_best_level_and_is_kept_apart_from_the_curve() -> None:
    flat = [[0.4] * 3, [0.6] * 3]
    table = pd.concat([
        probed([[0.1, 0.9, 0.2]] * 2, [[0.0, 0.8, 0.0]] * 2),
        probed(flat, flat, POINT),
        probed([[0.0] * 3], [[0.0] * 3], CURVE, metric="other"),
    ])  # fmt: skip
    found = results.best_times(table, [POINT, CURVE], "m").set_index("label")
    assert found.index.tolist() == ["drl", "drl, E(x₀, t)"]  # in the order asked for
    assert np.isnan(found.sigma["drl"]) and found.sigma["drl, E(x₀, t)"] == 1.0
    assert found["mean"].to_list() == pytest.approx([0.5, 0.8])
    assert found.sd.to_list() == pytest.approx([np.std([0.4, 0.6], ddof=1), 0])
    assert found.seeds.tolist() == [2, 2]


def test_one_seed_has_no_spread() -> None:
    table = probed([[0.1, 0.9, 0.2]], [[0.0, 0.8, 0.0]])
    (row,) = results.best_times(table, [CURVE], "m").itertuples()
    assert row.mean == 0.8 and np.isnan(row.sd) and row.seeds == 1


def test_data_sets_are_told_apart_and_one_without_the_metric_has_no_row() -> None:
    """A few-shot budget may be more than a small data set holds."""
    table = pd.concat([
        probed([[0.1, 0.9, 0.2]], [[0.1, 0.8, 0.3]], dataset="digits", metric="other"),
        probed([[0.1, 0.9, 0.2]], [[0.1, 0.8, 0.3]]),
        probed([[0.9, 0.1, 0.2]], [[0.7, 0.8, 0.3]], dataset="colored-mnist"),
    ])  # fmt: skip
    found = results.best_times(table, [CURVE], "m").set_index("dataset")
    assert found["mean"].to_dict() == {"mnist": 0.8, "colored-mnist": 0.7}
    assert found.sigma.to_dict() == {"mnist": 1.0, "colored-mnist": 0.01}
    other = results.best_times(table, [CURVE], "other")
    assert other.dataset.tolist() == ["digits"]


def test_a_method_that_lacks_the_metric_of_its_data_set_is_said() -> None:
    table = probed([[0.1, 0.9, 0.2]], [[0.1, 0.8, 0.3]])
    with pytest.raises(DataError, match="no rows"):
        results.best_times(table, [CURVE, POINT], "m")


# Seeds are paired by their number.


def test_seeds_are_paired_whatever_their_order() -> None:
    a, b = pd.Series([0.5, 0.6, 0.9]), pd.Series([0.4, 0.45, 0.8])
    expected = over_seeds(a, b)
    assert expected.difference == pytest.approx((0.1 + 0.15 + 0.1) / 3) and expected.n == 3
    for order in permutations(range(3)):
        assert over_seeds(a.iloc[list(order)], b) == expected


def test_one_seed_has_a_difference_and_no_interval() -> None:
    found = over_seeds(pd.Series([0.5], index=[4]), pd.Series([0.4], index=[4]))
    assert found.difference == pytest.approx(0.1) and found.n == 1
    assert np.isnan([found.low, found.high, found.p]).all()


@pytest.mark.parametrize("seeds", [[0, 1], [0, 1, 3], [0, 1, 1], []])
def test_other_seeds_are_refused(seeds: list[int]) -> None:
    with pytest.raises(DataError, match=r"seeds \[0, 1, 2\] against"):
        over_seeds(pd.Series([0.1, 0.2, 0.3]), pd.Series([0.1] * len(seeds), index=seeds))


def test_no_seeds_at_all_are_refused() -> None:
    none = pd.Series([], dtype=float)
    with pytest.raises(DataError, match="at least 2 pairs"):
        over_seeds(none, none)
