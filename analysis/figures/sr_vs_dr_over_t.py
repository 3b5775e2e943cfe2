"""SR, DR and full precision over T, exactly on |w| (D4); SR's supermartingale on click data, and DR's (X5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import ClaimResult

from ._style import BOUND, METHODS, PlottedRow, band, below, extra, line, nearest, panels, rows_of


def exact_panel(axes: Any, result: ClaimResult) -> list[PlottedRow]:
    cell = nearest(result, code=15, reach=0.2)
    kept, rows = extra(cell), list[PlottedRow]()
    for name, style in METHODS.items():
        line(axes, kept["T"], kept[name], name, style, every=6)
        rows += rows_of("a", name, kept["T"], value=kept[name])
    for name, of, dashes in (("S1 bound", "SR", "--"), ("D1 bound", "DR", "-.")):
        axes.plot(kept["T"], kept[name], color=METHODS[of]["color"], label=f"{name} ({of})",
                  **{**BOUND, "linestyle": dashes})  # fmt: skip
        rows += rows_of("a", name, kept["T"], value=kept[name])
    reach = cell.cell["reach"]
    axes.set_title(f"$|w|$, updates of {reach:g} step sizes (exact)", fontsize=9)
    axes.set_ylim(min(kept["full precision"]) / 2, 2 * max(kept["D1 bound"]))
    return rows


def clicks_panel(axes: Any, result: ClaimResult) -> list[PlottedRow]:
    """``X_t`` of the package's table: at most 0 on average under SR, which DR violates."""
    cell = nearest(result, bits=4, c=0.3)
    control = next(one for one in result.controls if one.name == "nearest rounding")
    stalled = next(one for one in control.cells if one.cell == cell.cell)
    kept, rows = extra(cell), list[PlottedRow]()
    runs = np.atleast_2d(kept["X"])
    low, high = band(axes, kept["T"], runs, METHODS["SR"]["color"])
    line(axes, kept["T"], runs.mean(axis=0), "SR", METHODS["SR"], every=4)
    rows += rows_of("b", "SR", kept["T"], value=runs.mean(axis=0), low=low, high=high)
    deterministic = np.ravel(extra(stalled)["X"])
    line(axes, kept["T"], deterministic, "DR", METHODS["DR"], every=4)
    rows += rows_of("b", "DR", kept["T"], value=deterministic)
    axes.axhline(0.0, color=METHODS["SR"]["color"], label="bound on the mean (SR)", **BOUND)
    axes.set_title(f"logistic regression on clicks, {cell.cell['bits']} bits", fontsize=9)
    return rows


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2, height=3.2)
    rows = exact_panel(axes[0], results["d4"]) + clicks_panel(axes[1], results["x5"])
    for one in axes:
        one.set(xscale="log", xlabel="iterations $T$")
        below(one, 3)
    axes[0].set(yscale="log", ylabel=r"average gap $E f(w_t) - f^*$, $t \leq T$")
    axes[1].set_ylabel("supermartingale $X_T$ (claim X5)")
    return figure, rows


FIGURE = Figure(
    "sr_vs_dr_over_t",
    "Does SR converge where DR never moves?",
    ("d4", "x5"),
    draw,
    caption="Yes: where every update is smaller than half a step size, DR stays where it started and SR follows full "
    "precision down to its floor.",
    alt="Left: average gap over iterations on logarithmic axes; DR is a flat line at the height of the start, SR falls "
    "with full precision and then flattens, each below its dashed bound. Right: a quantity that SR keeps below zero on "
    "click data, as its bound says, and that rises without end under DR.",
    notes="(a) Exact expectations on |w|. (b) The supermartingale of X5 on logistic regression, for which DR is the "
    "control; the band is the 95 % interval over runs.",
)
