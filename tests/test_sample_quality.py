"""How good samples are: against closed forms, and with what is good and bad by construction."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from drlcore.data.datasets import load_dataset
from drlcore.paper import samples as judge
from drlcore.probes.sample_quality import (
    Reading,
    classifier_score,
    frechet_distance,
    precision_and_recall,
    sample_quality,
)
from drlcore.training.run import RunParameters, build_model

RNG = np.random.default_rng(0)


def exactly(mean: np.ndarray, cov: np.ndarray, n: int = 200) -> np.ndarray:
    """Points with exactly this mean and covariance."""
    x = RNG.normal(size=(n, len(mean)))
    x -= x.mean(0)
    white = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return white @ np.linalg.cholesky(cov).T + mean


def test_frechet_distance_of_gaussians() -> None:
    a_cov = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 0.5]])
    b_cov = np.array([[1.0, -0.3, 0.1], [-0.3, 3.0, 0.0], [0.1, 0.0, 0.7]])
    a_mean, b_mean = np.array([0.0, 1.0, 2.0]), np.array([1.0, -1.0, 2.5])
    root = sqrtm(a_cov) @ b_cov @ sqrtm(a_cov)
    expected = np.sum((a_mean - b_mean) ** 2) + np.trace(a_cov + b_cov - 2 * sqrtm(root))
    a, b = exactly(a_mean, a_cov), exactly(b_mean, b_cov)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_where_covariances_commute() -> None:
    a, b = exactly(np.zeros(2), np.diag([1.0, 4.0])), exactly(np.zeros(2), np.diag([9.0, 4.0]))
    assert frechet_distance(a, b) == pytest.approx((3 - 1) ** 2)


def test_frechet_distance_of_features_that_are_all_alike() -> None:
    assert frechet_distance(np.zeros((9, 3), np.float32), np.ones((9, 3), np.float32)) == 3


def test_precision_and_recall() -> None:
    real = RNG.normal(size=(300, 2))
    same = precision_and_recall(real, real)
    assert same == (1, 1)
    far = precision_and_recall(real + 100, real)
    assert far == (0, 0)
    # Samples of half of the real: all good, half of what there is.
    two = np.concatenate([real, real + 100])
    assert precision_and_recall(real, two) == (1, 0.5)
    assert precision_and_recall(two, real) == (0.5, 1)


def test_a_point_is_among_others_up_to_the_third_nearest_of_its_own() -> None:
    others = np.array([[0.0], [1.0], [2.0], [3.0]])  # of 0 the third nearest is 3, of 1 it is 2
    for x, among in ((-2.99, 1), (-3.01, 0), (5.99, 1), (6.01, 0)):
        precision, _ = precision_and_recall(np.full((5, 1), x), others)
        assert precision == among, x


def test_a_reading_is_probabilities_and_the_largest() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(9.0), 0.0]])
    read = Reading.of(np.zeros((2, 1), np.float32), logits)
    assert read.classes is not None and read.classes.tolist() == [1, 0]
    assert read.probabilities == pytest.approx(np.array([[0.25, 0.75], [0.9, 0.1]]))
    none = Reading.of(np.zeros((2, 1), np.float32), None)
    assert none.classes is None and math.isnan(classifier_score(none))


def test_classifier_score_is_the_number_of_classes_that_are_told_and_there() -> None:
    for classes in (1, 2, 7):
        told = Reading(np.zeros((3 * classes, 1)), np.eye(7)[list(range(classes)) * 3])
        assert classifier_score(told) == pytest.approx(classes)
    assert classifier_score(Reading(np.zeros((5, 1)), np.full((5, 4), 0.25))) == pytest.approx(1)


class Codes(torch.nn.Module):
    """In the place of Inception: the images are codes already."""

    num_features = 5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics")
def test_scores_are_torchmetrics() -> None:
    logits, a, b = torch.from_numpy(RNG.normal(size=(3, 200, 5)))
    score = InceptionScore(feature=Codes(), splits=1)
    score.update(logits)
    read = Reading.of(np.zeros((200, 1), np.float32), logits)
    assert classifier_score(read) == pytest.approx(float(score.compute()[0]), rel=1e-6)
    distance = FrechetInceptionDistance(feature=Codes()).set_dtype(torch.float64)
    distance.update(a, real=True)
    distance.update(2 * b + 1, real=False)
    ours = frechet_distance(a.numpy(), 2 * b.numpy() + 1)
    assert ours == pytest.approx(float(distance.compute()), rel=1e-9)


def test_sample_quality_counts_readable_samples_and_those_of_the_right_class() -> None:
    codes = RNG.normal(size=(4, 2)).astype(np.float32)
    certain = np.eye(2)
    samples = Reading(codes, np.array([[0.9, 0.1], [0.11, 0.89], [0, 1], [0.95, 0.05]]))
    shown = Reading(codes, certain[[0, 1, 0, 1]])
    real = Reading(np.concatenate([codes, codes]), certain[[0] * 8])
    found = sample_quality(samples, shown, real)
    assert (found["readable"], found["agreement"]) == (0.75, 0.5)
    assert (found["precision"], found["recall"]) == (1, 1)
    assert found["frechet"] == pytest.approx(frechet_distance(codes, real.codes))


def test_samples_that_are_the_images_are_as_good_as_the_images(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And noise is not: by a classifier that is trained here."""
    digits, run = load_dataset("digits"), RunParameters(dataset="digits", steps=1)
    by, model = judge.reader("digits", 300), build_model(run, digits)
    images = digits.validation.x
    monkeypatch.setattr(judge, "SAMPLER_IMAGES", len(images))
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = {}
    for name, samples in {"images": images, "noise": noise}.items():
        monkeypatch.setattr(judge, "samples_of_codes", lambda *_, s=samples: (s, images, 5))
        further = ("classifier_score",)
        table = judge.quality_of_samples(run, model, 2, by, len(images), further)
        assert list(table.columns) == ["of", "metric", "value"]
        found[name] = table.set_index(["of", "metric"]).value
        walks = judge.quality_by_sampler(run, model, by, (2, 3), (4,))
        known = ["heun", "euler-maruyama", "predictor-corrector", "real"]
        assert walks.sampler.unique().tolist() == known
        values = walks[walks.sampler == "heun"].groupby("metric").value.first()
        assert values.to_dict() == found[name]["samples"].drop(further[0]).to_dict()
    good, bad = found["images"], found["noise"]
    assert good["samples"].to_dict() == good["real"].to_dict() == bad["real"].to_dict()
    assert good["real", "agreement"] == 1 and good["real", "readable"] > 0.9
    assert bad["samples", "agreement"] < 0.3
    assert bad["samples", "classifier_score"] < good["real", "classifier_score"] <= 10
    assert bad["samples", "frechet"] > 10 * good["real", "frechet"]
    assert bad["samples", "precision"] < good["real", "precision"]
