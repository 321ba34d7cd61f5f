"""A folder of pictures as a data set: its sub-folders are the classes, if there are any."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drlcore.data import paths
from drlcore.data.picture_cache import LARGEST, read_once
from drlcore.data.pictures import ENDINGS, read_pictures
from drlcore.data.splits import Array, Dataset, from_arrays
from drlcore.errors import DataError

_PARTS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "validation", "valid": "validation", "validation": "validation",
}  # fmt: skip
_FILES = 10**6  # more are no data set that fits, but a whole disk


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, by name: whatever order the file system has them in.

    Attributes:
        files: by part, paths below the folder.
        classes: by part, the class of each file; None where there are none.
        notes: how the folder was read, a line each.
    """

    files: dict[str, list[Path]]
    classes: dict[str, list[str]] | None
    notes: tuple[str, ...]


def read(
    path: str | os.PathLike[str],
    image_size: int | None = None,
    skip_unreadable: bool = False,
    name: str | None = None,
) -> Dataset:
    """The data set of a folder, its classes mixed; ``notes`` say how it was read.

    PNG, JPEG, WebP, GIF (first frame), BMP and TIFF, see ``pictures.read_pictures``. The names of
    sub-folders are the classes; one alone is none. Folders ``train``, ``test`` and ``val`` at the
    top are the parts.

    Args:
        path: the folder.
        image_size: side of the square that pictures are resized to; None to keep small ones of one
            size and make others 32, or 64 where all sides are 128 or more.
        skip_unreadable: leave out pictures that cannot be read.
        name: what to call it; None for the folder's name.

    Raises:
        DataError: no folder, no pictures, one that cannot be read, pictures both in sub-folders
            and beside them, or too few.
        ParameterError: an impossible size.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> from drlcore.data import picture_folder
        >>> with TemporaryDirectory() as folder:
        ...     for i in range(40):
        ...         Image.new("L", (8, 8), 6 * i).save(Path(folder) / f"{i:02}.png")
        ...     data = picture_folder.read(folder, name="greys")
        >>> data.shape, data.labelled, len(data.test.x)
        ((1, 8, 8), False, 8)
    """
    folder = Path(path)
    arrays, notes = read_arrays(folder, image_size, skip_unreadable)
    data = from_arrays(name or folder.resolve().name, **arrays, in_turn=True)
    kept = [note for note in data.notes if note != "no labels"]  # which the folder's notes say
    return replace(data, notes=(*notes, *kept))


def read_arrays(
    path: Path,
    image_size: int | None = None,
    skip_unreadable: bool = False,
    *,
    kept: bool = True,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The same as the arrays that ``from_arrays`` takes, by name, and the notes so far.

    Args:
        path, image_size, skip_unreadable: see ``read``.
        kept: whether many are kept decoded, and mapped, see ``picture_cache``.
    """
    label = paths.printable(str(path))
    found = list_pictures(path)
    every = [path / file for files in found.files.values() for file in files]
    if kept:
        pictures = read_once(every, image_size, skip_unreadable, label)
    else:
        pictures = read_pictures(every, image_size, skip_unreadable, label, LARGEST)
    classes = [c for part in (found.classes or {}).values() for c in part]
    # The pictures of a part follow each other, so they are a view, even of a mapped file.
    ends = np.cumsum([0, *(len(files) for files in found.files.values())])
    starts = np.searchsorted(pictures.read, ends)
    arrays: dict[str, Array] = {}
    for part, start, end in zip(found.files, starts, starts[1:], strict=False):
        arrays[f"x_{part}"] = pictures.x[start:end]
        if classes:
            arrays[f"y_{part}"] = np.array(classes)[pictures.read[start:end]]
    return arrays, (*found.notes, *pictures.notes)


def list_pictures(path: Path) -> Listing:
    """What is in the folder; no picture is opened.

    Raises:
        DataError: no folder, no pictures, or an arrangement with two readings.
    """
    label = paths.printable(str(path))
    ignored = 0
    parts = _parts(path, label)
    files: dict[str, list[Path]] = {}
    classes: dict[str, list[str]] = {}
    for part, folders in parts.items():
        files[part], classes[part] = [], []
        for folder in folders:
            found = sorted(walk(path / folder))
            pictures = [Path(file) for file in found if file.lower().endswith(ENDINGS)]
            ignored += len(found) - len(pictures)
            beside = [len(file.parts) == 1 for file in pictures]
            if any(beside) and not all(beside):
                raise DataError(
                    f"{paths.printable(str(path / folder))}: pictures both beside sub-folders "
                    f"({pictures[beside.index(True)]}) and in them "
                    f"({pictures[beside.index(False)]}): are sub-folders classes, or part of one "
                    "heap? Move all into sub-folders, or all out of them"
                )
            files[part] += [folder / file for file in pictures]
            classes[part] += [file.parts[0] if len(file.parts) > 1 else "" for file in pictures]
    if empty := [part for part, of_part in files.items() if not of_part]:
        where = f" of part {empty[0]}" if len(files) > 1 else ""
        raise DataError(
            f"{label}: no pictures{where} in it; taken are {', '.join(ENDINGS)}, in sub-folders "
            "named by class or without any"
        )
    notes = [f"{ignored} files that are no pictures ignored"] if ignored else []
    names = sorted({c for of_part in classes.values() for c in of_part})
    if names == [""] or len(names) == 1:
        what = "no sub-folders" if names == [""] else f"one sub-folder, {names[0]}"
        return Listing(files, None, (*notes, f"{what}, so no labels"))
    if "" in names:
        raise DataError(
            f"{label}: one part has sub-folders and another none: are they classes? Sort both alike"
        )
    return Listing(files, classes, tuple(notes))


def stamp(path: Path) -> str:
    """What changes when a file of the folder does: of names, times and sizes of all of them."""
    digest = hashlib.sha256()
    for file in sorted(walk(path)):
        found = os.stat(os.path.join(path, file))
        digest.update(f"{file}\0{found.st_mtime_ns}\0{found.st_size}\0".encode(errors="replace"))
    return digest.hexdigest()


def _parts(path: Path, label: str) -> dict[str, list[Path]]:
    """The folders of each part: the whole folder is training, unless it has part's names in it."""
    if not path.is_dir():
        raise DataError(f"{label}: no such folder")
    inside = sorted(each for each in path.iterdir() if not each.name.startswith("."))
    folders = [each for each in inside if each.is_dir()]
    found: dict[str, list[Path]] = {}
    for folder in folders:
        if part := _PARTS.get(folder.name.lower()):
            found.setdefault(part, []).append(Path(folder.name))
    if "train" not in found:
        if len(found) == 0 or len(folders) > len(found):
            return {"train": [Path()]}
        raise DataError(f"{label}: there is {next(iter(found.values()))[0]}/ but no train/ in it")
    others = [each for each in folders if each.name.lower() not in _PARTS]
    others += [each for each in inside if each.suffix.lower() in ENDINGS and each.is_file()]
    if others:
        raise DataError(
            f"{label}: {others[0].name} stands beside {found['train'][0]}/: are these parts, or "
            "classes? Move it into a part, or rename the folders that are classes"
        )
    if twice := [of_part for of_part in found.values() if len(of_part) > 1]:
        raise DataError(f"{label}: {twice[0][0]}/ and {twice[0][1]}/ are the same part; join them")
    return found


def walk(folder: Path) -> Iterator[str]:
    """Every file below, without those that are hidden or in hidden folders; links are followed.

    Paths below ``folder``, as text: of a hundred thousand files it is looked at often.
    """

    def refuse(error: OSError) -> None:
        where = paths.printable(str(error.filename))
        raise DataError(f"{where}: {error.strerror or error}") from None

    seen = 0
    for where, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        above = Path(where).resolve()
        folders[:] = [
            each
            for each in folders
            if not each.startswith((".", "__MACOSX"))
            and not above.is_relative_to((above / each).resolve())  # a link to where we come from
        ]
        if (seen := seen + len(files)) > _FILES:
            raise DataError(
                f"{paths.printable(str(folder))}: more than {_FILES:,} files; allowed: a folder of "
                "pictures"
            )
        below = os.path.relpath(where, folder)
        inside = "" if below == os.curdir else os.path.join(below, "")
        yield from (inside + file for file in files if not file.startswith("."))
