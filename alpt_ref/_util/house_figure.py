"""A matplotlib figure that a notebook shows by itself; imported where a figure is made, because matplotlib is heavy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure


class HouseFigure(Figure):
    """A figure of this package.

    Attributes
    ----------
    legends_below : one function a legend that `legend_below` made; each makes its legend anew for the figure's width
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """As matplotlib's."""
        super().__init__(*args, **options)
        self.legends_below: list[Callable[[], None]] = []

    def _repr_png_(self) -> bytes:
        """The picture, for notebooks."""
        from alpt_ref._util.plotting import HOUSE, figure_style, picture_bytes

        with figure_style(HOUSE):
            return picture_bytes(self, "png")
