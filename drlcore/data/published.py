"""Data sets that are not in the repository: their published files, and where these belong."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from drlcore.data import paths
from drlcore.errors import DataError


@dataclass(frozen=True)
class PublishedFile:
    """A file as its authors publish it.

    Attributes:
        name: file name, the same in ``data/<dataset>`` and at the address.
        site: the address up to the name.
        md5: hex MD5 of the file as it is downloaded, as published.
    """

    name: str
    site: str
    md5: str

    @property
    def url(self) -> str:
        return self.site + self.name


_LISTED = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))

PUBLISHED = {
    name: tuple(PublishedFile(file, entry["site"], md5) for file, md5 in entry["files"].items())
    for name, entry in _LISTED["fetched"].items()
}
"""Files of the data sets that ``make data`` can fetch."""

CONTENT: dict[str, str] = {
    name: entry["content"] for name, entry in _LISTED["fetched"].items() if "content" in entry
}
"""Checksums of the images of data sets that may come in any form, see ``canonical``."""

BY_HAND: dict[str, str] = _LISTED["by_hand"]
"""Data sets that cannot be fetched: what a user does to have their folders, train and test."""

COMMITTED = ("mnist", "colored-mnist")
"""Made of files of the repository."""


def stored(name: str) -> Path:
    """Where the images of a data set in ``CONTENT`` are once they have been imported."""
    return paths.published(name) / "images.npz"


def verified(name: str) -> list[Path]:
    """The files of a data set in ``PUBLISHED``, each with its published checksum.

    Raises:
        DataError: one has another; the message names the file and both checksums.
    """
    files = [(paths.published(name) / file.name, file.md5) for file in PUBLISHED[name]]
    for path, md5 in files:
        with path.open("rb") as content:
            found = hashlib.file_digest(content, "md5").hexdigest()
        if found != md5:
            raise DataError(
                f"{path}: wrong content; expected MD5 {md5}, found {found}; "
                f"fetch it again with 'make data DATASET={name}'"
            )
    return [path for path, _ in files]


def require(name: str) -> None:
    """Nothing if the files of a data set are there; reads none of them.

    Raises:
        DataError: one is absent. The message says which, and the command that fetches it or, where
            there is none, what to do.
    """
    if name in COMMITTED:
        paths.mnist()
    if name in CONTENT and stored(name).is_file():
        return
    files = [paths.published(name) / file.name for file in PUBLISHED.get(name, ())]
    folders = [paths.published(name) / part for part in ("train", "test") if name in BY_HAND]
    absent = [f for f in files if not f.is_file()] + [f for f in folders if not f.is_dir()]
    if absent:
        remedy = BY_HAND.get(name, f"fetch it with 'make data DATASET={name}'")
        remedy = remedy.format(folder=absent[0].parent)
        raise DataError(f"dataset {name!r} is absent: no {absent[0]}; {remedy}")
