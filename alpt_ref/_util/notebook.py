"""What a notebook shows of a result: an HTML table that needs no style sheet, and whether we are in a notebook."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from html import escape

_NUMBER = re.compile(r"([-−+]?[\d.,]+(e[-+]?\d+)?( ± [\d.e-]+)?( ?[%×])?|–|)")
"""A cell of a column of numbers."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, whose standard error is no terminal but can show a bar."""
    return "ipykernel" in sys.modules


def html_table(
    titles: Sequence[object], rows: Iterable[Sequence[object]], *, caption: str = "", notes: Sequence[str] = ()
) -> str:
    """A table for ``_repr_html_``.

    Parameters
    ----------
    titles : sequence
        Of the columns; columns of numbers but the first are set to the right.
    rows : iterable of sequences
        As many cells each.
    caption : str
        Above the table.
    notes : sequence of str
        Lines below it.

    Returns
    -------
    str
        HTML, every text escaped.

    Examples
    --------
    >>> "<td" in html_table(["a", "b"], [["x", 1]])
    True
    """

    lines = [[str(value) for value in row] for row in rows]
    columns = zip(*lines, strict=True) if lines else ([] for _ in titles)
    sides = ["right" if all(map(_NUMBER.fullmatch, column)) else "left" for column in columns]
    sides[:1] = ["left"]

    def cells(tag: str, values: Iterable[object]) -> str:
        return "".join(
            f'<{tag} style="text-align:{side}">{escape(str(value))}</{tag}>'
            for value, side in zip(values, sides, strict=True)
        )

    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in lines)
    below = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return f"<table>{above}<thead><tr>{cells('th', titles)}</tr></thead><tbody>{body}</tbody></table>{below}"
