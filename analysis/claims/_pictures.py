"""Pictures of claims in the report: curves with their bound and fitted slope, and values along a parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref._util.looks import ROUNDINGS
from alpt_ref.verification.results import ClaimResult

COLOURS = ("0.0", "0.5", "0.3", "0.6", "0.15", "0.4")
"""Of what has neither rounding nor method, as in `alpt_ref._util.looks`: cells of a claim."""
MARKERS = ("o", "s", "^", "D", "v", "P")


def colour_of(name: str, place: int) -> str:
    """That of a rounding, or of its bound (S1 of SR, D1 of DR); else a grey."""
    rounding = {"S": "SR", "D": "DR"}.get(name[:1], "") if name.endswith("bound") else name
    return str(ROUNDINGS[rounding]["color"]) if rounding in ROUNDINGS else COLOURS[place % len(COLOURS)]


def slopes(name: str, xlabel: str, ylabel: str) -> Callable[[Any, ClaimResult], None]:
    """Picture of a claim whose cells hold curves: means over runs, the bound where stored, the slope in the legend.

    `name` is the cell's key that tells the curves apart.
    """

    def draw(axes: Any, result: ClaimResult) -> None:
        for place, cell in enumerate(result.cells):
            if cell.measurement is None or cell.measurement.x is None:
                continue
            colour, x = COLOURS[place % len(COLOURS)], cell.measurement.x
            label = f"{cell.cell.get(name, 'measured')}: slope {cell.points[0].value:.3g}"
            style = {"marker": MARKERS[place % len(MARKERS)], "color": colour, "markersize": 4}
            axes.plot(x, cell.measurement.values.mean(axis=0), label=label, **style)
            bound = cell.measurement.extra.get("bound")
            if bound is not None and len(bound) == len(x):
                axes.plot(x, bound, linestyle="--", color=colour, linewidth=1)
        if any(line.get_linestyle() == "--" for line in axes.lines):
            axes.plot([], [], linestyle="--", color="0.4", linewidth=1, label="bound")
        axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
        axes.legend(fontsize=8)

    return draw


def over_time(cell: int, *names: str) -> Callable[[Any, ClaimResult], None]:
    """Picture of one cell's stored curves over T: means over runs where there are several; bounds dashed."""

    def draw(axes: Any, result: ClaimResult) -> None:
        chosen = result.cells[min(cell, len(result.cells) - 1)]
        extra = chosen.measurement.extra if chosen.measurement is not None else {}
        for place, name in enumerate(names):
            values = np.atleast_2d(np.asarray(extra[name])).mean(axis=0)
            line = "--" if "bound" in name else "-"
            axes.plot(extra["T"], values, line, color=colour_of(name, place), label=name)
        title = ", ".join(f"{key} {value}" for key, value in chosen.cell.items())
        axes.set(xscale="log", yscale="log", xlabel="$T$", ylabel="average gap")
        axes.set_title(title, fontsize=8)
        axes.legend(fontsize=8)

    return draw


def along(key: str, xlabel: str, ylabel: str, group: str = "") -> Callable[[Any, ClaimResult], None]:
    """Picture of a claim whose cells lie along the parameter `key`: values, and the range that the claim allows."""

    def draw(axes: Any, result: ClaimResult) -> None:
        names = list(dict.fromkeys(str(cell.cell.get(group, "")) for cell in result.cells))
        for place, name in enumerate(names):
            cells = [cell for cell in result.cells if cell.points and str(cell.cell.get(group, "")) == name]
            cells.sort(key=lambda cell: float(cell.cell[key]))
            x = np.array([float(cell.cell[key]) for cell in cells])
            values = np.array([cell.points[0].value for cell in cells])
            ends = np.array([[cell.points[0].low, cell.points[0].high] for cell in cells])
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
            axes.plot(x, values, linestyle="none", marker=marker, markersize=4, color=colour, label=name or "measured")
            for end in ends.T:
                shown = np.isfinite(end) & (end > 0)
                axes.plot(x[shown], end[shown], color=colour, linewidth=1)
        axes.plot([], [], color="0.4", linewidth=1, label="ends of the claimed range")
        positive = all(point.value > 0 for point in result.points)
        wide = positive and max(p.value for p in result.points) > 20 * min(p.value for p in result.points)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        if wide:
            axes.set_yscale("log")
        axes.legend(fontsize=8)

    return draw
