"""A matplotlib figure that a notebook shows by itself; imported where a figure is made, because matplotlib is heavy."""

from __future__ import annotations

from matplotlib.figure import Figure


class HouseFigure(Figure):
    """A figure of this package."""

    def _repr_png_(self) -> bytes:
        """The picture, for notebooks."""
        from alpt_ref._util.plotting import HOUSE, figure_style, picture_bytes

        with figure_style(HOUSE):
            return picture_bytes(self, "png")
