"""Codes over time, and probes on trajectories whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC

from drlcore.data.datasets import load_dataset
from drlcore.errors import DataError, ParameterError
from drlcore.model import encode
from drlcore.noise_range import NoiseRange
from drlcore.paper.tables.paired import best_time, combining_times, over_seeds
from drlcore.probes import neural as neural_probe
from drlcore.probes.networks import GRUProbe, MLPProbe, TransformerProbe
from drlcore.probes.neural import ProbeName, ProbeTraining, fit_probe
from drlcore.probes.over_time import few_shot, probe_times
from drlcore.probes.trajectory import (
    CodeSplit,
    Trajectories,
    codes_over_time,
    time_grid,
    trajectories,
)
from drlcore.probes.whole_trajectory import ablate_times, attention_over_time, probe_trajectory
from drlcore.sde import SDES
from drlcore.training.run import RunParameters, build_model

QUICK = ProbeTraining(width=32, epochs=12, batch_size=64, learning_rates=(1e-2,))
T = 4


def joined(parts: list[tuple[np.ndarray, np.ndarray]], static: bool = False) -> Trajectories:
    t = np.linspace(0, 1, len(parts[0][0]))
    splits = [CodeSplit(z.astype(np.float32), y) for z, y in parts]
    return Trajectories(t, 0.01 * 5000**t, *splits, static=static)


def at_one_time(where: int, n: int = 800, classes: int = 4, d: int = 3) -> Trajectories:
    """Noise everywhere, except that the class shows at time ``where``."""
    generator = np.random.default_rng(0)
    corners = 3 * generator.standard_normal((classes, d))

    def part(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = generator.integers(0, classes, n)
        z = generator.standard_normal((T, n, d))
        z[where] = corners[y] + 0.3 * z[where]
        return z, y

    return joined([part(n), part(400), part(400)])


def exclusive_or(n: int = 1500) -> Trajectories:
    """Bits at times 0 and 2, the class their XOR: no single time knows anything."""
    generator = np.random.default_rng(1)

    def part(n: int) -> tuple[np.ndarray, np.ndarray]:
        bits = generator.integers(0, 2, (2, n))
        z = 0.3 * generator.standard_normal((T, n, 2))
        z[0, :, 0] += 2 * bits[0] - 1
        z[2, :, 0] += 2 * bits[1] - 1
        return z, bits[0] ^ bits[1]

    return joined([part(n), part(500), part(500)])


def values(table: pd.DataFrame, metric: str, split: str = "test") -> np.ndarray:
    return table[(table.metric == metric) & (table.split == split)].value.to_numpy()


@pytest.mark.parametrize("sde", ["ve", "vp", "subvp"])
def test_time_grid_is_even_in_t_and_spans_the_range(sde: str) -> None:
    model = SDES[sde](NoiseRange())  # type: ignore[arg-type]
    t, sigma = time_grid(model, 11)
    assert np.allclose(np.diff(t), (model.t_max - model.t_min) / 10)
    assert (sigma[0], sigma[-1]) == pytest.approx((0.01, 50))
    assert np.allclose(model.t(torch.from_numpy(sigma)).numpy(), t)
    if sde == "ve":
        assert np.allclose(sigma, 0.01 * 5000 ** np.linspace(0, 1, 11))


def test_time_grid_stays_where_training_was() -> None:
    t, sigma = time_grid(SDES["ve"](NoiseRange().interval(0.1, 10)), 3)
    assert sigma == pytest.approx([0.1, 1, 10]) and t[0] == pytest.approx(np.log(10) / np.log(5000))
    for noise, n in ((NoiseRange().single(1.0), 5), (NoiseRange(), 1)):
        with pytest.raises(ParameterError, match="at least 2"):
            time_grid(SDES["ve"](noise), n)


@pytest.mark.parametrize("method", ["drl", "vdrl"])
@pytest.mark.parametrize("time_conditioned", [True, False])
def test_codes_over_time(method: str, time_conditioned: bool) -> None:
    run = RunParameters(
        dataset="digits",
        method=method,
        latent_dim=5,
        encoder="mlp",
        time_conditioned=time_conditioned,
    )
    data = load_dataset("digits")
    model = build_model(run, data).eval()
    codes = trajectories(model, data, 3, train_images=50)
    assert codes.train.z.shape == (3, 50, 5) and codes.train.z.dtype == np.float32
    assert codes.test.z.shape == (3, len(data.test.y), 5) and codes.static != time_conditioned
    for i, sigma in enumerate(codes.sigma):
        expected = encode(model, data.test.x, float(sigma) if time_conditioned else None)
        assert (codes.test.z[i] == expected).all()
    assert (codes.test.z[0] == codes.test.z[2]).all() != time_conditioned
    assert (codes.train.factors["ink"] == data.train.factors["ink"][:50]).all()
    calls = []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    codes_over_time(model, data.test.x, codes.sigma)
    assert len(calls) == (3 if time_conditioned else 1)


def test_class_at_one_time_is_found_there() -> None:
    codes = at_one_time(2)
    table = probe_times(codes, seed=0, settings=QUICK)
    for metric in ("mlp_accuracy", "knn_accuracy", "linear_accuracy"):
        accuracy = values(table, metric)
        assert accuracy.argmax() == 2 and accuracy[2] > 0.95, metric
        assert np.delete(accuracy, 2).max() < 0.4, metric
    seen = attention_over_time(codes, 0, QUICK)
    attention, importance = values(seen, "attention"), values(seen, "importance")
    assert attention.argmax() == 2 and attention[2] > 0.5 and 0.5 < attention.sum() <= 1 + 1e-6
    assert importance[2] > 0.5 and np.abs(np.delete(importance, 2)).max() < 0.1
    ablated = ablate_times(codes, 0, [0, 2], settings=QUICK)
    without, only = (values(ablated, f"transformer_{m}_accuracy") for m in ("without", "only"))
    assert without[0] > 0.9 > 0.4 > without[1] and only[1] > 0.9 > 0.4 > only[0]
    assert values(ablated, "transformer_accuracy").item() > 0.9


@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_exclusive_or_needs_the_trajectory(name: ProbeName) -> None:
    codes = exclusive_or()
    settings = QUICK.updated(epochs=20)
    tables = [probe_trajectory(codes, seed, [name], settings).assign(seed=seed) for seed in (0, 1)]
    combined = pd.concat(tables)
    assert values(combined, f"{name}_accuracy").min() > 0.9
    single = pd.concat(
        [probe_times(codes, seed, settings=QUICK).assign(seed=seed) for seed in (0, 1)]
    )
    found = combining_times(single, "mlp_accuracy", combined, f"{name}_accuracy")
    assert found.difference > 0.3 and found.n == 2
    importance = fit_probe(codes, name, 0, settings).importance(codes.test)
    assert (importance[[0, 2]] > 0.3).all() and np.abs(importance[[1, 3]]).max() < 0.05


def test_order_in_time_is_read_by_positions() -> None:
    """Class = does the bump come early or late: the same set of codes, another order."""
    generator = np.random.default_rng(0)
    parts = []
    for n in (1500, 300, 300):
        y = generator.integers(0, 2, n)
        z = 0.1 * generator.standard_normal((2, n, 2))
        z[y, np.arange(n), 0] += 1
        parts.append((z, y))
    for name in ("gru", "transformer"):
        assert fit_probe(joined(parts), name, 0, QUICK).accuracy(joined(parts).test) > 0.95


@pytest.mark.parametrize("network", [GRUProbe, TransformerProbe, MLPProbe])
def test_hidden_times_do_not_matter(network: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    for iterations in (1, 3):
        options = {"iterations": iterations} if network is TransformerProbe else {}
        probe = network(3, 5, 0.0, width=16, **options).eval()
        z = torch.randn(7, T, 3)
        visible = torch.tensor([False, True, False, False])
        other = torch.where(visible[:, None], z, torch.randn(7, T, 3))
        assert torch.equal(probe(z, visible), probe(other, visible))
        if network is TransformerProbe:
            weights = probe.attention(z, visible)
            assert (weights[:, ~visible] == 0).all() and (weights[:, 1] > 0).all()
            assert torch.allclose(probe.attention(z, ~visible)[:, 1], torch.zeros(7))


def test_probe_sizes_are_the_published_ones() -> None:
    """Parameter counts of the authors' probes, 128-d codes to 10 classes."""

    def count(network: torch.nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    assert count(MLPProbe(128, 10, 0.25, width=512)) == 71_178
    assert count(GRUProbe(128, 10, 0.25, width=256)) == 299_018
    assert count(TransformerProbe(128, 10, 0.25, width=256, iterations=2)) == 562_954


def test_selection_reads_validation_alone() -> None:
    """Validation and test disagree on labels, so that choosing on test would choose otherwise."""
    codes = at_one_time(1)
    swapped = CodeSplit(codes.test.z, (codes.test.y + 1) % 4)
    rigged = Trajectories(codes.t, codes.sigma, codes.train, codes.validation, swapped)
    settings = QUICK.updated(learning_rates=(1e-6, 1e-2), epochs=3)
    probe = fit_probe(rigged, "mlp", 0, settings, [1])
    assert probe.learning_rate == 1e-2 and probe.validation_accuracy > 0.95
    assert probe.accuracy(rigged.test) < 0.05  # the untrained 1e-6 would do better here
    assert fit_probe(rigged, "mlp", 0, settings.updated(learning_rates=(1e-6,)), [1]).accuracy(
        rigged.test
    ) > probe.accuracy(rigged.test)
    table = probe_times(rigged, 0, settings=settings)
    for metric in ("knn_accuracy", "linear_accuracy", "mlp_accuracy"):
        assert values(table, metric, "validation")[1] > 0.95 > 0.05 > values(table, metric)[1]


def test_the_kept_epoch_is_the_best_on_validation() -> None:
    """Every epoch makes it worse on wrong validation labels, so the first must be kept."""
    codes = at_one_time(1)
    wrong = CodeSplit(codes.validation.z, (codes.validation.y + 1) % 4)
    rigged = Trajectories(codes.t, codes.sigma, codes.train, wrong, codes.test)
    settings = QUICK.updated(learning_rates=(1e-3,), constant_rate=True)
    probe = fit_probe(rigged, "mlp", 0, settings, [1])
    first = fit_probe(rigged, "mlp", 0, settings.updated(epochs=1), [1])
    assert all(map(torch.equal, probe.networks[0].parameters(), first.networks[0].parameters()))
    assert probe.accuracy(wrong) == probe.validation_accuracy > 0
    assert probe.accuracy(codes.test) < fit_probe(codes, "mlp", 0, QUICK, [1]).accuracy(codes.test)


def test_neighbours_are_those_best_on_validation() -> None:
    generator = np.random.default_rng(0)
    parts = []
    for n, noisy in ((400, 0.35), (400, 0.0), (400, 0.35)):
        y = generator.integers(0, 2, n)
        z = (np.repeat(y[None, :, None], 2, 0) * 4 - 2) + generator.standard_normal((2, n, 2))
        parts.append((z, np.where(generator.random(n) < noisy, 1 - y, y)))
    codes = joined(parts)
    table = probe_times(codes, 0, neighbours=(1, 50), settings=QUICK.updated(epochs=1))
    for i in range(2):
        mean, std = codes.train.z[i].mean(0), codes.train.z[i].std(0)
        scores = {
            k: [
                KNeighborsClassifier(k)
                .fit((codes.train.z[i] - mean) / std, codes.train.y)
                .score((part.z[i] - mean) / std, part.y)
                for part in (codes.validation, codes.test)
            ]
            for k in (1, 50)
        }
        assert scores[50][0] > scores[1][0]
        assert values(table, "knn_accuracy", "validation")[i] == pytest.approx(scores[50][0])
        assert values(table, "knn_accuracy")[i] == pytest.approx(scores[50][1])


def test_factors_are_regressed_at_every_time() -> None:
    generator = np.random.default_rng(0)
    splits = []
    for n in (500, 300, 300):
        factor = generator.uniform(-1, 1, n)
        z = generator.standard_normal((2, n, 2)).astype(np.float32)
        z[1] = 0.05 * z[1] + factor[:, None]
        splits.append(CodeSplit(z, generator.integers(0, 2, n), {"slant": factor}))
    codes = Trajectories(np.array([0.0, 1.0]), np.array([0.01, 50.0]), *splits)
    table = probe_times(codes, 0, neighbours=(5,), settings=QUICK.updated(epochs=1))
    r2 = values(table, "slant_r2")
    assert r2[0] < 0.1 and r2[1] > 0.95
    mean, std = codes.train.z[1].mean(0), codes.train.z[1].std(0)
    reference = KNeighborsRegressor(5).fit(
        (splits[0].z[1] - mean) / std, splits[0].factors["slant"]
    )
    score = reference.score((splits[2].z[1] - mean) / std, splits[2].factors["slant"])
    assert r2[1] == pytest.approx(score, abs=1e-6)


def test_few_shot_is_the_first_of_each_class() -> None:
    codes = at_one_time(2)
    table = few_shot(codes, 12, draws=3, seed=4)
    assert set(table.draw) == {0, 1, 2} and len(table) == 2 * 3 * T
    first = [[i for i, y in enumerate(codes.train.y) if y == c][:3] for c in range(4)]
    chosen = np.concatenate(first)
    for i in range(T):
        expected = SVC().fit(codes.train.z[i][chosen], codes.train.y[chosen])
        found = table[(table.draw == 0) & (table.t == codes.t[i]) & (table.split == "test")]
        assert found.value.item() == expected.score(codes.test.z[i], codes.test.y)
    means = table[table.split == "test"].groupby("t").value.mean()
    assert means.argmax() == 2 and means.iloc[2] > 0.8
    assert table.equals(few_shot(codes, 12, draws=3, seed=4))
    assert table[table.draw == 1].value.tolist() != table[table.draw == 0].value.tolist()


def test_static_codes_are_probed_once_with_the_same_result() -> None:
    codes = at_one_time(0)
    z = [np.broadcast_to(s.z[0], s.z.shape) for s in (codes.train, codes.validation, codes.test)]
    ys = [codes.train.y, codes.validation.y, codes.test.y]
    static, plain = (joined(list(zip(z, ys, strict=True)), static=s) for s in (True, False))
    settings = QUICK.updated(epochs=2)
    assert probe_times(static, 0, settings=settings).equals(
        probe_times(plain, 0, settings=settings)
    )
    assert few_shot(static, 8, 2).equals(few_shot(plain, 8, 2))


# Several rates and seeds.


@pytest.mark.parametrize("name", ["mlp", "transformer"])
def test_rate_and_numbers_are_those_of_a_loop_over_rates_and_seeds(name: ProbeName) -> None:
    codes, times = at_one_time(1, n=200), [1] if name == "mlp" else None
    rates, seeds = (3e-4, 3e-3), (5, 1005)
    settings = QUICK.updated(epochs=2, learning_rates=rates, seeds=2)
    found = fit_probe(codes, name, 5, settings, times)
    alone = {
        (rate, seed): fit_probe(
            codes, name, seed, settings.updated(learning_rates=(rate,), seeds=1), times
        )
        for rate in rates
        for seed in seeds
    }
    mean = {rate: sum(alone[rate, s].validation_accuracy for s in seeds) / 2 for rate in rates}
    best = max(rates, key=mean.__getitem__)
    assert mean[rates[0]] != mean[rates[1]]
    assert (found.learning_rate, found.validation_accuracy) == (best, pytest.approx(mean[best]))
    members = [alone[best, seed] for seed in seeds]
    test = [member.accuracy(codes.test) for member in members]
    assert test[0] != test[1] and found.accuracy(codes.test) == pytest.approx(np.mean(test))
    lost = [member.importance(codes.test) for member in members]
    np.testing.assert_allclose(found.importance(codes.test), np.mean(lost, axis=0))
    if name == "transformer":
        seen = [member.attention(codes.test) for member in members]
        np.testing.assert_allclose(found.attention(codes.test), np.mean(seen, axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("of_seeds", "kept"),
    [([(0.9, 0.2), (0.6, 0.6)], 1), ([(0.2, 0.9), (0.6, 0.6)], 1), ([(0.5, 0.6), (0.5, 0.5)], 0)],
    ids=["best seed first", "best seed last", "best of both"],
)
def test_the_rate_is_the_best_in_the_mean_not_of_one_lucky_seed(
    of_seeds: list[tuple[float, float]], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = (1e-3, 1e-2)

    def scored(network: torch.nn.Module, *given: Any) -> tuple[torch.nn.Module, float]:
        *_, seed, rate, _ = given
        return network, of_seeds[rates.index(rate)][seed // 1000]

    monkeypatch.setattr(neural_probe, "_train", scored)
    settings = QUICK.updated(learning_rates=rates, seeds=2)
    assert fit_probe(at_one_time(0, n=40), "gru", 0, settings).learning_rate == rates[kept]


@pytest.mark.parametrize("n", [70, 20])  # 2 full batches of 32 and a rest; a rest alone
def test_published_training_is_plain_adam_on_full_batches_of_codes_as_they_are(n: int) -> None:
    codes = at_one_time(0, n=n)
    settings = ProbeTraining(
        width=16, epochs=1, batch_size=32, drop_last=True, learning_rates=(0.01,),
        constant_rate=True, whitened=False, dropout=0.0, clip_norm=None,
    )  # fmt: skip
    found = fit_probe(codes, "mlp", 3, settings, [0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        reference = MLPProbe(3, 4, 0.0, width=16)
    z, y = torch.from_numpy(codes.train.z[0]), torch.from_numpy(codes.train.y)
    adam = torch.optim.Adam(reference.parameters(), lr=0.01, weight_decay=1e-5)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(3))
    for i in range(max(n // 32, 1)):
        chosen = order[32 * i : 32 * (i + 1)]
        loss = torch.nn.functional.cross_entropy(reference.layers(z[chosen]), y[chosen])
        adam.zero_grad()
        loss.backward()
        adam.step()
    for a, b in zip(found.networks[0].parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-4, atol=1e-6)
    expected = reference.layers(torch.from_numpy(codes.test.z[0])).argmax(1).numpy()
    assert found.accuracy(codes.test) == pytest.approx((expected == codes.test.y).mean())


@pytest.mark.parametrize("name", ["mlp", "gru", "transformer"])
def test_same_seed_same_probe(name: ProbeName) -> None:
    codes, settings = at_one_time(1), QUICK.updated(epochs=2)
    state = torch.get_rng_state()
    probes = [fit_probe(codes, name, seed, settings, [1]) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    a, b, c = (torch.cat([p.flatten() for p in x.networks[0].parameters()]) for x in probes)
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_probes_do_not_care_for_the_basis_of_the_codes() -> None:
    codes = at_one_time(1)
    scale = np.diag([1000, 1, 0.001]) @ np.linalg.qr(np.random.default_rng(0).random((3, 3)))[0]
    parts = [(p.z @ scale + 5, p.y) for p in (codes.train, codes.validation, codes.test)]
    for name in ("mlp", "transformer"):
        times = [1] if name == "mlp" else None
        plain = fit_probe(codes, name, 0, QUICK, times).accuracy(codes.test)
        assert fit_probe(joined(parts), name, 0, QUICK, times).accuracy(
            joined(parts).test
        ) == pytest.approx(plain, abs=0.03)


def test_paired_difference_is_students() -> None:
    a, b = pd.Series([0.91, 0.93, 0.95]), pd.Series([0.90, 0.91, 0.92])
    found = over_seeds(a, b)
    sd = np.std([0.01, 0.02, 0.03], ddof=1)
    half = stats.t.ppf(0.975, 2) * sd / np.sqrt(3)
    assert (found.difference, found.n) == (pytest.approx(0.02), 3)
    assert (found.low, found.high) == pytest.approx((0.02 - half, 0.02 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(0.02 / (sd / np.sqrt(3)), 2))
    assert half / sd == pytest.approx(2.48, abs=0.01)  # what the docstring says of n = 3
    assert stats.wilcoxon(a, b).pvalue == pytest.approx(0.25)  # and of the rank test


def test_paired_difference_without_scatter() -> None:
    three = pd.Series([1, 2, 3])
    assert over_seeds(three, three).p == 1
    shifted = over_seeds(three + 1, three)
    assert shifted.difference == shifted.low == shifted.high == 1 and np.isnan(shifted.p)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_paired_difference_refuses_what_is_not_finite(value: float) -> None:
    a, b = pd.Series([1, value]), pd.Series([1.0, 2.0])
    for pair in ((a, b), (b, a)):
        with pytest.raises(DataError, match="paired test takes finite values"):
            over_seeds(*pair)


def accuracies() -> pd.DataFrame:
    """Two seeds, three times; validation prefers another time than test."""
    rows = [
        (seed, t, 10 * t, split, "m", value)
        for seed in (0, 1)
        for split, by_time in (
            ("validation", [0.5, 0.8 + 0.1 * seed, 0.7]),
            ("test", [0.9, 0.6 + 0.1 * seed, 0.7]),
        )
        for t, value in zip((0.0, 0.5, 1.0), by_time, strict=True)
    ]
    return pd.DataFrame(rows, columns=["seed", "t", "sigma", "split", "metric", "value"])


def test_best_time_is_chosen_on_validation() -> None:
    chosen = best_time(accuracies(), "m")
    assert chosen.t.tolist() == [0.5, 0.5] and chosen.test.tolist() == pytest.approx([0.6, 0.7])
    whole = pd.DataFrame({"seed": [1, 0], "split": "test", "metric": "gru", "value": [0.8, 0.65]})
    found = combining_times(accuracies(), "m", whole, "gru")
    assert found.difference == pytest.approx(0.075)  # mean of 0.05 and 0.1, paired by seed
    with pytest.raises(DataError, match="seeds"):
        combining_times(accuracies(), "m", whole.assign(seed=[1, 2]), "gru")
    with pytest.raises(DataError, match="no rows"):
        best_time(accuracies(), "knn")
    with pytest.raises(DataError, match="needed"):
        best_time(accuracies().query("split == 'test'"), "m")


def test_refusals_name_what_is_allowed() -> None:
    codes = at_one_time(0, n=40)
    for times, name in (([4], "gru"), ([], "gru"), (None, "mlp"), ([0, 1], "mlp")):
        with pytest.raises(ParameterError, match="indices from 0 to 3"):
            fit_probe(codes, name, 0, QUICK, times)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="mlp, gru, transformer"):
        fit_probe(codes, "forest", 0, QUICK)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="only the transformer"):
        fit_probe(codes, "gru", 0, QUICK.updated(epochs=1)).attention(codes.test)
    with pytest.raises(ParameterError, match="from 0 to 3"):
        ablate_times(codes, 0, [7], settings=QUICK)
    for n_labels, draws in ((0, 1), (10, 1), (8, 0)):
        with pytest.raises(ParameterError, match="multiple of the 4 classes"):
            few_shot(codes, n_labels, draws)
    with pytest.raises(DataError, match="a class has"):
        few_shot(codes, 400)
    for options in ({"neighbours": ()}, {"neighbours": (0,)}, {"neighbours": (41,)}):
        with pytest.raises(ParameterError, match="neighbours"):
            probe_times(codes, 0, **options)
    with pytest.raises(ParameterError, match="dropout"):
        ProbeTraining(dropout=1.0)


def test_codes_that_do_not_fit_are_refused() -> None:
    z, y = np.zeros((2, 5, 3), np.float32), np.arange(5)
    good = CodeSplit(z, y)
    with pytest.raises(DataError, match="finite"):
        CodeSplit(np.full_like(z, np.nan), y)
    with pytest.raises(DataError, match="lacks"):
        Trajectories(np.arange(2), np.arange(2), good, CodeSplit(z, y + 1), good)
