"""Relative update of the step size over that of the weights, for three gradient scales (A3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpt_ref._util.looks import bits, look
from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import ClaimResult

from ._style import BOUND, PlottedRow, band, below, extra, panels, rows_of, slope_text

LEARNED = look("alpt-sr")["color"]
SCALES = {
    "none": ("none", "0.55", "s"),
    "dq": (r"$1/\sqrt{d\,q}$", LEARNED, "^"),
    "bdq": (r"$1/\sqrt{b\,d\,q}$", "0.3", "v"),
}
"""ALPT's own scale in its look, the others in grey."""
DASHES = {number: bits(number)["linestyle"] for number in (2, 4, 8)}


def over_dimension(axes: Any, result: ClaimResult) -> list[PlottedRow]:
    rows: list[PlottedRow] = []
    cells = [cell for cell in result.cells if cell.measurement is not None]
    batch = max(cell.cell["b"] for cell in cells if cell.cell["b"] <= 16)
    for scale, (name, colour, marker) in SCALES.items():
        for width, dash in DASHES.items():
            chosen = [c for c in cells if c.cell["bits"] == width and c.cell["b"] == batch]
            chosen.sort(key=lambda c: c.cell["d"])
            x = [c.cell["d"] for c in chosen]
            value = [extra(c)["means"][scale] for c in chosen]
            axes.plot(x, value, color=colour, marker=marker, linestyle=dash, markersize=4, markerfacecolor="white",
                      linewidth=1, label=name if width == 8 else None)  # fmt: skip
            rows += rows_of("a", f"{scale}, {width} bits, b {batch}", x, value=value)
    point = result.points[0]
    axes.axhspan(point.low, point.high, color="0.85", zorder=0, label=r"claimed for $1/\sqrt{d\,q}$")
    for width, dash in DASHES.items():
        axes.plot([], [], color="0.3", linestyle=dash, linewidth=1, label=f"{width} bits")
    axes.set(xscale="log", yscale="log", xlabel="dimension $d$", ylim=(0.03, 300))
    axes.set_title(f"{batch} samples a row", fontsize=9)
    return rows


def over_samples(axes: Any, result: ClaimResult) -> list[PlottedRow]:
    rows: list[PlottedRow] = []
    for cell in result.cells:
        if cell.measurement is None or cell.measurement.x is None or cell.cell["bits"] != 4:
            continue
        name, colour, marker = SCALES[cell.cell["scale"]]
        x, values = cell.measurement.x, cell.measurement.values
        low, high = band(axes, x, values, colour)
        mean = values.mean(axis=0)
        axes.plot(x, mean, color=colour, marker=marker, markersize=4, markerfacecolor="white", linewidth=1,
                  label=f"{name}: {slope_text(cell)}")  # fmt: skip
        claimed = 0.5 * (cell.points[0].low + cell.points[0].high)
        axes.plot(x, mean[0] * x**claimed, color="black", **{**BOUND, "linewidth": 0.8})
        rows += rows_of("b", cell.cell["scale"], x, value=mean, low=low, high=high)
    axes.plot([], [], color="black", label="claimed slope", **{**BOUND, "linewidth": 0.8})
    axes.set(xscale="log", yscale="log", xlabel="samples $b$ of the row", ylim=(0.03, 300))
    axes.set_title("4 bits, $d$ = 16", fontsize=9)
    return rows


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2, height=3.6)
    rows = over_dimension(axes[0], results["a3"]) + over_samples(axes[1], results["a3b"])
    for one in axes:
        one.set_ylabel("relative update,\nstep size over weights")
    below(axes[0], 2)
    below(axes[1], 1)
    return figure, rows


FIGURE = Figure(
    "gradient_scale",
    "Which gradient scale keeps the updates of step sizes and weights alike?",
    ("a3", "a3b"),
    draw,
    caption="With 1/√(dq) a step size moves, relatively, about as much as the weights do, whatever dimension, bits and "
    "number of samples; without a scale it moves up to about a hundred times as much.",
    alt="Relative update of the step size over that of the weights. Left, over the dimension: without a scale it rises "
    "up to a hundred, with one over the root of d q it stays in the grey claimed range about one, with b as well it is "
    "lower. Right, over the samples of a row: flat, but for the scale with b, which falls with slope minus one half.",
    notes="Slopes with their limits as they were judged; the bands are 95 % over runs.",
)
