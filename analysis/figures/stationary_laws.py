"""Exact stationary laws: SR around the minimum, whatever the learning rate; DR wherever it stalled (C3, D3b)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alpt_ref._util.looks import family, shades
from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import CellResult, ClaimResult

from ._style import METHODS, PlottedRow, below, cell_where, extra, nearest, panels, rows_of

MINIMA = {"noisy": 0.3, "kink": 0.0, "smooth": 1.0 / 3.0}
TITLES = {"smooth": "SR, quadratic, no noise", "noisy": "SR, quadratic, noise", "kink": "SR, $|w|$, no noise"}
LOOKS = [(one["color"], one["marker"], one["linestyle"]) for one in family(METHODS["SR"]["color"], "abc").values()]
"""Shades of SR, the smallest learning rate the darkest."""


def law_lines(axes: Any, panel: str, cell: CellResult, reach: float) -> list[PlottedRow]:
    """The law at the smallest, a middle and the largest learning rate, over distance from the minimum in steps."""
    kept, rows = extra(cell), list[PlottedRow]()
    grid = np.asarray(kept["grid"])
    step = float(grid[1] - grid[0])
    distance = (grid - MINIMA[cell.cell["problem"]]) / step
    near = np.abs(distance) <= reach
    chosen = sorted({0, len(kept["law_rates"]) // 2, len(kept["law_rates"]) - 1})
    for place, (colour, marker, dash) in zip(chosen, LOOKS, strict=False):
        share = kept["law_rates"][place] / kept["law_rates"][-1]
        law = np.asarray(kept["laws"])[place][near]
        size = 9 - 2.5 * chosen.index(place)
        axes.plot(distance[near], law, marker=marker, linestyle=dash if reach > 5 else "none", color=colour,
                  markerfacecolor="none", markersize=size, linewidth=1,
                  label=rf"$\eta$ = {share:.2g} $\eta_{{max}}$")  # fmt: skip
        rows += rows_of(panel, f"SR, eta {kept['law_rates'][place]:.6g}", distance[near], value=law)
    return rows


def stalled(axes: Any, result: ClaimResult, reach: float) -> list[PlottedRow]:
    """Where DR ends, started anywhere: a plateau as wide as its learning rate is small."""
    rows: list[PlottedRow] = []
    dark, light = shades(METHODS["DR"]["color"], 2)
    for rate, colour, dash in ((0.05, light, "-"), (0.02, dark, (0, (5, 1)))):
        cell = nearest(result, eta=rate, curvature=1.0)
        kept = extra(cell)
        distance = np.asarray(kept["codes"]) - cell.cell["off_grid"]
        near = np.abs(distance) <= reach
        law = np.asarray(kept["ends"])[near]
        axes.step(distance[near], law, where="mid", color=colour, linestyle=dash, linewidth=1.2,
                  label=rf"DR, $\eta\lambda$ = {cell.cell['eta']:.2g}")  # fmt: skip
        rows += rows_of("d", f"DR, eta {cell.cell['eta']}", distance[near], value=law)
    return rows


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2, 2, height=2.7)
    rows: list[PlottedRow] = []
    for one, panel, (problem, title), reach in zip(axes, "abc", TITLES.items(), (3.5, 18.0, 3.5), strict=False):
        rows += law_lines(one, panel, cell_where(results["c3"], problem=problem), reach)
        one.set_title(title, fontsize=9)
    rows += stalled(axes[3], results["d3b"], 40.0)
    axes[3].set_title("DR, all starts alike", fontsize=9)
    for one in axes:
        one.set(xlabel=r"$(w - w^*)/\Delta$", ylabel="probability")
        below(one, 3)
    axes[3].set(yscale="log", ylim=(1e-3, 1))
    return figure, rows


FIGURE = Figure(
    "stationary_laws",
    "Where do the iterates end, under SR and under DR?",
    ("c3", "d3b"),
    draw,
    caption="SR ends within a few steps of the minimum, with the same law at every learning rate; DR ends wherever it "
    "stalled, farther away the smaller the learning rate.",
    alt="Four panels of probability over the distance from the minimum in steps. Under SR the markers of three "
    "learning rates lie on each other, on two neighbours of the minimum without noise and on a bell with noise. Under "
    "DR there are two peaks at the ends of a plateau, which is wider at the smaller learning rate.",
    notes="All laws are exact. (a) to (c) are under SR, at three learning rates, (d) is under DR from a start that is "
    "uniform over the range.",
)
