"""Which parameters a notebook was given: the names that its parameters cell assigned."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

# Names IPython puts into every notebook's namespace.
_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}
_INJECTED = "# Parameters"  # the first line of the cell that papermill inserts


def parameter_names(namespace: Mapping[str, Any], fields: Collection[str]) -> list[str]:
    """Names in ``namespace`` that a person or papermill gave as parameters.

    In IPython these are read from the kernel's history, so that what an earlier run of the notebook
    left behind does not count: every name assigned by the last parameters cell (the one that sets
    ``preset``) and by cells of assignments alone right after it, as papermill inserts one; of cells
    run later, those that are ``fields``. Elsewhere every global that could be a parameter.
    """
    history = namespace.get("In") if "get_ipython" in namespace else None
    cells = [(source, _statements(source)) for source in history or ()]
    begins = [
        number
        for number, (source, statements) in enumerate(cells)
        if "preset" in _assigned(statements) and not source.startswith(_INJECTED)
    ]
    if not begins:
        return [name for name, value in namespace.items() if _could_be_given(name, value)]
    (_, given), *later = cells[begins[-1] :]
    names = _assigned(given)
    still_parameters = True
    for source, statements in later:
        assigned = _assigned(statements)
        still_parameters &= "from_notebook(" not in source
        still_parameters &= all(isinstance(each, ast.Assign | ast.AnnAssign) for each in statements)
        names += [name for name in assigned if still_parameters or name in fields]
    return [name for name in dict.fromkeys(names) if name in namespace and name[0] != "_"]


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError:  # a cell that did not run
        return []


def _assigned(statements: list[ast.stmt]) -> list[str]:
    """Names that ``statements`` assign, not counting those inside blocks."""
    targets: list[ast.expr] = []
    for statement in statements:
        if isinstance(statement, ast.Assign):
            targets += statement.targets
        elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
            targets.append(statement.target)
    inner = [node for target in targets for node in ast.walk(target)]
    return [n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _could_be_given(name: str, value: object) -> bool:
    return not (
        name.startswith("_") or name in _IPYTHON or callable(value) or isinstance(value, ModuleType)
    )
