"""The paper's claims, how each is judged, what was measured, and the verdict.

What is claimed and how it is judged stands in ``claims.toml``, see ``entries``. Every number is
recomputed from the result tables; none is typed. Where a setting is selected (the best single noise
level), validation selects and test reports.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from drlcore.data import paths
from drlcore.errors import ArtefactError, DataError
from drlcore.paper.claims.entries import read_claims
from drlcore.paper.claims.judge import ABSENT, OPPOSITE, VERDICTS, Finding
from drlcore.paper.tables import results
from drlcore.training.checkpoint import write_atomically

__all__ = ["CLAIMS", "COLUMNS", "OPPOSITE", "VERDICTS", "verdicts", "write_claims"]

COLUMNS = [
    "claim", "figure", "published", "statistic", "selection", "control", "threshold", "fails",
    "measured", "spread", "n_seeds", "verdict",
]  # fmt: skip
CLAIMS = read_claims(Path(__file__).with_name("claims.toml"))


def verdicts(preset: str) -> pd.DataFrame:
    """Judge every claim from the result tables of ``preset``: columns ``COLUMNS``.

    A claim without its table, or without its rows in it, is not run; ``measured`` says what is
    missing.
    """
    found = []
    for claim in CLAIMS:
        try:
            finding = claim.find(results.read(preset, claim.source))
        except (ArtefactError, DataError) as missing:
            finding = Finding(str(missing), ABSENT)
        found.append(vars(claim) | asdict(finding))
    return pd.DataFrame(found)[COLUMNS]


def write_claims(preset: str, place: str | None = None) -> pd.DataFrame:
    """Judge every claim by the reference tables of ``preset`` and write ``claims.csv``.

    Args:
        place: where to, see ``Experiment.place``; None: beside those tables.
    """
    table = verdicts(preset)
    write_atomically(
        paths.results(place or preset) / "claims.csv",
        lambda temporary: table.to_csv(temporary, index=False, float_format="%.4g"),
    )
    return table
