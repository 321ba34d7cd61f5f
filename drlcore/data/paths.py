"""Where things live: the checkout and its data, and the folders that a run writes to."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from drlcore.errors import DataError, ParameterError


def root() -> Path:
    """The checkout: the folder above this package, or ``$DRLCORE_ROOT``.

    Raises:
        DataError: neither of them holds ``data/mnist``.
    """
    here = Path(os.environ.get("DRLCORE_ROOT") or Path(__file__).resolve().parents[2]).absolute()
    if not (here / "data" / "mnist").is_dir():
        raise DataError(
            f"{here} is not a checkout of the project (no data/mnist in it), which this needs: "
            "clone the project and set DRLCORE_ROOT to the clone; 'digits' and a file of your own "
            "need none"
        )
    return here


def output() -> Path:
    """Where everything is written: ``$DRLCORE_OUTPUT``, else the checkout.

    Without a checkout, as where only the package is installed, it is the current folder. Tests
    point it at an empty folder, so that nothing already computed can stand in for a run.
    """
    told = os.environ.get("DRLCORE_OUTPUT")
    return Path(told).absolute() if told else _root_or(Path.cwd())


def mnist() -> Path:
    """The original MNIST files."""
    return root() / "data" / "mnist"


def published(dataset: str) -> Path:
    """The files of a data set that each user fetches, ignored by git."""
    return _root_or(output()) / "data" / dataset


def paper() -> Path:
    """Tables of the paper, typed from it, committed."""
    return root() / "data" / "paper"


def artefacts() -> Path:
    """Small results of the reference run, committed; or ``$DRLCORE_ARTEFACTS``.

    The batch run lets it name a folder without any: it computes everything itself.
    """
    told = os.environ.get("DRLCORE_ARTEFACTS")
    return Path(told).absolute() if told else _root_or(output()) / "data" / "artefacts"


def runs() -> Path:
    """Everything computed on this machine, ignored by git."""
    return output() / "data" / "runs"


def results(place: str) -> Path:
    """Tidy result tables of ``place``, see ``Experiment.place``."""
    return output() / "data" / "results" / _inside(place)


def committed(preset: str) -> Path:
    """The committed tables of ``preset``."""
    return _root_or(output()) / "data" / "results" / preset


def figures(place: str) -> Path:
    """Figures of ``place`` and their manifest."""
    return output() / "figures" / _inside(place)


def where(place: str) -> str:
    """One line on where a notebook writes; the same by hand and in the batch run."""
    if "=" in place:
        return f"written to figures/{place} and data/results/{place}"
    preset = place.removeprefix("mine/")
    own = f"written to figures/mine/{preset} and data/results/mine/{preset}"
    return f"{own}; by 'make reproduce' to figures/{preset} and data/results/{preset}"


def _root_or(other: Path) -> Path:
    """The checkout if there is one or should be one, else ``other``."""
    try:
        return root()
    except DataError:
        if os.environ.get("DRLCORE_ROOT"):
            raise
        return other


def _inside(place: str) -> str:
    """``place``, which leaves no folder. Raises ParameterError if it does."""
    path = PurePath(place)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ParameterError(f"place = {place!r}; allowed: a preset, or a folder of mine/")
    return place


def printable(text: str) -> str:
    """``text`` in one line, whatever a file may be called."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
