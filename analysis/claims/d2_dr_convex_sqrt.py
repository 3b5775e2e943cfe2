r"""D2: deterministic rounding, convex f, learning rate c/sqrt(t): the rate is lost.

Statement and proof: `alpt_ref.theory.stalling.dr_convex_sqrt`.

Measured exactly (one Markov chain for each coordinate). The control holds DR to the bound that SR obeys (S2).
"""

from __future__ import annotations

import math

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.setting import Schedule
from alpt_ref.theory.stalling import dr_convex_sqrt
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._instances import in_corner
from ._track import AT_EVERY_ITERATE, CONVEX_IN_BOX, measured_average

KEYS = ("step_size", "D", "G", "dim")


def grid(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(
        problem=["kink", "bowl", "huber", "elastic"],
        sigma=[0.0, 0.5],
        d=[1, 3, 8] if full else [1, 3],
        reach=[0.3, 0.9, 3.0, 10.0, 30.0] if full else [0.45, 3.0, 20.0],
        longest=[100_000 if full else 5_000],
    )


def horizons(cell: Cell) -> list[int]:
    return [1, 10, 100, 1_000, int(cell["longest"])]


def constants(cell: Cell) -> Constants:
    made = in_corner(cell)
    found = made.constants(made.rate(cell["reach"]))
    return {"c": found["eta"], **{key: found[key] for key in (*KEYS, "eta", "D1", "convex")}}


def bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in ("c", *KEYS)}
    return [stalling.dr_convex_sqrt(T=T, **known) for T in horizons(cell)]


def stochastic_bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in ("c", *KEYS)}
    return [bounds.sr_convex_sqrt(T=T, **known) for T in horizons(cell)]


def vacuous(cell: Cell, constants: Constants) -> list[float]:
    """D2 without its growing term: the rate that DR would have if it did not stall."""
    best = constants["D"] ** 2 / (2 * constants["c"]) + constants["c"] * constants["G"] ** 2
    return [best / math.sqrt(T) for T in horizons(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    made = in_corner(cell)
    rates = Schedule("inverse-sqrt", made.rate(cell["reach"])).rates(int(cell["longest"]))
    run = made.evolve(rates, "dr")
    return measured_average(run, made, horizons(cell))


THEOREM = theorem(dr_convex_sqrt)
CLAIM = Claim(
    id="d2",
    title="Deterministic rounding, convex, learning rate c/√t",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(CONVEX_IN_BOX, *AT_EVERY_ITERATE),
    control=(
        Control(
            "held-to-s2",
            "DR held to the bound of SR (S2)",
            bound=stochastic_bound,
            where=lambda cell: cell["reach"] < 0.5 and cell["sigma"] == 0.0,
        ),
        Control(
            "no-growing-term",
            "the bound without the term that grows like sqrt(T)",
            bound=vacuous,
            where=lambda cell: cell["reach"] < 5 and cell["sigma"] == 0.0,
        ),
    ),
)
