"""SR, DR and full precision over T: exactly on |w| (D4), and for the package's table on click data (M5)."""

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
    cell = nearest(result, bits=4, c=4.0)
    kept, rows = extra(cell), list[PlottedRow]()
    for name, style in METHODS.items():
        runs = np.atleast_2d(kept[name])
        low, high = band(axes, kept["T"], runs, style["color"])
        line(axes, kept["T"], runs.mean(axis=0), name, style, every=4)
        rows += rows_of("b", name, kept["T"], value=runs.mean(axis=0), low=low, high=high)
    axes.plot(kept["T"], kept["bound"], color=BLUE, label="S2 bound (SR)", **BOUND)
    rows += rows_of("b", "S2 bound", kept["T"], value=kept["bound"])
    axes.set_title(f"logistic regression on clicks, {cell.cell['bits']} bits", fontsize=9)
    return rows


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2)
    rows = exact_panel(axes[0], results["d4"]) + clicks_panel(axes[1], results["m5"])
    for one in axes:
        one.set(xscale="log", yscale="log", xlabel="iterations $T$")
    axes[0].legend(fontsize=7, loc="lower left")
    axes[1].legend(fontsize=7, ncol=2, loc="upper right")
    axes[0].set_ylabel(r"average gap $E f(w_t) - f^*$, $t \leq T$")
    axes[1].set_ylabel("average gap to $f^*$ (nats)")
    axes[1].set_ylim(top=30 * axes[1].get_ylim()[1] / 10)
    return figure, rows


FIGURE = Figure(
    "sr_vs_dr_over_t",
    "SR, DR and full precision over T, with their bounds; bands: 95 % intervals over runs",
    ("d4", "m5"),
    draw,
)
