r"""D1: deterministic rounding, convex f, constant learning rate.

Statement and proof: `alpt_ref.theory.stalling.dr_convex_constant`.

Measured exactly (one Markov chain for each coordinate). The control holds DR to the bound that SR obeys (S1).
"""

from __future__ import annotations

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.setting import Schedule
from alpt_ref.theory.stalling import dr_convex_constant
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._instances import in_corner
from ._track import AT_EVERY_ITERATE, CONVEX_IN_BOX, measured_average

KEYS = ("eta", "step_size", "D1", "G", "dim")


def grid(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(
        problem=["kink", "bowl", "huber", "elastic"],
        sigma=[0.0, 0.5],
        d=[1, 3, 8] if full else [1, 3],
        reach=[0.05, 0.2, 0.45, 0.9, 2.0, 6.0, 20.0] if full else [0.05, 0.45, 2.0, 8.0],
        longest=[20_000 if full else 2_000],
    )


def horizons(cell: Cell) -> list[int]:
    return [1, 10, 100, int(cell["longest"])]


def constants(cell: Cell) -> Constants:
    made = in_corner(cell)
    found = made.constants(made.rate(cell["reach"]))
    return {key: found[key] for key in (*KEYS, "D", "convex")}


def bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in (*KEYS, "D")}
    return [stalling.dr_convex_constant(T=T, **known) for T in horizons(cell)]


def stochastic_bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in KEYS}
    return [bounds.sr_convex_constant(T=T, **known) for T in horizons(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    made = in_corner(cell)
    rates = Schedule("constant", made.rate(cell["reach"])).rates(int(cell["longest"]))
    run = made.evolve(rates, "dr")
    return measured_average(run, made, horizons(cell))


THEOREM = theorem(dr_convex_constant)
CLAIM = Claim(
    id="d1",
    title="Deterministic rounding, convex, constant learning rate",
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
            "held-to-s1",
            "DR held to the bound of SR (S1), whose floor does not grow as the learning rate shrinks",
            bound=stochastic_bound,
            where=lambda cell: cell["reach"] < 0.5 and cell["sigma"] == 0.0,
        ),
        Control("shrunk", "95 % of the bound, where it is reached: a stalled |w|", shrink=0.95),
    ),
)
