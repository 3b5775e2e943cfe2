r"""D1: deterministic rounding, convex f, constant learning rate.

Statement and proof: `alpt_ref.theory.stalling.dr_convex_constant`.

Measured exactly (one Markov chain for each coordinate). The control holds DR to the bound that SR obeys (S1).
"""

from __future__ import annotations

import math

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.setting import Schedule
from alpt_ref.theory.stalling import dr_convex_constant
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._instances import of
from ._left_out import DETERMINISTIC
from ._sharp import STEEP, each
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors
from ._track import AT_EVERY_ITERATE, CONVEX, IN_BOX, horizons, known, largest_loss, measured_average

KEYS = ("eta", "step_size", "D1", "G", "dim")


def grid(budget: str) -> list[Cell]:
    """From the corner of a box; and the problems that reach each term."""
    full = budget == "full"
    cells = product(
        problem=["kink", "bowl", "huber", "elastic"],
        sigma=[0.0, 0.5],
        d=[1, 3, 8] if full else [1, 3],
        reach=[0.05, 0.2, 0.45, 0.9, 2.0, 6.0, 20.0] if full else [0.05, 0.45, 2.0, 8.0],
        T=[20_000 if full else 2_000],
    )
    cells += product(problem=each("stalled"), reach=[0.499], T=[10_000])
    cells += product(problem=each("steep and flat")[1:], reach=[STEEP], T=[10_000])
    cells += [{"problem": "corner kink", "reach": 32.0, "T": 4}, {"problem": "wide kink", "reach": 64.0, "T": 1_000}]
    return cells


def constants(cell: Cell) -> Constants:
    found = known(cell)
    return {key: found[key] for key in (*KEYS, "D", "G1", "g_max", "L", "mu", "convex")}


def bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in (*KEYS, "D")}
    return [stalling.dr_convex_constant(T=T, **known) for T in horizons(cell)]


def stochastic_bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in KEYS}
    return [bounds.sr_convex_constant(T=T, **known) for T in horizons(cell)]


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    eta, step, d, G, D1, D = (constants[key] for key in ("eta", "step_size", "dim", "G", "D1", "D"))

    def value(T: int) -> float:
        rounding = broken.factor("sqrt(d)", math.sqrt(d)) * step * D / (2 * eta)
        return min(
            broken.term("D1^2/(2 eta T)", D1**2 / (2 * eta * T))
            + broken.term("eta G^2/2", eta * G**2 / 2)
            + broken.term("sqrt(d) Delta D/(2 eta)", rounding),
            broken.term("G D", G * D),
        )

    return [value(T) for T in horizons(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    made = of(cell)
    rates = Schedule("constant", made.rate(cell["reach"])).rates(int(cell["T"]))
    return measured_average(made.evolve(rates, "dr"), made, horizons(cell))


THEOREM = theorem(dr_convex_constant)
CLAIM = Claim(
    id="d1",
    left_out=DETERMINISTIC,
    title="Deterministic rounding, convex, constant learning rate",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    constants=constants,
    bound=bound,
    measure=measure,
    trivial=largest_loss,
    assumptions=(CONVEX, IN_BOX, is_its_terms(of_terms, bound), *AT_EVERY_ITERATE),
    control=(
        Control(
            "held-to-s1",
            "DR held to the bound of SR (S1), whose floor does not grow as the learning rate shrinks",
            bound=stochastic_bound,
            where=at("kink", reach=0.45, sigma=0.0),
        ),
        *needed(
            of_terms,
            {
                "D1^2/(2 eta T)": at("corner kink"),
                "eta G^2/2": at("wide kink"),
                "sqrt(d) Delta D/(2 eta)": at(*each("steep and flat")[1:]),
                "G D": at(*each("stalled")),
            },
        ),
        *needed_factors(of_terms, {"sqrt(d)": at(*each("steep and flat")[1:])}),
    ),
)
