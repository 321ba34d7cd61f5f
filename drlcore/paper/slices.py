"""What a batch run has computed, carried to another machine in parts, where it goes on.

``python -m drlcore.paper.slices pack FOLDER``; there ``unpack FOLDER``, and the batch run ends on
the same bits. Carried are runs, products and the states of trainings under way, tables, figures,
and snakemake's notes on them. The parts are a tar: ``cat runs.tar.* | tar x`` unpacks them too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from drlcore.data import paths
from drlcore.errors import ArtefactError, DataError
from drlcore.paper.batch import hold, refused
from drlcore.training.checkpoint import file_sha256

PART_BYTES = 15 * 2**20
CARRIED = ("data/runs", "data/results", "figures", ".snakemake/metadata", ".snakemake/incomplete")
NAME, SUMS = "runs.tar", "SHA256SUMS"


def main(arguments: list[str] | None = None) -> int:
    """Pack or unpack; 1 and one line on stderr if it cannot be done."""
    parser = argparse.ArgumentParser(prog="drlcore.paper.slices", description=__doc__)
    parser.add_argument("step", choices=["pack", "unpack"])
    parser.add_argument("folder", type=Path, help="of the parts")
    asked = parser.parse_args(arguments)
    try:
        with os.fdopen(hold()):  # no batch run begins meanwhile
            if asked.step == "pack":
                n = pack(asked.folder)
                print(f"{asked.folder}: {n} parts and {SUMS}; they belong together")
            else:
                print(f"{unpack(asked.folder)} files written in {paths.output()}")
    except (ArtefactError, DataError, OSError) as error:
        return refused(error)
    return 0


def pack(folder: Path, part_bytes: int = PART_BYTES) -> int:
    """Write what is computed into ``folder``, in parts of at most ``part_bytes``; how many.

    Parts of an earlier pack there are replaced. Hidden files of runs, such as locks and caches of
    pictures, stay behind.

    Raises:
        ArtefactError: nothing is computed.
        OSError: the folder cannot be written.
    """
    output = paths.output()
    files = list(_carried(output))
    if not any(path.is_relative_to(paths.runs()) for path in files):
        raise ArtefactError(f"nothing is computed in {paths.runs()}; is $DRLCORE_OUTPUT right?")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMS).unlink(missing_ok=True)
    for old in _parts(folder):
        old.unlink()
    cut = _Parts(folder, part_bytes)
    with tarfile.open(fileobj=cut, mode="w|", bufsize=2**20) as tar:  # type: ignore[call-overload]
        for path in files:
            tar.add(path, path.relative_to(output).as_posix(), recursive=False)
    (folder / SUMS).write_text(
        "".join(f"{file_sha256(p)}  {p.name}\n" for p in _parts(folder)), encoding="utf-8"
    )
    return len(_parts(folder))


def unpack(folder: Path) -> int:
    """Write what ``pack`` left in ``folder`` to the output folder; how many files.

    Files of the same names are replaced. Nothing is written unless every part is there and whole.

    Raises:
        ArtefactError: a part is missing, or not as it was packed.
        OSError: a file cannot be written.
    """
    parts, written = _whole(folder), 0
    try:
        with tarfile.open(fileobj=_Joined(parts), mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                _write(paths.output() / _inside(member), tar.extractfile(member), member.mtime)
                written += 1
    except tarfile.TarError as error:
        raise ArtefactError(f"{folder}: no set of parts that 'pack' left ({error})") from None
    return written


def _carried(output: Path) -> Iterator[Path]:
    for name in CARRIED:
        for path in sorted((output / name).rglob("*")):
            hidden = any(part[0] == "." for part in path.relative_to(output / name).parts)
            if path.is_file() and not hidden:
                yield path


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{NAME}.*"))


def _whole(folder: Path) -> list[Path]:
    """The parts, in order; all of them, as they were packed."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        sums = {name: digest for digest, name in map(str.split, lines)}
    except (OSError, ValueError):
        sums = {}
    if not sums:
        raise ArtefactError(f"{folder} holds no {SUMS}: no set of parts, or half of one")
    bad = [name for name in sums if not _is(folder / name, sums[name])]
    if bad:
        raise ArtefactError(
            f"{folder}: of {len(sums)} parts {len(bad)} are missing or damaged, such as "
            f"{' and '.join(bad[:2])}; carry the whole set again"
        )
    return [folder / name for name in sums]


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _inside(member: tarfile.TarInfo) -> PurePosixPath:
    """Where a member belongs; raises ArtefactError if ``pack`` cannot have put it there."""
    path = PurePosixPath(member.name)
    ours = any(path.is_relative_to(name) for name in CARRIED) and ".." not in path.parts
    if not ours or not member.isfile():
        raise ArtefactError(f"{member.name!r} is nothing that 'pack' carries")
    return path


def _write(path: Path, content: IO[bytes] | None, mtime: float) -> None:
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(content, file)
    os.utime(path, (mtime, mtime))  # by which snakemake tells what is done


class _Parts:
    """A file to write, cut into parts of at most ``size`` bytes."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size, self.written = folder, size, 0

    def write(self, data: bytes) -> None:
        while data:
            number, at = divmod(self.written, self.size)
            fits = data[: self.size - at]
            with (self.folder / f"{NAME}.{number:05}").open("ab") as part:
                part.write(fits)
            self.written += len(fits)
            data = data[len(fits) :]


class _Joined:
    """Parts to read as one file, a block at a time, however much is asked for."""

    def __init__(self, parts: list[Path]) -> None:
        self.blocks = self._read(parts)

    def read(self, n: int) -> bytes:
        return next(self.blocks, b"")

    def _read(self, parts: list[Path]) -> Iterator[bytes]:
        for path in parts:
            with path.open("rb") as part:
                while block := part.read(2**16):
                    yield block


if __name__ == "__main__":
    sys.exit(main())
