r"""S1D: a fixed step size for each row: every element pays by its own grid, not by the widest.

Statement and proof: `alpt_ref.theory.bounds.sr_convex_row_steps`.

Measured exactly: each coordinate is a dense chain on its own grid; in 4 and more coordinates rows of two elements share
a step size, from 1/16 to 1. ``kinks``, ``corner`` and ``wide`` are the cells in which a term of the bound is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Grid, Noise, Separable, absolute, huber, quadratic
from alpt_ref.theory.bounds import sr_convex_row_steps
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._instance import Floats
from ._left_out import OF_ROWS
from ._rounded_walk import RoundedWalk
from ._terms import WHOLE, Broken, at, is_its_terms, needed

HORIZONS = (16, 64, 2_048, 65_536)
BITS = {"kinks": 2, "corner": 7, "wide": 7}


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    dims = [1, 2, 4, 16, 64] if full else [1, 4, 16]
    sharp = [
        {"problem": name, "d": d, "noise": "none", "reach": reach}
        for name, reach in (("kinks", 0.02), ("corner", 1.0), ("wide", 32.0))
        for d in dims
    ]
    return sharp + product(
        problem=["slopes", "bowls", "hubers"] if full else ["slopes", "bowls"],
        d=dims,
        noise=["none", "two-point", "normal"],
        reach=[0.02, 0.1, 1.0, 10.0] if full else [0.1, 2.0],
    )


def step_sizes(d: int) -> Floats:
    """1, 1/4 and 1/16 in turn, for two elements each."""
    return np.asarray(0.25 ** ((np.arange(d) // 2) % 3), dtype=np.float64)


def setting(cell: Cell) -> tuple[Separable, list[Grid], Noise, float, Floats]:
    """Problem, the grid of each coordinate, noise, rate and the codes of w_1; slopes grow with the step size."""
    steps, bits = step_sizes(int(cell["d"])), BITS.get(cell["problem"], 6)
    grids = [Grid(float(step), bits) for step in steps]
    made: dict[str, Callable[[], Separable]] = {
        "slopes": lambda: absolute(np.sqrt(steps), 0.3 * steps),
        "bowls": lambda: quadratic(0.05, 2.3 * steps),
        "hubers": lambda: huber(0.2, 4.0 * steps, -1.3 * steps),
    }
    problem = made.get(cell["problem"], lambda: absolute(steps, 0.0))()
    eta = float(cell["reach"]) / float(_steepest(problem, grids, steps).max())
    noise = Noise() if cell["noise"] == "none" else Noise(cell["noise"], 0.3 / eta)
    from_minimum = cell["problem"] in ("kinks", "wide")
    return problem, grids, noise, eta, np.full(problem.dim, 0 if from_minimum else grids[0].low_code)


def _steepest(problem: Separable, grids: list[Grid], units: Floats) -> Floats:
    """Largest slope of each coordinate over its grid, in `units`."""
    parts = [problem.coordinate(j).gradient(grid.values[:, None]) for j, grid in enumerate(grids)]
    return np.asarray(np.abs(np.array(parts)[..., 0]).max(axis=1) / units)


def constants(cell: Cell) -> Constants:
    problem, grids, noise, eta, start = setting(cell)
    steps = step_sizes(problem.dim)
    steepest = _steepest(problem, grids, np.ones(problem.dim))
    ends = np.array([[grid.low for grid in grids], [grid.high for grid in grids]])
    return {
        "eta": eta,
        "step_sizes": steps,
        "D1": float(problem.distance(start * steps)),
        "G": float(np.sqrt((steepest**2).sum() + problem.dim * noise.sigma**2)),
        "G1": noise.absolute_mean(steepest),
        "largest": float(problem.values(ends).max(axis=0).sum()),
        "inside": bool(((ends[0] <= problem.minimum) & (problem.minimum <= ends[1])).all()),
        "convex": problem.convex,
    }


KEYS = ("eta", "step_sizes", "D1", "G", "G1")


def bound(cell: Cell, constants: Constants) -> list[float]:
    return [sr_convex_row_steps(T=T, **{key: constants[key] for key in KEYS}) for T in HORIZONS]


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    eta, steps = constants["eta"], np.asarray(constants["step_sizes"])
    rounding = broken.term("(1/2) sum_i Delta_i sup E|g_{t,i}|", 0.5 * float((steps * constants["G1"]).sum()))
    middle = broken.term("eta G^2/2", 0.5 * eta * constants["G"] ** 2)
    return [broken.term("D1^2/(2 eta T)", constants["D1"] ** 2 / (2.0 * eta * T)) + middle + rounding for T in HORIZONS]


def with_steps(change: Callable[[Floats], Floats]) -> Callable[[Cell, Constants], list[float]]:
    """The bound of a control: other step sizes than those of the grids."""
    return lambda cell, constants: bound(cell, {**constants, "step_sizes": change(np.asarray(constants["step_sizes"]))})


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    problem, grids, noise, eta, start = setting(cell)
    rounding, total, moment = "dr" if broken == "nearest rounding" else "sr", np.zeros(len(HORIZONS)), 0.0
    _, first, alike = np.unique(step_sizes(problem.dim), return_index=True, return_counts=True)
    for j, count in zip(first, alike, strict=True):  # coordinates on equal grids are equal in everything
        walk = RoundedWalk(problem.coordinate(int(j)), grids[j], noise, eta, rounding)
        total += count * walk.averages(int(start[j]), HORIZONS)
        moment += count * (float((walk.slopes() ** 2).max()) + noise.sigma**2)
    return exact(total, rtol=1e-10, labels=[f"T = {T}" for T in HORIZONS], observed={"G2": moment})


def draw(axes: Any, result: Any) -> None:
    """S1D against S1 with the widest step size: how much a fine grid saves its own rows, by dimension."""
    chosen = [cell for cell in result.cells if cell.cell["problem"] == "kinks" and cell.points]
    d = [cell.cell["d"] for cell in chosen]
    widest = [
        of_terms(cell.cell, {**cell.constants, "step_sizes": np.ones(int(cell.cell["d"]))})[-1] for cell in chosen
    ]
    axes.plot(d, [cell.points[-1].value for cell in chosen], "o", label="measured")
    axes.plot(d, [cell.points[-1].high for cell in chosen], "--", label="each row by its own step size")
    axes.plot(d, widest, ":", label="every row by the widest")
    axes.set(xscale="log", yscale="log", xlabel="coordinates d", ylabel=rf"average gap, $T = {HORIZONS[-1]}$")
    axes.legend(fontsize=7)


def rows_differ(cell: Cell) -> bool:
    return cell["problem"] == "kinks" and int(cell["d"]) >= 4


THEOREM = theorem(sr_convex_row_steps)
CLAIM = Claim(
    id="s1d",
    left_out=OF_ROWS,
    title="SR, convex, constant learning rate, a step size for each row",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    trivial=lambda cell, constants: constants["largest"],
    assumptions=(
        Assumption("f is convex", lambda cell, constants: bool(constants["convex"])),
        Assumption("w* lies in the box", lambda cell, constants: bool(constants["inside"])),
        is_its_terms(of_terms, bound),
        Assumption(
            "E|g|^2 <= G^2 at every code",
            lambda cell, constants, seen: bool(seen["G2"] <= constants["G"] ** 2 * (1.0 + 1e-9)),
            along_run=True,
            proved=True,
        ),
    ),
    control=(
        Control(
            "finest grid",
            "the least step size for every row",
            bound=with_steps(lambda steps: np.full(len(steps), steps.min())),
            where=rows_differ,
            removes=("Delta_i",),
        ),
        Control(
            "mean step size",
            "the mean of the step sizes for every row",
            bound=with_steps(lambda steps: np.full(len(steps), steps.mean())),
            where=rows_differ,
            removes=("Delta_i",),
        ),
        Control("nearest rounding", "DR in place of SR", where=at("slopes", noise="none", reach=0.1)),
        *needed(
            of_terms,
            {
                "D1^2/(2 eta T)": at("corner"),
                "eta G^2/2": at("wide"),
                "(1/2) sum_i Delta_i sup E|g_{t,i}|": at("kinks"),
            },
        ),
    ),
    figure=draw,
)
