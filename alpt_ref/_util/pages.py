"""Page styles of figures: how wide a column and the text of a template are, and how large its letters.

A figure is laid out once, for a page of its own (`"page"`, 7 inches) or a column (`"column"`, 3.3 inches). `fit` makes
it as wide as a template's text or column, with the template's type, and lets the layout find its places again. Where
panels that stand side by side would become too narrow, it puts them below one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alpt_ref.errors import InputError

WIDE = 4.5
"""Inches: figures wider than this are made for the width of the text, others for a column."""
TALLEST = 9.0
"""Inches: the height of a column of print, which panels below one another do not exceed."""
SMALLEST = 6.0
"""Points: letters are not made smaller than this, whatever the width."""
TIMES = ("STIXGeneral", "Times New Roman", "Times", "serif")
"""STIX, which comes with matplotlib and has the shapes of Times, is measured; a browser takes what it has."""


@dataclass(frozen=True)
class PageStyle:
    r"""Widths in inches and letters in points of a template.

    Attributes
    ----------
    text, column : width of the text and of one of its columns; equal where there is one column
    size : of the largest letters in a figure, labels of axes; body text is 10 pt in all these templates
    serif : whether letters are those of Times
    source : where the numbers stand
    """

    text: float
    column: float
    size: float
    serif: bool
    source: str


STYLES: Mapping[str, PageStyle] = {
    "page": PageStyle(7.0, 7.0, 9.0, False, "this package: every figure as wide as a page with margins of 0.75 in"),
    "column": PageStyle(3.3, 3.3, 8.0, False, "this package: every figure as wide as a column of two"),
    "aaai": PageStyle(7.0, 3.3125, 9.0, True, r"aaai25.sty: \textwidth 7.0in, \columnsep 0.375in, 10 pt Times"),
    "icml": PageStyle(6.75, 3.25, 9.0, True, r"icml2025.sty: \textwidth 6.75in, \columnsep 0.25in, 10 pt Times"),
    "neurips": PageStyle(5.5, 5.5, 9.0, True, "neurips_2025.sty: textwidth=5.5in, one column, 10 pt Times"),
}
"""Templates by the name that ``--style`` takes."""


def page_style(name: str) -> PageStyle:
    """The style of this name.

    Raises
    ------
    InputError
        No style has this name.
    """
    if name not in STYLES:
        raise InputError(f"style must be {', '.join(STYLES)}, got {name!r}")
    return STYLES[name]


def settings_of(name: str | None) -> dict[str, Any]:
    """Matplotlib's settings for a style's letters, before the figure is drawn; {} for the figure as it is."""
    if name is None or not page_style(name).serif:
        return {}
    return {"font.family": list(TIMES), "mathtext.fontset": "stix"}


def fit(figure: Any, name: str | None) -> None:
    """Give a finished figure the width and the letters of a style; its height changes less than its width.

    Parameters
    ----------
    figure : matplotlib figure
        With constrained layout, which places everything again when it is saved.
    name : str or None
        A key of `STYLES`; None leaves the figure as it is.
    """
    if name is None:
        return
    style = page_style(name)
    width, height = figure.get_size_inches()
    wide = width > WIDE
    new_width = style.text if wide else style.column
    if style.text == style.column and not wide and name != "column":
        new_width = min(style.text, width * style.size / 8.0)  # one column: a narrow figure stays narrow
    if name == "page":
        new_width = width if wide else style.text
    scale = new_width / width
    growth = _stack(figure) if wide and new_width <= WIDE else 1.0
    largest = max((text.get_fontsize() for text in _texts(figure) if text.get_text()), default=style.size)
    letters = style.size / largest * (min(1.0, max(scale, 0.75)) if wide and growth == 1.0 else 1.0)
    if growth > 1.0:
        new_height = min(TALLEST, height * growth)
    else:
        new_height = height * (scale if 0.8 <= scale <= 1.25 else scale**0.5)
    figure.set_size_inches(new_width, new_height)
    for place in getattr(figure, "legends_below", ()):
        place()
    for text in _texts(figure):
        text.set_fontsize(max(SMALLEST, text.get_fontsize() * letters))


def takes_both_columns(figure: Any, name: str) -> bool:
    """Whether a figure is wider than a column of a style that has two."""
    style = page_style(name)
    return style.text > style.column and bool(figure.get_figwidth() > 1.05 * style.column)


def _stack(figure: Any) -> float:
    """Put panels that stand side by side below one another; returns how many times more rows there are."""
    from matplotlib.gridspec import GridSpec

    panels = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    rows = max((axes.get_subplotspec().get_gridspec().nrows for axes in panels), default=1)
    if len(panels) <= rows:
        return 1.0
    grid = GridSpec(len(panels), 1, figure=figure)
    for place, axes in enumerate(panels):
        axes.set_subplotspec(grid[place])
    return len(panels) / rows


def _texts(figure: Any) -> list[Any]:
    """All letters of a figure: labels, ticks, legends, remarks."""
    from matplotlib.text import Text

    figure.canvas.draw()  # tick labels are made when they are drawn
    return list(figure.findobj(Text))
