r"""D3: which codes deterministic rounding leaves where they are, exactly.

Statement and proof: `alpt_ref.theory.stalling.dr_is_fixed`.

The usual short form "fixed iff |u| < 1/2" is wrong at ties and at the ends; each half of that is a control. Three
implementations are compared with the rule, code by code: the exact chain, the Monte Carlo kernel and the LPT table.
All numbers are dyadic, so ties occur and float32 is exact. In some cells the minimum lies beyond the range, so that
updates point outward at an end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.tables import make_table
from alpt_ref.theory import Chain, Grid, Noise, Schedule, Separable, quadratic, simulate
from alpt_ref.theory.stalling import dr_is_fixed
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import DETERMINISTIC

CURVATURE = 1.0


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    inside = product(
        bits=[2, 4, 8] if full else [4, 8],
        step=[0.25, 1.0] if full else [0.25],
        log2_eta=[-1, -2, -3, -5, -7] if full else [-1, -3, -6],
        quarters=[-7, -1, 0, 2, 5] if full else [0, 1, -6],
    )
    return inside + product(bits=[4], step=[0.25], log2_eta=[-1, -3] if full else [-1], quarters=[44, -48])


def setting(cell: Cell) -> tuple[Grid, float, float]:
    """Grid, learning rate, and the minimum, a whole number of quarter steps."""
    grid = Grid(cell["step"], cell["bits"])
    return grid, 2.0 ** cell["log2_eta"], cell["quarters"] / 4 * cell["step"]


def has_ties(cell: Cell) -> bool:
    """Whether an update is half a step exactly: a whole number of steps from the minimum, away from the ends."""
    return bool(cell["quarters"] == 0 and 2.0 ** -cell["log2_eta"] / 2 < 2 ** (cell["bits"] - 1))


def leaves_the_end(cell: Cell) -> bool:
    """Whether the update at that end is more than half a step, so that only the end holds it."""
    return bool(points_outward(cell) and cell["log2_eta"] == -1)


def points_outward(cell: Cell) -> bool:
    """Whether an update at an end of the range leaves it."""
    return bool(abs(cell["quarters"]) > 40)


def by_chain(problem: Separable, grid: Grid, eta: float, rounding: Any) -> NDArray[np.bool_]:
    matrix = Chain(problem, grid, Noise(), rounding).transition_matrix(eta)
    return np.asarray(matrix.diagonal() == 1.0)


def by_kernel(problem: Separable, grid: Grid, eta: float, rounding: Any, seed: int) -> NDArray[np.bool_]:
    """One update of a problem with one coordinate a code, each started at its own code."""
    codes = grid.codes
    many = quadratic(np.full(len(codes), CURVATURE), np.full(len(codes), problem.minimum[0]))
    schedule = Schedule("constant", eta)
    runs = simulate(
        many, grid, schedule, steps=2, runs=8, start=codes, rounding=rounding, seed=seed, minimum_outside=True
    )
    return np.asarray((runs.final == grid.values.astype(np.float32)).all(axis=0))


def by_table(problem: Separable, grid: Grid, eta: float, rounding: str, seed: int) -> NDArray[np.bool_]:
    """One SGD step of an LPT table with one row a code."""
    start = grid.values.astype(np.float32)[:, None]
    table = make_table(
        "lpt", len(start), 1, bits=grid.bits, rounding=rounding, optimizer="sgd", lr=eta, seed=seed, weights=start,
        granularity="table", init_step=grid.step_size,
    )  # fmt: skip
    before = np.asarray(table.codes())
    gradient = problem.gradient(start.astype(np.float64)).astype(np.float32)
    table.apply_gradients(np.arange(len(start)), gradient)
    return np.asarray(before == table.codes())[:, 0]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    grid, eta, minimum = setting(cell)
    problem = quadratic(CURVATURE, minimum)
    gradient = problem.gradient(grid.values[:, None])[:, 0]
    rule = dr_is_fixed(grid.codes, gradient, eta, grid)
    u = eta * gradient / grid.step_size
    ends = (grid.codes == grid.low_code) & (u > 0), (grid.codes == grid.high_code) & (u < 0)
    if broken == "ties-held":
        rule = (np.abs(u) <= 0.5) | ends[0] | ends[1]
    elif broken == "ties-moved":
        rule = (np.abs(u) < 0.5) | ends[0] | ends[1]
    elif broken == "ends-moved":
        rule = (u > -0.5) & (u <= 0.5)
    elif broken == "quarter-step":
        rule = ((u > -0.25) & (u <= 0.25)) | ends[0] | ends[1]
    rounding = "sr" if broken == "stochastic" else "dr"
    found = [
        by_chain(problem, grid, eta, rounding),
        by_kernel(problem, grid, eta, rounding, seed),
        by_table(problem, grid, eta, rounding, seed),
    ]
    wrong = [int((one != rule).sum()) for one in found]
    labels = ("exact chain", "Monte Carlo kernel", "LPT table")
    return exact(wrong, rtol=0.0, labels=labels, extra={"fixed": int(rule.sum())})


def none(cell: Cell, constants: Constants) -> float:
    return 0.0


THEOREM = theorem(dr_is_fixed)
CLAIM = Claim(
    id="d3",
    left_out=DETERMINISTIC,
    title="Where deterministic rounding stalls: the fixed points, code by code",
    statement=THEOREM.statement,
    plain=THEOREM.plain + " Measured: codes of which an implementation disagrees with this rule",
    source=THEOREM.source,
    kind="identity",
    grid=cells,
    bound=none,
    measure=measure,
    control=(
        Control("stochastic", "SR in place of DR", where=lambda c: c["bits"] == 4 and not points_outward(c)),
        Control("ties-held", "the rule |eta g| <= Delta/2", where=has_ties),
        Control("ties-moved", "the rule |eta g| < Delta/2", where=has_ties),
        Control("ends-moved", "the rule without its exception at the ends", where=leaves_the_end),
        Control("quarter-step", "a quarter of a step in place of half", where=has_ties),
    ),
)
