"""Codes that no image gave, noise of another image, and the way between two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drlcore import RunParameters, encode, load_dataset, load_or_train
from drlcore.paper import generation, initial_time
from drlcore.paper.samples import reader
from drlcore.probes.initial_time import STAND_INS
from drlcore.training.run import build_model

RUN = RunParameters(
    dataset="digits", method="vdrl", latent_dim=3, steps=30, batch_size=32, weighting="edm"
)
READER = reader("digits", 30)


def model_of(run: RunParameters = RUN) -> object:
    return build_model(run, load_dataset(run.dataset)).eval().requires_grad_(False)


@given(st.floats(0, 1))
def test_a_great_circle_keeps_to_the_sphere(share: float) -> None:
    a, b = torch.randn(2, 500, generator=torch.Generator().manual_seed(0))
    a, b = a / a.norm(), b / b.norm()
    point = generation.great_circle(a, b, share)
    assert float(point.norm()) == pytest.approx(1, abs=1e-5)
    whole = float(torch.arccos((a * b).sum()))
    assert float(torch.arccos((a * point).sum().clamp(-1, 1))) == pytest.approx(
        share * whole, abs=2e-3
    )


def test_a_great_circle_begins_and_ends_where_it_should() -> None:
    a, b = torch.randn(2, 40, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(generation.great_circle(a, b, 0.0), a, atol=1e-6)
    assert torch.allclose(generation.great_circle(a, b, 1.0), b, atol=1e-6)
    assert torch.allclose(generation.great_circle(a, a, 0.5), a, atol=1e-6)


def test_codes_of_no_image_have_the_law_that_is_said() -> None:
    model, n = model_of(), 4000
    made = {name: (z, k) for name, z, k in generation._codes_of_no_image(RUN, model, n)}
    assert list(made) == ["normal", "mixture", "independent"]
    assert all(z.shape == (n, 3) and z.dtype == torch.float32 for z, _ in made.values())
    normal = made["normal"][0]
    assert normal.mean(0).abs().max() < 0.06 and (normal.std(0) - 1).abs().max() < 0.05
    generator = torch.Generator().manual_seed(RUN.seed + generation.APART)
    train = torch.from_numpy(encode(model, load_dataset("digits").train.x, None, generator))
    for name in ("mixture", "independent"):
        z = made[name][0]
        assert torch.allclose(z.mean(0), train.mean(0), atol=0.15)
        assert torch.allclose(z.std(0), train.std(0), rtol=0.15)
    for k in range(3):  # each number is one that some image has, on its own
        assert set(made["independent"][0][:, k].tolist()) <= set(train[:, k].tolist())
    assert made["mixture"][1] in generation.COMPONENTS


def test_numbers_of_many_images_do_not_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    line = np.random.default_rng(0).normal(size=(2000, 1)).astype(np.float32).repeat(3, 1)
    monkeypatch.setattr(generation, "encode", lambda *_: line)
    made = {name: z for name, z, _ in generation._codes_of_no_image(RUN, model_of(), 4000)}
    together = {name: float(z.T.corrcoef()[0, 1]) for name, z in made.items()}
    assert together["mixture"] > 0.99
    assert abs(together["independent"]) < 0.06 and abs(together["normal"]) < 0.06


def test_the_tables_have_what_they_say(output: Path) -> None:
    load_or_train(RUN, progress=False)
    priors = generation.quality_by_prior(RUN, READER, 3, 50).load(progress=False)
    assert set(priors.prior) == {"normal", "mixture", "independent"}
    assert {"readable", "frechet", "precision", "recall", "components"} == set(priors.metric)
    found = generation.exchanged(RUN, READER, 3, 40).load()
    by_metric = found.groupby("metric").value
    assert set(found.metric) == {
        "distance_to_code", "distance_to_noise", "distance_of_pair", "class_of_code",
        "class_of_noise", "returned", "fresh_noise",
    }  # fmt: skip
    assert tuple(found.steps[found.metric == "returned"]) == generation.TURNS
    assert by_metric.min().min() >= 0
    assert by_metric.last()["returned"] < by_metric.last()["fresh_noise"]
    starts = initial_time.quality_by_start(RUN, READER, 4, 50).load()
    assert set(starts.stand_in) == set(STAND_INS)
    assert tuple(starts.start.unique()) == initial_time.STARTS
    assert starts.groupby("start").nfe.first().tolist() == [2, 2, 3, 3, 4, 4]
    assert starts.groupby("start").at_sigma.first().iloc[[0, -1]].tolist() == pytest.approx(
        [0.7071, 50.0], abs=1e-3
    )


def test_a_sheet_of_starts_and_a_path_are_images(output: Path) -> None:
    load_or_train(RUN, progress=False)
    sheet = initial_time.sheet_by_start(RUN, 2).load()
    shape = (len(initial_time.STARTS), initial_time.SHEET, 1, 8, 8)
    assert all(sheet[name].shape == shape and sheet[name].dtype == np.uint8 for name in STAND_INS)
    way = generation.paths(RUN, 4).load()
    assert way["ends"].shape == (generation.PATHS, 2, 1, 8, 8)
    for name in ("code", "noise", "both"):
        assert way[name].shape == (generation.PATHS, generation.PATH, 1, 8, 8)
    assert np.array_equal(way["code"][:, 0], way["noise"][:, 0])  # nothing has moved yet
    assert np.array_equal(way["code"][:, 0], way["both"][:, 0])
    assert not np.array_equal(way["noise"][:, -1], way["noise"][:, 0])


def test_without_labels_no_class_is_told(output: Path, tmp_path: Path) -> None:
    images = (load_dataset("digits").train.x[:400] * 127.5 + 127.5).round().byte().numpy()
    path = tmp_path / "pictures.npy"
    np.save(path, images[:, 0])
    run = RUN.updated(dataset=str(path), method="drl", steps=5)
    load_or_train(run, progress=False)
    found = generation.exchanged(run, reader(str(path), 5), 3, 10).load()
    assert {"distance_to_code", "returned"} <= set(found.metric)
    assert not {"class_of_code", "class_of_noise"} & set(found.metric)
