"""Load or train: results keyed by the hash of the resolved parameters.

A run lives in ``data/runs/<key>/``: ``weights.safetensors``, ``history.csv`` and ``run.json``, the
run card, which holds the checksum of every file; what is computed from it is a product (see
``products``), one file beside them. Reference results are committed under
``data/artefacts/<key>/`` in the same form. Both are looked in, in this order.

A file counts as stored once its card lists it, so the card is written just before the file is moved
into place. Who writes holds the run's lock; who reads needs none.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import pandas as pd

from drlcore.data import paths
from drlcore.data.datasets import Dataset, load_dataset
from drlcore.errors import ArtefactError
from drlcore.model import EncoderModel
from drlcore.training.card import CARD, WEIGHTS, Card, Data, Weights, read_card
from drlcore.training.checkpoint import (
    PARTIAL,
    environment,
    file_sha256,
    load_tensors,
    save_tensors,
    write_atomically,
)
from drlcore.training.lock import locked
from drlcore.training.loop import RESUME, pick_device, train
from drlcore.training.run import RunParameters, build_model

HISTORY = "history.csv"


def folder(run: RunParameters) -> Path:
    """Where ``run`` is computed."""
    return paths.runs() / run.key


def find(run: RunParameters, name: str) -> Path | None:
    """The file ``name`` of ``run``, computed here or committed; None if there is none.

    A file without a run card beside it that lists it does not count: its writer was killed, or it
    is not of this run.

    Raises:
        ArtefactError: a run card is damaged.
    """
    key = run.key
    for place in (paths.runs() / key, paths.artefacts() / key):
        card = read_card(place, key)
        listed = card is not None and (name == CARD or card.sha256(name) is not None)
        if listed and (place / name).is_file():
            return place / name
    return None


def verified(run: RunParameters, path: Path) -> Path:
    """``path``, a stored file of ``run``, if it is what the card beside it says.

    Raises:
        ArtefactError: it is damaged or another file, or the run was trained on other data than is
            here now.
    """
    card = _card(run, path.parent)
    here = load_dataset(run.dataset).checksum
    if card.data.checksum != here:
        raise ArtefactError(
            f"run {run.key} was trained on {run.dataset} with checksum {card.data.checksum}, the "
            f"data here has {here}; delete {path.parent} to train again"
        )
    expected = card.sha256(path.name)
    way_out = f"delete {path.parent if path.name == HISTORY else path} and run again"
    try:
        found = file_sha256(path)
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read ({error}); {way_out}") from None
    if found != expected:
        raise ArtefactError(
            f"{path} is corrupt: expected sha256 {expected}, found {found}; {way_out}"
        )
    return path


def load_or_train(
    run: RunParameters, *, progress: bool = True, device: str = "auto"
) -> EncoderModel:
    """The trained model of ``run``, with EMA weights, in eval mode; trained now if need be.

    While another process trains it, this one waits, and loads what that one has trained.

    Raises:
        ArtefactError: the stored weights are corrupt or were made from other data, or a new file
            cannot be written.
        TrainingError: training failed; see ``train``.

    Example:
        >>> from drlcore import RunParameters, load_or_train
        >>> run = RunParameters(dataset="digits", steps=5, batch_size=16)
        >>> model = load_or_train(run, progress=False)  # trains
        >>> model = load_or_train(run, progress=False)  # loads
        >>> model.latent_dim
        2
    """
    dataset = load_dataset(run.dataset)
    model = build_model(run, dataset).to(pick_device(device))
    if _loaded(run, model):
        if any(_leftovers(run)):
            with suppress(ArtefactError), holding(run):  # what is read-only may stay as it is
                pass
        return model
    first = None
    if run.first_stage is not None:
        first = load_or_train(run.first_stage, progress=progress, device=device)
    with holding(run):
        if not _loaded(run, model):
            if first is not None:
                assert model.encoder is not None and first.encoder is not None
                model.encoder.load_state_dict(first.encoder.state_dict())
            _train(run, model, dataset, progress)
    return model


def history(run: RunParameters, *, progress: bool = True) -> pd.DataFrame:
    """Training history of ``run``, see ``train``; trained now if need be.

    Raises:
        ArtefactError: it is corrupt, or the weights are there and their history is not.
    """
    if find(run, HISTORY) is None:
        load_or_train(run, progress=progress)
    stored = find(run, HISTORY)
    if stored is None:
        raise ArtefactError(f"run {run.key} has weights but no history; delete {folder(run)}")
    return pd.read_csv(verified(run, stored))


def put(run: RunParameters, name: str, write: Callable[[Path], object]) -> Path:
    """Store what ``write`` writes as file ``name`` of a trained ``run``; if it is there, keep that.

    Raises:
        ArtefactError: the run has no weights, or the file cannot be written.
    """
    with holding(run):
        stored = find(run, name)  # another process may have been faster
        if stored is not None:
            return stored
        weights, place = find(run, WEIGHTS), folder(run)
        if weights is None:
            raise ArtefactError(f"run {run.key} lost its weights while {name} was computed")
        card, here = _card(run, weights.parent), read_card(place, run.key)
        if here is None or here.weights != card.weights:
            here = card.listing({})
        files = here.files
        write_atomically(
            place / name, write, lambda sha: here.listing({**files, name: sha}).save(place)
        )
        return place / name


def copy(run: RunParameters, name: str, target: Path) -> None:
    """Copy a stored file of ``run``, and what its card says of it, to the folder ``target``.

    Raises:
        ArtefactError: it is not stored, or is corrupt.
    """
    source = find(run, name)
    if source is None:
        raise ArtefactError(f"{name} of run {run.key} is missing: run 'make reproduce' first")
    card = _card(run, source.parent)
    target.mkdir(parents=True, exist_ok=True)
    listed = read_card(target, run.key) or card.listing({})
    if name != CARD:
        shutil.copy(verified(run, source), target / name)
    if name in card.files:
        listed = listed.listing({**listed.files, name: card.files[name]})
    listed.save(target)


@contextmanager
def holding(run: RunParameters) -> Iterator[None]:
    """Hold the lock of the run's folder, and remove what killed writers left there.

    Raises:
        ArtefactError: the folder cannot be written.
    """
    with locked(folder(run), run.title):
        _tidy(run)
        yield
        _tidy(run)


def _tidy(run: RunParameters) -> None:
    for path in list(_leftovers(run)):
        path.unlink(missing_ok=True)


def _leftovers(run: RunParameters) -> Iterator[Path]:
    """Files half written, and states of what is finished. All writers hold the run's lock."""
    place = folder(run)
    yield from place.glob(f"{PARTIAL}*")
    finished = {name.rpartition(".")[0] for name in _stored_here(run)}
    for path in place.glob(f"*{RESUME}"):
        stem = path.name.removesuffix(RESUME).removesuffix(".")
        if (stem or WEIGHTS.rpartition(".")[0]) in finished:
            yield path


def _stored_here(run: RunParameters) -> list[str]:
    place = folder(run)
    card = read_card(place, run.key)
    names = [] if card is None else [WEIGHTS, *card.files]
    return [name for name in names if (place / name).is_file()]


def _card(run: RunParameters, place: Path) -> Card:
    card = read_card(place, run.key)
    if card is None:
        raise ArtefactError(f"{place / CARD} is missing; delete the folder {place} and run again")
    return card


def _loaded(run: RunParameters, model: EncoderModel) -> bool:
    """Whether weights were stored; if so, ``model`` has them now."""
    weights = find(run, WEIGHTS)
    if weights is None:
        return False
    tensors = load_tensors(verified(run, weights))
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ArtefactError(
            f"{weights} does not fit the network of run {run.key} ({error}); delete the folder "
            f"{weights.parent} to train again"
        ) from None
    model.eval().requires_grad_(False)
    return True


def _train(run: RunParameters, model: EncoderModel, dataset: Dataset, progress: bool) -> None:
    place, began = folder(run), monotonic()
    frozen = run.first_stage is not None
    history = train(run, model, dataset, place, frozen_encoder=frozen, progress=progress)
    write_atomically(place / HISTORY, lambda path: history.to_csv(path, index=False))

    def describe(sha256: str) -> None:
        Card(
            key=run.key,
            parameters=run.named_by_content(),
            weights=Weights(kind="ema", sha256=sha256),
            data=Data(name=dataset.name, checksum=dataset.checksum),
            environment=environment(next(model.parameters()).device),
            wall_s=round(monotonic() - began, 1),
            files={HISTORY: file_sha256(place / HISTORY)},
        ).save(place)

    save_tensors(place / WEIGHTS, model.state_dict(), describe)
