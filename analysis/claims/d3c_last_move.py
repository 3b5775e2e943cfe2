r"""D3 under c/sqrt(t): the step from which deterministic rounding can no longer move anything.

Statement and proof: `alpt_ref.theory.stalling.dr_freeze_step`.

Stated with the largest gradient *of the whole run*; "first t > (2 c max|g_i|/Delta)^2" with the gradient of one moment
holds only while the iterate stands still. Measured: the step from which the codes never change again.
"""

from __future__ import annotations

import math

import numpy as np

from alpt_ref.theory import Grid, Noise, Schedule
from alpt_ref.theory.problems import Separable, absolute, huber, quadratic
from alpt_ref.theory.stalling import dr_freeze_step
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import DETERMINISTIC

BITS = 11


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(
        problem=["kink", "bowl", "huber"],
        c=[1.0, 2.5, 5.0, 10.0, 20.0] if full else [2.5, 10.0],
        side=["below", "above"],
    )


def problem(cell: Cell) -> Separable:
    made = {"kink": absolute(1.0, 0.0), "bowl": quadratic(1.0 / 1024.0, 0.3), "huber": huber(0.01, 50.0, 0.3)}
    return made[cell["problem"]]


def constants(cell: Cell) -> Constants:
    known = problem(cell).constants(Grid(1.0, BITS), Noise())
    return {"c": cell["c"], "gradient_max": known.g_max, "step_size": 1.0}


def bound(cell: Cell, constants: Constants) -> int:
    return dr_freeze_step(**constants)


def kink(cell: Cell) -> bool:
    """Where the largest gradient is the gradient everywhere."""
    return bool(cell["problem"] == "kink")


def far_kink(cell: Cell) -> bool:
    """And it freezes after so many steps that one more or less is no matter."""
    return kink(cell) and cell["c"] >= 2.5


def without_2(cell: Cell, constants: Constants) -> int:
    return dr_freeze_step(**{**constants, "c": constants["c"] / 2})


def not_squared(cell: Cell, constants: Constants) -> int:
    reach: float = 2.0 * constants["c"] * constants["gradient_max"] / constants["step_size"]
    return math.floor(reach) + 1


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    grid, one = Grid(1.0, BITS), problem(cell)
    horizon = 2 * dr_freeze_step(**constants(cell)) + 50
    random_words = np.random.Generator(np.random.Philox(key=seed)).random(horizon)
    slopes = one.gradient(grid.values[:, None])[:, 0]
    code = grid.low_code if cell["side"] == "below" else grid.high_code
    frozen = 1
    for t, eta in enumerate(Schedule("inverse-sqrt", cell["c"]).rates(horizon).tolist(), start=1):
        target = min(max(code - eta * float(slopes[code - grid.low_code]), grid.low_code), grid.high_code)
        new = math.floor(target + (float(random_words[t - 1]) if broken == "stochastic" else 0.5))
        frozen = t + 1 if new != code else frozen
        code = new
    return exact(frozen, rtol=0.0, extra={"final": float(code), "horizon": horizon})


THEOREM = theorem(dr_freeze_step)
CLAIM = Claim(
    id="d3c",
    left_out=DETERMINISTIC,
    title="With c/√t deterministic rounding freezes at a step known beforehand",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    control=(
        Control("stochastic", "SR in place of DR: it keeps moving"),
        Control("shrunk", "freezing a tenth earlier", shrink=0.9, where=far_kink, removes=("(2 c g_max/Delta)^2",)),
        Control("without-2", "(c max|g|/Delta)^2", bound=without_2, where=kink, removes=("2",)),
        Control("not-squared", "2 c max|g|/Delta", bound=not_squared, where=kink, removes=("^2",)),
    ),
)
