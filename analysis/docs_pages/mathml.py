"""Formulas of the site as MathML, which browsers show without a script, a font or a network."""

from __future__ import annotations

import re
from html import escape
from typing import Any

_SUBSET = ((r"\\(?:[bB]igg?)[lr]?(?![a-zA-Z])", ""), (r"\\tfrac(?![a-zA-Z])", r"\\frac"))


def mathml(latex: str, display: str = "inline") -> str:
    """A formula in LaTeX as a MathML element with the LaTeX as its text for readers that have no MathML."""
    from latex2mathml.converter import convert

    for pattern, replacement in _SUBSET:
        latex = re.sub(pattern, replacement, latex)
    made: str = convert(" ".join(latex.split()), display=display)
    return made.replace("<math ", f'<math alttext="{escape(latex, quote=True)}" ', 1)


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer ``mathml`` with Sphinx."""
    from docutils.nodes import SkipNode

    def inline(writer: Any, node: Any) -> None:
        writer.body.append(mathml(node.astext()))
        raise SkipNode

    def block(writer: Any, node: Any) -> None:
        writer.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>\n')
        raise SkipNode

    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
