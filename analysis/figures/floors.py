"""The floor against step size, dimension, learning rate and bits, with slope and bound (C1, C2, C3, C6, C7)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from alpt_ref._util.looks import shades
from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import CellResult, ClaimResult

from ._style import (
    BOUND,
    METHODS,
    PlottedRow,
    band,
    below,
    cell_where,
    extra,
    fitted,
    panels,
    rows_of,
    slope_text,
)

SR, DR = METHODS["SR"]["color"], METHODS["DR"]["color"]
DARK, _, LIGHT = shades(SR, 3)
PROBLEMS = {
    "noisy": ("noisy quadratic", SR, "o"),
    "kink": ("$|w|$", DARK, "^"),
    "smooth": ("quadratic, no noise", LIGHT, "D"),
}
"""All under SR, so in its shades."""
SIZES = {"o": 7.5, "^": 4.0}
"""Of markers that lie on each other."""


def one_curve(axes: Any, panel: str, cell: CellResult, name: str, colour: str, marker: str) -> list[PlottedRow]:
    """Means over runs with their band, the fitted line, and the bound where the claim stored one."""
    measurement = cell.measurement
    if measurement is None or measurement.x is None:
        return []
    x, mean = measurement.x, measurement.values.mean(axis=0)
    low = high = None
    if measurement.runs > 1:
        low, high = band(axes, x, measurement.values, colour)
    bound = extra(cell).get("bound")
    if bound is not None and len(bound) != len(x):
        bound = None
    met = " = bound" if bound is not None and np.allclose(bound, mean, rtol=1e-3) else ""
    axes.plot(x, mean, linestyle="none", marker=marker, markersize=SIZES.get(marker, 4.5), markerfacecolor="none",
              color=colour, label=f"{name}: {slope_text(cell)}{met}")  # fmt: skip
    axes.plot(x, fitted(x, mean), color=colour, linewidth=1.0)
    rows = rows_of(panel, name, x, value=mean, low=low, high=high)
    rows += rows_of(panel, f"{name}: fitted", x, value=fitted(x, mean))
    if bound is not None:
        axes.plot(x, bound, color=colour, **BOUND)
        rows += rows_of(panel, f"{name}: bound", x, value=bound)
    return rows


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2, 2, height=3.4)
    rows: list[PlottedRow] = []
    for key, (name, colour, marker) in PROBLEMS.items():
        rows += one_curve(axes[0], "a", cell_where(results["c1"], problem=key), name, colour, marker)
        rows += one_curve(axes[2], "c", cell_where(results["c3"], problem=key), f"SR, {name}", colour, marker)
    for key, colour, marker in (("dense", SR, "o"), ("sparse", LIGHT, "v")):
        rows += one_curve(axes[1], "b", cell_where(results["c2"], gradient=key), f"{key} gradients", colour, marker)
    rows += one_curve(axes[2], "c", results["c6"].cells[0], "DR, quadratic", DR, "s")
    rows += one_curve(axes[3], "d", results["c7"].cells[0], "noisy quadratic", SR, "o")
    labels = (r"step size $\Delta$", "dimension $d$", r"learning rate $\eta$", r"$2^m$ ($m$ bits, fixed range)")
    for one, label in zip(axes, labels, strict=True):
        one.plot([], [], color="0.4", label="bound", **BOUND)
        one.set(xscale="log", yscale="log", xlabel=label, ylabel="excess loss")
        one.yaxis.set_minor_formatter("")
        below(one)
    steps = cell_where(results["c1"], problem="noisy").measurement
    if steps is not None and steps.x is not None:
        axes[0].set_xticks(steps.x, [f"$2^{{{round(math.log2(step))}}}$" for step in steps.x])
        axes[0].set_xticks([], minor=True)
    bits = [int(m) for m in extra(results["c7"].cells[0])["bits"]]
    axes[3].set_xticks([2.0**m for m in bits], [f"$2^{m}$" for m in bits])
    axes[3].set_xticks([], minor=True)
    return figure, rows


FIGURE = Figure(
    "floors",
    "What does the floor of SR depend on?",
    ("c1", "c2", "c3", "c6", "c7"),
    draw,
    caption="SR's floor grows with the step size and, for dense gradients, with the root of the dimension, halves with "
    "every bit, and does not depend on the learning rate; DR's grows as the learning rate falls.",
    alt="Four panels on logarithmic axes with straight lines of markers below dashed bounds: the excess loss over step "
    "size rises with slope one (two for a smooth problem without noise), over dimension with slope one half for dense "
    "and zero for sparse gradients, over the learning rate it is flat for SR and falls steeply for DR, over the number "
    "of values of a code it falls with slope minus one.",
    notes="(c) is exact. Slopes with their limits as they were judged; the bands are 95 % over runs.",
)
