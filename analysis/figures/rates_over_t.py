"""How fast the average gap of SR falls with T, with its bound and fitted slope (C4, C5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alpt_ref._util.looks import shades
from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import CellResult, ClaimResult

from ._style import BOUND, METHODS, PlottedRow, below, cell_where, extra, panels, rows_of, slope_text

FINE, COARSE = METHODS["SR"]["color"], shades(METHODS["SR"]["color"], 3)[0]
BOUNDS = {"o": "--", "^": "-."}
"""Dashes of the bound by the marker of its curve."""
TITLES = (r"$|w|$ with noise, rate $c/\sqrt{t}$", r"quadratic with noise, rate $1/(\mu t)$")


def one_cell(
    axes: Any, panel: str, cell: CellResult, name: str, colour: str, marker: str, of: str = ""
) -> list[PlottedRow]:
    kept = extra(cell)
    T, average, bound = (np.asarray(kept[key]) for key in ("T", "average", "bound"))
    begun = T >= 3  # the start lies at the minimum
    axes.plot(T[begun], average[begun], color=colour, marker=marker, markersize=4, markerfacecolor="white", markevery=4,
              linewidth=1, label=f"{name}: {slope_text(cell)}")  # fmt: skip
    dashes = BOUNDS[marker]
    axes.plot(T, bound, color=colour, label=f"bound{of}", **{**BOUND, "linestyle": dashes})
    axes.axhline(kept["floor"], color=colour, linestyle=":", linewidth=1)
    if cell.measurement is not None and cell.measurement.x is not None:
        axes.axvspan(cell.measurement.x[0], cell.measurement.x[-1], color=colour, alpha=0.08, linewidth=0)
    return rows_of(panel, name, T, value=average) + rows_of(panel, f"{name}: bound", T, value=bound)


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2, height=3.3)
    rows = one_cell(
        axes[0], "a", cell_where(results["c4"], side="before", sigma=0.5), "small step size", FINE, "o", ", small"
    )
    rows += one_cell(
        axes[0], "a", cell_where(results["c4"], side="after", sigma=0.5), "large step size", COARSE, "^", ", large"
    )
    rows += one_cell(axes[1], "b", results["c5"].cells[0], r"SR; gap / $(1 + \ln T)$", FINE, "o")
    for one, title in zip(axes, TITLES, strict=True):
        one.plot([], [], color="0.4", linestyle=":", linewidth=1, label="floor")
        one.fill_between([], [], [], color="0.4", alpha=0.15, linewidth=0, label="where the slope is fitted")
        one.set(xscale="log", yscale="log", xlabel="iterations $T$", ylabel="average gap to $f^*$")
        one.set_title(title, fontsize=9)
        below(one, 2)
    return figure, rows


FIGURE = Figure(
    "rates_over_t",
    "How fast does SR converge?",
    ("c4", "c5"),
    draw,
    caption="As fast as exact SGD: the average gap falls like 1/√T on a convex problem and, up to a logarithm, like "
    "1/T on a strongly convex one, until it meets the floor that the step size sets.",
    alt="Average gap over iterations on logarithmic axes. Left: with a small step size it falls with slope minus one "
    "half, with a large one it is flat at its dotted floor. Right: it falls with slope minus one. All lie below their "
    "dashed bounds.",
    notes="Slopes are fitted where the ground is shaded. (a) starts at the minimum, so the first two points are left "
    "out.",
)
