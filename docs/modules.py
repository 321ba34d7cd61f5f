"""What pages say of the package, written from the package: nothing to keep in step by hand.

In a page, ``% modules drlcore.probes`` stands for the docstrings of a wing's modules (or of the
modules named), ``% front door`` for a table of ``drlcore.__all__``, and ``% registries`` for what
parameters can call by name.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx

import drlcore
from drlcore.parameters import Registry

PACKAGE = Path(drlcore.__file__).parent
REGISTRIES = {
    "drlcore": ["ENCODERS", "SCORE_NETWORKS", "METHODS", "DATASETS"],
    "drlcore.sde": ["SDES"],
    "drlcore.noise_range": ["T_SAMPLERS"],
}

READING = (
    *("estimator", "noise_range", "sde", "encoder", "score_network", "model", "loss", "sampling"),
    *("data", "training", "errors"),
)
NAMED = r"\s*[\w, ]+: \S"
NO_TEXT = (":", "..", "- ", ">>>")  # how fields, directives, lists and examples begin


def _modules(names: list[str]) -> list[str]:
    """The modules named; of a package, all that are in it."""
    found = []
    for name in names:
        path = PACKAGE.joinpath(*name.split(".")[1:])
        below = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for file in below:
            parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
            found.append(".".join(parts).removesuffix(".__init__"))
    return found


def _rst(*lines: str) -> str:
    return "\n".join(["```{eval-rst}", *lines, "```"])


def _documented(match: re.Match[str]) -> str:
    names = match[1].split()
    sections = []
    for module in _modules(names):
        directive = [f".. automodule:: {module}", "   :members:", "   :show-inheritance:"]
        directive.append("   :ignore-module-all:")  # what it imports is told where it is written
        if module in names and len(names) == 1:  # the wing itself is the page
            sections.insert(0, _rst(*directive))
        else:
            title = module.removeprefix(f"{names[0]}." if len(names) == 1 else "drlcore.")
            sections += [f"## {title}", _rst(*directive)]
    return "\n\n".join(sections)


def _front_door(match: re.Match[str]) -> str:
    things = {name: getattr(drlcore, name) for name in drlcore.__all__}
    rows = []
    for name, thing in things.items():
        if not isinstance(thing, Registry):
            summary = _escaped((inspect.getdoc(thing) or "").splitlines()[0])
            place = READING.index(thing.__module__.split(".")[1])
            full = f"{thing.__module__}.{name}"
            rows.append((place, f"   * - :py:obj:`~{full}`", f"     - {summary}"))
    lines = [line for _, *row in sorted(rows) for line in row]
    return _rst(".. list-table::", "   :widths: auto", "", *lines)


def _registries(match: re.Match[str]) -> str:
    lines = []
    for module, names in REGISTRIES.items():
        for name in names:
            known = ", ".join(f"``{part}``" for part in getattr(import_module(module), name))
            lines += [f".. py:data:: {module}.{name}", "", f"   {known}", ""]
    return _rst(*lines)


def _expand(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname.startswith("api/"):
        for mark, write in {
            r"% modules (.+)": _documented,
            r"% front door": _front_door,
            r"% registries": _registries,
        }.items():
            source[0] = re.sub(f"^{mark}$", write, source[0], flags=re.MULTILINE)


def _plain_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Of parameter sets, names and defaults: types are validators and long."""
    if what == "class" and issubclass(obj, BaseModel):
        parameters = [
            p.replace(annotation=p.empty) for p in inspect.signature(obj).parameters.values()
        ]
        return str(inspect.Signature(parameters)), ""
    return None


def _escaped(line: str) -> str:
    """``||x||`` is a norm and ``*shape`` Python, where reStructuredText would see markup."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    parts = line.split("``")
    parts[::2] = [re.sub(r"\||\*(?=\w+[,)])", r"\\\g<0>", part) for part in parts[::2]]
    return "``".join(parts)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _paragraph(lines: list[str]) -> list[str]:
    """Formulas stand indented in the text, and lists hang: reStructuredText wants blank lines."""
    margin = _indent(lines[0])
    if all(_indent(line) == margin for line in lines) or lines[0].lstrip().startswith(NO_TEXT):
        return [_escaped(line) for line in lines]
    if re.match(NAMED, lines[0]):  # a list: a name, what it means, hanging lines
        out = []
        for line in lines:
            item = _indent(line) == margin
            out += [""] * item + [" " * margin + ("- " if item else "  ") + _escaped(line.lstrip())]
        return out
    out = []
    for inner, group in groupby(lines, lambda line: _indent(line) > margin):
        block = list(group)
        if not inner:
            out += [_escaped(line) for line in block]
        elif re.match(NAMED, block[0]):
            out += ["", *_paragraph(block), ""]
        else:
            out += ["", f"{' ' * margin}.. code-block:: text", "", *block, ""]
    return out


def _docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    out: list[str] = []
    for blank, group in groupby(lines, lambda line: not line.strip()):
        block = list(group)
        out += block if blank else _paragraph(block)
    lines[:] = out


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _expand)
    app.connect("autodoc-process-signature", _plain_signature)
    app.connect("autodoc-process-docstring", _docstring)
    return {"parallel_read_safe": True}
