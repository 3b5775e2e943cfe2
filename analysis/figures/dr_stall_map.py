"""Where deterministic rounding stops on a quadratic, over learning rate and start (D3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import ClaimResult

from ._style import BOUND, METHODS, PlottedRow, below, extra, panels, rows_of


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    curvature = max(float(cell.cell["curvature"]) for cell in results["d3b"].cells)
    cells = [
        cell for cell in results["d3b"].cells if cell.measurement is not None and cell.cell["curvature"] == curvature
    ]
    cells.sort(key=lambda cell: float(cell.cell["eta"]))
    eta = np.array([float(cell.cell["eta"]) for cell in cells])
    starts = np.asarray(extra(cells[0])["starts"], dtype=np.float64)
    final = np.stack([np.asarray(extra(cell)["final"]) for cell in cells], axis=1)
    radius = np.array([cell.constants["farthest"] for cell in cells])
    figure, (left, right) = panels(2, height=3.1)
    mesh = left.pcolormesh(eta, starts, np.maximum(final, 0.3), cmap="cividis", norm="log", shading="nearest",
                           rasterized=True)  # fmt: skip
    figure.colorbar(mesh, ax=left, label="final distance (steps)", extend="min")
    left.plot(eta, radius, color="white", linewidth=2.5)
    left.plot(eta, radius, color="black", label=r"$\Delta/(2\eta\lambda)$", **BOUND)
    left.text(0.04, 0.06, "never moves", transform=left.transAxes, fontsize=8, color="black",
              bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8})  # fmt: skip
    left.set(xscale="log", ylim=(0, starts.max()), xlabel=r"learning rate $\eta\lambda$",
             ylabel="start: distance from $w^*$ (steps)")  # fmt: skip
    below(left, 1)
    left.grid(False)
    values = np.array([cell.points[0].value for cell in cells])
    low = np.array([cell.constants["nearest"] for cell in cells])
    right.fill_between(eta, np.maximum(low, 0.1), radius, color="0.8", linewidth=0, label="claimed range")
    right.plot(eta, radius, color="black", label=r"$\Delta/(2\eta\lambda)$", **BOUND)
    right.plot(eta, values, linestyle="none", marker="s", markersize=4, markerfacecolor="white",
               color=METHODS["DR"]["color"], label="DR")  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel=r"learning rate $\eta\lambda$", ylabel="DR stops at distance (steps)")
    below(right, 3)
    rows = [row for k, start in enumerate(starts) for row in rows_of("a", f"start {start:g}", eta, value=final[k])]
    for panel in "ab":
        rows += rows_of(panel, "step/(2 eta lambda)", eta, value=radius)
    return figure, rows + rows_of("b", "DR, from the end of the box", eta, value=values, low=low, high=radius)


FIGURE = Figure(
    "dr_stall_map",
    "Where does nearest rounding stop on a quadratic?",
    ("d3b",),
    draw,
    caption="DR stops at half a step over the learning rate times the curvature, from any start outside; from a start "
    "inside it never moves.",
    alt="Left: a map of the final distance over learning rate and start; below a dashed curve that falls with the "
    "learning rate the colour is that of the start, above it that of the curve. Right: the final distance over the "
    "learning rate lies on the upper edge of the claimed range.",
    notes="Distances in steps; the curve is Δ/(2ηλ). (b) starts at the end of the box.",
)
