"""Many pictures decoded once: kept as one file, which is mapped instead of read to memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from drlcore.data import paths
from drlcore.data.pictures import LARGEST_SIDE, Pictures, Shape, in_memory, read_pictures
from drlcore.data.pixels import LARGE
from drlcore.errors import DataError

LARGEST = 2**29  # numbers in memory, of files and folders alike
LARGEST_KEPT = 2**33  # bytes on the disk: 700,000 of 64 x 64 in colour
_FEW = LARGE // (3 * LARGEST_SIDE**2)  # so many are not LARGE, whatever their size
_FORMAT = 1


def folder() -> Path:
    """Where they are kept; any file of it may be deleted, ``make clean`` does."""
    return paths.runs() / ".pictures"


def read_once(
    given: Sequence[Path | Image.Image],
    image_size: int | None = None,
    skip_unreadable: bool = False,
    label: str = "pictures",
) -> Pictures:
    """``read_pictures``; of files that are more than ``LARGE`` numbers, decoded the first time.

    Then, until a file changes, ``x`` is mapped from a file in ``folder()``, a byte a number: what
    is looked at is in memory for as long as there is room.

    Raises:
        DataError: see ``read_pictures``; or there is no room in the folder.
        ParameterError: an impossible size.
    """
    files = [each for each in given if isinstance(each, Path)]
    if len(given) <= _FEW or len(files) < len(given):
        return read_pictures(given, image_size, skip_unreadable, label, LARGEST)
    stamp = _stamp(files)
    pixels, card = _places(stamp, image_size, skip_unreadable)
    for size in (image_size, None):  # a size that they got by themselves is as good as one chosen
        found = _found(*_places(stamp, size, skip_unreadable))
        if found and (size == image_size or found.x.shape[2:] == (image_size, image_size)):
            return found

    def keep(blocks: Iterator[NDArray[np.uint8]], shape: Shape) -> NDArray[np.uint8]:
        if int(np.prod(shape, dtype=object)) <= LARGE:
            return in_memory(blocks, shape)
        n = 0
        with _written(pixels) as temporary, temporary.open("wb") as file:
            for block in blocks:
                n += len(block)
                file.write(block.tobytes())
        return _mapped(pixels, (n, *shape[1:])) if n else np.empty((0, *shape[1:]), np.uint8)

    found = read_pictures(given, image_size, skip_unreadable, label, LARGEST_KEPT, keep)
    if isinstance(found.x, np.memmap):
        told = {"shape": found.x.shape, "read": found.read.tolist(), "notes": found.notes}
        with _written(card) as temporary:  # last: with it the pictures count
            temporary.write_text(json.dumps(told), encoding="utf-8")
    return found


def _found(pixels: Path, card: Path) -> Pictures | None:
    """What was kept, if it is there and whole."""
    with suppress(OSError, ValueError, KeyError):
        told = json.loads(card.read_text(encoding="utf-8"))
        read, notes = np.array(told["read"], np.int64), tuple(told["notes"])
        return Pictures(_mapped(pixels, told["shape"]), read, notes)
    return None


def _mapped(path: Path, shape: Sequence[int]) -> NDArray[np.uint8]:
    """Raises ValueError if the file is of another size."""
    if path.stat().st_size != np.prod(shape, dtype=object):
        raise ValueError(f"{path} is not of shape {shape}")
    return np.memmap(path, np.uint8, "r", shape=tuple(shape))


def _stamp(files: Sequence[Path]) -> str:
    """What changes when the content of a file does."""
    digest = hashlib.sha256()
    for file in files:
        times = ""
        with suppress(OSError):  # who reads it says what is wrong
            found = file.stat()
            times = f"{found.st_mtime_ns}\0{found.st_ctime_ns}\0{found.st_size}"
        digest.update(f"{os.path.abspath(file)}\0{times}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _places(stamp: str, image_size: int | None, skip_unreadable: bool) -> tuple[Path, Path]:
    """Of the pixels, and of what else is known of them, decoded in this way."""
    how = repr((_FORMAT, PIL.__version__, stamp, image_size, skip_unreadable))
    name = hashlib.sha256(how.encode()).hexdigest()[:32]
    return folder() / f"{name}.uint8", folder() / f"{name}.json"


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes ``path`` if nothing goes wrong."""
    temporary = path.with_name(f".partial-{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{path.parent}: {error.strerror or error}; decoded pictures are kept there: free some "
            "space, or set DRLCORE_OUTPUT to a folder that can be written"
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
