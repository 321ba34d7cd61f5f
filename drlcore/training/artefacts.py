"""Committed results of the reference run: one file for each kind, all runs in it.

``runs.jsonl`` holds the run cards, one line each; the ``files`` of a card are what is committed of
its run. ``<kind>.parquet`` holds tables: columns ``run`` and ``file``, then the table's own.
``<kind>.safetensors`` holds arrays and weights, each named ``<run>/<file>/<name>``. The kind is the
beginning of a file's name: ``metrics`` of ``metrics-1a2b3c4d.csv``.

A file is read back as the bytes that it has in the folder of a run, so one checksum, and one
reader, serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load, save

from drlcore.errors import ArtefactError
from drlcore.training.card import Card
from drlcore.training.checkpoint import bytes_sha256, csv_bytes

CARDS = "runs.jsonl"
WAY_OUT = "restore it from git, or let DRLCORE_ARTEFACTS name an empty folder to compute it anew"


def read_cards(folder: Path) -> dict[str, Card]:
    """The run cards in ``folder`` by run key; none where nothing is committed.

    Raises:
        ArtefactError: they are damaged.
    """
    path = folder / CARDS
    return _cards(path, path.stat().st_mtime_ns) if path.is_file() else {}


def bundle(folder: Path, name: str) -> Path:
    """Where in ``folder`` the file ``name`` of every run is."""
    path = Path(name)
    kind = path.stem.partition("-")[0]
    return folder / f"{kind}{'.parquet' if path.suffix == '.csv' else path.suffix}"


def read(path: Path, key: str, name: str) -> bytes:
    """The file ``name`` of run ``key`` as the bundle ``path`` has it, not checked.

    Raises:
        OSError, ValueError, LookupError, SafetensorError: the bundle is missing or damaged.
    """
    if path.suffix == ".parquet":
        table, rows = _table(path, path.stat().st_mtime_ns)
        return csv_bytes(table.iloc[rows.get((key, name), [])])
    prefix = f"{key}/{name}/"
    with safe_open(path, framework="pt") as arrays:
        names = [each for each in arrays.keys() if each.startswith(prefix)]
        return save({each.removeprefix(prefix): arrays.get_tensor(each) for each in names})


def write(
    folder: Path, cards: Mapping[str, Card], contents: Mapping[tuple[str, str], bytes]
) -> None:
    """Write the ``cards`` by run key, and bundles of ``contents`` by run key and file name.

    The same contents make the same files, in whatever order they are given.

    Raises:
        ArtefactError: a file would not be read back as it is.
    """
    folder.mkdir(parents=True)
    lines, entries = [], sorted(contents)
    for key in sorted(cards):
        files = {n: bytes_sha256(contents[k, n]) for k, n in entries if k == key}
        lines.append(cards[key].listing(files).model_dump_json() + "\n")
    (folder / CARDS).write_text("".join(lines), encoding="utf-8", newline="\n")
    for path in {bundle(folder, name) for _, name in entries}:
        held = [(k, n) for k, n in entries if bundle(folder, n) == path]
        if path.suffix == ".parquet":
            tables = {entry: pd.read_csv(BytesIO(contents[entry])) for entry in held}
            table = pd.concat(tables, names=["run", "file"]).reset_index(["run", "file"])
            table.to_parquet(path, index=False, compression="zstd")
        else:
            arrays = {(k, n, each): v for k, n in held for each, v in load(contents[k, n]).items()}
            path.write_bytes(save({"/".join(name): v for name, v in arrays.items()}))
    for (key, name), content in contents.items():
        if read(bundle(folder, name), key, name) != content:
            raise ArtefactError(f"{name} of run {key} does not come back from its bundle as it is")


# Kept in memory until the file is another one, which its time of change tells.


@lru_cache(maxsize=32)
def _cards(path: Path, modified: int) -> dict[str, Card]:
    try:
        cards = [Card.model_validate_json(line) for line in path.read_bytes().splitlines()]
    except (OSError, ValidationError):
        raise ArtefactError(f"{path} is damaged; {WAY_OUT}") from None
    return {card.key: card for card in cards}


@lru_cache(maxsize=32)
def _table(path: Path, modified: int) -> tuple[pd.DataFrame, Mapping[tuple[str, str], Any]]:
    table = pd.read_parquet(path).set_index(["run", "file"])
    return table, table.groupby(["run", "file"]).indices
