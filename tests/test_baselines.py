"""Baselines: every loss re-derived, the same start for all, and training like DRL's."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from drlcore.baselines import METHODS as ALL_METHODS
from drlcore.baselines.contrastive import nt_xent
from drlcore.baselines.model import Baseline, BaselineModel
from drlcore.data.datasets import Dataset, from_arrays, load_dataset
from drlcore.encoder import Code
from drlcore.errors import ParameterError, TrainingError
from drlcore.loss import Batch
from drlcore.model import encode
from drlcore.noise_range import NoiseRange
from drlcore.paper.protocol import use_of_code
from drlcore.paper.sheets import latent_grid
from drlcore.training import store
from drlcore.training.loop import train
from drlcore.training.resume import HISTORY
from drlcore.training.run import RunParameters, build_model

RUN = RunParameters(dataset="digits", method="ae", steps=60, batch_size=32, warmup_steps=5)
DIGITS = load_dataset("digits")
X, Y = DIGITS.train.x[:16], DIGITS.train.y[:16]
METHODS = [name for name, method in ALL_METHODS.items() if isinstance(method, Baseline)]
TRAINED = [method for method in METHODS if method != "random"]


class Killed(Exception):
    """Stands for the end of the process."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(**changes: Any) -> BaselineModel:
    model = build_model(RUN.updated(**changes), DIGITS)
    assert isinstance(model, BaselineModel)
    return model


def loss(model: BaselineModel, method: str, lambda_z: float = 0.0, y: Tensor = Y) -> Any:
    t = model.sde.draw_t(len(X), seeded(1))
    return ALL_METHODS[method].loss(model, Batch(X, y, t, seeded(2), lambda_z))


def weights(run: RunParameters, folder: Path, **options: Any) -> dict[str, Tensor]:
    folder.mkdir(exist_ok=True)
    model = build_model(run, DIGITS)
    train(run, model, DIGITS, folder, progress=False, **options)
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_autoencoder_is_mean_squared_error_and_l1() -> None:
    model = built(latent_dim=5)
    found = loss(model, "ae", 0.3)
    z = model.encode(X).mean
    decoded = model.head(z).detach().numpy()  # type: ignore[misc]
    error = ((decoded - X.numpy()) ** 2).reshape(16, -1).mean(1)
    assert found.score.detach().numpy() == pytest.approx(error, rel=1e-5)
    l1 = 0.3 * np.abs(z.detach().numpy()).sum(1).mean()
    assert found.penalty.item() == pytest.approx(l1, rel=1e-5)
    assert found.total.item() == pytest.approx(error.mean() + l1, rel=1e-5)


def test_vae_is_the_negative_elbo_of_a_gaussian_decoder() -> None:
    # -E log N(x0; G(z), s^2 I) + KL = d/(2 s^2) * (our loss at lambda_z = 2 s^2/d) + constant
    model, s, d = built(method="vae", latent_dim=5), 0.7, 64
    found = loss(model, "vae", 2 * s**2 / d)
    code = model.encode(X)
    assert code.logvar is not None
    std = torch.exp(0.5 * code.logvar)
    posterior = torch.distributions.Normal(code.mean, std)
    prior = torch.distributions.Normal(torch.zeros(5), torch.ones(5))
    kl = torch.distributions.kl_divergence(posterior, prior).sum(1)
    assert found.penalty.item() == pytest.approx(2 * s**2 / d * kl.mean().item(), rel=1e-5)
    z = code.mean + std * torch.randn(16, 5, generator=seeded(2))
    decoder = torch.distributions.Normal(model.head(z), s)  # type: ignore[misc]
    elbo = decoder.log_prob(X).flatten(1).sum(1) - kl
    constant = d / 2 * math.log(2 * math.pi * s**2)
    expected = (-elbo.mean() - constant) * 2 * s**2 / d
    assert found.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_supervised_is_cross_entropy() -> None:
    model = built(method="supervised")
    found = loss(model, "supervised")
    logits = model.head(model.encode(X).mean).detach().double().numpy()  # type: ignore[misc]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.log(p[np.arange(16), Y.numpy()])
    assert found.score.detach().numpy() == pytest.approx(expected, rel=1e-5)
    assert found.total.item() == pytest.approx(expected.mean(), rel=1e-5)
    assert found.penalty.item() == 0


def test_simclr_compares_two_views_of_the_same_images() -> None:
    model = built(method="simclr-gauss")
    found = loss(model, "simclr-gauss")
    generator = seeded(2)
    views = [X + 0.5 * torch.randn(X.shape, generator=generator) for _ in range(2)]
    first, second = (model.head(model.encode(v).mean) for v in views)  # type: ignore[misc]
    labels = torch.arange(16).repeat(2)
    expected = NTXentLoss(temperature=0.2)(torch.cat([first, second]), labels)
    assert found.total.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("n", [2, 5, 16])
@pytest.mark.parametrize("temperature", [0.07, 0.5, 1.0])
def test_nt_xent_and_its_gradient_are_the_library_s(n: int, temperature: float) -> None:
    first = torch.randn(n, 7, generator=seeded(), dtype=torch.float64, requires_grad=True)
    second = torch.randn(n, 7, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    ours = nt_xent(first, second, temperature).mean()
    labels = torch.arange(n).repeat(2)
    theirs = NTXentLoss(temperature=temperature)(torch.cat([first, second]), labels)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-9)
    mine = torch.autograd.grad(ours, (first, second))
    library = torch.autograd.grad(theirs, (first, second))
    for a, b in zip(mine, library, strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-10)


def test_nt_xent_of_each_image_is_the_sum_it_stands_for() -> None:
    a = torch.randn(2, 4, 3, generator=seeded()).double().numpy()
    views = a.reshape(8, 3) / np.linalg.norm(a.reshape(8, 3), axis=1, keepdims=True)
    expected = np.zeros(4)
    for i in range(8):
        partner = (i + 4) % 8
        others = [np.exp(views[i] @ views[k] / 0.2) for k in range(8) if k != i]
        expected[i % 4] -= 0.5 * np.log(np.exp(views[i] @ views[partner] / 0.2) / sum(others))
    found = nt_xent(torch.from_numpy(a[0]), torch.from_numpy(a[1]), 0.2)
    assert found.numpy() == pytest.approx(expected, rel=1e-9)


def test_nt_xent_ignores_length_and_knows_its_ends() -> None:
    first, second = torch.randn(2, 6, 9, generator=seeded())
    lengths = torch.rand(6, 1, generator=seeded(1)) + 0.5
    assert torch.allclose(nt_xent(first, second), nt_xent(lengths * first, 3 * second), atol=1e-5)
    alike = torch.ones(6, 9)
    assert nt_xent(alike, alike).tolist() == pytest.approx([math.log(11)] * 6, rel=1e-5)
    apart = torch.eye(6)
    cold = nt_xent(apart, apart, 0.01)
    assert float(cold.max()) < 1e-6


def test_time_alone_does_not_tell_which_views_belong_together() -> None:
    model = built(method="simclr", time_conditioned=True, latent_dim=4)

    class Clock(torch.nn.Module):
        def forward(self, x0: Tensor, embedding: Tensor) -> Code:
            return Code(embedding[:, :4])

    model.encoder = Clock()
    assert loss(model, "simclr").total.item() == pytest.approx(math.log(31), rel=1e-4)


@pytest.mark.parametrize("method", TRAINED)
def test_only_supervision_reads_the_labels(method: str) -> None:
    model = built(method=method)
    changed = loss(model, method, y=(Y + 1) % 10).total
    assert torch.equal(changed, loss(model, method).total) == (method != "supervised")


@pytest.mark.parametrize("time_conditioned", [False, True])
@pytest.mark.parametrize("method", TRAINED)
def test_loss_falls_and_encoder_learns(method: str, time_conditioned: bool, tmp_path: Path) -> None:
    run = RUN.updated(method=method, steps=150, latent_dim=8)
    run = run.updated(time_conditioned=time_conditioned)
    model = build_model(run, DIGITS)
    history = train(run, model, DIGITS, tmp_path, progress=False)
    assert list(history.columns) == list(HISTORY)
    assert history.step.tolist() == [50, 100, 150]
    share = 0.98 if method == "simclr" else 0.9  # cut to a fifth, 8 x 8 pixels say little
    assert history.loss.iloc[-1] < share * history.loss.iloc[0]
    assert history.loss.tolist() == pytest.approx(history.score_loss + history.penalty)
    assert (history.encoder_gradient > 0).all() and (history.score_gradient > 0).all()


@pytest.mark.parametrize("method", TRAINED)
def test_interrupted_run_ends_on_the_same_bits(method: str, tmp_path: Path) -> None:
    lambda_z = 1e-3 if method in ("ae", "vae") else 0.0
    run = RUN.updated(method=method, lambda_z=lambda_z, steps=30)
    whole = weights(run, tmp_path / "whole")

    def kill(step: int) -> None:
        if step == 18:
            raise Killed

    with pytest.raises(Killed):
        weights(run, tmp_path / "killed", checkpoint_seconds=0, on_step=kill)
    torch.randn(9)  # the other process leaves the global generator anywhere
    steps: list[int] = []
    assert same(whole, weights(run, tmp_path / "killed", on_step=steps.append))
    assert steps[0] == 18  # it went on, it did not start again


def test_interrupted_run_with_dropout_and_batch_norm(tmp_path: Path) -> None:
    for encoder in ("mnist-paper", "wrn-28-2"):
        run = RUN.updated(method="simclr", encoder=encoder, steps=4, batch_size=8)
        whole = weights(run, tmp_path / f"whole-{encoder}")

        def kill(step: int) -> None:
            if step == 3:
                raise Killed

        killed = tmp_path / f"killed-{encoder}"
        with pytest.raises(Killed):
            weights(run, killed, checkpoint_seconds=0, on_step=kill)
        torch.randn(9)
        assert same(whole, weights(run, killed))


@pytest.mark.parametrize("time_conditioned", [False, True])
def test_all_methods_begin_with_the_encoder_that_random_keeps(time_conditioned: bool) -> None:
    def start(method: str) -> dict[str, Tensor]:
        run = RUN.updated(method=method, time_conditioned=time_conditioned)
        encoder = build_model(run, DIGITS).encoder
        assert encoder is not None
        return encoder.state_dict()

    kept = start("random")
    for method in ("drl", "drl-mixup", "ae", "simclr", "simclr-gauss", "supervised"):
        assert same(kept, start(method))
    assert same(start("vdrl"), start("vae"))


def test_random_is_a_run_without_steps(output: Path) -> None:
    run = RUN.updated(method="random")
    before = build_model(run, DIGITS).state_dict()
    model = store.load_or_train(run, progress=False, device="cpu")
    assert same(before, model.state_dict())
    assert store.history(run).empty and list(store.history(run).columns) == list(HISTORY)
    card = json.loads((store.folder(run) / "run.json").read_text())
    assert card["key"] == run.key and card["parameters"]["method"] == "random"
    again = store.load_or_train(run, progress=False, device="cpu")
    assert same(before, again.state_dict())
    other = build_model(run.updated(seed=1), DIGITS).state_dict()
    assert not same(before, other)


@pytest.mark.parametrize("method", METHODS)
def test_codes_of_every_method(method: str) -> None:
    run = RUN.updated(method=method, latent_dim=6)
    codes = encode(build_model(run, DIGITS).eval(), DIGITS.test.x)
    assert codes.shape == (360, 6) and np.isfinite(codes).all() and (codes.std(0) > 0).all()
    model = build_model(run.updated(time_conditioned=True), DIGITS).eval()
    low, high = (encode(model, DIGITS.test.x, sigma) for sigma in (0.1, 10.0))
    assert np.abs(low - high).max() > 1e-3
    with pytest.raises(ValueError, match="needs t"):
        encode(model, DIGITS.test.x)


def test_supervised_beats_random_by_neighbours(output: Path) -> None:
    accuracy = {}
    for method in ("random", "supervised"):
        run = RUN.updated(method=method, steps=200, latent_dim=3)
        model = store.load_or_train(run, progress=False, device="cpu")
        probe = KNeighborsClassifier(20).fit(encode(model, DIGITS.train.x), DIGITS.train.y)
        accuracy[method] = probe.score(encode(model, DIGITS.validation.x), DIGITS.validation.y)
    assert accuracy["supervised"] > accuracy["random"] + 0.15


def images(shape: tuple[int, ...]) -> Dataset:
    generator = np.random.default_rng(0)
    x = generator.random((60, *shape), dtype=np.float32)
    y = np.tile(np.arange(3), 20)
    return from_arrays("made", x, y, x[:9], y[:9])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("shape", "encoder"),
    [((3, 32, 32), "conv"), ((3, 32, 32), "wrn-28-2"), ((1, 28, 28), "mnist-paper"),
     ((3, 21, 10), "mnist-paper"), ((1, 9, 14), "conv")],
)  # fmt: skip
def test_any_image_shape_and_encoder(
    method: str, shape: tuple[int, ...], encoder: str, tmp_path: Path
) -> None:
    run = RUN.updated(method=method, encoder=encoder, steps=1, batch_size=4, latent_dim=4)
    data = images(shape)
    model = build_model(run, data)
    train(run, model, data, tmp_path, progress=False)
    code = model.encode(data.test.x)
    assert code.mean.shape == (9, 4) and torch.isfinite(code.mean).all()
    if method in ("ae", "vae"):
        assert isinstance(model, BaselineModel) and model.head is not None
        assert model.head(code.mean).shape == (9, *shape)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "simclr"])
def test_vectors_where_no_image_is_needed(method: str) -> None:
    run = RUN.updated(method=method, dataset="toy", encoder="mlp", score_network="mlp-fourier")
    model = build_model(run, load_dataset("toy"))
    assert model.encode(torch.zeros(3, 2)).mean.shape == (3, 2)
    with pytest.raises(
        ParameterError, match=r"method 'simclr' takes images \(vectors: .*simclr-gauss"
    ):
        build_model(run.updated(method="simclr"), load_dataset("toy"))


@pytest.mark.parametrize("method", METHODS)
def test_no_first_stage_for_a_baseline(method: str) -> None:
    with pytest.raises(ParameterError, match=f"'{method}' has no encoder to take over"):
        RUN.updated(method=method).second_stage(NoiseRange(), steps=10)


@pytest.mark.parametrize("method", ["simclr", "simclr-gauss", "random", "supervised"])
def test_no_penalty_where_there_is_none(method: str) -> None:
    with pytest.raises(ParameterError, match=rf"lambda_z = 0\.1: method '{method}' has no penalty"):
        RUN.updated(method=method, lambda_z=0.1)


@pytest.mark.parametrize("method", ["simclr", "simclr-gauss"])
def test_no_contrast_in_a_batch_of_one(method: str) -> None:
    with pytest.raises(ParameterError, match="batch_size = 1: .*so 2 or more"):
        RUN.updated(method=method, batch_size=1)


def test_what_needs_a_score_network_says_so(output: Path) -> None:
    model = built()
    for ask in (lambda: use_of_code(RUN, model), lambda: latent_grid(RUN, model, 2)):
        with pytest.raises(ParameterError, match="no score network .*a baseline trained it"):
            ask()


@pytest.mark.parametrize(
    ("changes", "where"),
    [({}, r"\(method ae\).*Lower learning_rate, or"),
     ({"time_conditioned": True}, r"\(sigma from .*raise sigma_min")],
)  # fmt: skip
def test_nan_names_what_can_be_at_fault(
    changes: dict[str, Any], where: str, tmp_path: Path
) -> None:
    run = RUN.updated(**changes)
    model = build_model(run, DIGITS)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=where):
        train(run, model, DIGITS, tmp_path, progress=False)


def test_keys_of_runs_made_before_baselines_stay() -> None:
    assert RunParameters().key == "b4260590e2f5"
    assert RunParameters(dataset="digits", method="vdrl", lambda_z=1e-5).key == "7caa4a798a1f"
