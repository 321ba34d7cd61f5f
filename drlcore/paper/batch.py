"""The batch run: snakemake with this project's options, one at a time in one output folder.

``python -m drlcore.paper.batch --cores 2 --config preset=smoke``; every argument is snakemake's.
With ``$DRLCORE_MINUTES`` it stops after so many, and the same command goes on there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from drlcore.data import paths
from drlcore.errors import DataError, ParameterError

OPTIONS = (
    "--rerun-incomplete --keep-incomplete --keep-going --rerun-triggers mtime params input "
    "--quiet host reason --nolock"
).split()
STOPPED = 124
"""Exit status where time was up, as ``timeout`` has it."""


def main(arguments: list[str]) -> int:
    """Become snakemake; 1 and one line on stderr if another batch run is at work there.

    With a limit it stays beside snakemake, and stops it: ``STOPPED``, unless all is done.
    """
    try:
        root, output, minutes = paths.root(), paths.output(), _minutes()
        lock = hold()
    except (DataError, ParameterError, OSError) as error:
        return refused(error)
    os.environ |= {
        "DRLCORE_OUTPUT": str(output),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
        "PYTHONUTF8": "1",  # in any locale
    }
    command = [sys.executable, "-m", "snakemake", *OPTIONS, "--snakefile", str(root / "Snakefile")]
    command += ["--directory", str(output), *map(_as_yaml, _with_profile(arguments, root))]
    sys.stdout.flush()
    if minutes is not None:
        return _for_minutes(minutes, command, lock)
    os.set_inheritable(lock, True)  # snakemake holds it on
    os.execv(sys.executable, command)


def refused(error: Exception) -> int:
    """One line on stderr, and the status 1; who meets ``hold``'s refusal is told no class name."""
    named = "" if isinstance(error, BlockingIOError) else f"{type(error).__name__}: "
    print(f"{named}{error}", file=sys.stderr)
    return 1


def hold() -> int:
    """The lock of the output folder, which holds as long as this process or one that has it.

    Snakemake's own lock outlives a killed run and has to be undone by hand. The lock here is the
    kernel's, which drops it with the process.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the folder cannot be written.
    """
    import fcntl

    paths.runs().mkdir(parents=True, exist_ok=True)
    lock = os.open(paths.runs() / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            f"another batch run is at work in {paths.output()}: wait for it, or stop it"
        ) from None
    return lock


def _minutes() -> float | None:
    """The limit, if there is one."""
    told = os.environ.get("DRLCORE_MINUTES")
    if not told:
        return None
    try:
        minutes = float(told)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise ParameterError(f"DRLCORE_MINUTES = {told!r}; allowed: a number above 0")
    return minutes


def _for_minutes(minutes: float, command: list[str], lock: int) -> int:
    """Run ``command`` for so long, or until Ctrl-C or SIGTERM; then it and its jobs get SIGTERM.

    A training keeps its state and leaves, a product is given up, snakemake waits for them.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    batch = subprocess.Popen(command, process_group=0, pass_fds=[lock])
    try:
        return batch.wait(60 * minutes)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.killpg(batch.pid, signal.SIGTERM)
        status = batch.wait()
    if status == 0:
        return 0
    print("stopped, and all that is done is kept: the same command goes on there", file=sys.stderr)
    return STOPPED


def _with_profile(arguments: list[str], root: Path) -> list[str]:
    """A profile of this project by its place, whatever folder is worked in."""
    ours = {path.name: str(path) for path in (root / "profiles").glob("*")}
    after = dict(zip(arguments[1:], arguments, strict=False))
    return [ours.get(a, a) if after.get(a) == "--profile" else a for a in arguments]


def _as_yaml(setting: str) -> str:
    """``dataset=<name>`` as a YAML string, which snakemake reads; the whole path of a file.

    Jobs run in other folders than this process. A path may hold what YAML takes for its own.
    """
    name, _, value = setting.partition("=")
    if name != "dataset":
        return setting
    whole = os.path.abspath(value) if os.path.isfile(value) else value
    text = os.fsencode(whole).decode("utf-8", "surrogateescape")  # whatever the locale
    escaped = (c if c.isascii() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'dataset="{"".join(escaped)}"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
