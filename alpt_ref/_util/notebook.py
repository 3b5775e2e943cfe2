"""What a notebook shows of a result: an HTML table that needs no style sheet, and whether we are in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from html import escape


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
        Of the columns; the first one is to the left, the others to the right.
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

    def cells(tag: str, values: Sequence[object]) -> str:
        sides = ["left"] + ["right"] * (len(values) - 1)
        return "".join(
            f'<{tag} style="text-align:{side}">{escape(str(value))}</{tag}>'
            for value, side in zip(values, sides, strict=True)
        )

    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    body = "".join(f"<tr>{cells('td', list(row))}</tr>" for row in rows)
    below = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return f"<table>{above}<thead><tr>{cells('th', list(titles))}</tr></thead><tbody>{body}</tbody></table>{below}"
