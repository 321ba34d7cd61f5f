"""One writer at a time in a folder, among the processes of a machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from drlcore.errors import ArtefactError

try:
    import fcntl
except ImportError:  # Windows: go on without
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of ``folder``, which is made if need be; wait while another process holds it.

    The kernel releases the lock of a process that ends, however it ends. Where there are no file
    locks, nothing is held. Not reentrant.

    Args:
        what: is computed there, named on stderr while this process waits.

    Raises:
        ArtefactError: the folder cannot be written.
    """
    path = folder / ".lock"
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stream = path.open("a")
        except FileNotFoundError:  # somebody has removed the folder meanwhile
            continue
        except OSError as error:
            if isinstance(error, FileExistsError) and (
                folder.is_dir() or not os.path.lexists(folder)
            ):
                continue  # likewise, between mkdir's two looks at it
            raise ArtefactError(
                f"cannot write in {folder}: {error}; check its permissions, or set DRLCORE_OUTPUT "
                "to a folder that can be written"
            ) from error
        with stream:
            _lock(stream, what)
            if not _still_at(path, stream):  # whoever held it has removed it: another file counts
                continue
            try:
                yield
            finally:
                if _still_at(path, stream):  # else it is another's, made after the folder's removal
                    with suppress(OSError):
                        path.unlink(missing_ok=True)
            return


def _lock(stream: IO[str], what: str) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for another process that computes {what}", file=sys.stderr, flush=True)
        fcntl.flock(stream, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks: go on without


def _still_at(path: Path, stream: IO[str]) -> bool:
    if fcntl is None:
        return True
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
