"""DRL and VDRL under VE, VP and sub-VP, with every score network and an encoder E(x0, t)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from drlcore.data.datasets import load_dataset
from drlcore.errors import ParameterError
from drlcore.model import with_score_network
from drlcore.networks import SCORE_NETWORKS
from drlcore.noise_range import NoiseRange
from drlcore.paper.experiments import SDEAblation
from drlcore.sampling import probability_flow_ode
from drlcore.sde import SDES, released_range
from drlcore.training.loop import train
from drlcore.training.run import RunParameters, build_model

DIGITS = load_dataset("digits")
RUN = RunParameters(
    dataset="digits", time_conditioned=True, steps=4, batch_size=16, warmup_steps=0, lambda_z=1e-5
)
ENCODER = {"mnist-paper": "mnist-paper", "ncsnpp-small": "wrn-28-2"}  # as the paper pairs them
EMBEDDING = {"mnist-paper": "positional", "ncsnpp-small": "gaussian_fourier"}
SDE_NAMES = tuple(SDES)


@pytest.mark.parametrize("score_network", tuple(SCORE_NETWORKS))
@pytest.mark.parametrize("method", ["drl", "vdrl"])
@pytest.mark.parametrize("sde", SDE_NAMES)
def test_trains_with_a_code_that_is_a_curve(
    sde: str, method: str, score_network: str, tmp_path: Path
) -> None:
    run = RUN.updated(
        sde=sde,
        method=method,
        score_network=score_network,
        encoder=ENCODER.get(score_network, "conv"),
        time_embedding=EMBEDDING.get(score_network, "log_sigma"),
    )
    model = build_model(run, DIGITS)
    assert model.encoder is not None
    clock = {n: p.clone() for n, p in model.encoder.named_parameters() if n.startswith("time")}
    history = train(run, model, DIGITS, tmp_path, progress=False)
    assert torch.isfinite(torch.tensor(history.to_numpy())).all()
    assert history.encoder_gradient.iloc[-1] > 0
    trained = dict(model.encoder.named_parameters())
    assert clock and any(not torch.equal(p, trained[n]) for n, p in clock.items())
    x0 = DIGITS.test.x[:5]
    t = torch.linspace(model.sde.t_min, model.sde.t_max, 4)
    curve = torch.stack([model.encode(x0, u.expand(5)).mean for u in t])
    assert torch.isfinite(curve).all()
    assert all(not torch.equal(a, b) for a, b in zip(curve, curve[1:], strict=False))
    # The published MNIST encoder starts blind to t, its residual branches at zero.
    assert float((curve.amax(0) - curve.amin(0)).max()) > 1e-4


@pytest.mark.parametrize(
    ("method", "time_conditioned"),
    [("drl", True), ("vdrl", True), ("drl-mixup", True), ("drl", False)],
)
@pytest.mark.parametrize("sde", SDE_NAMES)
def test_loss_falls(sde: str, method: str, time_conditioned: bool, tmp_path: Path) -> None:
    run = RUN.updated(sde=sde, method=method, time_conditioned=time_conditioned)
    run = run.updated(steps=100, batch_size=32)
    history = train(run, build_model(run, DIGITS), DIGITS, tmp_path, progress=False)
    assert history.step.tolist() == [50, 100]
    assert history.score_loss.iloc[-1] < 0.8 * history.score_loss.iloc[0]


@pytest.mark.parametrize("weighting", ["std2", "edm"])
@pytest.mark.parametrize("sde", ["vp", "subvp"])
def test_loss_falls_on_the_released_clock(sde: str, weighting: str, tmp_path: Path) -> None:
    run = RUN.updated(sde=sde, noise=released_range(sde), weighting=weighting)
    run = run.updated(steps=100, batch_size=32)
    history = train(run, build_model(run, DIGITS), DIGITS, tmp_path, progress=False)
    assert history.score_loss.iloc[-1] < 0.9 * history.score_loss.iloc[0]


def test_the_notebook_s_clock_is_one_parameter() -> None:
    ours, theirs = (
        SDEAblation(preset="smoke", dataset="digits", clock=clock)
        for clock in ("range", "released")
    )
    assert ours == SDEAblation(preset="smoke", dataset="digits") and not ours.about_clock
    assert "(1e-5, 1]" in theirs.about_clock
    changed = set()
    for a, b in zip(ours.runs(), theirs.runs(), strict=True):
        assert b == (a.updated(noise=released_range(a.sde)) if a.sees_noise else a)
        if a.key != b.key:
            changed.add((a.sde, a.method))
    assert changed == {(sde, method) for sde in ("vp", "subvp") for method in ("drl", "vdrl")}
    with pytest.raises(ParameterError, match="clock = 'released' has its own range"):
        SDEAblation(preset="smoke", dataset="digits", clock="released", sigma_max=10.0)
    with pytest.raises(ParameterError, match="clock"):
        SDEAblation(preset="smoke", dataset="digits", clock="own")  # type: ignore[arg-type]


@pytest.mark.parametrize("sde", SDE_NAMES)
def test_encoder_reads_the_noise_level_not_the_clock(sde: str) -> None:
    # The same sigma is another t under each SDE; the curve is the same curve.
    run = RUN.updated(sde=sde)
    model, ve = build_model(run, DIGITS), build_model(RUN, DIGITS)
    sigma = torch.tensor([0.02, 0.5, 3.0, 40.0])
    x0 = DIGITS.test.x[:4]
    code = model.encode(x0, model.sde.t(sigma)).mean
    assert torch.allclose(code, ve.encode(x0, ve.sde.t(sigma)).mean, atol=1e-4)
    t = model.sde.t(sigma)
    assert (sde == "ve") == torch.allclose(t, ve.sde.t(sigma), atol=1e-3)


@pytest.mark.parametrize("sde", SDE_NAMES)
def test_a_trained_model_samples_finite_images(sde: str, tmp_path: Path) -> None:
    run = RUN.updated(sde=sde, noise=NoiseRange(sigma_min=0.05, sigma_max=20.0))
    model = with_score_network(build_model(run, DIGITS))
    train(run, model, DIGITS, tmp_path, progress=False)
    z = model.encode(DIGITS.test.x[:3], torch.full((3,), model.sde.t_max)).mean
    samples = probability_flow_ode(model.sde, model.denoise, z, (3, 1, 8, 8), 6, torch.Generator())
    assert samples.x.shape == (3, 1, 8, 8) and torch.isfinite(samples.x).all()
