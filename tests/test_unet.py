"""The U-Net of the laptop: its sizes, what it reads, and what it is told of pixels."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from drlcore import Denoiser, NoiseRange, ParameterError, RunParameters, load_dataset
from drlcore.networks.unet import UNet
from drlcore.score_network import near_ends
from drlcore.training.run import build_model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """With every weight away from its start."""
    generator = seeded(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return network


def test_near_ends_by_hand() -> None:
    x, sigma = torch.tensor([[-1.2, -0.1, 0.7]]), torch.tensor([[0.4]])
    expected = [
        u * math.exp(-u * u / 8)
        for end in (-1, 1)
        for u in ((value - end) / 0.4 for value in (-1.2, -0.1, 0.7))
    ]
    torch.testing.assert_close(near_ends(x, sigma), torch.tensor([expected]))


@pytest.mark.parametrize("end", [-1.0, 1.0])
def test_at_small_noise_near_ends_hold_the_noise_of_a_pixel_at_an_end(end: float) -> None:
    """At sd 1 the value is the noise within 12 %, and the other end's is nothing."""
    noise = torch.linspace(-1, 1, 9)[None]
    of_low, of_high = near_ends(end + 0.01 * noise, torch.tensor([[0.01]])).chunk(2, dim=1)
    own, other = (of_low, of_high) if end < 0 else (of_high, of_low)
    assert (own - noise).abs().max() < 0.12
    assert torch.equal(other, torch.zeros_like(other))


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize(
    ("side", "patch", "lowest"),
    [(1, 1, 1), (8, 1, 4), (16, 1, 8), (17, 2, 5), (28, 2, 7), (32, 2, 8), (33, 4, 5), (64, 4, 8)],
)
def test_images_of_any_size(colours: int, side: int, patch: int, lowest: int) -> None:
    shape = (colours, side, max(1, side - 3))
    network = UNet(shape, latent_dim=2, embedding_dim=8, width=16)
    assert (network.patch, network.lowest[0]) == (patch, lowest)
    x = torch.randn(2, 3 * colours, *shape[1:], generator=seeded())
    assert awake(network)(x, torch.randn(2, 8), torch.randn(2, 2)).shape == x.shape


def test_the_patch_of_a_wide_image_is_that_of_its_longer_side() -> None:
    assert UNet((1, 20, 64), 2, 8, width=16).patch == UNet((1, 64, 20), 2, 8, width=16).patch == 4


def test_width_and_depth_are_arguments() -> None:
    def weights(**sizes: int) -> int:
        return sum(p.numel() for p in UNet((1, 28, 28), 2, 32, **sizes).parameters())

    assert weights() == weights(width=64, depth=2) == 683_820
    assert weights(width=64, depth=3) > weights()
    assert weights(width=128) == 1_747_916


def denoised(denoiser: Denoiser, x: Tensor, sigma: float, z: Tensor) -> Tensor:
    with torch.no_grad():
        return denoiser(x, torch.full((len(x),), sigma), z)


def test_fresh_it_returns_what_preconditioning_alone_does() -> None:
    denoiser = Denoiser.build((1, 9, 9), 2, NoiseRange(), "unet", width=16)
    x = torch.randn(3, 1, 9, 9, generator=seeded())
    alone = x * 0.5**2 / (0.5**2 + 2.0**2)
    torch.testing.assert_close(denoised(denoiser, x, 2.0, torch.zeros(3, 2)), alone)


def test_it_reads_the_image_sigma_and_the_code_and_each_image_alone() -> None:
    denoiser = Denoiser.build((3, 12, 10), 2, NoiseRange(), "unet", width=16)
    awake(denoiser)
    x, z = torch.randn(4, 3, 12, 10, generator=seeded()), torch.randn(4, 2, generator=seeded(1))
    out = denoised(denoiser, x, 0.5, z)
    for other in (
        denoised(denoiser, x, 0.6, z),
        denoised(denoiser, x.flip(0), 0.5, z),
        denoised(denoiser, x, 0.5, z.flip(0)),
    ):
        assert ((out - other).flatten(1).abs().max(1).values > 1e-3).all()
    alone = torch.cat([denoised(denoiser, x[i : i + 1], 0.5, z[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(out, alone, rtol=1e-4, atol=1e-5)


def test_the_weighted_ends_are_what_is_added_to_the_raw_network() -> None:
    denoiser = Denoiser.build((2, 4, 4), 2, NoiseRange(), "unet", width=16)
    x, z = torch.randn(3, 2, 4, 4, generator=seeded()), torch.zeros(3, 2)
    sigma = torch.full((3, 1, 1, 1), 0.3)
    given: list[Tensor] = []

    class Told(torch.nn.Module):
        near_ends = True

        def forward(self, inputs: Tensor, embedding: Tensor, z: Tensor) -> Tensor:
            given.append(inputs)
            return torch.arange(6.0).reshape(1, 6, 1, 1).expand(3, 6, 4, 4)

    denoiser.network = Told()
    ends = near_ends(x, sigma)
    total = math.sqrt(0.3**2 + 0.5**2)
    # Channels of the network's answer: F (0, 1), weights at -1 (2, 3), weights at 1 (4, 5).
    low = ends[:, :2] * torch.tensor([2.0, 3.0]).view(1, 2, 1, 1)
    high = ends[:, 2:] * torch.tensor([4.0, 5.0]).view(1, 2, 1, 1)
    raw = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1) + low + high
    expected = (0.5 / total) ** 2 * x + 0.3 * 0.5 / total * raw
    torch.testing.assert_close(denoised(denoiser, x, 0.3, z), expected)
    torch.testing.assert_close(given[0], torch.cat([x / total, ends], dim=1))


def test_without_a_code_nothing_of_it_is_built() -> None:
    model = build_model(
        RunParameters(dataset="digits", method="dsm", score_network="unet", width=16),
        load_dataset("digits"),
    )
    assert model.denoiser.network.code is None  # type: ignore[attr-defined]


def test_vectors_are_refused() -> None:
    run = RunParameters(dataset="toy", encoder="mlp", score_network="unet")
    with pytest.raises(ParameterError, match="score_network 'unet' takes images"):
        build_model(run, load_dataset("toy"))


def test_a_denoiser_from_the_front_door_knows_every_network() -> None:
    """In a process of its own, where nothing else has loaded them."""
    code = (
        "from drlcore import Denoiser, NoiseRange\n"
        "for name in ('unet', 'ncsnpp-small', 'mnist-paper', 'mlp-context'):\n"
        "    Denoiser.build((1, 8, 8), 2, NoiseRange(), name, width=16)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
