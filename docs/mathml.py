"""Formulas as MathML, which browsers draw themselves: no script, no network, also from the disk."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx


def _mathml(tex: str, block: bool) -> str:
    # docutils knows \bigl and \bigr, not \big.
    tex = re.sub(r"\\big(?=[(\[])", r"\\bigl", tex)
    tex = re.sub(r"\\big(?=[)\]])", r"\\bigr", tex)
    return tex2mathml(tex, as_block=block)


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(_mathml(node.astext(), block=False))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{_mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.config.html_math_renderer = "mathml"  # type: ignore[attr-defined]
    return {"parallel_read_safe": True}
