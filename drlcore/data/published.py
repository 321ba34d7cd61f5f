"""Data sets that are not in the repository: their published files, and where these belong."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from drlcore.data import paths
from drlcore.data.idx import unpacked
from drlcore.errors import DataError


@dataclass(frozen=True)
class PublishedFile:
    """A file as its authors publish it.

    Attributes:
        name: file name, the same in ``data/<dataset>`` and at the address.
        site: the address up to the name.
        md5: hex MD5 of the file as it is downloaded, as published.
        unpacked: hex MD5 of the content of a ``.gz``, if that is what counts: however it is
            compressed, or not at all, without the ending.
    """

    name: str
    site: str
    md5: str
    unpacked: str | None = None

    @property
    def url(self) -> str:
        return self.site + self.name

    def find(self, folder: Path) -> Path | None:
        """Where it is in ``folder``, if it is there."""
        names = [self.name, self.name.removesuffix(".gz")] if self.unpacked else [self.name]
        return next((folder / name for name in names if (folder / name).is_file()), None)

    def check(self, path: Path) -> None:
        """Nothing if the content of ``path`` is the published one. Raises DataError if not."""
        if self.unpacked:
            unpacked(path, self.unpacked)
            return
        with path.open("rb") as content:
            found = hashlib.file_digest(content, "md5").hexdigest()
        if found != self.md5:
            raise DataError(f"{path}: wrong content; expected MD5 {self.md5}, found {found}")


_LISTED = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
_FETCHED = _LISTED["fetched"]

PUBLISHED = {
    name: tuple(
        PublishedFile(file, entry["site"], md5, entry.get("unpacked", {}).get(file))
        for file, md5 in entry["files"].items()
    )
    for name, entry in _FETCHED.items()
}
"""Files of the data sets that ``make data`` can fetch."""

IMAGES: dict[str, str] = {n: entry["images"] for n, entry in _FETCHED.items() if "images" in entry}
"""Checksums of data sets that may come in any form, of their images, see ``canonical``."""

BY_HAND: dict[str, str] = _LISTED["by_hand"]
"""Data sets that cannot be fetched: what a user does to have their folders, train and test."""

COMMITTED = ("mnist", "colored-mnist")
"""Made of files of the repository."""


def stored(name: str) -> Path:
    """Where the images of a data set in ``IMAGES`` are once they have been imported."""
    return paths.published(name) / "images.npz"


def imported(name: str) -> bool:
    """Whether they have been."""
    return name in IMAGES and stored(name).is_file()


def verified(name: str, folder: Path | None = None) -> list[Path]:
    """The files of a data set in ``PUBLISHED``, each with its published checksum.

    Args:
        name: of the data set.
        folder: that holds them; None for ``data/<name>``.

    Raises:
        DataError: one is absent or has another; the message names the file and both checksums.
    """
    found = []
    for file in PUBLISHED[name]:
        place = folder or paths.published(name)
        path = file.find(place) or place / file.name
        try:
            file.check(path)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; {_remedy(name)}") from None
        except DataError as error:
            raise DataError(f"{error}; fetch it again with 'make data DATASET={name}'") from None
        found.append(path)
    return found


def require(name: str) -> None:
    """Nothing if the files of a data set are there; reads none of them.

    Raises:
        DataError: one is absent. The message says which, and the command that fetches it or, where
            there is none, what to do.
    """
    if name in COMMITTED:
        paths.mnist()
    if imported(name):
        return
    place = paths.published(name)
    absent = [place / f.name for f in PUBLISHED.get(name, ()) if f.find(place) is None]
    folders = [place / part for part in ("train", "test") if name in BY_HAND]
    absent += [folder for folder in folders if not folder.is_dir()]
    if absent:
        raise DataError(f"dataset {name!r} is absent: no {absent[0]}; {_remedy(name)}")


def _remedy(name: str) -> str:
    if name in BY_HAND:
        return BY_HAND[name].format(folder=paths.published(name))
    return f"fetch it with 'make data DATASET={name}', or add FROM=path to take what you have"
