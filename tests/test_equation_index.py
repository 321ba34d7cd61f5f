"""Notebook 00's index: each label leads to code that says the label back, and the reverse."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from drlcore.data import paths
from drlcore.paper.figures import FIGURES

ROOT = paths.root()
HEADING = "## Where each equation lives"
LINK = re.compile(r"\[`([\w.]+)`\]\(\.\./(drlcore/[\w/]+\.py)\)")
NOTEBOOK = re.compile(r"\]\((\d\d_\w+)\.ipynb\)")
LABEL = re.compile(r"\(DRL ([^()]+)\)")


def index() -> list[tuple[str, str, str]]:
    """The rows: label without ``DRL``, what computes it, where it is seen."""
    notebook = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if c.source.startswith(HEADING)]
    table = [line for line in cell.source.splitlines() if line.startswith("| DRL ")]
    rows = [[part.strip() for part in line.strip("|").split(" | ")] for line in table]
    return [(row[0].removeprefix("DRL "), row[2], row[3].strip("| ")) for row in rows]


def linked() -> set[tuple[str, str, str]]:
    """(label, file, function) of every link."""
    return {
        (label, file, name)
        for label, computed_by, _ in index()
        for name, file in LINK.findall(computed_by)
    }


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """(qualified name, docstring on one line) of the module, its classes and functions."""

    def walk(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, str]]:
        yield prefix.rstrip("."), " ".join((ast.get_docstring(node) or "").split())
        for inner in node.body:
            if isinstance(inner, ast.ClassDef):
                yield from walk(inner, f"{prefix}{inner.name}.")
            elif isinstance(inner, ast.FunctionDef):
                text = ast.get_docstring(inner) or ""
                yield f"{prefix}{inner.name}", " ".join(text.split())

    yield from walk(ast.parse(path.read_text()), "")


def said() -> set[tuple[str, str, str]]:
    """(label, file, function) of every label in a docstring of the package."""
    return {
        (label, str(path.relative_to(ROOT)), name)
        for path in sorted((ROOT / "drlcore").rglob("*.py"))
        for name, text in docstrings(path)
        for label in LABEL.findall(text)
    }


def test_every_row_has_code_and_a_notebook_or_says_that_there_is_none() -> None:
    rows = index()
    assert len(rows) > 40
    for label, computed_by, seen in rows:
        if not computed_by.startswith(("not drawn: ", "not computed: ")):
            assert LINK.sub("", computed_by).strip(", ") == "", (label, computed_by)
            assert LINK.findall(computed_by), label
            named = NOTEBOOK.findall(seen)
            assert named or label.startswith("Sec. "), label
            assert [name for name in named if name not in FIGURES] == []


def test_each_link_leads_to_code_whose_docstring_says_the_label() -> None:
    assert linked() - said() == set()


def test_each_label_in_a_docstring_is_in_the_index() -> None:
    assert said() - linked() == set()


@pytest.mark.parametrize(("kind", "last"), [("Fig.", 14), ("Table", 7), ("Prop.", 2)])
def test_all_numbers_are_there(kind: str, last: int) -> None:
    labels = {label for label, _, _ in index()}
    assert {f"{kind} {n}" for n in range(1, last + 1)} <= labels


def test_figures_are_drawn_where_the_index_says() -> None:
    """A figure whose text in ``FIGURES`` names a number of the paper is in that number's row."""
    seen: dict[str, set[str]] = {}
    for label, _, where in index():
        seen.setdefault(label, set()).update(NOTEBOOK.findall(where))
    named = 0
    for notebook, figures in FIGURES.items():
        for about in figures.values():
            for kind, numbers in re.findall(r"\b(Fig|Table|Prop)s?\.? ([\d, and]*\d)", about):
                for number in re.findall(r"\d+", numbers):
                    label = f"{kind} {number}" if kind == "Table" else f"{kind}. {number}"
                    assert notebook in seen[label], (label, about)
                    named += 1
    assert named >= 12
