"""Runs computed in a test, as if they were committed."""

from __future__ import annotations

from pathlib import Path

from drlcore.training import artefacts
from drlcore.training.card import CARD, read_card


def commit(runs: Path, target: Path) -> None:
    """Everything in the folder ``runs``, weights too, bundled in ``target``."""
    folders = [folder for folder in runs.iterdir() if not folder.name.startswith(".")]
    cards = {folder.name: read_card(folder, folder.name) for folder in folders}
    contents = {
        (folder.name, path.name): path.read_bytes()
        for folder in folders
        for path in folder.iterdir()
        if path.name != CARD and not path.name.startswith(".")
    }
    artefacts.write(target, {key: card for key, card in cards.items() if card}, contents)
