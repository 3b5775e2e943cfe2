"""SR, DR and full precision over T, exactly on |w| (D4); SR's supermartingale on click data, and DR's (X5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import ClaimResult

from ._style import BLUE, BOUND, METHODS, RED, PlottedRow, band, extra, line, nearest, panels, rows_of


def exact_panel(axes: Any, result: ClaimResult) -> list[PlottedRow]:
    cell = nearest(result, code=15, reach=0.2)
    kept, rows = extra(cell), list[PlottedRow]()
    for name, style in METHODS.items():
        line(axes, kept["T"], kept[name], name, style, every=6)
        rows += rows_of("a", name, kept["T"], value=kept[name])
    for name, colour in (("S1 bound", BLUE), ("D1 bound", RED)):
        dashes = "--" if colour == BLUE else "-."
        axes.plot(kept["T"], kept[name], color=colour, label=f"{name} ({'SR' if colour == BLUE else 'DR'})",
                  **{**BOUND, "linestyle": dashes})  # fmt: skip
        rows += rows_of("a", name, kept["T"], value=kept[name])
    reach = cell.cell["reach"]
    axes.set_title(f"$|w|$, moves of {reach:g} step (exact)", fontsize=9)
    axes.set_ylim(min(kept["full precision"]) / 2, 20 * max(kept["DR"]))
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
    axes.axhline(0.0, color=BLUE, label="bound on the mean (SR)", **BOUND)
    axes.set_title(f"logistic regression on clicks, {cell.cell['bits']} bits", fontsize=9)
    return rows


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2)
    rows = exact_panel(axes[0], results["d4"]) + clicks_panel(axes[1], results["x5"])
    for one in axes:
        one.set(xscale="log", xlabel="iterations $T$")
        one.legend(fontsize=7, loc="lower left" if one is axes[0] else "upper left")
    axes[0].set(yscale="log", ylabel=r"average gap $E f(w_t) - f^*$, $t \leq T$")
    axes[1].set_ylabel("$X_T$")
    return figure, rows


FIGURE = Figure(
    "sr_vs_dr_over_t",
    "SR, DR and full precision over T with their bounds; the supermartingale of X5; band: 95 % interval over runs",
    ("d4", "x5"),
    draw,
)
