"""The batch run: snakemake with this project's options, one at a time in one output folder.

``python -m drlcore.paper.batch --cores 2 --config preset=smoke``; every argument is snakemake's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from drlcore.data import paths
from drlcore.errors import DataError

OPTIONS = (
    "--rerun-incomplete --keep-incomplete --keep-going --rerun-triggers mtime params input "
    "--quiet host reason --nolock"
).split()


def main(arguments: list[str]) -> int:
    """Become snakemake; 1 and one line on stderr if another batch run is at work there.

    Snakemake's own lock outlives a killed run and has to be undone by hand. The lock here is the
    kernel's, which drops it with the process.
    """
    import fcntl

    try:
        root, output = paths.root(), paths.output()
        paths.runs().mkdir(parents=True, exist_ok=True)
        lock = os.open(paths.runs() / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another batch run is at work in {output}: wait for it, or stop it", file=sys.stderr)
        return 1
    except (DataError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    os.set_inheritable(lock, True)  # snakemake holds it on
    os.environ |= {
        "DRLCORE_OUTPUT": str(output),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
        "PYTHONUTF8": "1",  # in any locale
    }
    command = [sys.executable, "-m", "snakemake", *OPTIONS, "--snakefile", str(root / "Snakefile")]
    command += ["--directory", str(output), *map(_as_yaml, _with_profile(arguments, root))]
    sys.stdout.flush()
    os.execv(sys.executable, command)


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
