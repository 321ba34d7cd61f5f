"""Runs the batch workflow as ``make reproduce`` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from drlcore.data import paths

ROOT = paths.root()


def environment(folder: Path, root: Path = ROOT, **more: str) -> dict[str, str]:
    """For a process that works with the checkout ``root`` and writes to ``folder``."""
    return {
        **os.environ,
        "DRLCORE_OUTPUT": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(root),
        **more,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "drlcore.paper.batch", "--cores", "2", *arguments]


def snakemake(
    folder: Path, *arguments: str, artefacts: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The batch run, outputs in ``folder``, beside committed ``artefacts``."""
    more = {} if artefacts is None else {"DRLCORE_ARTEFACTS": str(artefacts)}
    return subprocess.run(
        command(*arguments),
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        check=False,
    )
