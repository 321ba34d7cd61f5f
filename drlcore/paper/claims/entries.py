"""Claims as ``claims.toml`` states them: each entry a claim, its texts and how it is judged.

A verdict can be followed by hand from an entry and the rows of the table that it names.

Of a claim ``[[claim]]``:
    claim, figure, published, statistic, selection, control, threshold, fails: texts, see ``Claim``.
    source: the result table it is judged from, ``data/results/<preset>/<source>.csv``. Of notebooks
        09 and 16 the test accuracies of the first data set, in %, with ``compute``, the share of
        the full compute that fine-tuning took.
    needs: ``all`` contrasts as claimed (by default), ``any`` of them, or ``both signs``: one above
        and one below its control (a claim that something is inconsistent).
    where: rows that everything below is about.
    best: what is selected, a ``where`` beside the claim's and a ``statistic``: of all settings that
        it lists (a list, ``each`` or ``inner``) the one whose statistic has the highest mean over
        seeds on validation, the first among equals. No entry can select on another split.

Of a contrast ``[[claim.contrast]]``, a statistic over seeds against a control:
    name: what is compared; ``{column}`` and ``{control[column]}`` are filled in from the rows,
        and ``{arm}`` is the method, with ", E(x0, t)" if its encoder sees the time.
    where: which rows, beside the claim's: for each column a value; a comparison (``"< 1"``,
        ``">= 1"``, ``"!= toy"``); or a word. ``lowest``, ``highest``: of the values in those rows.
        ``best``: the one selected. A list, ``each`` or ``inner`` (each but the two ends): a
        contrast for each value. In a control ``same``: as in the rows it is compared with, and
        ``others``: a contrast for each other value.
    statistic: one of ``STATISTICS`` with its options, ``value`` by default.
    times, plus: what the statistic is multiplied by, and what is then added; 1 and 0 by default.
    control: a number, or rows of the same table: a ``where`` beside the claim's (not the
        contrast's), and the contrast's statistic and ``times`` unless it has its own.
    direction: ``above`` the control (by default) or ``below``.
    margin, bound: see ``Contrast``.

Statistics, all one number for each seed:
    value: of the one row.
    mean, largest, rank_correlation, log10_of_peak: of the values by level, a column ``over``: their
        mean, their maximum, Spearman's correlation with the level, the level's log10 where they
        are largest. With ``minus`` the values less those of other rows, with ``below`` the share
        by which they lie below them; both say what is other in ``where``.
    best_time: the value at the seed's encoder time that is best on validation.
    errors_at_best_time: 1 less that, as a share of what ``chance`` leaves.
    largest_residual: over levels, of the metric less all ``terms`` (metrics too), as a share of it.
    worth_kept: mean share by which a loss lies below the shuffled code's, as a share of that of the
        own code (its mean over seeds); 0 if the own code is worth nothing. Losses are measured on
        validation alone.
    order_in_distance: Spearman's correlation of |t - t_j| and the value, over all pairs of times.
    share_as_predicted: of (factor, sigma) of the toy set, where z holds the factor (accuracy above
        2/3, of which 1/3 is chance) just where theory says that it pays.
    best_same_answer: the same share of the best answer that is the same everywhere.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from drlcore.errors import ParameterError
from drlcore.paper.claims.judge import Contrast, Finding, Needs, judge
from drlcore.paper.claims.selection import OF_A_CONTROL, settings
from drlcore.paper.claims.statistics import STATISTICS, Where, rows
from drlcore.paper.tables.results import COLUMNS as TABLE_COLUMNS
from drlcore.paper.tables.semi_supervised import judged_accuracies
from drlcore.parameters import Parameters

COLUMNS = {
    *TABLE_COLUMNS, "at_sigma", "t", "t_j", "time_conditioned", "weighting", "steps",
    "adam_epsilon", "mixup", "n_labels", "pretrained_on", "encoder_time", "compute",
    "score_network", "width", "name", "change", "stand_in", "start", "p_kl", "prior", "band",
}  # fmt: skip
OPTIONS = ("over", "minus", "below", "chance", "terms")  # of statistics
# What is judged, of a table that is not judged as it is.
PREPARED = dict.fromkeys(("09_semi_supervised", "16_cifar10_few_labels"), judged_accuracies)


def _known_column(name: str) -> str:
    if name not in COLUMNS:
        raise ValueError(f"no such column; known are: {', '.join(sorted(COLUMNS))}")
    return name


def _of_known_columns(template: str) -> str:
    for _, field, _, _ in Formatter().parse(template):
        column = (field or "arm").removeprefix("control[").removesuffix("]")
        if column != "arm":
            _known_column(column)
    return template


Text = Annotated[str, Field(min_length=1)]
Column = Annotated[str, AfterValidator(_known_column)]
Value = bool | int | float | str
Rows = dict[Column, Value | list[Value]]


class Measure(Parameters):
    """Which rows, and which statistic of them."""

    where: Rows = {}
    statistic: str = "value"
    over: Column | None = None
    minus: Rows | None = None
    below: Rows | None = None
    chance: float | None = None
    terms: list[str] | None = None
    times: float = 1.0
    plus: float = 0.0

    @model_validator(mode="after")
    def _is_known(self) -> Measure:
        if self.statistic not in STATISTICS:
            raise ValueError(f"statistic {self.statistic!r}; known are: {', '.join(STATISTICS)}")
        try:
            inspect.signature(STATISTICS[self.statistic]).bind(None, None, **self.options)
        except TypeError as error:
            raise ValueError(f"statistic {self.statistic}: {error}") from None
        return self

    @property
    def options(self) -> dict[str, Any]:
        given = {option: getattr(self, option) for option in OPTIONS}
        return {option: value for option, value in given.items() if value is not None}

    def by_seed(self, table: pd.DataFrame, where: Where) -> pd.Series[float]:
        """The statistic of the rows that match."""
        return STATISTICS[self.statistic](table, where, **self.options) * self.times + self.plus


class Comparison(Measure):
    """A statistic against its control: one ``Contrast``, or one for each of some values."""

    name: Annotated[str, AfterValidator(_of_known_columns)]
    control: float | Measure
    direction: Literal["above", "below"] = "above"
    margin: Annotated[float, Field(ge=0)] = 0.0
    bound: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _control_is_measured_alike(cls, values: dict[str, Any]) -> dict[str, Any]:
        control = values.get("control")
        if not isinstance(control, dict):
            return values
        shared = ("times",) if "statistic" in control else ("times", "statistic", *OPTIONS)
        return {**values, "control": {k: values[k] for k in shared if k in values} | control}

    def contrasts(self, table: pd.DataFrame, common: Where, best: Where) -> Iterator[Contrast]:
        """Those of the rows ``common`` to the claim. Raises DataError if the table lacks them."""
        for where in settings(table, {**common, **self.where}, best):
            ours = rows(table, where)
            for control, quoted in self._controls(table, common, best, ours):
                name = self.name.format(**_quoted(ours), control=quoted)
                values, rises = self.by_seed(table, where), self.direction == "above"
                yield Contrast(name, values, control, rises, self.margin, self.bound)

    def _controls(
        self, table: pd.DataFrame, common: Where, best: Where, ours: pd.DataFrame
    ) -> Iterator[tuple[pd.Series[float] | float, Where]]:
        """Each with what a name may quote of it."""
        if not isinstance(self.control, Measure):
            yield self.control, {}
            return
        for where in settings(table, {**common, **self.control.where}, best, ours):
            yield self.control.by_seed(table, where), _quoted(rows(table, where))


class Claim(Parameters):
    """A claim and its criterion, all said before the numbers.

    Attributes:
        claim: what is claimed.
        figure: where the paper does (ICLR-2022 numbering).
        published: what the paper has: numbers, or "in words".
        statistic: what is measured, and on what.
        selection: what is chosen by looking, and on which part of the data.
        control: what could pass without the claim being true.
        threshold: beyond which difference the claim holds, and why there.
        fails: what would refute it.
        source, needs, where, best, contrast: see the module.
    """

    claim: Text
    figure: Text
    published: Text
    statistic: Text
    selection: Text
    control: Text
    threshold: Text
    fails: Text
    source: Text
    needs: Needs = "all"
    where: Rows = {}
    best: Measure | None = None
    contrast: Annotated[list[Comparison], Field(min_length=1)]

    @model_validator(mode="after")
    def _words_have_a_meaning(self) -> Claim:
        chosen = self.best.where if self.best else {}
        for each in self.contrast:
            ours = {**self.where, **each.where}
            control = each.control.where if isinstance(each.control, Measure) else {}
            if any(word in OF_A_CONTROL for word in ours.values()):
                raise ValueError(f"{each.name!r}: 'same' and 'others' are words of a control")
            for column, word in (*ours.items(), *control.items()):
                if word == "best" and column not in chosen:
                    raise ValueError(f"{each.name!r}: no best {column} is selected")
        return self

    def find(self, table: pd.DataFrame) -> Finding:
        """Judge the claim. Raises DataError if the table lacks what it needs."""
        if self.source in PREPARED:
            table = PREPARED[self.source](table)
        best = self._selected(table, self.best) if self.best else {}
        found = [c for each in self.contrast for c in each.contrasts(table, self.where, best)]
        return judge(found, self.needs)

    def _selected(self, table: pd.DataFrame, of: Measure) -> Where:
        candidates = settings(table, {**self.where, **of.where, "split": "validation"}, {})
        return max(candidates, key=lambda where: of.by_seed(table, where).mean())


def read_claims(path: Path) -> tuple[Claim, ...]:
    """The claims of a file, in its order.

    Raises:
        ParameterError: an entry is malformed; it is named.
    """
    found = []
    for number, entry in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))["claim"], 1):
        try:
            found.append(Claim(**entry))
        except ParameterError as error:
            name = entry.get("claim", f"number {number}")
            raise ParameterError(f"{path.name}, claim {name!r}: {error}") from None
    return tuple(found)


def _quoted(of: pd.DataFrame) -> dict[str, object]:
    """What a contrast's name may quote of its rows."""
    first = of.iloc[0].to_dict()
    sees_time = first.get("time_conditioned")
    return {**first, "arm": f"{first['method']}{', E(x0, t)' if sees_time else ''}"}
