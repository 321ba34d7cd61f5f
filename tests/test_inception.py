"""FID and Inception Score by a small TorchScript in the place of Inception."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from drlcore.data import paths
from drlcore.errors import DataError
from drlcore.paper.experiments import AdversarialWeighting, Generation, InitialTime, LatentSpace
from drlcore.probes import inception
from drlcore.probes.inception import SPLITS, Inception


class Small(torch.nn.Module):
    """Answers as the real one does; its features are the pixels' first moments."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Linear(4, 7)

    def forward(
        self, x: Tensor, return_features: bool = False, no_output_bias: bool = False
    ) -> Tensor:
        if x.dtype != torch.uint8 or x.shape[1] != 3:
            raise RuntimeError("three channels of bytes")
        flat = x.float().flatten(1) / 255
        features = torch.stack([flat.mean(1), flat.std(1), flat[:, 0], flat[:, -1]], dim=1)
        if return_features:
            return features
        bias = torch.zeros(7) if no_output_bias else self.last.bias
        return torch.nn.functional.linear(5 * features, self.last.weight, bias).softmax(1)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    monkeypatch.setattr(paths, "published", lambda name: tmp_path / name)
    torch.manual_seed(0)
    network = Small()
    (tmp_path / "inception").mkdir()
    torch.jit.script(network).save(str(tmp_path / "inception" / inception.NETWORK))
    return network


@torch.no_grad()
def test_fid_and_score_are_of_its_features_and_its_classes_without_a_bias(
    small: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grey samples in three channels, values beyond [-1, 1] cut off, in more than one batch."""
    monkeypatch.setattr(inception, "BATCH", 7)
    generator = torch.Generator().manual_seed(0)
    samples = torch.rand(3 * SPLITS, 1, 8, 8, generator=generator) * 2.4 - 1.2
    real = torch.rand(12, 3, 8, 8, generator=generator) - 1
    found = Inception(real).quality(samples)

    def pixels(x: Tensor) -> Tensor:
        return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).expand(-1, 3, -1, -1)

    a, b = (small(pixels(x), return_features=True).double().numpy() for x in (samples, real))
    mean = np.sum((a.mean(0) - b.mean(0)) ** 2)
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b))
    root = np.linalg.norm(a @ b.T, "nuc")  # the trace of (C_a C_b)^(1/2), without a root
    known = mean + np.sum(a**2) + np.sum(b**2) - 2 * root
    assert found["fid"] == pytest.approx(known, rel=1e-6) and known > 0.01
    p = small(pixels(samples), no_output_bias=True).double()
    scores = [(part * (part / part.mean(0)).log()).sum(1).mean().exp() for part in p.split(3)]
    assert found["inception_score"] == pytest.approx(float(np.mean(scores)), rel=1e-6)
    assert scores[0] > 1 + 1e-4
    assert Inception(real).quality(real)["fid"] == pytest.approx(0, abs=1e-9)


def test_without_it_one_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "published", lambda name: tmp_path / name)
    with pytest.raises(DataError, match=r"put inception-2015-12-05.pt into .*inception"):
        Inception(torch.zeros(20, 3, 8, 8)).quality(torch.zeros(20, 3, 8, 8))


def test_preset_paper_asks_it_where_it_is(small: torch.nn.Module) -> None:
    def asked(preset: str) -> list[bool]:
        kinds = (InitialTime, AdversarialWeighting, Generation, LatentSpace)
        experiments = [kind(dataset="digits", preset=preset) for kind in kinds]
        products = [experiment.quality(experiment.without_code()) for experiment in experiments]
        return ["inception" in product.settings.get("further", ()) for product in products]

    assert asked("paper") == [True] * 4 and asked("laptop") == [False] * 4
    Path(str(inception.network())).unlink()
    assert asked("paper") == [False] * 4
