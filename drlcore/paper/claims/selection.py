"""Which rows a claim is about, once the words in its ``where`` are replaced by values."""

from __future__ import annotations

from itertools import product

import pandas as pd

from drlcore.errors import DataError
from drlcore.paper.claims.statistics import Where, rows

OF_A_CONTROL = ("same", "others")
SEVERAL = ("each", "inner", "others")
WORDS = ("lowest", "highest", "best", "same", *SEVERAL)


def settings(
    table: pd.DataFrame, where: Where, best: Where, ours: pd.DataFrame | None = None
) -> list[dict[str, object]]:
    """``where`` with values for words, one for each value of a list, ``each`` and its like.

    Args:
        table: the result table.
        where: values and words by column.
        best: what was selected.
        ours: rows that ``same`` and ``others`` speak of: those a control is compared with.

    Returns:
        In the order of lists, else ascending.

    Raises:
        DataError: the table has no such rows, or of a word no value.
    """
    if lost := [column for column in where if column not in table]:
        raise DataError(f"the table has no column {', '.join(lost)}")
    lists = {column: wanted for column, wanted in where.items() if isinstance(wanted, list)}
    if lists:
        cells = [dict(zip(lists, cell, strict=True)) for cell in product(*lists.values())]
        return [found for cell in cells for found in settings(table, {**where, **cell}, best, ours)]
    found = {column: wanted for column, wanted in where.items() if wanted not in WORDS}
    words = {column: str(wanted) for column, wanted in where.items() if wanted in WORDS}
    found |= {column: best[column] for column, word in words.items() if word == "best"}
    if ours is not None:
        shared = {c: tuple(ours[c].unique()) for c, word in words.items() if word == "same"}
        found |= {c: values if len(values) > 1 else values[0] for c, values in shared.items()}
    for column, word in words.items():
        if word in ("lowest", "highest"):
            of = rows(table, found)[column]
            found[column] = of.min() if word == "lowest" else of.max()
    several = [column for column, word in words.items() if word in SEVERAL]
    if not several:
        return [found]
    cells = rows(table, found)[several].drop_duplicates().sort_values(several)
    for column in several:
        if words[column] == "inner":
            cells = cells[cells[column].between(*cells[column].agg(["min", "max"]), "neither")]
        elif words[column] == "others" and ours is not None:
            cells = cells[~cells[column].isin(ours[column])]
    if cells.empty:
        raise DataError(f"{', '.join(several)}: there is no other to compare with")
    return [{**found, **cell} for cell in cells.to_dict("records")]
