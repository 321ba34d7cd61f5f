"""Runs the batch workflow as ``make reproduce`` does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from drlcore import paths

ROOT = paths.root()


def snakemake(
    folder: Path, *arguments: str, artefacts: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The options of ``make reproduce``, outputs in ``folder``, beside committed ``artefacts``."""
    makefile = (ROOT / "Makefile").read_text()
    (options,) = re.findall(r"snakemake --cores \S+ \\\n\t\t(--rerun.*) \\\n", makefile)
    environment = {
        **os.environ,
        "DRLCORE_OUTPUT": str(folder),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    if artefacts is not None:
        environment["DRLCORE_ARTEFACTS"] = str(artefacts)
    command = ["snakemake", "--cores", "2", "--directory", str(folder), *options.split()]
    return subprocess.run(
        [*command, "--snakefile", str(ROOT / "Snakefile"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
