"""The dial of any images: models, one table, one figure, one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from drlcore.data import paths
from drlcore.data.datasets import load_dataset
from drlcore.paper.dial_page import levels_of, save_page
from drlcore.paper.dial_page.words import intensity
from drlcore.paper.experiments.own_dial import OwnDial
from drlcore.paper.figures import origin, write_figure
from drlcore.paper.plots import dial as plots
from drlcore.paper.plots.style import caption, use_style
from drlcore.paper.tables import results
from drlcore.training.checkpoint import csv_bytes, file_sha256, write_atomically

NAME = "dial_curves"


def turn(experiment: OwnDial) -> list[Path]:
    """Train what is missing, and write page, figure and table; their paths.

    The place is ``experiment.place``, below ``figures`` and ``data/results``. It says first how
    many models there are to train and about how long that takes; stopped and called again, it goes
    on.

    Raises:
        DataError, ParameterError, TrainingError, ArtefactError: see ``compute``.
    """
    images = load_dataset(experiment.dataset)
    for note in images.notes:
        print(note)
    print(experiment)
    experiment.compute()
    table, inputs = _measured(experiment), experiment.products()
    place = paths.results(experiment.place) / "dial.csv"
    write_atomically(place, lambda path: path.write_bytes(csv_bytes(table)))

    use_style()
    figure = plots.own_dial(table, intensity(images.shape[0]))
    seeds = len(experiment.seeds)
    about = f"{experiment.data_title}, DRL, latent_dim {experiment.latent_dim}, {seeds} seed"
    caption(figure, experiment.noise, about + "s" * (seeds > 1))
    source = file_sha256(Path(plots.__file__))[:12]
    made_of = origin(NAME, "what codes hold, by noise level", experiment, source, inputs)
    pictures = write_figure(figure, experiment, made_of, ("png",))
    return [save_page(levels_of(experiment), experiment), *pictures, place]


def _measured(experiment: OwnDial) -> pd.DataFrame:
    """All numbers, tidy: ``results.COLUMNS``, ``at_sigma``, and ``band`` of metric ``band_r2``."""
    columns: list[Any] = [*results.COLUMNS, "at_sigma", "band"]
    measured = [p for p in experiment.products() if p.kind in results.ROWS_OF]
    return results.tidy(measured)[columns]
