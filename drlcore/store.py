"""Load or train: results keyed by the hash of the resolved parameters.

A run lives in ``data/runs/<key>/``: ``weights.safetensors``, ``run.json`` (the run card) and
``history.csv``; what is computed from it is a product (see ``products``), one file beside
them. Reference results are committed under ``data/artefacts/<key>/`` in the same form. Both are
looked in, in this order.
"""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic
from typing import Any

import pandas as pd

from drlcore import paths
from drlcore.checkpoint import (
    environment,
    file_sha256,
    load_json,
    load_tensors,
    save_json,
    save_tensors,
    write_atomically,
)
from drlcore.datasets import load_dataset
from drlcore.errors import ArtefactError
from drlcore.model import EncoderModel
from drlcore.run import RunParameters, build_model
from drlcore.training import pick_device, train


def folder(run: RunParameters) -> Path:
    """Where ``run`` is computed."""
    return paths.runs() / run.key


def find(run: RunParameters, name: str) -> Path | None:
    """The file ``name`` of ``run``, computed here or committed; None if there is none."""
    for place in (folder(run), paths.artefacts() / run.key):
        if (place / name).is_file():
            return place / name
    return None


def card_beside(path: Path, run: RunParameters) -> dict[str, Any]:
    """The run card in the folder of ``path``, a stored file of ``run``.

    Raises:
        ArtefactError: there is none, or the run was trained on other data than is here now.
    """
    card = load_json(path.with_name("run.json"))
    trained_on, here = card["data"]["checksum"], load_dataset(run.dataset).checksum
    if trained_on != here:
        raise ArtefactError(
            f"run {run.key} was trained on {run.dataset} with checksum {trained_on}, the data here "
            f"has {here}; delete {path.parent} to train again"
        )
    return card


def load_or_train(
    run: RunParameters, *, progress: bool = True, device: str = "auto"
) -> EncoderModel:
    """The trained model of ``run``, with EMA weights, in eval mode; trained now if need be.

    Raises:
        ArtefactError: the stored weights are corrupt or were made from other data.
        TrainingError: training failed; see ``train``.
    """
    dataset = load_dataset(run.dataset)
    model = build_model(run, dataset).to(pick_device(device))
    weights = find(run, "weights.safetensors")
    if weights is not None:
        card = card_beside(weights, run)
        model.load_state_dict(load_tensors(weights, card["weights"]["sha256"]))
        return model.eval().requires_grad_(False)

    place = folder(run)
    if run.first_stage is not None:
        first = load_or_train(run.first_stage, progress=progress, device=device)
        assert model.encoder is not None and first.encoder is not None
        model.encoder.load_state_dict(first.encoder.state_dict())
    place.mkdir(parents=True, exist_ok=True)
    began = monotonic()
    history = train(
        run, model, dataset, place, frozen_encoder=run.first_stage is not None, progress=progress
    )
    write_atomically(place / "history.csv", lambda path: history.to_csv(path, index=False))
    # The card names the weights' checksum, so it goes first under a name nothing reads yet: a run
    # counts as done when weights.safetensors is there, and that is moved into place last.
    staged = place / "weights.staged.safetensors"
    save_tensors(staged, model.state_dict())
    save_json(
        place / "run.json",
        {
            "key": run.key,
            "parameters": json.loads(run.model_dump_json()),
            "weights": {"kind": "ema", "sha256": file_sha256(staged)},
            "data": {"name": dataset.name, "checksum": dataset.checksum},
            "environment": environment(next(model.parameters()).device),
            "wall_s": round(monotonic() - began, 1),
        },
    )
    staged.replace(place / "weights.safetensors")
    (place / "resume.safetensors").unlink(missing_ok=True)
    return model


def history(run: RunParameters, *, progress: bool = True) -> pd.DataFrame:
    """Training history of ``run``, see ``train``; trained now if need be.

    Raises:
        ArtefactError: the weights are there and their history is not.
    """
    if find(run, "history.csv") is None:
        load_or_train(run, progress=progress)
    stored = find(run, "history.csv")
    if stored is None:
        raise ArtefactError(f"run {run.key} has weights but no history; delete {folder(run)}")
    return pd.read_csv(stored)
