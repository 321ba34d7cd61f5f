"""Notebook 11's runs, and that it is shown without the images it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from drlcore.data.class_names import CIFAR10
from drlcore.data.datasets import classes
from drlcore.errors import DataError
from drlcore.paper.experiments import NaturalImages
from drlcore.paper.experiments.latent_space import SETTINGS


def test_every_setting_has_its_seeds_and_each_sampler_its_first_stage():
    experiment = NaturalImages(n_seeds=3)
    runs = {run.key: run for run in experiment.runs()}
    assert len(runs) == len(experiment.runs()) == 3 * (5 + 4 + 2) + 4
    assert experiment.levels == NaturalImages().noise.grid(9)[::2]
    for setting in SETTINGS:
        method, t_sampler = setting
        first = experiment.on_range(*setting)[0]
        assert (first.method, first.noise.t_sampler.name) == setting
        assert experiment.sampler(*setting).first_stage == first and first.key in runs
        assert (first.lambda_z > 0) == (method == "vdrl")
        assert experiment.sampler(*setting).noise == experiment.noise
    assert {p.run.key for p in experiment.products()} <= runs.keys()


def test_what_is_compared_has_the_encoder_code_and_steps_of_the_rest():
    experiment = NaturalImages(latent_dim=3, steps=7, n_seeds=2)
    (of_drl,) = {(r.encoder, r.latent_dim, r.batch_size, r.steps) for r in experiment.dial()}
    for run in experiment.autoencoder():
        assert (run.encoder, run.latent_dim, run.batch_size, run.steps) == of_drl
    assert {run.latent_dim for run in experiment.control()} == {3}


def test_without_the_images_it_is_planned_and_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("drlcore.data.paths.published", lambda dataset: tmp_path / dataset)
    experiment = NaturalImages()
    assert experiment.dataset_names == experiment.absent == ["cifar10"]
    assert classes("cifar10") == CIFAR10
    monkeypatch.setenv("DRLCORE_ARTEFACTS", str(tmp_path))
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path))
    with pytest.raises(DataError, match="make data DATASET=cifar10"):
        experiment.compute()
