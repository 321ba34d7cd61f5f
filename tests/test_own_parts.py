"""Parts from outside the package: one class and one line each, and everything else follows."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drlcore import (
    DATASETS,
    ENCODERS,
    METHODS,
    SCORE_NETWORKS,
    VESDE,
    DataError,
    Encoder,
    NoiseRange,
    ParameterError,
    RunParameters,
    encode,
    from_arrays,
    load_dataset,
    load_or_train,
)  # fmt: skip
from drlcore.baselines.model import Baseline, read, unpenalised
from drlcore.data import paths
from drlcore.data.in_memory import as_dataset
from drlcore.encoder import CodeHead
from drlcore.loss import WEIGHTINGS, Batch, Loss
from drlcore.noise_range import T_SAMPLERS, TSampler
from drlcore.paper.experiments import Downstream, NoiseDial, StartHere
from drlcore.paper.figures import FIGURES, save_figure, write_manifest
from drlcore.paper.products import metrics
from drlcore.score_network import ScoreNetwork
from drlcore.sde import SDE, SDES

REGISTRIES: tuple[dict[str, Any], ...] = (
    ENCODERS, SCORE_NETWORKS, METHODS, SDES, T_SAMPLERS, DATASETS, WEIGHTINGS,
)  # fmt: skip
RUN: dict[str, Any] = {"dataset": "digits", "steps": 6, "batch_size": 16, "warmup_steps": 2}


@pytest.fixture(autouse=True)
def as_before(output: Path) -> Iterator[None]:
    """Registries are given back as they were."""
    kept = [dict(registry) for registry in REGISTRIES]
    yield
    for registry, parts in zip(REGISTRIES, kept, strict=True):
        registry.clear()
        registry.update(parts)


class MeanEncoder(Encoder):
    """Brightness and contrast, and a linear head."""

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int,
        probabilistic: bool = False,
        embedding_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.n_features = 2
        self.head = CodeHead(2, latent_dim, probabilistic)

    def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
        flat = x0.flatten(1)
        return torch.stack([flat.mean(1), flat.std(1)], dim=1)


class Linear(ScoreNetwork):
    """One linear map of the image, sigma and z."""

    def __init__(self, shape: tuple[int, ...], latent_dim: int, embedding_dim: int) -> None:
        super().__init__()
        size = int(np.prod(shape))
        self.layer = nn.Linear(size + embedding_dim + latent_dim, size)

    def forward(self, x: Tensor, embedding: Tensor, z: Tensor) -> Tensor:
        return self.layer(torch.cat([x.flatten(1), embedding, z], dim=1)).view_as(x)


class Cosine(VESDE):
    """A VE SDE under another name."""

    name = "mine"


class Middle(TSampler):
    """Only the middle of the range, on a log scale."""

    name, law = "middle", "the middle"
    width: float

    def window(self, noise: NoiseRange) -> tuple[float, float]:
        centre = (noise.sigma_min * noise.sigma_max) ** 0.5
        return centre / self.width, centre * self.width


class Rotation(Baseline):
    """Tells how often an image was turned by 90 degrees (Gidaris et al. 2018)."""

    name, colour = "rotation", "C5"

    def head(self, encoder: Encoder, latent_dim: int, dataset: Any) -> nn.Module:
        return nn.Linear(latent_dim, 4)

    def loss(self, model: Any, batch: Batch) -> Loss:
        turns = torch.randint(4, (len(batch.x0),), generator=batch.generator)
        turned = torch.stack(
            [torch.rot90(x, int(k), (1, 2)) for x, k in zip(batch.x0, turns, strict=True)]
        )
        logits = read(model, model.encode(turned, batch.t).mean)
        return unpenalised(nn.functional.cross_entropy(logits, turns, reduction="none"))


def trained(**changes: Any) -> tuple[RunParameters, Any]:
    run = RunParameters(**{**RUN, **changes})
    return run, load_or_train(run, progress=False)


def test_an_encoder_a_score_network_an_sde_a_t_sampler_and_a_weighting_of_one_s_own() -> None:
    ENCODERS["mean"] = MeanEncoder
    SCORE_NETWORKS["linear"] = Linear
    SDES["mine"] = Cosine
    T_SAMPLERS["middle"] = Middle
    WEIGHTINGS["twice"] = lambda model, t: 2 * torch.ones_like(t)
    noise = NoiseRange(t_sampler="middle", width=2.0)
    assert noise.label == "the middle, σ in [0.353553, 1.41421]"
    with pytest.raises(ParameterError, match="width = None: t_sampler 'middle' takes width"):
        NoiseRange(t_sampler="middle")
    run, model = trained(
        encoder="mean", score_network="linear", sde="mine", noise=noise, weighting="twice"
    )
    assert RunParameters.from_json(run.model_dump_json()) == run
    assert isinstance(model.encoder, MeanEncoder) and isinstance(model.sde, Cosine)
    sigma = model.sde.sigma(model.sde.draw_t(1000, torch.Generator().manual_seed(0)))
    assert 0.353 < float(sigma.min()) and float(sigma.max()) < 1.415
    assert encode(model, load_dataset("digits").test.x).shape == (360, 2)
    table = metrics(run).load(progress=False)
    assert {"knn_accuracy", "silhouette", "ink_r2"} <= set(table.metric)


def test_a_baseline_of_one_s_own() -> None:
    METHODS["rotation"] = Rotation()
    run, model = trained(method="rotation")
    again = load_or_train(run, progress=False)
    same = zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    assert metrics(run).load(progress=False).value.notna().all()
    with pytest.raises(ParameterError, match="lambda_z = 0.1: method 'rotation' has no penalty"):
        run.updated(lambda_z=0.1)


def test_data_in_memory_are_known_by_content() -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    y = np.arange(60) % 3
    DATASETS["mine"] = from_arrays("mine", x, y, x[:9], y[:9])
    run, model = trained(dataset="mine")
    assert encode(model, load_dataset("mine").test.x).shape == (9, 2)
    assert run.title.startswith("mine drl")
    DATASETS["renamed"] = from_arrays("renamed", x, y, x[:9], y[:9])
    assert run.updated(dataset="renamed").key == run.key
    DATASETS["mine"] = from_arrays("mine", 255 - x, y, x[:9], y[:9])
    assert run.updated(dataset="mine").key != RunParameters(**{**RUN, "dataset": "renamed"}).key


def test_notebooks_take_data_in_memory() -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    DATASETS["mine"] = as_dataset((x, ["cat", "dog"] * 30))
    dial = NoiseDial(preset="smoke", dataset="mine")
    assert dial.base().dataset == dial.data_title == "mine"
    assert dial.place == "mine/smoke-dataset=mine"
    assert "mine: channels stand last: moved first; labels are names: cat, dog" in str(dial)
    assert Downstream(preset="smoke", dataset="digits, mine").datasets == ["digits", "mine"]
    DATASETS["points"] = replace(load_dataset("toy"), name="points")
    with pytest.raises(DataError, match="points: items of shape .2,.; allowed: images"):
        NoiseDial(preset="smoke", dataset="points")
    DATASETS["few"] = from_arrays("few", x[:20])
    with pytest.raises(DataError, match="few: x_train has 16 images"):
        NoiseDial(preset="smoke", dataset="few")


def test_an_own_part_that_was_changed_is_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for name, factor in (("own_sde_1", 1.0), ("own_sde_2", 1.0), ("own_sde_3", 1.5)):
        (tmp_path / f"{name}.py").write_text(
            "from drlcore import VESDE\n\n\nclass Mine(VESDE):\n"
            '    name = "mine"\n\n    def std(self, t):\n'
            f"        return {factor} * super().std(t)\n"
        )
        SDES["mine"] = importlib.import_module(name).Mine
        keys.append(RunParameters(**RUN, sde="mine").key)
    assert keys[0] == keys[1] != keys[2]


def test_so_is_a_part_that_was_changed_in_a_notebook_or_at_a_prompt() -> None:
    """Where Python does not find the source of a class."""
    cell = (
        "from drlcore import VESDE\n\nclass Base(VESDE):\n    scale = {scale}\n\n"
        "class Mine(Base):\n    name = 'mine'\n\n    def std(self, t):\n"
        "        return {factor} * super().std(t)\n"
    )
    keys = []
    for scale, factor in ((1, 1.0), (1, 1.0), (1, 2.0), (2, 1.0)):
        exec(cell.format(scale=scale, factor=factor), namespace := {"__name__": "__main__"})
        SDES["mine"] = namespace["Mine"]  # type: ignore[assignment]
        keys.append(RunParameters(**RUN, sde="mine").key)
    assert keys[0] == keys[1] and len(set(keys)) == 3


def test_own_parts_of_two_kinds_may_share_a_name() -> None:
    class Other(MeanEncoder):
        def features(self, x0: Tensor, embedding: Tensor | None = None) -> Tensor:
            return 2 * super().features(x0, embedding)

    SCORE_NETWORKS["mine"] = Linear
    keys = []
    for encoder in (MeanEncoder, Other):
        ENCODERS["mine"] = encoder
        keys.append(RunParameters(**RUN, encoder="mine", score_network="mine").key)
    assert keys[0] != keys[1]


def test_a_weighting_that_was_changed_is_another_run() -> None:
    def once(model: Any, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def twice(model: Any, t: Tensor) -> Tensor:
        return 2 * torch.ones_like(t)

    keys = []
    for weighting in (once, twice):
        WEIGHTINGS["mine"] = weighting
        keys.append(RunParameters(**RUN, weighting="mine").key)
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("registry", "part", "message"),
    [
        (
            ENCODERS,
            MeanEncoder((1, 8, 8), 2),
            "(?s)encoder 'mine' = Mean.*a subclass of Encoder",
        ),
        (ENCODERS, nn.Linear, "encoder 'mine' = .*Linear.*a subclass of Encoder"),
        (METHODS, Rotation, "method 'mine' = .*an instance of Method"),
        (DATASETS, np.zeros(3), "dataset 'mine' = .*an instance of Source or Dataset"),
        (WEIGHTINGS, 2.0, "weighting 'mine' = 2.0; allowed: an instance of Callable"),
        (SDES, VESDE, "sde 'mine': its own name is 've'"),
        (T_SAMPLERS, Middle, "t_sampler 'mine': its own name is 'middle'"),
    ],
    ids=range(7),
)
def test_what_is_no_part_is_refused_where_it_is_registered(
    registry: Any, part: Any, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        registry["mine"] = part
    assert "mine" not in registry


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("encoder", "conv, conv-norm, mlp"),
        ("score_network", "mlp-fourier, mlp-pixelwise"),
        ("method", "drl, vdrl, drl-mixup"),
        ("sde", "ve, vp, subvp"),
        ("weighting", "std2, likelihood, edm, denoiser"),
    ],
)
def test_an_unknown_name_says_which_are_known(field: str, known: str) -> None:
    with pytest.raises(ParameterError, match=f"unknown {field} 'nope'; known are: {known}"):
        RunParameters(**{field: "nope"})


def test_an_sde_that_is_given_a_name_is_still_an_sde() -> None:
    assert all(issubclass(kind, SDE) and kind.name == name for name, kind in SDES.items())
    assert all(method.name == name for name, method in METHODS.items())
    assert all(kind.name == name for name, kind in T_SAMPLERS.items())


def test_a_figure_of_one_s_own(monkeypatch: pytest.MonkeyPatch, output: Path) -> None:
    """One line in the registry, and the notebook that draws it."""
    monkeypatch.setitem(FIGURES["00_start_here"], "mine", "a line")
    figure, ax = plt.subplots()
    ax.plot([0, 1])
    experiment = StartHere(preset="smoke")
    save_figure(figure, "mine", experiment)
    plt.close(figure)
    listed = write_manifest(experiment.place)
    assert listed.file.tolist() == ["mine.png"] and listed.shows.tolist() == ["a line"]
    assert paths.figures(experiment.place).joinpath("mine.pdf").is_file()
