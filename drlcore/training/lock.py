"""One writer at a time in a folder, among the processes of a machine."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from drlcore.errors import ArtefactError


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of ``folder``, which is made if need be; wait while another process holds it.

    The lock lies beside the folder, in ``.locks``, since a user may delete the folder while others
    wait for it. The kernel releases the lock of a process that ends, however it ends. Where the
    file system has no locks, nothing is held. Not reentrant.

    Args:
        what: is computed there, named on stderr while this process waits.

    Raises:
        ArtefactError: the folder cannot be written.
    """
    lock = FileLock(folder.parent / ".locks" / folder.name)
    try:
        (folder.parent / ".locks").mkdir(parents=True, exist_ok=True)
        _acquire(lock, what)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        lock.release()
        raise ArtefactError(
            f"cannot write in {folder}: {error}; check its permissions, or set DRLCORE_OUTPUT "
            "to a folder that can be written"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, what: str) -> None:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"waiting for another process that computes {what}", file=sys.stderr, flush=True)
        lock.acquire()
    except OSError as error:
        if error.errno != errno.ENOLCK:  # a file system without locks: go on without
            raise
