"""Where a run is trained, and which of several GPUs is one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from platform import node

import torch
from filelock import FileLock, Timeout


def pick_device(name: str = "auto") -> torch.device:
    """``auto``: CUDA if there is one, else Apple's MPS, else the CPU; or the device named."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextmanager
def own_gpu(locks: Path, patience: float = 1.0) -> Iterator[int | None]:
    """Hold one GPU that no other job of this machine holds; wait for one.

    So a batch run with as many jobs at a time as there are GPUs gives each its own, and one with
    more lets them queue. With none or one, or on a cluster that shows a job its own alone, there is
    nothing to hold. The kernel lets go of what a job held that ends, however it ends.

    Args:
        locks: the folder of the locks, which all jobs share.
        patience: seconds between two looks.

    Yields:
        Its number, of the current device from here on; None if there is nothing to hold.
    """
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if n < 2:
        yield None
        return
    locks.mkdir(parents=True, exist_ok=True)
    lock, number = _first_free(locks, n, patience)
    try:
        torch.cuda.set_device(number)
        yield number
    finally:
        lock.release()


def _first_free(locks: Path, n: int, patience: float) -> tuple[FileLock, int]:
    while True:
        for number in range(n):
            lock = FileLock(locks / f"gpu-{node()}-{number}")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return lock, number
        time.sleep(patience)
