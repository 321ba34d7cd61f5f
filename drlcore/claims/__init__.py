"""The paper's claims, what was expected, what was measured, and the verdict.

Every number is recomputed from the result tables; none is typed. Where a setting is selected (the
best single noise level), validation selects and test reports.
"""

from __future__ import annotations

import pandas as pd

from drlcore import paths, results
from drlcore.checkpoint import write_atomically
from drlcore.claims.codes import CODES
from drlcore.claims.comparison import COMPARISON
from drlcore.claims.judge import ABSENT, FAILED, REPRODUCED, TREND, Claim, Finding
from drlcore.claims.semi_supervised import SEMI_SUPERVISED
from drlcore.errors import ArtefactError, DataError

__all__ = [
    "ABSENT",
    "CLAIMS",
    "COLUMNS",
    "FAILED",
    "REPRODUCED",
    "TREND",
    "Claim",
    "Finding",
    "verdicts",
    "write_claims",
]

COLUMNS = ["claim", "figure", "expected", "measured", "spread", "n_seeds", "verdict"]
CLAIMS: tuple[Claim, ...] = CODES + COMPARISON + SEMI_SUPERVISED


def verdicts(preset: str) -> pd.DataFrame:
    """Judge every claim from the result tables of ``preset``: columns ``COLUMNS``."""
    rows = []
    for claim in CLAIMS:
        try:
            found = claim.find(results.read(preset, claim.source))
        except (ArtefactError, DataError):  # no table, or no such rows in it
            found = Finding("", ABSENT, n_seeds=0)
        rows.append(
            [
                claim.claim, claim.figure, claim.expected,
                found.measured, found.spread, found.n_seeds, found.verdict,
            ]
        )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


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
