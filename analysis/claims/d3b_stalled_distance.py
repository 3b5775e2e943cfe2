r"""D3 on a quadratic: how far from the minimum DR stops, and why that grows as the learning rate shrinks.

Statement and proof: `alpt_ref.theory.stalling.dr_quadratic_stall`.

That loss is reached only from outside; a start inside the radius stays where it is. The measured chain has no noise,
so its path is followed to the end code by code. Controls: SR, and each part of the two limits removed or changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Chain, Grid, Noise, quadratic
from alpt_ref.theory.stalling import dr_quadratic_stall
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact

from ._left_out import DETERMINISTIC
from ._pictures import along

BITS = 9
REACH, NEAR = 256, 60
"""Codes on each side of 0, and those whose share of all starts is kept: where DR ends when it starts anywhere."""
MAP_STARTS = tuple(range(0, 251, 5))


def cells(budget: str) -> list[Cell]:
    count = 49 if budget == "full" else 25
    products = [float(f"{rate:.6g}") for rate in np.geomspace(0.0025, 0.5, count)]
    curvatures = [1.0, 0.25] if budget == "full" else [1.0]
    return [{"eta": rate / a, "curvature": a, "off_grid": 0.3} for a in curvatures for rate in products]


def last_codes(cell: Cell) -> tuple[Grid, NDArray[np.int64]]:
    """The code at which each code ends: the map of one update, squared until nothing changes."""
    grid = Grid(1.0, BITS)
    chain = Chain(quadratic(cell["curvature"], cell["off_grid"]), grid, Noise(), "dr")
    after = np.asarray(chain.transition_matrix(cell["eta"]).argmax(axis=1)).ravel().astype(np.int64)
    while not np.array_equal(after, after[after]):
        after = after[after]
    return grid, after


def constants(cell: Cell) -> Constants:
    nearest, farthest, loss = dr_quadratic_stall(eta=cell["eta"], curvature=cell["curvature"], step_size=1.0)
    return {"nearest": nearest, "farthest": farthest, "loss": loss}


def bound(cell: Cell, constants: Constants) -> Any:
    return constants["nearest"], constants["farthest"]


def within(low: float, high: float, less: float) -> Callable[[Cell, Constants], Any]:
    """Limits ``low R - less`` and ``high R`` with R the stalled radius, in steps."""
    return lambda cell, constants: (low * constants["farthest"] - less, high * constants["farthest"])


def far(cell: Cell) -> bool:
    """Where the stalled radius is two steps at the least."""
    return bool(cell["eta"] * cell["curvature"] <= 0.25)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    grid, end = last_codes(cell)
    error = np.abs(grid.values - cell["off_grid"])
    final = np.abs(grid.values[end] - cell["off_grid"])
    if broken == "stochastic":
        chain = Chain(quadratic(cell["curvature"], cell["off_grid"]), grid, Noise(), "sr")
        final[:] = float(chain.stationary(cell["eta"]) @ error)
    sides = [grid.low_code, grid.high_code]
    starts = [code - grid.low_code for code in sides]
    near = slice(REACH - NEAR, REACH + NEAR + 1)
    ends = np.bincount(end, minlength=len(end))[near] / len(end)
    extra = {"starts": np.array(MAP_STARTS), "final": final[np.array(MAP_STARTS) - grid.low_code]}
    extra |= {"ends": ends, "codes": grid.values[near]}
    value = [float(final[start]) for start in starts]
    observed = {"start": float(error[starts].min())}
    return exact(value, rtol=1e-12, labels=["from below", "from above"], observed=observed, extra=extra)


def _outside(cell: Cell, constants: Constants, seen: Constants) -> bool:
    return bool(seen["start"] > constants["farthest"])


THEOREM = theorem(dr_quadratic_stall)
CLAIM = Claim(
    id="d3b",
    left_out=DETERMINISTIC,
    title="Where deterministic rounding stalls on a quadratic: farther out for smaller learning rates",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="identity",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(Assumption("the start lies outside the stalled region", _outside, along_run=True),),
    control=(
        Control("stochastic", "SR in place of DR: its mean distance does not depend on the learning rate", where=far),
        Control(
            "at-the-radius",
            "not a step less at the near end",
            bound=within(1.0, 1.0, 0.0),
            where=far,
            removes=("Delta",),
        ),
        Control(
            "twice-the-radius",
            "Delta/(eta lambda) at the near end",
            bound=within(2.0, 2.0, 1.0),
            where=far,
            removes=("R",),
        ),
        Control(
            "half-the-radius",
            "Delta/(4 eta lambda) at the far end",
            bound=within(0.0, 0.5, 0.0),
            where=far,
            removes=("Delta/(2 eta lambda)", "2"),
        ),
    ),
    figure=along("eta", r"learning rate $\eta$", "final distance (steps)", "curvature"),
)
