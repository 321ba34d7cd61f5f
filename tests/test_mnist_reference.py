"""The MNIST networks against a second writing of them, from the description alone.

Plain functions on a dictionary of the network's own weights, all of them drawn anew, so that no
branch is silent. What is compared is the output: counts of parameters cannot see an activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from drlcore.networks.paper_cifar import NCSNppSmall, WideResNetEncoder
from drlcore.networks.paper_mnist import MNISTEncoder, MNISTScoreNetwork

torch.set_num_threads(1)
EMBEDDING, SHAPE = 32, (1, 28, 28)
Weights = Mapping[str, Tensor]
Network = TypeVar("Network", bound=torch.nn.Module)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def redrawn(network: Network) -> tuple[Network, Weights]:
    """In double precision and evaluation mode, with weights, biases and gains all of some size."""
    network = network.double().eval()
    weights = dict(network.named_parameters())
    with torch.no_grad():
        for i, p in enumerate(weights.values()):
            p.copy_(drawn(*p.shape, seed=i) / math.sqrt(p[0].numel() if p.ndim > 1 else 4))
    return network, weights


def dense(p: Weights, name: str, h: Tensor) -> Tensor:
    return h @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def conv(p: Weights, name: str, h: Tensor) -> Tensor:
    kernel = p[f"{name}.weight"]
    return F.conv2d(h, kernel, p[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def norm(p: Weights, name: str, h: Tensor) -> Tensor:
    """Groups of four channels: less their mean, over their standard deviation."""
    groups = h.reshape(len(h), h.shape[1] // 4, -1)
    centred = groups - groups.mean(2, keepdim=True)
    scaled = centred / (centred.square().mean(2, keepdim=True) + 1e-6).sqrt()
    gain, bias = (p[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
    return scaled.reshape(h.shape) * gain + bias


def silu(h: Tensor) -> Tensor:
    return h / (1 + torch.exp(-h))


def halved(h: Tensor) -> Tensor:
    return (h[..., ::2, ::2] + h[..., 1::2, ::2] + h[..., ::2, 1::2] + h[..., 1::2, 1::2]) / 4


def doubled(h: Tensor) -> Tensor:
    return h.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def same(h: Tensor) -> Tensor:
    return h


def residual(
    p: Weights,
    name: str,
    h: Tensor,
    condition: Tensor | None = None,
    resize: Callable[[Tensor], Tensor] = same,
) -> Tensor:
    branch = conv(p, f"{name}.conv1", resize(silu(norm(p, f"{name}.norm1", h))))
    if condition is not None:
        branch = branch + dense(p, f"{name}.bias", silu(condition))[:, :, None, None]
    branch = conv(p, f"{name}.conv2", silu(norm(p, f"{name}.norm2", branch)))
    skip = resize(h)
    if branch.shape[1] != h.shape[1] or resize is not same:
        skip = conv(p, f"{name}.skip", skip)
    return (skip + branch) / math.sqrt(2)


def attention(p: Weights, name: str, h: Tensor) -> Tensor:
    n, channels = h.shape[:2]
    x = norm(p, f"{name}.norm", h)
    q, k, v = (
        conv(p, f"{name}.{part}", x).reshape(n, channels, -1) for part in ("query", "key", "value")
    )
    weight = torch.softmax(torch.einsum("nci,ncj->nij", q, k) / math.sqrt(channels), dim=2)
    mixed = torch.einsum("nij,ncj->nci", weight, v).reshape(h.shape)
    return (h + conv(p, f"{name}.out", mixed)) / math.sqrt(2)


def encoder(
    p: Weights, x0: Tensor, embedding: Tensor | None = None, flat: Callable[[Tensor], Tensor] = silu
) -> Tensor:
    """conv 32; 2 Res 32; down; 2 Res 64; Res 32; attention; SiLU before each of three dense."""
    t = None
    if embedding is not None:
        t = dense(p, "time.2", silu(dense(p, "time.0", embedding)))
    h = conv(p, "enter", x0)
    for i in range(6):
        h = residual(p, f"blocks.{i}", h, t, halved if i == 2 else same)
    h = attention(p, "attention", h).reshape(len(x0), -1)
    first, second = (n.removesuffix(".weight") for n in p if n[:5] == "dense" and "weight" in n)
    return dense(p, "head.linear", silu(dense(p, second, silu(dense(p, first, flat(h))))))


def score_network(
    p: Weights, x: Tensor, embedding: Tensor, z: Tensor | None, code_middle: bool = True
) -> Tensor:
    """2 levels of 32 and 64 channels; z joins sigma in every block, and has a middle of its own."""
    condition = dense(p, "time.2", silu(dense(p, "time.0", embedding)))
    if z is not None:
        code = dense(p, "code.0", z)
        for i in (2, 4, 6):
            code = dense(p, f"code.{i}", silu(code))
        condition = torch.cat([condition, code], dim=1)
    h = conv(p, "trunk.enter", x)
    maps = [h]
    for level in (0, 1):
        for block in (0, 1):
            h = residual(p, f"trunk.levels_down.{level}.blocks.{block}", h, condition)
            maps.append(h)
        if level == 0:
            h = residual(p, "trunk.shrink.0", h, condition, halved)
            maps.append(h)
    if z is not None and code_middle:
        h = middle(p, "code_middle", h, code)
    h = middle(p, "trunk.middle", h, condition)
    for level in (0, 1):
        for block in (0, 1, 2):
            h = torch.cat([h, maps.pop()], dim=1)
            h = residual(p, f"trunk.levels_up.{level}.blocks.{block}", h, condition)
        if level == 0:
            h = residual(p, "trunk.grow.0", h, condition, doubled)
    return conv(p, "trunk.leave", silu(norm(p, "trunk.norm", h)))


def middle(p: Weights, name: str, h: Tensor, condition: Tensor) -> Tensor:
    h = attention(p, f"{name}.attention", residual(p, f"{name}.first", h, condition))
    return residual(p, f"{name}.second", h, condition)


def agree(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize(("latent_dim", "probabilistic"), [(2, False), (2, True), (40, False)])
@torch.no_grad()
def test_encoder(latent_dim: int, probabilistic: bool, timed: bool) -> None:
    net, p = redrawn(MNISTEncoder(SHAPE, latent_dim, probabilistic, EMBEDDING if timed else None))
    x0, embedding = drawn(3, *SHAPE, seed=1), drawn(3, EMBEDDING, seed=2) if timed else None
    code, expected = net(x0, embedding), encoder(p, x0, embedding)
    assert agree(code.mean, expected[:, :latent_dim])
    assert (code.logvar is None) != probabilistic
    if code.logvar is not None:
        assert agree(code.logvar, expected[:, latent_dim:] - 5)
    assert float(code.mean.std(0).max()) > 1e-3
    # An activation that is left out shows.
    assert not agree(code.mean, encoder(p, x0, embedding, flat=same)[:, :latent_dim])


@pytest.mark.parametrize("latent_dim", [0, 2, 40])
@torch.no_grad()
def test_score_network(latent_dim: int) -> None:
    net, p = redrawn(MNISTScoreNetwork(SHAPE, latent_dim, EMBEDDING))
    x, embedding, z = drawn(3, *SHAPE, seed=1), drawn(3, EMBEDDING, seed=2), drawn(3, latent_dim)
    given = z if latent_dim else None
    out = net(x, embedding, z)
    assert agree(out, score_network(p, x, embedding, given))
    assert float(out.std(0).max()) > 1e-3
    if latent_dim:
        assert not agree(out, score_network(p, x, embedding, given, code_middle=False))


# Initial weights, where they are the library's own.


def layers(network: torch.nn.Module, *names: str) -> list[torch.nn.Linear]:
    return [
        layer
        for name in names
        for layer in network.get_submodule(name).modules()
        if isinstance(layer, torch.nn.Linear)
    ]


def test_ncsnpp_takes_z_in_with_pytorch_s_initial_weights() -> None:
    torch.manual_seed(0)
    net = NCSNppSmall((3, 32, 32), 128, EMBEDDING)
    ways = layers(net, "code", "bottleneck")
    assert len(ways) == 4
    for layer in ways:
        end = 1 / math.sqrt(layer.in_features)
        for values in (layer.weight.detach(), layer.bias.detach()):
            assert float(values.abs().max()) <= end
            assert float(values.std()) == pytest.approx(end / math.sqrt(3), rel=0.15)
    assert float(ways[0].weight.detach().std()) == pytest.approx(0.051, rel=0.02)
    assert float(ways[1].weight.detach().std()) == pytest.approx(0.051, rel=0.02)


def test_mnist_networks_take_z_in_and_give_it_with_flax_s_initial_weights() -> None:
    torch.manual_seed(0)
    dense = layers(MNISTEncoder(SHAPE, 40, True), "dense", "head")
    dense += layers(MNISTScoreNetwork(SHAPE, 40, EMBEDDING), "code")
    assert len(dense) == 7
    for layer in dense:
        sd = 1 / math.sqrt(layer.in_features)
        assert float(layer.weight.detach().std()) == pytest.approx(sd, rel=0.05)
        assert float(layer.weight.detach().abs().max()) <= 2 * sd / 0.8796
        assert not layer.bias.any()


def test_the_log_variance_starts_at_minus_5_in_the_jax_encoder_alone() -> None:
    torch.manual_seed(0)
    x0 = torch.zeros(4, *SHAPE)
    starts = {
        net: float(net(SHAPE, 2, probabilistic=True).eval()(x0).logvar.detach().mean())
        for net in (MNISTEncoder, WideResNetEncoder)
    }
    assert starts[MNISTEncoder] == pytest.approx(-5, abs=0.5)
    assert starts[WideResNetEncoder] == pytest.approx(0, abs=1)
