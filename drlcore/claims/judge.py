"""A claim, how it is judged, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from drlcore.errors import DataError

REPRODUCED, TREND, FAILED, ABSENT = "reproduced", "trend only", "did not reproduce", "not run"


@dataclass(frozen=True)
class Finding:
    """What a claim came to.

    Attributes:
        measured: numbers in words.
        verdict: one of the four.
        spread: standard deviation over seeds or standard error of the main number.
        n_seeds: how many seeds it is over.
    """

    measured: str
    verdict: str
    spread: float = float("nan")
    n_seeds: int = 1


@dataclass(frozen=True)
class Claim:
    """One claim: its text, the paper's figure (ICLR-2022 numbering), and how it is measured."""

    claim: str
    figure: str
    expected: str
    source: str
    find: Callable[[pd.DataFrame], Finding]


def some(table: pd.DataFrame) -> pd.DataFrame:
    """``table``, which has rows. Raises DataError if not: said as 'not run', never judged."""
    if table.empty:
        raise DataError("no such rows")
    return table


def verdict(reproduced: bool, trend: bool, n_seeds: int) -> str:
    """One seed shows no spread: at best a trend."""
    if reproduced and n_seeds > 1:
        return REPRODUCED
    return TREND if reproduced or trend else FAILED


def values(table: pd.DataFrame, **where: object) -> pd.Series[float]:
    """Values of the rows that match, indexed by seed."""
    keep = np.ones(len(table), dtype=bool)
    for column, wanted in where.items():
        keep &= (table[column] == wanted).to_numpy()
    return table[keep].set_index("seed").value


def spread_of(of_seeds: pd.Series[float]) -> float:
    """Standard deviation over seeds; 0 for one seed, which shows none."""
    return float(of_seeds.std()) if len(of_seeds) > 1 else 0.0
