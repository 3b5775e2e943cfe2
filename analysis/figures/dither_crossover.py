"""Gradient noise as dither: the bias of DR (D5), and where SR stops being the better of the two (D5b)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alpt_ref._util.looks import NOISES as LOOKS
from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import CellResult, ClaimResult

from ._style import BOUND, PlottedRow, below, extra, panels, rows_of

NOISES = {name: LOOKS[name] for name in ("normal", "uniform", "two-point")}
LEAST = 1e-5


def bias_panel(axes: Any, result: ClaimResult) -> list[PlottedRow]:
    rows: list[PlottedRow] = []
    for noise, style in NOISES.items():
        cells = sorted(
            (c for c in result.cells if c.cell["noise"] == noise and c.points), key=lambda c: c.cell["sigma"]
        )
        x, value = [c.cell["sigma"] for c in cells], np.array([c.points[0].value for c in cells])
        bound = np.array([c.points[0].high for c in cells])
        axes.plot(x, np.maximum(value, LEAST / 10), markersize=4, markerfacecolor="white", markevery=4, label=noise,
                  **style)  # fmt: skip
        rows += rows_of("a", noise, x, value=value, low=[c.points[0].low for c in cells], high=bound)
    axes.axhline(0.25, color=NOISES["two-point"]["color"], label="lower bound, two-point: 1/4", **BOUND)
    axes.set(xscale="log", yscale="log", ylim=(LEAST, 1.5), xlabel=r"noise $\eta\sigma/\Delta$",
             ylabel="largest bias of DR (steps)")  # fmt: skip
    below(axes, 2)
    return rows


def sweeps(result: ClaimResult) -> list[CellResult]:
    return [cell for cell in result.cells if "sweep" in extra(cell)]


def ratio_panel(axes: Any, result: ClaimResult) -> list[PlottedRow]:
    cell = min(sweeps(result), key=lambda c: float(c.cell["rate"]))
    kept, rows = extra(cell), list[PlottedRow]()
    for noise in ("normal", "two-point"):
        style = {**NOISES[noise], "marker": ""}
        axes.plot(kept["sweep"], kept[f"sweep {noise}"], label=noise, **style)
        rows += rows_of("b", noise, kept["sweep"], value=kept[f"sweep {noise}"])
    alike = [(key, cell.cell[key]) for key in ("rate", "updates")]
    same = [c for c in result.cells if c.points and all(c.cell[key] == value for key, value in alike)]
    for side, marker, name in (
        ("quiet", "^", "uniform: claimed at least (bar)"),
        ("loud", "o", "normal: claimed range (bar)"),
    ):
        cells = sorted((c for c in same if c.cell["side"] == side), key=lambda c: c.cell["sigma"])
        x = np.array([max(c.cell["sigma"], kept["sweep"][0]) for c in cells])
        value, low = (np.array([getattr(c.points[0], key) for c in cells]) for key in ("value", "low"))
        high = np.array([min(c.points[0].high, 1e9) for c in cells])
        colour = NOISES["uniform" if side == "quiet" else "normal"]["color"]
        axes.plot(x, value, linestyle="none", marker=marker, markersize=5, markerfacecolor="white", color=colour,
                  label=name)  # fmt: skip
        axes.vlines(x, low, high if side == "loud" else value, color=colour, linewidth=2.5, alpha=0.35)
        axes.plot(x, low, linestyle="none", marker="_", color=colour, markersize=7)
        rows += rows_of("b", f"{side} cells", x, value=value, low=low, high=high)
    smooth = np.geomspace(0.3, kept["sweep"][-1], 60)
    axes.plot(smooth, (smooth**2 + 1 / 12) / (smooth**2 + 1 / 6), color="black", linestyle=(0, (4, 1)),
              linewidth=2.0, alpha=0.5, label=r"$(s^2 + 1/12)/(s^2 + 1/6)$")  # fmt: skip
    axes.axhline(1.0, color="0.3", linewidth=0.8)
    axes.text(0.021, 1.8, "SR better", fontsize=7, color="0.3")
    axes.text(0.021, 0.2, "DR better", fontsize=7, color="0.3")
    axes.set(xscale="log", yscale="log", xlabel=r"noise $s = \eta\sigma/\Delta$",
             ylabel="squared error, DR over SR")  # fmt: skip
    axes.set_title(rf"quadratic, $\eta\lambda$ = {cell.cell['rate']:g}", fontsize=9)
    below(axes, 2)
    return rows


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2, height=3.7)
    return figure, bias_panel(axes[0], results["d5"]) + ratio_panel(axes[1], results["d5b"])


FIGURE = Figure(
    "dither_crossover",
    "Can gradient noise take the place of stochastic rounding?",
    ("d5", "d5b"),
    draw,
    caption="Only normal noise of more than about half a step: it removes DR's bias, and DR is then slightly better "
    "than SR; uniform and two-point noise do not. Below a tenth of a step SR's squared error is over ten times "
    "smaller.",
    alt="Left: the largest bias of DR over the noise in steps; for normal noise it falls to zero, for uniform noise it "
    "falls in waves, for two-point noise it stays at about a third. Right: the squared error of DR over that of SR, "
    "some hundreds at little noise, one and slightly less at much.",
    notes="(a) Theory D5; values below the axis are left out. (b) Theory D5b on a quadratic; thick bars are what was "
    "claimed.",
)
