"""Published data files, fetched when the user asks: resumed where they stopped, and checked."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pooch

from drlcore.data import paths
from drlcore.data.published import PUBLISHED, PublishedFile, imported, require
from drlcore.errors import DataError

_CHUNK = 1 << 16


def download(name: str) -> None:
    """Fetch what is absent or damaged of a data set into ``data/<name>``.

    A data set that is part of the repository needs nothing.

    Raises:
        DataError: the address cannot be reached, sends something else, or stops sending; what has
            arrived is kept for the next call. Or the data set has to be fetched by hand.
    """
    for file in () if imported(name) else PUBLISHED.get(name, ()):
        if not _is_right(file, paths.published(name)):
            fetch(file, paths.published(name), f"make data DATASET={name}")
    require(name)


def _is_right(file: PublishedFile, folder: Path) -> bool:
    """Whether it is there, in whatever form."""
    path = file.find(folder)
    with suppress(DataError):
        if path is not None:
            file.check(path)
            return True
    return False


def fetch(file: PublishedFile, folder: Path, command: str, *, progress: bool = True) -> Path:
    """Download one file unless it is there with the right checksum.

    It grows as ``<name>.part``, from where that ends, and gets its name once its MD5 is right.

    Args:
        file: what to fetch.
        folder: where to; made if need be.
        command: what the user calls, for the message.
        progress: show a progress bar.

    Raises:
        DataError: no or another answer, a broken connection, or content of another checksum.
    """
    whole = folder / file.name
    if _md5(whole) == file.md5:
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    part = whole.with_name(whole.name + ".part")
    if _md5(part) != file.md5:
        try:
            _append(file.url, part, progress)
        except OSError as error:
            kept = part.stat().st_size if part.is_file() else 0
            raise DataError(
                f"{file.url} did not arrive whole ({error}); "
                f"{kept} bytes are kept, '{command}' goes on from there"
            ) from None
    found = _md5(part)
    if found != file.md5:
        part.unlink()
        raise DataError(
            f"{file.url} sent something else: expected MD5 {file.md5}, found {found}; "
            f"it is deleted, '{command}' starts afresh"
        )
    part.replace(whole)
    return whole


def _append(url: str, part: Path, progress: bool) -> None:
    """Append to ``part`` what it lacks. pooch writes, but does not resume: this adds the Range."""
    with part.open("ab") as output:
        held = output.tell()

        def place(response: Any, *_: Any, **__: Any) -> None:
            """Cut the file to where the answer begins; called before any of it is written."""
            if response.status_code in (200, 416):
                # Without ranges a server sends all of it again; or there is nothing beyond what is
                # held, yet that is wrong.
                output.truncate(0)
            elif response.status_code == 206:
                begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
                if begins is None or int(begins[1]) > held:
                    raise OSError(f"asked for bytes {held} on, got {response.headers}")
                output.truncate(int(begins[1]))

        headers = {"Accept-Encoding": "identity"}
        if held:
            headers["Range"] = f"bytes={held}-"
        get = pooch.HTTPDownloader(
            progressbar=progress, chunk_size=_CHUNK, headers=headers, hooks={"response": place}
        )
        get(url, output, None)


def _md5(path: Path) -> str | None:
    return pooch.file_hash(str(path), alg="md5") if path.is_file() else None
