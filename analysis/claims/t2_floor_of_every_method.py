r"""T2: the floor that no method on the grid can pass; S1 and S2 have it, so theirs is optimal in every dimension.

Statement and proof: `alpt_ref.theory.bounds.grid_floor`.

Measured exactly: the best of all grid points (which must be at the floor, neither above nor below); SGD under SR and
DR, constant and falling rates, last iterate and average; and the bounds of S1 and S2 for long runs, which may not lie
below what they bound. The mean of SR's iterates passes below the floor: that control is the escape by averaging.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Grid, Schedule, Separable, absolute, bounds, evolve_separable
from alpt_ref.theory.bounds import grid_floor
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import EVERY

BITS, STEPS, MEAN_STEPS = 3, 2_000, 256
AT_FLOOR = ("best grid point",)
RUNS = tuple(
    f"{rounding}, {schedule}: {what}"
    for rounding in ("sr", "dr")
    for schedule in ("constant", "inverse-sqrt")
    for what in ("last", "average")
)
BOUNDS = ("S1, T = 10^12", "S2, T = 10^12")


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(
        d=[1, 2, 3, 4, 16, 64] if full else [1, 2, 4, 16],
        step_size=[0.125, 1.0] if full else [0.125],
        G=[1.0, 4.0] if full else [2.0],
        reach=[0.02, 0.3, 1.0, 2.7] if full else [0.1, 1.0],
        centre=[0.5, 1.5, -2.5] if full else [0.5, -2.5],
    )


def problem(cell: Cell, centre: float | None = None) -> Separable:
    """``(G/sqrt(d)) |w - w*|_1`` with w* at `centre` steps in every coordinate."""
    slope = np.full(int(cell["d"]), cell["G"] / math.sqrt(cell["d"]))
    return absolute(slope, cell["step_size"] * (cell["centre"] if centre is None else centre))


def theorem_floor(cell: Cell) -> float:
    return grid_floor(step_size=cell["step_size"], G=cell["G"], dim=int(cell["d"]))


def bound(cell: Cell, constants: Constants) -> tuple[Any, Any]:
    return floor_of(lambda cell: grid_floor(step_size=cell["step_size"], G=cell["G"], dim=int(cell["d"])))(
        cell, constants
    )


def floor_of(floor: Callable[[Cell], float]) -> Callable[[Cell, Constants], tuple[Any, Any]]:
    """`floor` at least for everything; at most, too, for the best grid point."""

    def both(cell: Cell, constants: Constants) -> tuple[Any, Any]:
        low = np.full(len(AT_FLOOR) + len(RUNS) + len(BOUNDS), floor(cell))
        high = np.full(len(low), np.inf)
        high[: len(AT_FLOOR)] = low[: len(AT_FLOOR)]
        return low, high

    return both


def rate(cell: Cell) -> float:
    return float(cell["reach"] * cell["step_size"] * math.sqrt(cell["d"]) / cell["G"])


def best_point(cell: Cell, one: Separable) -> float:
    """The least ``f - f*`` over the grid: by enumeration in up to 4 coordinates, else coordinate by coordinate."""
    values = Grid(cell["step_size"], BITS).values
    if one.dim <= 4:
        points = np.array(list(itertools.product(values, repeat=one.dim)))
        return float(one.value(points).min())
    return float(one.values(np.repeat(values[:, None], one.dim, axis=1)).min(axis=0).sum())


def value_of_mean(cell: Cell, one: Separable) -> float:
    """``E f(mean of w_1..w_T) - f*`` under SR, exactly: the law of (code, sum of codes) in one coordinate, times d."""
    grid, T = Grid(cell["step_size"], BITS), MEAN_STEPS
    coordinate, n = one.coordinate(0), 1 << BITS
    y = -rate(cell) / grid.step_size * coordinate.gradient(grid.values[:, None])[:, 0]
    law = np.zeros((n, n * T))  # code, and sum of (code - lowest) so far
    start = int(np.floor(cell["centre"])) - grid.low_code
    law[start, start] = 1.0
    for _ in range(T - 1):
        moved = np.zeros_like(law)
        for code, move in enumerate(y):
            down = math.floor(move)
            for to, chance in ((down, 1.0 - (move - down)), (down + 1, move - down)):
                end = min(max(code + to, 0), n - 1)
                moved[end, end:] += chance * law[code, : law.shape[1] - end]
        law = moved
    means = grid.low + grid.step_size * np.arange(n * T) / T
    return float(one.dim * (law.sum(axis=0) @ coordinate.values(means[:, None])[:, 0]))


@functools.lru_cache(maxsize=8)
def _averages(rounding: str, schedule: str, reach: float, centre: float) -> tuple[float, float]:
    """Last and average ``|w - w*|`` of one coordinate with slope 1 and step 1: every coordinate is this one, scaled."""
    grid = Grid(1.0, BITS)
    rates = Schedule(schedule, reach).rates(STEPS)
    run = evolve_separable(absolute(1.0, centre), grid, grid.high_code, rates, rounding=rounding)  # type: ignore[arg-type]
    return float(run.value[-1]), run.average_value


def runs(cell: Cell, centre: float) -> list[float]:
    scale = cell["G"] * math.sqrt(cell["d"]) * cell["step_size"]
    return [
        scale * value
        for rounding in ("sr", "dr")
        for schedule in ("constant", "inverse-sqrt")
        for value in _averages(rounding, schedule, cell["reach"], centre)
    ]


def floors_of_bounds(cell: Cell) -> list[float]:
    """S1 and S2 at T = 10^12: what they leave for ever. S1 with updates below a step, where it has its sharp form."""
    T, eta, d, step_size = 10**12, rate(cell), int(cell["d"]), cell["step_size"]
    known = problem(cell).constants(Grid(step_size, BITS))
    given = {"T": T, "step_size": step_size}
    if cell["reach"] <= 1.0:
        s1 = bounds.sr_convex_constant_small_updates(**given, eta=eta, D1=known.D, G1=known.G1, g_max=known.g_max)
    else:
        s1 = bounds.sr_convex_constant(**given, eta=eta, D1=known.D, G=known.G, dim=d)
    return [s1, bounds.sr_convex_sqrt(**given, c=eta, D=known.D, G=known.G, dim=d)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    centre = float(np.floor(cell["centre"])) if broken == "w* on the grid" else cell["centre"]
    one = problem(cell, centre)
    values = [best_point(cell, one), *runs(cell, centre), *floors_of_bounds(cell)]
    if broken == "mean of the iterates":
        values[1] = value_of_mean(cell, one)
    return exact(values, labels=[*AT_FLOOR, *RUNS, *BOUNDS])


def draw(axes: Any, result: Any) -> None:
    """Floor, best grid point, SR's long-run average and the mean of its iterates, against the dimension."""
    chosen = [cell for cell in result.cells if cell.points and cell.cell["reach"] == 1.0 and cell.cell["centre"] == 0.5]
    chosen = [cell for cell in chosen if all(cell.cell[k] == chosen[0].cell[k] for k in ("step_size", "G"))]
    d = [cell.cell["d"] for cell in chosen]
    axes.plot(d, [cell.points[0].low for cell in chosen], "k-", label=r"floor of every method, $\sqrt{d}\,\Delta G/2$")
    for place, name in enumerate(("best grid point", "sr, constant: average", "dr, constant: average", BOUNDS[1])):
        values = [point.value for cell in chosen for point in cell.points if point.label == name]
        axes.plot(d, values, "os^x"[place], markersize=5, fillstyle="none", color=f"C{place}", label=name)
    for control in result.controls:
        if control.name == "mean of the iterates":
            pairs = [(c.cell["d"], c.points[1].value) for c in control.cells if c.cell["centre"] == 0.5 and c.points]
            axes.plot(
                *zip(*sorted(pairs), strict=True), "v:", color="0.4", label=f"f at the mean of {MEAN_STEPS} SR iterates"
            )
    axes.set(xscale="log", yscale="log", xlabel="coordinates d", ylabel="$f - f^*$")
    axes.legend(fontsize=7)


THEOREM = theorem(grid_floor)
CLAIM = Claim(
    id="t2",
    left_out=EVERY,
    title="The floor of every method on the grid, in every dimension",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="lower",
    grid=cells,
    bound=bound,
    measure=measure,
    trivial=lambda cell, constants: 0.0,
    assumptions=(
        Assumption(
            "w* lies between two codes, half a step from each", lambda cell, _: abs(cell["centre"] % 1.0) == 0.5
        ),
    ),
    control=(
        Control("w* on the grid", "the minimum at a grid point"),
        Control(
            "mean of the iterates",
            "f at the mean of SR's iterates in place of the mean of f",
            where=lambda cell: cell["centre"] == 0.5,
        ),
        Control(
            "no sqrt(d)",
            "the floor of one coordinate",
            bound=floor_of(lambda cell: grid_floor(step_size=cell["step_size"], G=cell["G"], dim=1)),
            where=lambda cell: cell["d"] > 1,
            removes=("sqrt(d)",),
        ),
        Control(
            "d",
            "d in place of sqrt(d)",
            bound=floor_of(lambda cell: 0.5 * cell["d"] * cell["step_size"] * cell["G"]),
            where=lambda cell: cell["d"] > 1,
            removes=("sqrt(d)",),
        ),
        Control(
            "whole step",
            "Delta in place of Delta/2",
            bound=floor_of(lambda cell: 2.0 * theorem_floor(cell)),
            removes=("sqrt(d) Delta G/2",),
        ),
        Control(
            "half",
            "half of the floor",
            bound=floor_of(lambda cell: 0.5 * theorem_floor(cell)),
            removes=("sqrt(d) Delta G/2",),
        ),
    ),
    figure=draw,
)
