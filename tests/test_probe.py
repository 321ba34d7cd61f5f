"""Probes against scikit-learn and against codes whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from drlcore.data.datasets import Split, load_dataset
from drlcore.encoder import Code
from drlcore.model import RepresentationModel, encode
from drlcore.noise_range import NoiseRange
from drlcore.paper import protocol
from drlcore.paper.protocol import probe_run
from drlcore.probes import static as probes
from drlcore.probes.static import METRIC_COLUMNS, effective_rank, probe
from drlcore.training.run import RunParameters, build_model

CLASSES = 4


def split(n: int, seed: int) -> Split:
    """Labels, a real factor and a discrete one, all independent."""
    rng = np.random.default_rng(seed)
    factors = {"ink": rng.normal(size=n), "fine": rng.integers(0, 3, size=n)}
    return Split(torch.zeros(n, 1), torch.tensor(rng.integers(0, CLASSES, size=n)), factors)


TRAIN, TEST = split(800, 0), split(400, 1)


def noisy_codes(part: Split, seed: int) -> np.ndarray:
    """Something of the class and of the factors, on scales far apart, and noise."""
    rng = np.random.default_rng(seed)
    columns = [part.y.numpy() + rng.normal(size=len(part.y)), 1e3 * (part.factors["ink"] + 5)]
    columns += [1e-3 * part.factors["fine"] * rng.uniform(0.5, 1, size=len(part.y))]
    return np.stack(columns, axis=1).astype(np.float32)


def test_probes_are_scikit_learns_on_codes_standardised_by_the_training_codes():
    train, test = noisy_codes(TRAIN, 2), noisy_codes(TEST, 3)
    metrics = probe(train, TRAIN, test, TEST)
    labels, truth = TRAIN.y.numpy(), TEST.y.numpy()

    def fitted(model: Any, target: np.ndarray) -> np.ndarray:
        return make_pipeline(StandardScaler(), model).fit(train, target).predict(test)

    # Ties of the vote go to the smallest label in both; equal distances do not occur.
    knn = fitted(KNeighborsClassifier(20), labels)
    assert metrics["knn_accuracy"] == pytest.approx(accuracy_score(truth, knn), abs=1e-12)
    linear = fitted(LogisticRegression(C=1.0, max_iter=500), labels)
    assert metrics["linear_accuracy"] == pytest.approx(accuracy_score(truth, linear), abs=0.005)
    ink = fitted(KNeighborsRegressor(20), TRAIN.factors["ink"])
    assert metrics["ink_r2"] == pytest.approx(r2_score(TEST.factors["ink"], ink), abs=1e-4)
    fine = fitted(KNeighborsClassifier(20), TRAIN.factors["fine"])
    expected = accuracy_score(TEST.factors["fine"], fine)
    assert metrics["fine_accuracy"] == pytest.approx(expected, abs=1e-12)
    scaled = StandardScaler().fit(train).transform(test)
    assert metrics["silhouette"] == pytest.approx(silhouette_score(scaled, truth), abs=1e-4)
    assert metrics["effective_rank"] == effective_rank(test)
    assert len(metrics) == 6
    assert 0.3 < metrics["knn_accuracy"] < 0.95  # neither end, so that agreement means something


def test_vote_takes_the_most_frequent_label_and_the_smallest_among_equals():
    many = np.random.default_rng(0).integers(0, 5, size=(200, 20))
    for votes, winners in (
        (np.array([[2, 2, 1], [3, 1, 0], [2, 2, 2], [3, 3, 0]]), np.array([2, 0, 2, 3])),
        (many, np.array([np.bincount(row, minlength=5).argmax() for row in many])),
    ):
        near = np.arange(votes.size).reshape(votes.shape)
        labels = {"class": votes.ravel()}
        found = probes.neighbour_metrics(near, votes.ravel(), winners, labels, {"class": winners})
        assert found == {"knn_accuracy": 1, "class_accuracy": 1}


def test_perfect_codes_score_one():
    """A code that is the class, on corners far apart; and one that is the factor."""
    corners = 10 * np.eye(CLASSES, dtype=np.float32)
    by_class = probe(corners[TRAIN.y], TRAIN, corners[TEST.y], TEST)
    assert by_class["knn_accuracy"] == by_class["linear_accuracy"] == 1
    assert by_class["silhouette"] == pytest.approx(1, abs=1e-6)
    by_ink = probe(*(_column(TRAIN, "ink"), TRAIN, _column(TEST, "ink"), TEST))
    assert by_ink["ink_r2"] > 0.98
    by_fine = probe(*(_column(TRAIN, "fine"), TRAIN, _column(TEST, "fine"), TEST))
    assert by_fine["fine_accuracy"] == 1


def _column(part: Split, name: str) -> np.ndarray:
    return part.factors[name][:, None].astype(np.float32)


def test_random_codes_are_at_chance():
    rng = np.random.default_rng(4)
    train, test = (rng.normal(size=(n, 2)).astype(np.float32) for n in (800, 400))
    metrics = probe(train, TRAIN, test, TEST)
    chance = 4 * (0.25 * 0.75 / 400) ** 0.5
    assert metrics["knn_accuracy"] == pytest.approx(0.25, abs=chance)
    assert metrics["linear_accuracy"] == pytest.approx(0.25, abs=chance)
    assert metrics["fine_accuracy"] == pytest.approx(1 / 3, abs=4 * (2 / 9 / 400) ** 0.5)
    assert metrics["ink_r2"] < 0.05  # a mean of 20 strangers: about -1/20
    assert metrics["ink_r2"] > -0.25
    assert abs(metrics["silhouette"]) < 0.05


@pytest.mark.parametrize("shift, scale", [(0, 1e-3), (1e4, 100.0)])
def test_nothing_but_direction_of_the_codes_scale_matters(shift, scale):
    train, test = (noisy_codes(part, 5).astype(np.float64) for part in (TRAIN, TEST))
    before = probe(train, TRAIN, test, TEST)
    after = probe(scale * train + shift, TRAIN, scale * test + shift, TEST)
    for name in ("knn_accuracy", "linear_accuracy", "silhouette", "ink_r2", "fine_accuracy"):
        assert after[name] == pytest.approx(before[name], abs=0.01), name


def test_a_collapsed_code_is_scored_not_refused():
    codes = np.ones((800, 2), dtype=np.float32)
    metrics = probe(codes, TRAIN, codes[:400], TEST)
    assert metrics["effective_rank"] == 0
    assert metrics["knn_accuracy"] < 0.4
    assert all(np.isfinite(value) for value in metrics.values())


def test_few_training_codes_are_all_neighbours():
    few = Split(TRAIN.x[:8], torch.tensor([0, 1, 2, 3, 0, 1, 0, 2]), {})
    codes = noisy_codes(TRAIN, 6)
    metrics = probe(codes[:8], few, codes[:400], TEST)
    assert metrics["knn_accuracy"] == pytest.approx(float((TEST.y == 0).float().mean()))


def test_silhouette_takes_the_first_images(monkeypatch):
    train, test = noisy_codes(TRAIN, 2), noisy_codes(TEST, 3)
    monkeypatch.setattr(probes, "SILHOUETTE_SAMPLES", 100)
    scaled = StandardScaler().fit(train).transform(test)[:100]
    expected = silhouette_score(scaled, TEST.y.numpy()[:100])
    assert probe(train, TRAIN, test, TEST)["silhouette"] == pytest.approx(expected, abs=1e-4)


# Effective rank: exp of the entropy of the normalised singular values.


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_effective_rank_of_equal_spread_is_the_dimension(dim):
    codes = np.concatenate([np.eye(dim), -np.eye(dim)])  # centred, equal singular values
    assert effective_rank(codes) == pytest.approx(dim)
    assert effective_rank(7 * codes + 3) == pytest.approx(dim)


@pytest.mark.parametrize("ratio", [0.01, 0.3, 1.0])
def test_effective_rank_of_two_unequal_spreads(ratio):
    codes = np.array([[1, 0], [-1, 0], [0, ratio], [0, -ratio]])
    p = np.array([1, ratio]) / (1 + ratio)
    assert effective_rank(codes) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


def test_effective_rank_of_a_line_is_one_of_a_point_zero_and_turning_does_not_matter():
    rng = np.random.default_rng(0)
    line = rng.normal(size=(50, 1)) * np.array([[1.0, -2.0, 0.5]])
    assert effective_rank(line) == pytest.approx(1, abs=1e-6)
    assert effective_rank(np.full((50, 3), 2.0)) == 0
    cloud = rng.normal(size=(50, 3)) * [1, 2, 5]
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    assert effective_rank(cloud @ rotation) == pytest.approx(effective_rank(cloud))
    assert 1 < effective_rank(cloud) < 3


# Codes out of a model.


class Gauss(nn.Module):
    """mean = the first two values, log variance a constant; a time-conditioned one adds sigma."""

    def __init__(self, logvar: float | None) -> None:
        super().__init__()
        self.logvar, self.seen = logvar, []
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, x0: Tensor, embedding: Tensor | None = None) -> Code:
        self.seen.append((len(x0), embedding))
        mean = x0.flatten(1)[:, :2]
        return Code(mean, None if self.logvar is None else torch.full_like(mean, self.logvar))


def model_of(encoder: nn.Module, time_conditioned: bool = False) -> RepresentationModel:
    built = build_model(RunParameters(dataset="digits"), load_dataset("digits"))
    return RepresentationModel(built.sde, built.denoiser, encoder, time_conditioned)


def test_a_vdrl_code_is_its_mean_unless_drawn():
    x = torch.randn(5000, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    model = model_of(Gauss(logvar=2.0))
    mean = encode(model, x)
    np.testing.assert_array_equal(mean, x.flatten(1)[:, :2].numpy())
    drawn = encode(model, x, generator=torch.Generator().manual_seed(1))
    away = drawn - mean
    assert away.std() == pytest.approx(np.exp(1), rel=0.03)
    assert abs(away.mean()) < 4 * np.exp(1) / 10_000**0.5
    again = encode(model, x, generator=torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(drawn, again)
    point = encode(model_of(Gauss(None)), x, generator=torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(point, mean)


def test_batches_do_not_change_codes_and_none_is_lost():
    x = torch.randn(107, 1, 2, 2)
    encoder = Gauss(None)
    model = model_of(encoder)
    np.testing.assert_array_equal(encode(model, x, batch_size=25), encode(model, x))
    assert [n for n, _ in encoder.seen] == [25, 25, 25, 25, 7, 107]
    assert encode(model, x).dtype == np.float32


def test_a_time_conditioned_encoder_is_read_at_the_sigma_asked_for():
    encoder = Gauss(None)
    model = model_of(encoder, time_conditioned=True)
    encode(model, torch.randn(3, 1, 2, 2), sigma=2.5)
    ((_, heard),) = encoder.seen
    expected = model.denoiser.embedding(torch.full((3,), 2.5))
    torch.testing.assert_close(heard, expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="needs t"):
        encode(model, torch.randn(3, 1, 2, 2))


def test_a_time_conditioned_encoder_is_read_at_the_largest_sigma_it_was_trained_on():
    for noise, sigma in (
        (NoiseRange(), 50.0),
        (NoiseRange().single(3.0), 3.0),
        (NoiseRange().interval(0.1, 0.7), 0.7),
    ):
        assert RunParameters(noise=noise).read_at is None
        run = RunParameters(noise=noise, time_conditioned=True)
        assert run.read_at == sigma
        # A second stage trains the score network alone: its encoder is still the first one's.
        assert run.second_stage(NoiseRange(), steps=10).read_at == sigma


def test_probe_run_reports_both_splits_and_fits_on_the_training_images(monkeypatch):
    run = RunParameters(dataset="digits", train_images=200)
    dataset = load_dataset("digits")
    model = model_of(Gauss(None))
    fitted: list[int] = []
    original = probe
    monkeypatch.setattr(
        protocol, "probe", lambda *given: fitted.append(len(given[0])) or original(*given)
    )
    table = probe_run(run, model)
    assert list(table.columns) == METRIC_COLUMNS
    assert table.split.unique().tolist() == ["validation", "test"]
    assert fitted == [200, 200]
    train = Split(
        dataset.train.x[:200],
        dataset.train.y[:200],
        {name: values[:200] for name, values in dataset.train.factors.items()},
    )
    codes = {name: encode(model, getattr(dataset, name).x) for name in ("validation", "test")}
    for name in codes:
        expected = original(encode(model, train.x), train, codes[name], getattr(dataset, name))
        rows = table[table.split == name].set_index("metric").value
        assert rows.to_dict() == pytest.approx(expected)
        assert {"knn_accuracy", "linear_accuracy", "silhouette", "ink_r2"} <= set(rows.index)


def test_the_toy_set_is_probed_on_drawn_codes(monkeypatch):
    """A displacement far below the code's noise is lost; a mean would still show it."""
    monkeypatch.setattr(
        protocol, "load_dataset", lambda _: _few(load_dataset("toy"), 1500, 1500, 1500)
    )
    scores = {}
    for logvar in (-20.0, 2.0):
        run = RunParameters(
            dataset="toy", method="vdrl", encoder="mlp", score_network="mlp-fourier", seed=3
        )
        built = build_model(run, load_dataset("toy"))
        model = RepresentationModel(built.sde, built.denoiser, Gauss(logvar), False)
        table = probe_run(run, model)
        scores[logvar] = table[table.split == "test"].set_index("metric").value
    assert scores[-20.0].coarse_accuracy > 0.99 and scores[2.0].coarse_accuracy > 0.95
    assert scores[-20.0].middle_accuracy > 0.99 and scores[2.0].middle_accuracy < 0.6


def _few(dataset: Any, *sizes: int) -> Any:
    parts = [
        Split(p.x[:n], p.y[:n], {name: v[:n] for name, v in p.factors.items()})
        for p, n in zip((dataset.train, dataset.validation, dataset.test), sizes, strict=True)
    ]
    return type(dataset)(dataset.name, dataset.shape, dataset.n_classes, *parts, dataset.checksum)
