"""The run card: what a run was made from, and the checksum of every file stored beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drlcore.errors import ArtefactError
from drlcore.training.checkpoint import write_atomically

CARD, WEIGHTS = "run.json", "weights.safetensors"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="allow")  # a later version may add


class Weights(_Part):
    """The trained weights, also where they are not stored: ``kind`` is ``ema``."""

    kind: str
    sha256: str


class Data(_Part):
    """The images trained on: a name to show, and what tells their content."""

    name: str
    checksum: str


class Card(_Part):
    """``run.json``.

    Attributes:
        key: of the run.
        parameters: of the run; data are named by content, see ``datasets.identity``.
        weights, data, environment: what was trained, on what, where.
        wall_s: seconds the training took, since it was last started.
        files: SHA-256 of the history and of each product stored beside the card, by name; in a
            committed card, of what is committed, weights among it.
    """

    key: str
    parameters: dict[str, Any]
    weights: Weights
    data: Data
    environment: dict[str, str]
    wall_s: float
    files: dict[str, str] = Field(default_factory=dict)

    def sha256(self, name: str) -> str | None:
        """Of the file ``name``; None if the card does not know it."""
        return self.weights.sha256 if name == WEIGHTS else self.files.get(name)

    def save(self, folder: Path) -> None:
        """Write it, with sorted keys, atomically."""
        text = json.dumps(self.model_dump(), indent=1, sort_keys=True) + "\n"
        write_atomically(folder / CARD, lambda path: path.write_text(text, encoding="utf-8"))

    def listing(self, files: dict[str, str]) -> Card:
        """This card with other ``files``."""
        return self.model_copy(update={"files": files})


def read_card(folder: Path, key: str) -> Card | None:
    """The card of run ``key`` in ``folder``; None if there is none.

    Raises:
        ArtefactError: it cannot be read, is no run card, or is another run's.
    """
    path = folder / CARD
    way_out = f"delete the folder {folder} and run again"
    try:
        card = Card.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read ({error}); {way_out}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = f"{where}: {problem['msg']}" if where else problem["msg"]
        raise ArtefactError(f"{path} is no run card ({what}); {way_out}") from None
    if card.key != key:
        raise ArtefactError(f"{path} is the card of run {card.key}, not of {key}; {way_out}")
    return card
