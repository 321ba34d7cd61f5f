"""The page as a file beside the figures, and the frame that shows it in a notebook."""

from __future__ import annotations

import hashlib
import html
import os
from collections.abc import Sequence
from pathlib import Path

from drlcore.data import paths
from drlcore.data.datasets import load_dataset
from drlcore.paper.dial_page.gather import read_by
from drlcore.paper.dial_page.level import Level
from drlcore.paper.dial_page.page import HEIGHT, dial_page, embedded, in_frame
from drlcore.paper.experiments.noise_dial import NoiseDial
from drlcore.paper.figures import origin
from drlcore.training.checkpoint import write_atomically

NAME = "dial"
SHOWS = "the noise dial, to turn by hand"


def save_page(levels: Sequence[Level], experiment: NoiseDial) -> Path:
    """Write ``figures/<place>/dial.html`` with its origin, and say where it is.

    The place is that of the experiment's figures, so the reference is written by the batch run
    alone.

    Args:
        levels: from ``levels_of(experiment)``.

    Raises:
        ArtefactError: it cannot be written.
    """
    d = experiment.latent_dim
    plane = "" if d == 2 else ", its first two principal components shown"
    about = (
        f"Data: {experiment.data_title}. DRL with a code of {d} numbers{plane}; "
        f"one training at each σ, preset {experiment.preset}, seed {experiment.seeds[0]}"
    )
    drawn = any(level.samples is not None for level in levels)
    made_of = origin(NAME, SHOWS, experiment, source(), read_by(experiment, drawn))
    names = load_dataset(experiment.dataset).classes or None
    page = dial_page(levels, about, class_names=names, origin=made_of)
    path = paths.figures(experiment.place) / f"{NAME}.html"
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return path


def frame(path: Path, height: int = HEIGHT) -> str:
    """HTML that shows a saved page in a notebook's output.

    A notebook of the reference is to be committed, so it refers to the file, at its address in the
    checkout, in a few hundred characters; GitHub, which shows no frames, shows its name. All others
    hold the page, since not every viewer lets them read files: JupyterLab none above the folder
    that it was started in.

    Args:
        path: from ``save_page``.
        height: of the frame, in pixels.
    """
    name = path.relative_to(paths.output()).as_posix()
    if os.environ.get("DRLCORE_REFERENCE"):
        shown = in_frame(f'src="../{html.escape(name)}"', height)
    else:
        shown = embedded(path.read_text(encoding="utf-8"), height)
    file = html.escape(path.name)
    return f"{shown}<p>No dial here? It is the file <code>{file}</code> beside the figures.</p>"


def source() -> str:
    """12 hex digits of the SHA-256 of the files that make the page."""
    return hashlib.sha256(b"\n".join(file.read_bytes() for file in files())).hexdigest()[:12]


def files() -> list[Path]:
    """The files that make the page, sorted."""
    here = Path(__file__).parent
    found = [*here.iterdir(), here.parent / "plots" / "style.py"]
    return sorted(file for file in found if file.suffix in (".py", ".html", ".js", ".css"))
