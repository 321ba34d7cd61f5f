"""``claims.toml``: every entry is complete, of what the tables have, and a bad one is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from drlcore.data import paths
from drlcore.errors import DataError, ParameterError
from drlcore.paper import claims
from drlcore.paper.claims import CLAIMS, COLUMNS
from drlcore.paper.claims.entries import PREPARED, Claim, Comparison, Measure, read_claims
from drlcore.paper.claims.selection import settings
from drlcore.paper.claims.statistics import STATISTICS, rows

FILE = Path(claims.__file__).with_name("claims.toml")
RESULTS = paths.root() / "data" / "results" / "laptop"
TEXTS = COLUMNS[:8]


def table_of(claim: Claim) -> pd.DataFrame:
    table = pd.read_csv(RESULTS / f"{claim.source}.csv")
    return PREPARED[claim.source](table) if claim.source in PREPARED else table


def measures(claim: Claim) -> Iterator[Measure]:
    for contrast in claim.contrast:
        yield contrast
        if isinstance(contrast.control, Measure):
            yield contrast.control
    if claim.best is not None:
        yield claim.best


def test_committed_verdicts_are_what_the_committed_tables_give(tmp_path: Path) -> None:
    again = claims.verdicts("laptop")
    again.to_csv(tmp_path / "claims.csv", index=False, float_format="%.4g")
    assert (tmp_path / "claims.csv").read_bytes() == (RESULTS / "claims.csv").read_bytes()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.claim)
def test_every_claim_says_how_it_is_judged(claim: Claim) -> None:
    for text in (*TEXTS, "source"):
        said = getattr(claim, text)
        assert said.strip() == said != "" and not said.endswith("."), text
        assert "\n" not in said and "  " not in said, text  # nor was a word lost where lines end
    assert (claim.best is not None) <= ("validation" in claim.selection)
    assert ("validation" in claim.selection) == (not claim.selection.startswith("nothing"))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.claim)
def test_columns_metrics_and_values_are_those_of_the_committed_tables(claim: Claim) -> None:
    table = table_of(claim)
    for measure in measures(claim):
        for where in (claim.where, measure.where, measure.minus, measure.below):
            for column, wanted in (where or {}).items():
                assert column in table, column
                for value in wanted if isinstance(wanted, list) else [wanted]:
                    words = ("lowest", "highest", "best", "each", "inner", "same", "others")
                    if value not in words:
                        assert len(rows(table, {column: value})), (column, value)
        assert measure.over is None or measure.over in table
        assert set(measure.terms or ()) <= set(table.metric)


def test_claims_are_different_and_every_statistic_judges_one():
    assert len({claim.claim for claim in CLAIMS}) == len(CLAIMS) == 83
    assert {m.statistic for claim in CLAIMS for m in measures(claim)} == set(STATISTICS)
    assert max(len(line) for line in FILE.read_text(encoding="utf-8").splitlines()) <= 110


def entry(start: str = "the benefit persists") -> dict[str, Any]:
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))["claim"]
    return next(each for each in entries if each["claim"].startswith(start))


def contrast(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda claim: claim["contrast"][0].update(changes)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda claim: claim.pop("fails"), "'fails'"),
        (lambda claim: claim.update(figure=""), "'figure'"),
        (lambda claim: claim.update(needs="most"), "'needs' = 'most'.*'all', 'any' or 'both"),
        (lambda claim: claim.update(evidence="much"), "unknown parameter 'evidence'"),
        (lambda claim: claim.update(contrast=[]), "'contrast'"),
        (lambda claim: claim.pop("best"), "no best method is selected"),
        (lambda claim: claim["where"].update(colour="red"), "colour.*no such column; known are"),
        (contrast(statistic="median"), "statistic 'median'; known are: value, mean"),
        (contrast(statistic="mean"), "statistic mean: missing a required argument: 'over'"),
        (contrast(statistic="mean", over="epoch"), "'epoch'.*no such column"),
        (contrast(statistic="best_time", chance=0.1), "unexpected keyword argument 'chance'"),
        (contrast(direction="up"), "'above' or 'below'"),
        (contrast(margin=-0.1), "greater than or equal to 0"),
        (contrast(bound="high"), "bound"),
        (contrast(threshold=1), "unknown parameter 'threshold'"),
        (contrast(name="{colour} against {control[method]}"), "no such column"),
        (contrast(where={"t": "others"}), "'same' and 'others' are words of a control"),
        (contrast(control={"metric": "mlp_accuracy"}), "unknown parameter 'metric'"),
        (contrast(control={"where": {"kind": "drl"}}), "kind.*no such column"),
    ],
)
def test_a_malformed_entry_is_refused_by_its_name(
    spoil: Callable[[dict[str, Any]], Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = entry()
    Claim(**spoiled)
    spoil(spoiled)
    entries = [entry("J_DSM"), spoiled]
    monkeypatch.setattr(tomllib, "loads", lambda text: {"claim": entries})
    with pytest.raises(ParameterError, match=words) as refused:
        read_claims(FILE)
    assert str(refused.value).startswith(
        "claims.toml, claim 'the benefit persists under another SDE': "
    )


def test_an_entry_without_a_claim_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "made-up.toml").write_text("[[claim]]\nfigure = 'Fig. 1'\n", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"made-up.toml, claim 'number 1': .*'claim'"):
        read_claims(tmp_path / "made-up.toml")


def test_a_control_is_measured_as_its_contrast_unless_it_says_otherwise():
    about = {"name": "it", "statistic": "mean", "over": "t", "times": 2.0}
    alike = Comparison(**about, control={"where": {"method": "ae"}}).control
    assert isinstance(alike, Measure) and alike.options == {"over": "t"} and alike.times == 2
    assert alike.statistic == "mean" and alike.where == {"method": "ae"}
    other = Comparison(**about, control={"statistic": "best_time", "plus": 1.0}).control
    assert isinstance(other, Measure) and other.options == {} and other.where == {}
    assert (other.statistic, other.times, other.plus) == ("best_time", 2, 1)
    assert Comparison(**about, control=0).control == 0


# What a 'where' comes to.


def made_up() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"method": m, "t": t, "n_labels": n, "metric": "a", "seed": 0, "value": t * n}
            for m in ("drl", "ae")
            for t in (0.5, 0.0, 1.0, 0.25)
            for n in ((10, 50, 400) if m == "drl" else (10, 50))
        ]
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (0.5, [0.5]),
        ([1.0, 0.0], [1.0, 0.0]),
        ("lowest", [0.0]),
        ("highest", [1.0]),
        ("best", [0.25]),
        ("each", [0.0, 0.25, 0.5, 1.0]),
        ("inner", [0.25, 0.5]),
        (">= 0.5", [">= 0.5"]),
    ],
)
def test_words_become_values_of_the_table(wanted: object, found: list[object]) -> None:
    where = settings(made_up(), {"method": "drl", "t": wanted}, {"t": 0.25})
    assert where == [{"method": "drl", "t": value} for value in found]


def test_words_are_of_the_rows_that_the_rest_selects():
    table = made_up()
    (most,) = settings(table, {"method": "ae", "n_labels": "highest"}, {})
    assert most["n_labels"] == 50
    (least,) = settings(table, {"t": ">= 0.5", "n_labels": "lowest"}, {})
    assert least["n_labels"] == 10
    arms = settings(table, {"method": ["drl", "ae"], "n_labels": "each"}, {})
    assert [(a["method"], a["n_labels"]) for a in arms] == [
        ("drl", 10), ("drl", 50), ("drl", 400), ("ae", 10), ("ae", 50),
    ]  # fmt: skip


def test_a_control_has_the_same_values_or_each_other_one():
    table = made_up()
    one, several = (rows(table, {"n_labels": n}) for n in (50, ">= 50"))
    drl = {"method": "drl"}
    assert settings(table, {**drl, "n_labels": "same"}, {}, one) == [{**drl, "n_labels": 50}]
    (both,) = settings(table, {**drl, "n_labels": "same"}, {}, several)
    assert both["n_labels"] == (50, 400) and len(rows(table, both)) == 8
    others = settings(table, {**drl, "n_labels": "others"}, {}, one)
    assert [other["n_labels"] for other in others] == [10, 400]
    with pytest.raises(DataError, match="no rows with method = ae"):
        rows(table, {**both, "method": "ae"})  # it lacks one of them
    with pytest.raises(DataError, match="no other to compare"):
        settings(one, {"n_labels": "others"}, {}, one)
    with pytest.raises(DataError, match="no column sigma"):
        settings(table, {"sigma": "each"}, {})


def test_comparisons_of_numbers_and_of_texts():
    table = made_up()
    assert set(rows(table, {"t": "< 0.5"}).t) == {0.0, 0.25}
    assert set(rows(table, {"t": ">= 0.5"}).t) == {0.5, 1.0}
    assert set(rows(table, {"method": "!= ae"}).method) == {"drl"}
    assert set(rows(table, {"n_labels": "!= 10"}).n_labels) == {50, 400}
