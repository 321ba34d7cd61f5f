"""Where things live: the repository, its data, and the three folders a run writes to."""

from __future__ import annotations

import os
from pathlib import Path

from drlcore.errors import DataError


def root() -> Path:
    """The repository: the folder above this package, or ``$DRLCORE_ROOT``.

    Raises:
        DataError: neither of them holds ``data/mnist``.
    """
    here = Path(os.environ.get("DRLCORE_ROOT", Path(__file__).resolve().parent.parent))
    if not (here / "data" / "mnist").is_dir():
        raise DataError(
            f"{here} is not a checkout of the project (no data/mnist in it): install with "
            "'pip install -e .' from the checkout, or set DRLCORE_ROOT to it"
        )
    return here


def output() -> Path:
    """Where runs, results and figures are written: the repository, or ``$DRLCORE_OUTPUT``.

    Tests point it at an empty folder, so that nothing already computed can stand in for a run.
    """
    return Path(os.environ.get("DRLCORE_OUTPUT", root()))


def mnist() -> Path:
    """The original MNIST files."""
    return root() / "data" / "mnist"


def published(dataset: str) -> Path:
    """The files of a data set that each user fetches, ignored by git."""
    return root() / "data" / dataset


def paper() -> Path:
    """Tables of the paper, typed from it, committed."""
    return root() / "data" / "paper"


def artefacts() -> Path:
    """Small results of the reference run, committed; or ``$DRLCORE_ARTEFACTS``.

    The batch run points it at its own runs: it computes everything, and takes nothing committed.
    """
    return Path(os.environ.get("DRLCORE_ARTEFACTS", root() / "data" / "artefacts"))


def runs() -> Path:
    """Everything computed on this machine, ignored by git."""
    return output() / "data" / "runs"


def results(preset: str) -> Path:
    """Tidy result tables."""
    return output() / "data" / "results" / preset


def figures(preset: str) -> Path:
    """Figures and their manifest."""
    return output() / "figures" / preset
