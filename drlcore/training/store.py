"""Load or train: results keyed by the hash of the resolved parameters.

A run lives in ``data/runs/<key>/``: ``weights.safetensors``, ``history.csv`` and ``run.json``, the
run card, which holds the checksum of every file; what is computed from it is a product (see
``products``), one file beside them. Reference results are committed in ``data/artefacts``, bundled
(see ``artefacts``). Both are looked in, in this order.

A file counts as stored once its card lists it, so the card is written just before the file is moved
into place. Who writes holds the run's lock; who reads needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import monotonic

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load

from drlcore.data import paths
from drlcore.data.datasets import Dataset, available, load_dataset
from drlcore.errors import ArtefactError
from drlcore.model import EncoderModel
from drlcore.training import artefacts
from drlcore.training.card import WEIGHTS, Card, Data, Weights, read_card
from drlcore.training.checkpoint import (
    PARTIAL,
    bytes_sha256,
    csv_bytes,
    environment,
    save_tensors,
    write_atomically,
)
from drlcore.training.device import pick_device
from drlcore.training.lock import locked
from drlcore.training.loop import train
from drlcore.training.resume import RESUME
from drlcore.training.run import RunParameters, build_model
from drlcore.training.stop import sigterm_put_off

HISTORY = "history.csv"


def folder(run: RunParameters) -> Path:
    """Where ``run`` is computed."""
    return paths.runs() / run.key


@dataclass(frozen=True)
class Stored:
    """A file of a run, computed here or committed.

    Attributes:
        run: the run.
        card: the run card that lists it.
        name: of the file.
        path: the file itself, or the bundle that it is in if ``committed``.
    """

    run: RunParameters
    card: Card
    name: str
    path: Path
    committed: bool = False

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            ArtefactError: they are not what the card says, or the run was trained on other data
                than is here now.
        """
        run, name, path, expected = self.run, self.name, self.path, self.card.sha256(self.name)
        there = self.card.data.checksum
        # Images that are not here cannot be other ones.
        here = load_dataset(run.dataset).checksum if available(run.dataset) else there
        lost = path.parent if here != there or name == HISTORY else path
        way_out = artefacts.WAY_OUT if self.committed else f"delete {lost} and run again"
        title = f"{path}, {name} of run {run.key}," if self.committed else str(path)
        if here != there:
            raise ArtefactError(
                f"run {run.key} was trained on {run.dataset} with checksum {there}, the data here "
                f"has {here}; {way_out}"
            )
        try:
            content = artefacts.read(path, run.key, name) if self.committed else path.read_bytes()
        except (OSError, ValueError, LookupError, SafetensorError) as error:
            raise ArtefactError(f"{title} cannot be read ({error}); {way_out}") from None
        if (found := bytes_sha256(content)) != expected:
            raise ArtefactError(
                f"{title} is corrupt: expected sha256 {expected}, found {found}; {way_out}"
            )
        return content


def find(run: RunParameters, name: str) -> Stored | None:
    """The file ``name`` of ``run``, computed here or committed; None if there is none.

    A file that no run card lists does not count: its writer was killed, or it is not of this run.

    Raises:
        ArtefactError: a run card is damaged.
    """
    card, path = read_card(folder(run), run.key), folder(run) / name
    if card is not None and card.sha256(name) is not None and path.is_file():
        return Stored(run, card, name, path)
    card = artefacts.read_cards(paths.artefacts()).get(run.key)
    if card is not None and name in card.files:
        return Stored(run, card, name, artefacts.bundle(paths.artefacts(), name), committed=True)
    return None


def find_card(run: RunParameters) -> Card | None:
    """The card of ``run``, trained here or committed; None if it was not trained."""
    here = read_card(folder(run), run.key)
    return here or artefacts.read_cards(paths.artefacts()).get(run.key)


def load_or_train(
    run: RunParameters, *, progress: bool = True, device: str = "auto"
) -> EncoderModel:
    """The trained model of ``run``, with EMA weights, in eval mode; trained now if need be.

    While another process trains it, this one waits, and loads what that one has trained.

    Raises:
        ArtefactError: the stored weights are corrupt or were made from other data, or a new file
            cannot be written.
        TrainingError: training failed; see ``train``.
        SystemExit: SIGTERM came while it trained; the state after its last step is kept.

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
    if run.first_stage is not None:
        first = load_or_train(run.first_stage, progress=progress, device=device)
        assert model.encoder is not None and first.encoder is not None
        model.encoder.load_state_dict(first.encoder.state_dict())
    with holding(run):
        if not _loaded(run, model):
            with sigterm_put_off() as stop:
                _train(run, model, dataset, progress, stop)
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
    return pd.read_csv(BytesIO(stored.read()))


def put(run: RunParameters, name: str, content: bytes) -> Stored:
    """Store ``content`` as file ``name`` of a trained ``run``; if it is there, keep that.

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
        card = read_card(place, run.key)
        if card is None or card.weights != weights.card.weights:
            card = weights.card.listing({})
        card = card.listing({**card.files, name: bytes_sha256(content)})
        write_atomically(
            place / name, lambda path: path.write_bytes(content), lambda _: card.save(place)
        )
        return Stored(run, card, name, place / name)


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
    card = read_card(place, run.key)
    names = [] if card is None else [WEIGHTS, *card.files]
    finished = {Path(name).stem for name in names if (place / name).is_file()}
    for path in place.glob(f"*{RESUME}"):
        stem = path.name.removesuffix(RESUME).removesuffix(".")
        if (stem or Path(WEIGHTS).stem) in finished:
            yield path


def _loaded(run: RunParameters, model: EncoderModel) -> bool:
    """Whether weights were stored; if so, ``model`` has them now."""
    weights = find(run, WEIGHTS)
    if weights is None:
        return False
    tensors = load(weights.read())
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ArtefactError(
            f"{weights.path} does not fit the network of run {run.key} ({error}); delete the "
            f"folder {weights.path.parent} to train again"
        ) from None
    model.eval().requires_grad_(False)
    return True


def _train(
    run: RunParameters,
    model: EncoderModel,
    dataset: Dataset,
    progress: bool,
    stop: Callable[[], bool],
) -> None:
    place, began = folder(run), monotonic()
    table = csv_bytes(train(run, model, dataset, place, progress=progress, stop=stop))
    write_atomically(place / HISTORY, lambda path: path.write_bytes(table))

    def describe(sha256: str) -> None:
        Card(
            key=run.key,
            parameters=run.named_by_content(),
            weights=Weights(kind="ema", sha256=sha256),
            data=Data(name=dataset.name, checksum=dataset.checksum),
            environment=environment(next(model.parameters()).device),
            wall_s=round(monotonic() - began, 1),
            files={HISTORY: bytes_sha256(table)},
        ).save(place)

    save_tensors(place / WEIGHTS, model.state_dict(), describe)
