"""A stop that is asked for by SIGTERM, as time limits do, and comes once the state is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def sigterm_put_off() -> Iterator[Callable[[], bool]]:
    """Put SIGTERM off; yields what says whether it has come.

    ``timeout``, SLURM at the end of a job's time, and the batch run at its own limit send it.
    Whoever is within leaves at the next good moment. Where the signal has a handler already, and
    outside the main thread, which alone can set one, nothing is put off.

    Raises:
        SystemExit: at the end, if it came.
    """
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True

    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: came
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if came:
        raise SystemExit("stopped by SIGTERM; all is kept")
