"""Copy what belongs in git out of a finished laptop run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TypeVar

import nbformat
import pandas as pd

from drlcore.data import paths
from drlcore.errors import ArtefactError
from drlcore.paper.claims import OPPOSITE, VERDICTS
from drlcore.paper.experiments import EXPERIMENTS
from drlcore.paper.experiments.latent_space import SETTINGS, LatentSpace
from drlcore.paper.presets import PresetName
from drlcore.paper.tables import results
from drlcore.training import artefacts
from drlcore.training.card import WEIGHTS
from drlcore.training.store import HISTORY, find, find_card

Found = TypeVar("Found")

PRESET: PresetName = "laptop"
LIMIT_MB = 30
CLAIMS_BEGIN = "<!-- claims: written by 'make publish' from data/results/laptop/claims.csv -->"
CLAIMS_END = "<!-- end of claims -->"


def publish() -> None:
    """Refresh the reference results and README's claims from the last laptop batch run.

    Committed are the run cards, every product that a notebook reads, the histories of the runs of
    notebook 03, which alone reads any, and weights: of the two DRL models that it samples from, to
    play with, and of the classifier that reads samples. What was not computed here, but committed
    before with the same parameters, stays; so does a notebook that was not executed.

    Figures and result tables are already in place, unless the run wrote to ``$DRLCORE_OUTPUT``.

    Raises:
        ArtefactError: something has not been computed, or the artefacts exceed 30 MB.
    """
    target = paths.artefacts()
    staged = target.with_name("artefacts.staged")
    shutil.rmtree(staged, ignore_errors=True)
    experiments = [cls(preset=PRESET) for cls in EXPERIMENTS.values()]
    runs = [run for experiment in experiments for run in experiment.runs()]
    space = LatentSpace(preset=PRESET)
    files = [(product.run, product.file) for e in experiments for product in e.products()]
    files += [(run, HISTORY) for run in space.runs()]
    weighed = [space.reader, *(space.sampler(*setting) for setting in SETTINGS[:2])]
    files += [(run, WEIGHTS) for run in weighed]
    cards = {run.key: _there(find_card(run), f"run {run.key}") for run in runs}
    found = [_there(find(run, name), f"{name} of run {run.key}") for run, name in files]
    artefacts.write(staged, cards, {(file.run.key, file.name): file.read() for file in found})
    size = sum(path.stat().st_size for path in staged.iterdir()) / 1e6
    if size > LIMIT_MB:
        raise ArtefactError(f"the artefacts take {size:.1f} MB, at most {LIMIT_MB} are committed")
    shutil.rmtree(target, ignore_errors=True)
    staged.rename(target)
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor  # of the notebooks alone

    notebooks = [name for name in EXPERIMENTS if executed(PRESET, name).is_file()]
    for name in notebooks:
        notebook = nbformat.read(executed(PRESET, name), as_version=4)
        # A printed text comes in pieces, other ones each time.
        notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
        notebook.metadata.pop("papermill", None)  # machine paths and times
        notebook.metadata.pop("widgets", None)  # progress bars that are long over
        for cell in notebook.cells:
            cell.metadata.pop("papermill", None)
            cell.metadata.pop("execution", None)
        nbformat.write(notebook, paths.root() / "notebooks" / f"{name}.ipynb")
    for folder in (paths.results(PRESET), paths.figures(PRESET)):
        committed = paths.root() / folder.relative_to(paths.output())
        if folder.is_dir() and folder.resolve() != committed.resolve():
            shutil.copytree(folder, committed, dirs_exist_ok=True)
    readme = paths.root() / "README.md"
    text = with_claims(readme.read_text(encoding="utf-8"), results.read(PRESET, "claims"))
    readme.write_text(text, encoding="utf-8")
    print(f"{size:.1f} MB of artefacts, {len(notebooks)} notebooks")


def _there(found: Found | None, what: str) -> Found:
    if found is None:
        raise ArtefactError(f"{what} is missing: run 'make reproduce' first")
    return found


def with_claims(readme: str, claims: pd.DataFrame) -> str:
    """``readme`` with the table of claims and verdicts between its two markers renewed.

    Above it how many claims came to each verdict; the opposite of a claim in bold.
    """
    before, rest = readme.split(f"{CLAIMS_BEGIN}\n")
    _, after = rest.split(CLAIMS_END)
    shown = {verdict: f"**{verdict}**" if verdict == OPPOSITE else verdict for verdict in VERDICTS}
    rows = [f"| {row.claim} | {row.figure} | {shown[row.verdict]} |" for row in claims.itertuples()]
    table = "\n".join(["| claim | paper | here, at preset laptop |", "|---|---|---|", *rows])
    told = ((int((claims.verdict == verdict).sum()), shown[verdict]) for verdict in VERDICTS)
    counts = f"Of {len(claims)} claims: " + ", ".join(f"{n} {verdict}" for n, verdict in told if n)
    return f"{before}{CLAIMS_BEGIN}\n{counts}.\n\n{table}\n{CLAIMS_END}{after}"


def executed(place: str, notebook: str) -> Path:
    """Where the batch run leaves an executed notebook, see ``Experiment.place``."""
    return paths.runs() / "notebooks" / place / f"{notebook}.ipynb"
