"""Codes, preconditioning, one clock for all, and how z gets into the score network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from drlcore.data.datasets import Dataset, load_dataset
from drlcore.encoder import (
    Code,
    CodeHead,
    ConvEncoder,
    ConvNormEncoder,
    FourierFeatures,
    MLPEncoder,
    TimeMix,
)
from drlcore.errors import ParameterError
from drlcore.loss import METHODS, Batch, score_error
from drlcore.model import RepresentationModel
from drlcore.networks import ENCODERS, SCORE_NETWORKS
from drlcore.networks.residual_encoder import ResidualEncoder
from drlcore.noise_range import NoiseRange
from drlcore.score_network import Denoiser, MLPScoreNetwork, PixelwisePath
from drlcore.time_embedding import TimeEmbedding
from drlcore.training.loop import train
from drlcore.training.run import RunParameters, build_model

DIGITS = load_dataset("digits")
X0 = DIGITS.test.x[:6]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model_of(dataset: Dataset = DIGITS, **changes: Any) -> RepresentationModel:
    return build_model(RunParameters(**{"dataset": dataset.name, **changes}), dataset)


def awake(model: RepresentationModel) -> RepresentationModel:
    """In eval mode, with weights that are zero at the start made ordinary ones."""
    generator = seeded(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model.eval().requires_grad_(False)


# Codes.


def test_a_drawn_code_follows_its_law():
    n = 20_000
    mean, logvar = torch.tensor([1.0, -3.0]), torch.tensor([-2.0, 1.5])
    z = Code(mean.expand(n, 2), logvar.expand(n, 2)).sample(seeded()).numpy()
    for i in range(2):
        law = stats.norm(float(mean[i]), math.exp(0.5 * float(logvar[i])))
        assert stats.kstest(z[:, i], law.cdf).pvalue > 0.01
    assert abs(stats.pearsonr(z[:, 0], z[:, 1]).statistic) < 4 / n**0.5


def test_draws_are_fixed_by_the_generator_and_a_point_takes_none():
    code = Code(torch.zeros(3, 2), torch.zeros(3, 2))
    generator = seeded()
    first, second = code.sample(generator), code.sample(generator)
    assert not torch.equal(first, second)
    assert torch.equal(code.sample(seeded()), first)
    point, state = Code(torch.ones(3, 2)), generator.get_state()
    assert torch.equal(point.sample(generator), point.mean)
    assert torch.equal(generator.get_state(), state)


def test_gradients_pass_through_a_draw():
    mean, logvar = torch.zeros(4, 2, requires_grad=True), torch.zeros(4, 2, requires_grad=True)
    Code(mean, logvar).sample(seeded()).sum().backward()
    assert mean.grad is not None and logvar.grad is not None
    torch.testing.assert_close(mean.grad, torch.ones(4, 2))
    draw = torch.randn(4, 2, generator=seeded())
    torch.testing.assert_close(logvar.grad, 0.5 * draw)  # d exp(v/2) e / dv at v = 0


def test_code_head_is_one_linear_map_cut_in_two():
    h = torch.randn(5, 7, generator=seeded())
    point, gauss = CodeHead(7, 3, False), CodeHead(7, 3, True)
    assert point(h).logvar is None
    torch.testing.assert_close(point(h).mean, h @ point.linear.weight.T + point.linear.bias)
    both = h @ gauss.linear.weight.T + gauss.linear.bias
    torch.testing.assert_close(gauss(h).mean, both[:, :3])
    torch.testing.assert_close(gauss(h).logvar, both[:, 3:])


def test_fourier_features_are_x_then_sines_then_cosines():
    x = torch.tensor([[0.3, -1.7], [2.0, 0.01]], dtype=torch.float64)
    f = [2.0**k for k in range(-5, 5)]
    rows = []
    for row in x.tolist():
        angles = [2 * math.pi * v * k for v in row for k in f]
        rows.append([*row, *map(math.sin, angles), *map(math.cos, angles)])
    features = FourierFeatures().double()
    torch.testing.assert_close(features(x), torch.tensor(rows, dtype=torch.float64))
    assert features(x).shape == (2, FourierFeatures.factor * 2)
    # The longest wave is 32 units, the shortest 1/16: each repeats after 32, no sooner.
    torch.testing.assert_close(features(x + 32)[:, 2:], features(x)[:, 2:])
    assert not torch.allclose(features(x + 16)[:, 2:], features(x)[:, 2:])


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 13, 10), (1, 28, 28)])
@pytest.mark.parametrize("encoder", [ConvEncoder, ConvNormEncoder, MLPEncoder, ResidualEncoder])
@pytest.mark.parametrize("probabilistic", [False, True])
def test_small_encoders_take_any_image(shape, encoder, probabilistic):
    code = encoder(shape, 5, probabilistic)(torch.randn(2, *shape))
    assert code.mean.shape == (2, 5)
    assert (code.logvar is not None) == probabilistic
    assert code.logvar is None or code.logvar.shape == (2, 5)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("method", ["drl", "vdrl"])
@pytest.mark.parametrize("time_conditioned", [False, True])
def test_features_are_what_the_code_head_is_given(encoder, method, time_conditioned):
    model = awake(model_of(encoder=encoder, method=method, time_conditioned=time_conditioned))
    net = model.encoder
    assert net is not None and net.head is not None
    heard: list[Tensor] = []
    net.head.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    low, high = (torch.full((len(X0),), t) for t in (model.sde.t_min, model.sde.t_max))
    embedding = model.embedding(model.sde.sigma(low)) if time_conditioned else None
    code = model.encode(X0, low)
    features = net.features(X0, embedding)
    assert features.shape == (len(X0), net.n_features)
    assert torch.equal(features, heard[0])
    linear = net.head.linear
    expected = features @ linear.weight.T + linear.bias
    given = code.mean
    if code.logvar is not None:
        given = torch.cat([code.mean, code.logvar - net.head.logvar_offset], dim=1)
    torch.testing.assert_close(given, expected)
    if time_conditioned:
        later = net.features(X0, model.embedding(model.sde.sigma(high)))
        assert not torch.allclose(later, features, rtol=1e-3)


@pytest.mark.parametrize("embedding_dim", [None, 4])
def test_features_of_the_residual_encoder_layer_by_layer(embedding_dim):
    """Patches, a block, patches of features, two blocks, one linear layer; in double precision."""
    torch.manual_seed(0)
    net = ResidualEncoder((2, 20, 19), 3, embedding_dim=embedding_dim, width=16).double()
    with torch.no_grad():
        for p in net.parameters():
            p.normal_(0, 0.3)
    x0 = torch.randn(3, 2, 20, 19, generator=seeded(), dtype=torch.float64)
    embedding = torch.randn(3, 4, generator=seeded(), dtype=torch.float64)

    def silu(h: Tensor) -> Tensor:
        return h / (1 + torch.exp(-h))

    def convolved(layer, h: Tensor) -> Tensor:
        pad = layer.kernel_size[0] // 2
        return torch.nn.functional.conv2d(h, layer.weight, layer.bias, padding=pad)

    def block(part, h: Tensor) -> Tensor:
        c = convolved(part.first, silu(h))
        groups = c.unflatten(1, (-1, 4))
        mean = groups.mean((2, 3, 4), keepdim=True)
        normed = (groups - mean) / (
            groups.var((2, 3, 4), unbiased=False, keepdim=True) + 1e-6
        ).sqrt()
        c = normed.flatten(1, 2) * part.norm.weight[:, None, None] + part.norm.bias[:, None, None]
        if embedding_dim is not None:
            e = silu(embedding @ net.time.weight.T + net.time.bias)
            a, b = (e @ part.film.weight.T + part.film.bias)[:, :, None, None].chunk(2, 1)
            c = c * (1 + a) + b
        return h + convolved(part.second, silu(c))

    def patches(h: Tensor, side: int) -> Tensor:
        """(B, C, H, W) to (B, C side^2, H / side, W / side)."""
        b, c, height, width = h.shape
        h = h.reshape(b, c, height // side, side, width // side, side)
        return h.permute(0, 1, 3, 5, 2, 4).reshape(b, -1, height // side, width // side)

    x = torch.cat([x0, x0[..., -1:]], dim=3)  # 20 x 19 to 20 x 20: patches of 2, then of 2
    h = block(net.upper, convolved(net.enter, patches(x, 2)))
    h = convolved(net.shrink, patches(h, 2))
    for part in net.lower:
        h = block(part, h)
    expected = silu(silu(h).flatten(1) @ net.join.weight.T + net.join.bias)
    given = net.features(x0, embedding if embedding_dim is not None else None)
    torch.testing.assert_close(given, expected)


def test_a_code_of_the_residual_encoder_is_of_its_image_alone():
    net = ResidualEncoder((1, 8, 8), 3)
    assert not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in net.modules())
    together = net.features(X0)
    torch.testing.assert_close(torch.cat([net.features(x[None]) for x in X0]), together)


@pytest.mark.parametrize("encoder", [ConvEncoder, MLPEncoder])
def test_features_of_a_small_encoder_are_silu_of_its_trunk(encoder):
    torch.manual_seed(0)
    net = encoder((1, 8, 8), 3)
    h = net.trunk(X0)
    torch.testing.assert_close(net.features(X0), h / (1 + torch.exp(-h)))
    assert net.n_features == 128


@pytest.mark.parametrize("time_conditioned", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_features_of_the_encoder_with_batch_norm_layer_by_layer(time_conditioned, training):
    """relu(norm(layer(h)) + W e + b), four times, in double precision."""
    torch.manual_seed(0)
    net = ConvNormEncoder((1, 8, 8), 3, embedding_dim=4 if time_conditioned else None).double()
    with torch.no_grad():
        for norm in net.norms:
            for value in (norm.weight, norm.running_var):
                value.uniform_(0.5, 2)
            for value in (norm.bias, norm.running_mean):
                value.uniform_(-1, 1)
    statistics = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in net.norms]
    h = x0 = X0.double()
    embedding = torch.randn(len(X0), 4, generator=seeded(), dtype=torch.float64)
    features = net.train(training).features(x0, embedding if time_conditioned else None)

    def channels(values: Tensor) -> Tensor:
        return values[:, :, None, None] if h.ndim == 4 else values

    for i, (layer, norm, (mean, var)) in enumerate(
        zip(net.layers, net.norms, statistics, strict=True)
    ):
        if i < 3:
            h = nn.functional.conv2d(h, layer.weight, layer.bias, stride=2, padding=1)
        else:
            h = h.flatten(1) @ layer.weight.T + layer.bias
        if training:  # the batch's own
            others = [d for d in range(h.ndim) if d != 1]
            mean, var = h.mean(others), h.var(others, correction=0)
        h = (h - channels(mean[None])) / channels(torch.sqrt(var + 1e-5)[None])
        h = channels(norm.weight[None]) * h + channels(norm.bias[None])
        if time_conditioned:
            h = h + channels(embedding @ net.biases[i].weight.T + net.biases[i].bias)
        h = h.clamp(min=0)
    torch.testing.assert_close(features, h)
    assert features.shape == (len(X0), net.n_features) == (len(X0), 128)


@pytest.mark.parametrize("probabilistic", [False, True])
def test_the_encoder_with_batch_norm_has_one_trunk_with_and_without_time(probabilistic):
    nets = []
    for embedding_dim in (None, 4):
        torch.manual_seed(0)
        nets.append(ConvNormEncoder((1, 8, 8), 3, probabilistic, embedding_dim).state_dict())
    static, timed = nets
    added = [f"biases.{i}.{part}" for i in range(4) for part in ("weight", "bias")]
    assert set(timed) - set(static) == set(added) and set(static) <= set(timed)
    for name in static:
        assert torch.equal(static[name], timed[name]) or name.startswith("head")


# How time gets into the small encoders.


def test_time_mix_scales_and_shifts_then_mixes():
    """W2 SiLU(W1 SiLU(h (1 + a) + b)), (a, b) linear in the embedding; in double precision."""
    torch.manual_seed(0)
    mix = TimeMix(5, 4).double()
    h, e = (torch.randn(3, n, generator=seeded(n), dtype=torch.float64) for n in (5, 4))

    def silu(x: Tensor) -> Tensor:
        return x / (1 + torch.exp(-x))

    def linear(layer: nn.Linear, x: Tensor) -> Tensor:
        return torch.einsum("oi,bi->bo", layer.weight, x) + layer.bias

    both = linear(mix.film, e)
    a, b = both[:, :5], both[:, 5:]
    expected = linear(mix.second, silu(linear(mix.first, silu(h * (1 + a) + b))))
    torch.testing.assert_close(mix(h, e), expected)


def test_another_time_can_read_another_feature():
    """A layer that only adds the embedding to the features could not: each x0 would shift alike."""
    mix = TimeMix(2, 1)
    eye = torch.eye(2)
    with torch.no_grad():
        mix.first.weight.copy_(eye), mix.second.weight.copy_(eye)
        for layer in (mix.film, mix.first, mix.second):
            layer.bias.zero_()
        # 1 + a is (1, 0) at e = 1 and (0, 1) at e = -1.
        mix.film.weight.copy_(torch.tensor([[0.5], [-0.5], [0.0], [0.0]]))
        mix.film.bias.copy_(torch.tensor([-0.5, -0.5, 0.0, 0.0]))
    h = torch.randn(6, 2, generator=seeded())
    one = torch.ones(6, 1)
    for e, read, ignored in ((one, 0, 1), (-one, 1, 0)):
        out = mix(h, e)
        torch.testing.assert_close(out[:, read], nn.functional.silu(nn.functional.silu(h[:, read])))
        assert not out[:, ignored].any()


@pytest.mark.parametrize("encoder", [ConvEncoder, ConvNormEncoder, MLPEncoder])
@pytest.mark.parametrize("probabilistic", [False, True])
def test_small_encoders_read_the_embedding_from_the_first_step(encoder, probabilistic):
    """Codes depend on sigma, and not for every image alike."""
    torch.manual_seed(0)
    net = encoder((1, 8, 8), 3, probabilistic, embedding_dim=4)
    x0 = torch.randn(5, 1, 8, 8, generator=seeded())
    low, high = (torch.randn(1, 4, generator=seeded(s)).expand(5, 4) for s in (1, 2))
    moved = net(x0, high).mean - net(x0, low).mean
    assert (moved.abs().amax(dim=1) > 1e-4).all()
    assert (moved.std(dim=0) > 1e-5).all()


TRUNK = {
    ConvEncoder: ["trunk.0", "trunk.2", "trunk.4", "trunk.7"],
    MLPEncoder: ["trunk.2", "trunk.4"],
}


@pytest.mark.parametrize("encoder", [ConvEncoder, MLPEncoder])
def test_an_encoder_without_time_has_the_weights_it_had(encoder):
    """Runs trained before E(x0, t) had layers of its own still load, and nothing more is drawn."""
    names = [*TRUNK[encoder], "head.linear"]
    expected = [f"{name}.{part}" for name in names for part in ("weight", "bias")]
    torch.manual_seed(0)
    static = encoder((1, 8, 8), 3).state_dict()
    assert list(static) == expected
    torch.manual_seed(0)
    timed = encoder((1, 8, 8), 3, embedding_dim=4).state_dict()
    layers = [f"time.{layer}.{part}" for layer in ("film", "first", "second")
              for part in ("weight", "bias")]  # fmt: skip
    assert set(timed) == {*expected, *layers}
    for name in TRUNK[encoder]:  # the same trunk from the same seed
        assert torch.equal(static[f"{name}.weight"], timed[f"{name}.weight"])


# One clock: the encoder, the SDE, the t-sampler and the score network read one noise range.


def test_one_noise_range_and_one_embedding_serve_everything():
    noise = NoiseRange(sigma_min=0.05, sigma_max=5)
    model = model_of(noise=noise, time_conditioned=True)
    clocks = [m for m in model.modules() if isinstance(m, TimeEmbedding)]
    assert clocks == [model.denoiser.embedding]
    assert model.sde.noise is clocks[0].noise is noise


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_encoder_and_score_network_get_the_same_features_of_the_same_sigma(encoder):
    model = model_of(encoder=encoder, time_conditioned=True, sde="vp").eval()
    assert model.encoder is not None
    heard: dict[str, Tensor] = {}
    model.encoder.register_forward_hook(lambda _, given, __: heard.update(encoder=given[1]))
    model.denoiser.network.register_forward_hook(lambda _, given, __: heard.update(score=given[1]))
    t = torch.linspace(model.sde.t_min, model.sde.t_max, len(X0))
    model.denoise(X0, t, model.encode(X0, t).mean)
    assert torch.equal(heard["encoder"], heard["score"])
    assert torch.equal(heard["encoder"], model.denoiser.embedding(model.sde.sigma(t)))


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_changing_the_range_moves_every_clock_alike(encoder):
    """Same weights, another range: at the same sigma all differ, at the same place none does."""
    narrow, wide = NoiseRange(sigma_min=0.1, sigma_max=10), NoiseRange(sigma_min=0.01, sigma_max=50)
    one, other = (
        awake(model_of(noise=noise, encoder=encoder, time_conditioned=True))
        for noise in (narrow, wide)
    )
    for (name, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    sigma = torch.full((len(X0),), 0.7)
    place = torch.full((len(X0),), 0.4)
    level = {m: m.sde.noise.sigma_min * (m.sde.noise.sigma_max / m.sde.noise.sigma_min) ** place
             for m in (one, other)}  # fmt: skip

    def differ(a: Tensor, b: Tensor) -> bool:
        return not torch.allclose(a, b, rtol=1e-3, atol=1e-4)

    # SDE and t-sampler.
    assert differ(one.sde.t(sigma), other.sde.t(sigma))
    torch.testing.assert_close(one.sde.t(level[one]), other.sde.t(level[other]))
    draws = {m: m.sde.sigma(m.sde.draw_t(len(X0), seeded(3))) for m in (one, other)}
    torch.testing.assert_close(narrow.fraction(draws[one]), wide.fraction(draws[other]))
    assert differ(draws[one], draws[other])
    # Encoder.
    code_at = lambda m, s: m.encode(X0, m.sde.t(s)).mean  # noqa: E731
    assert differ(code_at(one, sigma), code_at(other, sigma))
    torch.testing.assert_close(
        code_at(one, level[one]), code_at(other, level[other]), rtol=1e-3, atol=1e-4
    )
    # Score network, given the same preconditioned input.
    z = torch.zeros(len(X0), 2)
    raw_at = lambda m, s: m.denoiser.network(X0, m.denoiser.embedding(s), z)  # noqa: E731
    assert differ(raw_at(one, sigma), raw_at(other, sigma))
    torch.testing.assert_close(
        raw_at(one, level[one]), raw_at(other, level[other]), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_only_a_time_conditioned_encoder_reads_t_and_it_must_be_given(encoder):
    timed = awake(model_of(encoder=encoder, time_conditioned=True))
    low, high = (torch.full((len(X0),), t) for t in (timed.sde.t_min, timed.sde.t_max))
    assert not torch.allclose(timed.encode(X0, low).mean, timed.encode(X0, high).mean, rtol=1e-3)
    with pytest.raises(ValueError, match="needs t"):
        timed.encode(X0)
    timeless = awake(model_of(encoder=encoder))
    assert torch.equal(timeless.encode(X0).mean, timeless.encode(X0, high).mean)


@pytest.mark.parametrize("method", ["dsm", "csm"])
def test_a_model_without_an_encoder_says_so(method):
    with pytest.raises(ValueError, match="no encoder"):
        model_of(method=method, latent_dim=10).encode(X0)


# Denoiser.


class Constant(nn.Module):
    """A raw network that returns one number everywhere and keeps what it was given."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor, embedding: Tensor, z: Tensor) -> Tensor:
        self.given = x
        return torch.full_like(x, self.value)


SD = 0.4


def denoiser_of(value: float) -> Denoiser:
    return Denoiser(Constant(value), TimeEmbedding(NoiseRange()), SD, 0)


@pytest.mark.parametrize("sigma", [0.01, 0.3, 0.4, 2.0, 50.0])
def test_preconditioning_is_edms(sigma):
    x = torch.randn(3, 1, 4, 4, generator=seeded())
    s, z = torch.full((3,), sigma), torch.zeros(3, 0)
    skipped, whole = denoiser_of(0.0), denoiser_of(1.0)
    total = sigma**2 + SD**2
    torch.testing.assert_close(skipped(x, s, z), SD**2 / total * x)
    added = whole(x, s, z) - skipped(x, s, z)
    torch.testing.assert_close(
        added, torch.full_like(x, sigma * SD / math.sqrt(total)), rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(skipped.network.given, x / math.sqrt(total))


def test_preconditioning_at_the_ends_of_the_noise():
    """No noise: the input is the answer. All noise: the network answers, in units of the data."""
    x, z = torch.randn(3, 1, 4, 4, generator=seeded()), torch.zeros(3, 0)
    denoiser = denoiser_of(0.7)
    torch.testing.assert_close(denoiser(x, torch.full((3,), 1e-6), z), x, rtol=0, atol=1e-5)
    noisy = 1e6 * x
    expected = torch.full_like(x, 0.7 * SD)
    torch.testing.assert_close(
        denoiser(noisy, torch.full((3,), 1e6), z), expected, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("sigma", [0.02, 0.4, 10.0])
def test_raw_network_sees_and_regresses_unit_variance(sigma):
    n = 40_000
    x0, noise = torch.randn(2, n, 1, generator=seeded(), dtype=torch.float64)
    x0 = SD * x0
    x, s, z = x0 + sigma * noise, torch.full((n,), sigma, dtype=torch.float64), torch.zeros(n, 0)
    skipped, whole = denoiser_of(0.0), denoiser_of(1.0)
    rest = skipped(x, s, z)
    c_out = whole(x, s, z) - rest
    target = (x0 - rest) / c_out
    within = 4 * math.sqrt(2 / n)
    assert float(skipped.network.given.var()) == pytest.approx(1, abs=within)
    assert float(target.var()) == pytest.approx(1, abs=within)


@pytest.mark.parametrize("sde", ["ve", "vp", "subvp"])
def test_every_sde_reaches_the_denoiser_through_xt_over_a(sde):
    model = awake(model_of(sde=sde))
    t = torch.linspace(model.sde.t_min, model.sde.t_max, len(X0))
    xt = model.sde.perturb(X0, t, torch.randn(X0.shape, generator=seeded()))
    z = model.encode(X0).mean
    a, std = (h(t).reshape(-1, 1, 1, 1) for h in (model.sde.mean_coefficient, model.sde.std))
    denoised = model.denoiser(xt / a, model.sde.sigma(t), z)
    torch.testing.assert_close(model.denoise(xt, t, z), denoised)
    torch.testing.assert_close(
        model.score(xt, t, z), (a * denoised - xt) / std**2, rtol=1e-3, atol=1e-3
    )


def test_pixelwise_path_is_two_steps_at_the_ends_of_the_data():
    path = PixelwisePath(2, 4)
    x, z = torch.randn(3, 1, 2, 5, generator=seeded()), torch.randn(3, 2, generator=seeded(1))
    sigma, embedding = torch.tensor([0.1, 1.0, 20.0]), torch.randn(3, 4, generator=seeded(2))
    table = path.coefficients(torch.cat([embedding, z], dim=1)).tolist()
    expected = torch.zeros_like(x)
    for b in range(3):
        scales, shifts, heights = table[b][:2], table[b][2:4], table[b][4:]
        for k, end in enumerate((-1.0, 1.0)):
            slope = 0.25 * (1 + scales[k]) / float(sigma[b])
            expected[b] += heights[k] * torch.tanh(slope * (x[b] - end) + shifts[k])
    torch.testing.assert_close(path(x, sigma, embedding, z), expected, rtol=1e-4, atol=1e-5)


def test_pixelwise_path_treats_all_pixels_alike_and_reads_sigma_embedding_and_z():
    path = PixelwisePath(2, 4)
    x, z = torch.randn(3, 1, 4, 4, generator=seeded()), torch.randn(3, 2, generator=seeded(1))
    sigma, embedding = torch.tensor([0.1, 1.0, 20.0]), torch.randn(3, 4, generator=seeded(2))
    order = torch.randperm(16, generator=seeded(3))
    moved = path(x.flatten(2)[:, :, order].view_as(x), sigma, embedding, z)
    out = path(x, sigma, embedding, z)
    torch.testing.assert_close(moved.flatten(2), out.flatten(2)[:, :, order])
    for changed in (
        path(x, 2 * sigma, embedding, z),
        path(x, sigma, embedding + 1, z),
        path(x, sigma, embedding, z + 1),
    ):
        assert not torch.allclose(changed, out, rtol=1e-3)


# How the gradient finds its way into the encoder, and whether z is used.


def gradients_into_encoder(run: RunParameters, dataset: Dataset, steps: int) -> list[float]:
    """Norm of the loss gradient into the encoder at each of the first steps, under Adam."""
    model = build_model(run, dataset)
    assert model.encoder is not None
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    norms = []
    for step in range(steps):
        generator = seeded(step)
        t = model.sde.draw_t(32, generator)
        x0, y = dataset.train.x[:32], dataset.train.y[:32]
        optimiser.zero_grad()
        METHODS[run.method].loss(model, Batch(x0, y, t, generator)).total.backward()
        squares = [
            float(p.grad.square().sum()) for p in model.encoder.parameters() if p.grad is not None
        ]
        norms.append(math.sqrt(sum(squares)))
        optimiser.step()
    return norms


def test_zero_start_of_the_mlp_keeps_the_first_two_gradients_from_the_encoder():
    """One step wakes the last layer of the network, the next those of its blocks."""
    run = RunParameters(
        dataset="toy", encoder="mlp", score_network="mlp-fourier", width=32, sigma_data=5.7
    )
    norms = gradients_into_encoder(run, load_dataset("toy"), 5)
    assert norms[:2] == [0, 0]
    assert min(norms[2:]) > 0


def test_the_pixelwise_path_lets_it_in_from_the_first_step():
    run = RunParameters(dataset="digits", score_network="mlp-pixelwise")
    assert min(gradients_into_encoder(run, DIGITS, 2)) > 0


def test_a_fresh_mlp_returns_zero():
    net = MLPScoreNetwork((1, 4, 4), 2, 8)
    out = net(torch.randn(3, 1, 4, 4), torch.randn(3, 8), torch.randn(3, 2))
    assert torch.equal(out, torch.zeros(3, 1, 4, 4))


@pytest.mark.parametrize(
    ("score_network", "steps"), [("mlp-pixelwise", 100), ("mlp-fourier", 150), ("ncsnpp-small", 80)]
)
def test_a_shuffled_code_costs_something_after_a_few_steps(
    score_network: str, steps: int, tmp_path: Path
) -> None:
    run = RunParameters(
        dataset="digits", score_network=score_network, steps=steps, batch_size=64, width=64,
        noise=NoiseRange().single(2.0), learning_rate=3e-3, warmup_steps=10, ema_decay=0.5,
    )  # fmt: skip
    model = build_model(run, DIGITS)
    train(run, model, DIGITS, tmp_path, progress=False)
    x0 = DIGITS.test.x
    t = model.sde.t(torch.full((len(x0),), 2.0))
    xt = model.sde.perturb(x0, t, torch.randn(x0.shape, generator=seeded()))
    z = model.encode(x0).mean
    own = score_error(model, x0, xt, t, z)
    other = score_error(model, x0, xt, t, z[torch.randperm(len(z), generator=seeded(1))])
    worse = (other - own).numpy()
    assert worse.mean() > 4 * worse.std() / len(worse) ** 0.5


# Batches and weights.


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("time_conditioned", [False, True])
def test_images_of_a_batch_do_not_mix_in_the_encoder(encoder, time_conditioned):
    model = awake(model_of(encoder=encoder, time_conditioned=time_conditioned, method="vdrl"))
    t = torch.linspace(model.sde.t_min, model.sde.t_max, len(X0))
    together, alone = model.encode(X0, t), model.encode(X0[2:3], t[2:3])
    torch.testing.assert_close(together.mean[2:3], alone.mean, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(together.logvar[2:3], alone.logvar, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("score_network", sorted(SCORE_NETWORKS))
def test_images_of_a_batch_do_not_mix_in_the_score(score_network):
    model = awake(model_of(score_network=score_network))
    t = torch.linspace(model.sde.t_min, model.sde.t_max, len(X0))
    xt = model.sde.perturb(X0, t, torch.randn(X0.shape, generator=seeded()))
    z = torch.randn(len(X0), 2, generator=seeded(1))
    one = slice(2, 3)
    torch.testing.assert_close(
        model.denoise(xt, t, z)[one], model.denoise(xt[one], t[one], z[one]), rtol=1e-3, atol=1e-4
    )


def test_weights_are_fixed_by_the_seed_and_leave_the_global_generator():
    state = torch.get_rng_state()
    first, again, other = model_of(seed=1), model_of(seed=1), model_of(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    flat = [nn.utils.parameters_to_vector(m.parameters()) for m in (first, again, other)]
    assert torch.equal(flat[0], flat[1]) and not torch.equal(flat[0], flat[2])


@pytest.mark.parametrize(
    ("dataset", "changes", "named"),
    [
        ("digits", {"method": "csm", "latent_dim": 9}, "latent_dim = 9.*classes, 10"),
        (
            "toy",
            {},
            "holds vectors.*encoder .*\\(vectors: mlp\\); score_network .*vectors: mlp-fourier",
        ),
        ("toy", {"encoder": "mlp", "score_network": "ncsnpp-small"}, "holds vectors"),
        ("toy", {"score_network": "mlp-fourier"}, "holds vectors"),
    ],
)
def test_architectures_that_do_not_fit_are_refused(dataset, changes, named):
    with pytest.raises(ParameterError, match=named):
        model_of(load_dataset(dataset), **changes)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.denoises])
def test_latent_dim_is_what_the_score_network_is_given(method):
    model = model_of(method=method, latent_dim=10)
    assert model.latent_dim == (0 if method == "dsm" else 10)
    assert (model.encoder is not None) == (method in ("drl", "vdrl", "drl-mixup"))
