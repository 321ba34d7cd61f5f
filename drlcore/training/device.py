"""Where a run is trained, and which of several GPUs is one's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from platform import node

import torch
from filelock import FileLock, Timeout

from drlcore.errors import ParameterError


def pick_device(name: str = "auto") -> torch.device:
    """``auto``: CUDA if there is one, else Apple's MPS, else the CPU; or the device named."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextmanager
def own_gpu(locks: Path, per_gpu: int = 1, patience: float = 1.0) -> Iterator[int | None]:
    """Hold one of the places on this machine's GPUs, ``per_gpu`` on each; wait for one.

    So a batch run with as many jobs at a time as there are GPUs gives each its own, and one with
    more lets them share or queue. With none or one, or on a cluster that shows a job its own alone,
    there is nothing to hold. The kernel lets go of what a job held that ends, however it ends.

    Args:
        locks: the folder of the locks, which all jobs share.
        per_gpu: how many jobs share a GPU, and its memory; ``$DRLCORE_PER_GPU`` is asked first.
        patience: seconds between two looks.

    Yields:
        Its number, of the current device from here on; None if there is nothing to hold.

    Raises:
        ParameterError: ``$DRLCORE_PER_GPU`` is no number from 1 on.
    """
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if n < 2:
        yield None
        return
    told = os.environ.get("DRLCORE_PER_GPU") or str(per_gpu)
    if not told.isdecimal() or int(told) < 1:
        raise ParameterError(f"DRLCORE_PER_GPU = {told!r}; allowed: a whole number from 1 on")
    locks.mkdir(parents=True, exist_ok=True)
    lock, number = _first_free(locks, n, int(told), patience)
    try:
        torch.cuda.set_device(number)
        yield number
    finally:
        lock.release()


def _first_free(locks: Path, n: int, per_gpu: int, patience: float) -> tuple[FileLock, int]:
    while True:
        for place, number in product(range(per_gpu), range(n)):  # an idle GPU before a shared one
            lock = FileLock(locks / f"gpu-{node()}-{number}-{place}")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return lock, number
        time.sleep(patience)
