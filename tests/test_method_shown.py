"""Notebooks show their subject live, in plain cells, before they load what was trained."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any

import nbformat
import numpy as np
import pytest
import torch

from drlcore.data import paths
from drlcore.paper.experiments import EXPERIMENTS

SUBJECTS = {
    "01_forward_sde": {"NoiseRange", "VESDE", "VPSDE", "SubVPSDE"},
    "02_score_matching_floor": {"NoiseRange", "VESDE", "GaussianMixture", "floor"},
    "03_train_drl": {
        "NoiseRange", "VESDE", "ConvEncoder", "Denoiser", "RepresentationModel", "drl_loss",
    },
    "04_noise_dial": {"NoiseRange", "VESDE", "ConvEncoder", "Denoiser", "drl_loss", "encode"},
    "05_code_as_a_curve": {"VESDE", "ConvEncoder", "Denoiser", "RepresentationModel"},
    "06_downstream": {"RunParameters", "train", "encode", "KNeighborsClassifier"},
    "07_trajectory": {"mutual_information"},
    "08_sde_ablation": {"NoiseRange", "VESDE", "VPSDE", "SubVPSDE", "drl_loss"},
    "10_dial_and_network": {"NoiseRange", "VESDE", "ConvEncoder", "Denoiser", "drl_loss"},
    "11_cifar10": {"band_r2", "avg_pool2d"},
    "12_cifar10_downstream": {"SVC", "avg_pool2d"},
    "13_learning_curves": {"RunParameters", "train", "encode", "KNeighborsClassifier"},
    "16_cifar10_few_labels": {"normalised_affinity", "spread"},
    "15_cifar10_trajectory": {"NoiseRange", "VESDE", "VPSDE", "SubVPSDE"},
    "14_data_sets": {"NoiseRange", "RunParameters", "train", "encode", "KNeighborsClassifier"},
    "17_initial_time": {"NoiseRange", "VESDE", "euler_maruyama", "start_at", "components_reached"},
    "18_adversarial_weighting": {"NoiseRange", "VESDE", "Denoiser", "floor", "Adversary"},
    "19_generation": {"NoiseRange", "VESDE", "invert", "probability_flow_ode"},
    "09_semi_supervised": {"normalised_affinity", "spread", "pseudo_labels"},
}  # fmt: skip
LOADING = ("experiment.compute()", "drlcore.paper.products", "drlcore.training.store")


def code_cells(name: str) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(paths.root() / "notebooks" / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(name: str) -> list[nbformat.NotebookNode]:
    """The cells between the experiment's and the first that loads a trained model or a figure's."""
    cells = code_cells(name)[2:]
    theirs = ["drlcore.paper" in c.source or any(w in c.source for w in LOADING) for c in cells]
    return cells[: theirs.index(True)]


def imported(source: str) -> set[str]:
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in found for alias in node.names}


def names(source: str, context: type[ast.expr_context]) -> set[str]:
    """Names that are read or set; not the variables of comprehensions, which end with them."""
    nodes = list(ast.walk(ast.parse(source)))
    own = {n for c in nodes if isinstance(c, ast.comprehension) for n in ast.walk(c.target)}
    found = [n for n in nodes if isinstance(n, ast.Name) and n not in own]
    return {node.id for node in found if isinstance(node.ctx, context)}


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_subject_is_imported_used_and_printed_before_models_are_loaded(name: str) -> None:
    cells = shown(name)
    source = "\n".join(cell.source for cell in cells)
    assert SUBJECTS[name] <= imported(source)
    assert SUBJECTS[name] <= names(source, ast.Load)
    for cell in cells:
        assert any(output.get("name") == "stdout" for output in cell.outputs), cell.source


@pytest.mark.parametrize("name", SUBJECTS)
def test_models_are_loaded_by_a_cell_of_its_own(name: str) -> None:
    if EXPERIMENTS[name](preset="smoke").runs():  # type: ignore[call-arg]
        loads = [c.source for c in code_cells(name) if any(w in c.source for w in LOADING)]
        assert loads[0] == "experiment.compute()"


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_cell_sets_a_parameter(name: str) -> None:
    for cell in code_cells(name)[1:]:
        assert not names(cell.source, ast.Store) & set(EXPERIMENTS[name].model_fields), cell.source


@lru_cache
def results(name: str) -> dict[str, Any]:
    """The names that the shown cells define."""
    namespace: dict[str, Any] = {}
    with torch.random.fork_rng(devices=[]):
        for cell in shown(name):
            exec(cell.source, namespace)
    return namespace


def test_the_kernel_by_hand_is_the_sde_s() -> None:
    found = results("01_forward_sde")
    torch.testing.assert_close(found["by_hand"], found["xt"])
    assert found["x"].mean() == pytest.approx(float(found["a"]), abs=0.02)  # of sub-VP, the last
    assert found["x"].std() == pytest.approx(float(found["std"]), rel=0.02)


def test_the_loss_of_the_exact_score_is_the_floor() -> None:
    found = results("02_score_matching_floor")
    assert found["loss"] == pytest.approx(found["lowest"], rel=0.05)
    assert found["lowest"] > 0.005


def test_the_training_step_by_hand_is_drl_loss() -> None:
    found = results("03_train_drl")
    assert found["by_hand"] == pytest.approx(found["same"].total.item(), rel=1e-4)
    assert found["now"].total.item() < 0.7 * found["by_hand"]


def test_the_curve_by_hand_is_the_encoder_s() -> None:
    found = results("05_code_as_a_curve")
    torch.testing.assert_close(found["by_hand"], found["code"])
    assert found["code"].std(0).min() > 1e-3  # it is a curve, not a point


def test_the_loss_is_the_same_under_every_sde() -> None:
    losses = results("08_sde_ablation")["losses"]
    assert set(losses) == {"ve", "vp", "subvp"}
    assert np.ptp(list(losses.values())) < 1e-4


def test_the_information_by_hand_is_the_estimate() -> None:
    found = results("07_trajectory")
    assert found["estimate"] == pytest.approx(found["exact"], rel=0.05)


def test_the_graph_by_hand_is_laplacenet_s() -> None:
    found = results("09_semi_supervised")
    np.testing.assert_allclose(found["sparse"].toarray(), found["affinity"], atol=1e-6)
    assert np.mean(found["spread_labels"] == found["z"].argmax(1)) > 0.98
