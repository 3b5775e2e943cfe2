"""Relative update of the step size over that of the weights, for three gradient scales (A3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import ClaimResult

from ._style import BLUE, BOUND, GREEN, RED, PlottedRow, band, extra, panels, rows_of, slope_text

SCALES = {
    "none": ("none", RED, "s"),
    "dq": (r"$1/\sqrt{d\,q}$", BLUE, "o"),
    "bdq": (r"$1/\sqrt{b\,d\,q}$", GREEN, "^"),
}
DASHES = {2: ":", 4: "--", 8: "-"}


def over_dimension(axes: Any, result: ClaimResult) -> list[PlottedRow]:
    rows: list[PlottedRow] = []
    cells = [cell for cell in result.cells if cell.measurement is not None]
    batch = max(cell.cell["b"] for cell in cells if cell.cell["b"] <= 16)
    for scale, (name, colour, marker) in SCALES.items():
        for bits, dash in DASHES.items():
            chosen = [c for c in cells if c.cell["bits"] == bits and c.cell["b"] == batch]
            chosen.sort(key=lambda c: c.cell["d"])
            x = [c.cell["d"] for c in chosen]
            value = [extra(c)["means"][scale] for c in chosen]
            axes.plot(x, value, color=colour, marker=marker, linestyle=dash, markersize=4, markerfacecolor="white",
                      linewidth=1, label=name if bits == 8 else None)  # fmt: skip
            rows += rows_of("a", f"{scale}, {bits} bits, b {batch}", x, value=value)
    point = result.points[0]
    axes.axhspan(point.low, point.high, color="0.85", zorder=0, label=r"claimed for $1/\sqrt{d\,q}$")
    for bits, dash in DASHES.items():
        axes.plot([], [], color="0.3", linestyle=dash, linewidth=1, label=f"{bits} bits")
    axes.set(xscale="log", yscale="log", xlabel="dimension $d$", ylim=(0.03, 1e4))
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
    figure, axes = panels(2, height=3.2)
    rows = over_dimension(axes[0], results["a3"]) + over_samples(axes[1], results["a3b"])
    for one in axes:
        one.set_ylabel("relative update, step size over weights")
    axes[0].legend(fontsize=6.5, ncol=2, loc="upper left")
    axes[1].legend(fontsize=6.5, loc="upper right")
    return figure, rows


FIGURE = Figure(
    "gradient_scale",
    "Which gradient scale keeps relative updates comparable; slopes' limits as judged; bands: 95 % over runs",
    ("a3", "a3b"),
    draw,
)
