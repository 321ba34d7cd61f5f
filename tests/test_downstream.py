"""The protocol every method is probed by, and the products that hold what it finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score
from sklearn.svm import SVC

from drlcore.data import paths
from drlcore.data.datasets import load_dataset
from drlcore.data.factors import FACTORS
from drlcore.errors import ArtefactError, DataError, ParameterError
from drlcore.model import EncoderModel, encode
from drlcore.noise_range import NoiseRange
from drlcore.paper import products
from drlcore.paper import protocol as downstream
from drlcore.paper.experiments import Downstream
from drlcore.paper.experiments.comparison import COMPARED
from drlcore.paper.presets import PRESETS
from drlcore.paper.products import Product
from drlcore.paper.protocol import Protocol
from drlcore.probes import neural as neural_probe
from drlcore.probes import over_time as time_probes
from drlcore.probes import whole_trajectory as trajectory_probes
from drlcore.probes.networks import GRUProbe, MLPProbe, TransformerProbe
from drlcore.probes.neural import ProbeTraining
from drlcore.training import store
from drlcore.training.artefacts import read_cards
from drlcore.training.run import RunParameters, build_model

PROTOCOL = Protocol(n_times=3, images=200, epochs=1, n_labels=(20, 50), draws=2, ablated=2)
RUN = RunParameters(
    dataset="digits", time_conditioned=True, latent_dim=3, steps=3, batch_size=16, width=16
)
DIGITS = load_dataset("digits")
SIGMAS = (0.01, (0.01 * 50) ** 0.5, 50.0)
SINGLE = {
    "knn_accuracy", "linear_accuracy", "mlp_accuracy", *(f"{name}_r2" for name in FACTORS),
    "few_shot_20_accuracy", "few_shot_50_accuracy",
}  # fmt: skip
KINDS: tuple[Callable[[RunParameters, Protocol], Product[Any]], ...] = (
    products.single_times,
    products.whole_trajectory,
    products.shared_information,
    products.curves,
)


def untrained(run: RunParameters = RUN) -> EncoderModel:
    return build_model(run, load_dataset(run.dataset)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def single() -> pd.DataFrame:
    return downstream.probe_single_times(RUN, untrained(), PROTOCOL)


@pytest.fixture(scope="module")
def whole() -> pd.DataFrame:
    return downstream.probe_whole_trajectory(RUN, untrained(), PROTOCOL)


# Single times.


def test_one_row_for_each_time_split_and_metric(single: pd.DataFrame) -> None:
    assert list(single.columns) == ["t", "sigma", "split", "metric", "value"]
    assert not single.duplicated(["t", "split", "metric"]).any()
    assert set(single.metric) == SINGLE
    assert len(single) == 3 * 2 * len(SINGLE)
    assert not single.isna().any().any()
    np.testing.assert_allclose(sorted(set(single.sigma)), SIGMAS, rtol=1e-5)
    assert np.allclose(np.diff(sorted(set(single.t))), 0.5)
    shares = single[single.metric.str.endswith("_accuracy")].value
    assert shares.between(0, 1).all() and shares.nunique() > 5


@pytest.mark.parametrize("n", [20, 50])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_few_shot_rows_are_means_over_draws(single: pd.DataFrame, n: int, split: str) -> None:
    # Re-derived: draw 0 is the first codes of each class, draw 1 the first of a random order.
    part = getattr(DIGITS, split)
    y = DIGITS.train.y[:200].numpy()
    orders = [np.arange(200), np.random.default_rng(RUN.seed).permutation(200)]
    for sigma in SIGMAS:
        z = encode(untrained(), DIGITS.train.x[:200], sigma)
        asked = encode(untrained(), part.x, sigma)
        found = []
        for order in orders:
            chosen = np.concatenate([order[y[order] == c][: n // 10] for c in range(10)])
            model = SVC().fit(z[chosen], y[chosen])
            found.append(accuracy_score(part.y.numpy(), model.predict(asked)))
        rows = single[(single.split == split) & (single.metric == f"few_shot_{n}_accuracy")]
        (value,) = rows[np.isclose(rows.sigma, sigma, rtol=1e-4)].value
        assert value == pytest.approx(np.mean(found), abs=0.01)
        assert found[0] != found[1]  # a mean that could not be one draw


def test_probes_are_fitted_on_so_many_images(single: pd.DataFrame) -> None:
    every = downstream.probe_single_times(RUN, untrained(), PROTOCOL.updated(images=None))
    assert not np.allclose(every.value, single.value)
    n = PROTOCOL.updated(images=len(DIGITS.train.y))
    pd.testing.assert_frame_equal(downstream.probe_single_times(RUN, untrained(), n), every)


def test_a_budget_that_classes_cannot_share_or_fill_gives_no_row() -> None:
    fewest = int(np.bincount(DIGITS.train.y[:200]).min())
    protocol = PROTOCOL.updated(
        n_times=2, draws=1, n_labels=(10, 25, 10 * fewest, 10 * fewest + 10, 10_000)
    )
    table = downstream.probe_single_times(RUN, untrained(), protocol)
    budgets = {m for m in table.metric if m.startswith("few_shot")}
    assert budgets == {"few_shot_10_accuracy", f"few_shot_{10 * fewest}_accuracy"}


def test_more_labels_than_the_first_images_are_the_first_of_each_class_of_all() -> None:
    protocol = PROTOCOL.updated(n_labels=(20, 200, 210, 500, 10_000))
    assert protocol.beyond == (200, 210, 500, 10_000)
    assert protocol.updated(images=None).beyond == ()
    run = RUN.updated(train_images=700)
    table = downstream.probe_many_labels(run, untrained(run), protocol)
    assert table.metric.value_counts().to_dict() == {f"few_shot_{n}_accuracy": 6
                                                     for n in (200, 210, 500)}  # fmt: skip
    y = DIGITS.train.y[:700].numpy()
    chosen = np.concatenate([np.flatnonzero(y == c)[:50] for c in range(10)])
    z, asked = (encode(untrained(run), x, 50.0) for x in (DIGITS.train.x[:700], DIGITS.test.x))
    model = SVC().fit(z[chosen], y[chosen])
    rows = table[(table.metric == "few_shot_500_accuracy") & (table.split == "test")]
    (value,) = rows[np.isclose(rows.sigma, 50)].value
    found = accuracy_score(DIGITS.test.y.numpy(), model.predict(asked))
    assert value == pytest.approx(found, abs=0.01)
    none = downstream.probe_many_labels(run, untrained(run), PROTOCOL.updated(n_labels=(9_000,)))
    assert none.empty and set(none.columns) == set(table.columns)


def test_where_no_budget_fits_the_nearest_below_the_first_is_taken() -> None:
    for y, budget in (
        (np.arange(300) % 3, 99),
        (np.arange(60) % 3, 60),
        (np.array([0] * 50 + [1] * 7), 14),
        (np.arange(400) % 200, 200),
    ):
        assert downstream._budgets(y, (100, 1000)) == [budget]
    assert downstream._budgets(np.arange(300) % 2, (100, 200, 1000)) == [100, 200]


def test_a_code_without_time_has_the_same_row_at_every_time() -> None:
    run = RUN.updated(method="ae", time_conditioned=False)
    table = downstream.probe_single_times(run, untrained(run), PROTOCOL)
    assert len(table) == 3 * 2 * len(SINGLE)
    assert (table.groupby(["split", "metric"]).value.nunique() == 1).all()


@pytest.mark.parametrize("method", sorted({compared.method for compared in COMPARED}))
def test_every_method_gives_the_same_table(method: str, single: pd.DataFrame) -> None:
    run = RUN.updated(method=method, time_conditioned=False)
    table = downstream.probe_single_times(run, untrained(run), PROTOCOL)
    index = ["t", "sigma", "split", "metric"]
    pd.testing.assert_frame_equal(
        table[index].sort_values(index, ignore_index=True),
        single[index].sort_values(index, ignore_index=True),
        rtol=1e-5,
    )


# The whole trajectory.


def test_whole_trajectory_has_probes_attention_and_ablation(whole: pd.DataFrame) -> None:
    assert set(whole.columns) == {"t", "sigma", "split", "metric", "value"}
    count = whole.groupby("metric").size().to_dict()
    assert count == {
        "gru_accuracy": 2,
        "transformer_accuracy": 2,
        "attention": 3,
        "importance": 3,
        "ablation_transformer_accuracy": 2,
        "ablation_transformer_without_accuracy": 4,
        "ablation_transformer_only_accuracy": 4,
    }
    assert not whole.duplicated(["t", "split", "metric"]).any()
    assert not whole.value.isna().any()
    over_all = whole.metric.isin(
        ["gru_accuracy", "transformer_accuracy", "ablation_transformer_accuracy"]
    )
    assert (whole.t.isna() == over_all).all() and (whole.sigma.isna() == over_all).all()
    attention = whole[whole.metric == "attention"]
    assert set(attention.split) == {"test"}
    assert (attention.value > 0).all() and attention.value.sum() < 1  # the rest is on the query


@pytest.mark.parametrize(
    ("n_times", "ablated", "shown"),
    [(3, 2, [0, 2]), (3, 3, [0, 1, 2]), (3, 9, [0, 1, 2]), (5, 3, [0, 2, 4]), (2, 2, [0, 1])],
)
def test_ablated_times_are_evenly_spaced_and_include_the_ends(
    n_times: int, ablated: int, shown: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def note(codes: Any, seed: int, times: list[int], **_: Any) -> pd.DataFrame:
        asked.append(times)
        return pd.DataFrame({"metric": ["x"]})

    monkeypatch.setattr(downstream, "ablate_times", note)
    for name in ("probe_trajectory", "attention_over_time"):
        monkeypatch.setattr(downstream, name, lambda *_, **__: pd.DataFrame())
    protocol = PROTOCOL.updated(n_times=n_times, ablated=ablated)
    downstream.probe_whole_trajectory(RUN, untrained(), protocol)
    assert asked == [shown]


def test_the_protocol_s_epochs_reach_every_neural_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[int]] = {}

    def noting(name: str, probe: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            settings = kwargs.get("settings", args[2] if len(args) > 2 else None)
            seen[name] = {settings.epochs}
            return probe(*args, **kwargs)

        return call

    for name in ("probe_times", "probe_trajectory", "attention_over_time", "ablate_times"):
        monkeypatch.setattr(downstream, name, noting(name, getattr(downstream, name)))
    protocol = PROTOCOL.updated(epochs=2, n_times=2, n_labels=())
    downstream.probe_single_times(RUN, untrained(), protocol)
    downstream.probe_whole_trajectory(RUN, untrained(), protocol)
    assert len(seen) == 4 and set.union(*seen.values()) == {2}


# Shared information, and the curves.


def test_shared_information_is_symmetric_and_whole() -> None:
    table = downstream.share_of_information(RUN, untrained(), PROTOCOL)
    assert len(table) == 9
    for column in ("mi", "nmi", "mi_leave_one_out", "mi_plug_in"):
        square = table.pivot(index="t_i", columns="t_j", values=column).to_numpy()
        np.testing.assert_array_equal(square, square.T)
    square = table.pivot(index="t_i", columns="t_j", values="nmi").to_numpy()
    np.testing.assert_allclose(np.diag(square), 1)
    assert (table.mi > 0).all()
    np.testing.assert_allclose(sorted(set(table.sigma_i)), SIGMAS, rtol=1e-5)
    np.testing.assert_array_equal(np.sort(table.t_i.unique()), np.sort(table.t_j.unique()))


def test_curves_are_the_codes_of_the_first_test_images_over_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(downstream, "CURVE_IMAGES", 7)
    found = downstream.curves(RUN, untrained(), PROTOCOL)
    assert found["codes"].shape == (3, 7, 3) and found["codes"].dtype == np.float32
    assert found["t"].shape == found["sigma"].shape == (3,)
    np.testing.assert_allclose(found["sigma"], SIGMAS, rtol=1e-5)
    model = untrained()
    for z, t in zip(found["codes"], found["t"], strict=True):
        again = model.encode(DIGITS.test.x[:7], torch.full((7,), float(t))).mean
        np.testing.assert_allclose(z, again.numpy(), atol=1e-5)
    assert not np.array_equal(found["codes"][0], found["codes"][2])


def test_curves_of_a_code_without_time_can_be_stored() -> None:
    run = RUN.updated(time_conditioned=False)
    codes = downstream.curves(run, untrained(run), PROTOCOL)["codes"]
    assert codes.flags.owndata and len(codes) == 3
    assert np.array_equal(codes[0], codes[2])


# The protocol.


@pytest.mark.parametrize(
    "change",
    [
        {"n_times": 4},
        {"images": 100},
        {"images": None},
        {"epochs": 2},
        {"n_labels": (20,)},
        {"n_labels": (50, 20)},
        {"draws": 3},
        {"ablated": 3},
        {"single": ProbeTraining(seeds=2)},
        {"whole": ProbeTraining(dropout=0.2)},
        {"masked": ProbeTraining(learning_rates=(1e-3, 1e-2))},
    ],
)
def test_another_protocol_is_another_file(change: dict[str, Any]) -> None:
    """Of every probe; what is no probe depends on the times alone."""
    other = PROTOCOL.updated(**change)
    for kind in KINDS:
        unprobed = kind in (products.shared_information, products.curves)
        same = unprobed and "n_times" not in change
        assert (kind(RUN, other).name == kind(RUN, PROTOCOL).name) == same


def test_every_field_of_the_protocol_is_tried_above() -> None:
    assert set(Protocol.model_fields) == {
        "n_times", "images", "epochs", "n_labels", "draws", "ablated", "single", "whole",
        "masked",
    }  # fmt: skip


def test_fields_at_their_default_leave_the_names_of_older_products_alone() -> None:
    new = {"single", "whole", "masked", "drop_last", "constant_rate", "seeds", "whitened"}
    assert not new & {*PROTOCOL.model_dump(), *ProbeTraining().model_dump()}
    given = PROTOCOL.updated(single=ProbeTraining(), whole=ProbeTraining(), masked=ProbeTraining())
    for kind in KINDS:
        assert kind(RUN, given).name == kind(RUN, PROTOCOL).name
    cards = read_cards(paths.root() / "data" / "artefacts").values()
    committed = {name for card in cards for name in card.files}
    for kind in (products.single_times, products.whole_trajectory):
        assert kind(RUN, PRESETS["laptop"].comparison.protocol).file in committed


def test_the_paper_s_protocol_is_that_of_its_code() -> None:
    protocol = PRESETS["paper"].comparison.protocol
    assert protocol.n_times == 11 and protocol.images is None
    every = {
        "epochs": 100, "batch_size": 256, "drop_last": True, "dropout": 0.25, "weight_decay": 1e-5,
        "learning_rates": (1e-3, 7.5e-4, 5e-4, 2.5e-4, 1e-4, 5e-5), "constant_rate": True,
        "whitened": False,
    }  # fmt: skip
    own = {
        "single": {"width": 512, "seeds": 3, "clip_norm": None, "iterations": 1},
        "whole": {"width": 256, "seeds": 5, "clip_norm": 1.0, "iterations": 2},
        "masked": {"width": 256, "seeds": 3, "clip_norm": 1.0, "iterations": 1},
    }
    for of, expected in own.items():
        found = protocol.training(of)  # type: ignore[arg-type]
        assert found == ProbeTraining(**every, **expected)
    transformer = TransformerProbe(128, 10, 0.25, width=256, iterations=2)
    assert transformer.forward_layers[0].out_features == 512
    counts = {
        sum(p.numel() for p in network.parameters())
        for network in (MLPProbe(128, 10, 0.25, 512), GRUProbe(128, 10, 0.25, 256), transformer)
    }
    assert counts == {71_178, 299_018, 562_954}  # as published


def test_each_probe_is_trained_by_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[tuple[str, int], set[float]] = {}
    fit = neural_probe.fit_probe

    def noting(codes: Any, name: Any, seed: int, settings: Any, times: Any = None) -> Any:
        seen.setdefault((name, settings.iterations), set()).add(settings.dropout)
        return fit(codes, name, seed, settings, times)

    for module in (time_probes, trajectory_probes):
        monkeypatch.setattr(module, "fit_probe", noting)
    protocol = PROTOCOL.updated(
        n_times=2, n_labels=(), single=ProbeTraining(dropout=0.2),
        whole=ProbeTraining(dropout=0.3, iterations=2), masked=ProbeTraining(dropout=0.4),
    )  # fmt: skip
    downstream.probe_single_times(RUN, untrained(), protocol)
    downstream.probe_whole_trajectory(RUN, untrained(), protocol)
    assert seen == {
        ("mlp", 1): {0.2}, ("gru", 2): {0.3}, ("transformer", 2): {0.3}, ("transformer", 1): {0.4},
    }  # fmt: skip


def test_the_same_protocol_is_the_same_file_and_the_run_is_in_its_name() -> None:
    again = Protocol(**PROTOCOL.model_dump())
    for kind in KINDS:
        product = kind(RUN, PROTOCOL)
        assert product.name == kind(RUN, again).name
        assert product.name.startswith(f"{RUN.key}/{kind.__name__}-")
        assert product.name != kind(RUN.updated(seed=1), PROTOCOL).name


@pytest.mark.parametrize(
    "values",
    [
        {"n_times": 1}, {"images": 0}, {"epochs": 0}, {"draws": 0}, {"ablated": 1},
        {"n_labels": (0,)}, {"n_labels": (10, -10)}, {"shots": 1},
    ],
)  # fmt: skip
def test_an_impossible_protocol_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(values))):
        PROTOCOL.updated(**values)


# Reproducible.


@pytest.mark.parametrize("probe", ["probe_single_times", "probe_whole_trajectory"])
def test_the_same_seed_gives_the_same_bits_and_another_others(
    probe: str, single: pd.DataFrame, whole: pd.DataFrame
) -> None:
    first = single if probe == "probe_single_times" else whole
    torch.manual_seed(123)  # nothing may come from the global streams
    np.random.seed(123)
    again = getattr(downstream, probe)(RUN, untrained(), PROTOCOL)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    # The codes are the same; the probes' own seed is the run's.
    other = getattr(downstream, probe)(RUN.updated(seed=1), untrained(), PROTOCOL)
    neural = first.metric.str.contains("mlp|gru|transformer")
    assert (first.value[neural] != other.value[neural]).any()
    fixed = first.metric.str.contains("knn|linear|_r2")
    pd.testing.assert_series_equal(first.value[fixed], other.value[fixed], check_exact=True)


def test_shared_information_and_curves_are_the_same_bits_again() -> None:
    share = partial(downstream.share_of_information, RUN, untrained(), PROTOCOL)
    pd.testing.assert_frame_equal(share(), share(), check_exact=True)
    one, two = (downstream.curves(RUN, untrained(), PROTOCOL) for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)


# As products.


@pytest.fixture
def stored(output: Path) -> dict[str, Any]:
    return {kind.__name__: kind(RUN, PROTOCOL).load(progress=False) for kind in KINDS}


def test_products_are_computed_once_and_read_back(
    stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "load_or_train", lambda *_, **__: pytest.fail("computed again"))
    for kind in KINDS:
        again, first = kind(RUN, PROTOCOL).load(), stored[kind.__name__]
        if isinstance(first, pd.DataFrame):
            pd.testing.assert_frame_equal(first, again, check_exact=True)
        else:
            assert first.keys() == again.keys() == {"codes", "t", "sigma"}
            assert all(np.array_equal(first[name], again[name]) for name in first)
    model = store.load_or_train(RUN, progress=False)
    computed = downstream.probe_single_times(RUN, model, PROTOCOL)
    pd.testing.assert_frame_equal(
        stored["single_times"], computed, check_exact=True, check_dtype=False
    )
    assert products.single_times(RUN, PROTOCOL.updated(draws=1)).stored is None


def test_a_corrupt_or_foreign_product_is_refused(stored: dict[str, Any]) -> None:
    for kind in KINDS:
        path = store.folder(RUN) / kind(RUN, PROTOCOL).file
        path.write_bytes(b"")
        with pytest.raises(ArtefactError, match=f"{path.name} is corrupt.*delete "):
            kind(RUN, PROTOCOL).load()
    card = paths.runs() / RUN.key / "run.json"
    other = json.loads(card.read_text())
    other["data"]["checksum"] = "f" * 16
    card.write_text(json.dumps(other))
    for kind in KINDS:
        with pytest.raises(ArtefactError, match="with checksum ffffffffffffffff"):
            kind(RUN, PROTOCOL).load()


def test_absent_data_stops_a_product_before_training(output: Path) -> None:
    if (paths.root() / "data" / "cifar10").exists():
        pytest.skip("somebody fetched CIFAR-10")
    with pytest.raises(DataError, match="make data DATASET=cifar10"):
        products.single_times(RUN.updated(dataset="cifar10"), PROTOCOL).load()
    assert not any(output.iterdir())


def test_a_single_level_leaves_no_curve_to_probe() -> None:
    run = RUN.updated(noise=NoiseRange().single(1.0))
    with pytest.raises(ParameterError, match="at least 2, over a range"):
        downstream.curves(run, untrained(run), PROTOCOL)


@pytest.mark.parametrize("level", [0.5, 50.0])
def test_a_static_code_trained_at_a_single_level_is_probed_once(level: float) -> None:
    run = RUN.updated(noise=NoiseRange().single(level), time_conditioned=False)
    table = downstream.probe_single_times(run, untrained(run), PROTOCOL)
    assert set(table.sigma) == {level}
    assert table.t.unique() == pytest.approx(np.log(level / 0.01) / np.log(5000))
    assert not table.duplicated(["split", "metric"]).any()
    # The same code over a range is probed alike, told at every time of it.
    whole = RUN.updated(time_conditioned=False)
    over = downstream.probe_single_times(whole, untrained(whole), PROTOCOL)
    expected = over[over.t == over.t.max()].set_index(["split", "metric"]).value
    pd.testing.assert_series_equal(table.set_index(["split", "metric"]).value, expected)


def test_the_smoke_experiment_s_products_come_out_on_a_user_s_own_images(
    output: Path, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    y = np.arange(105) % 7  # neither 20 nor 100 labels are as many of each of seven classes
    x = (generator.random((105, 12, 12)) * 200 + y[:, None, None] * 8).astype(np.uint8)
    file = tmp_path / "own.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x[:14], y_test=y[:14])
    experiment = Downstream(preset="smoke", dataset=str(file), n_seeds=1, steps=1)
    for product in experiment.products()[:3]:
        table = product.load(progress=False)
        assert {"knn_accuracy", "mlp_accuracy"} <= set(table.metric)
        assert "few_shot_91_accuracy" in set(table.metric)
