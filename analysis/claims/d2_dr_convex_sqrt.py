r"""D2: deterministic rounding, convex f, learning rate c/sqrt(t): the rate is lost.

Statement and proof: `alpt_ref.theory.stalling.dr_convex_sqrt`.

Measured exactly (one Markov chain for each coordinate). The control holds DR to the bound that SR obeys (S2).
"""

from __future__ import annotations

import math

import numpy as np

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.setting import Schedule
from alpt_ref.theory.stalling import dr_convex_sqrt
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._instances import of
from ._left_out import DETERMINISTIC
from ._sharp import each
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors
from ._track import AT_EVERY_ITERATE, CONVEX, IN_BOX, horizons, known, largest_loss, measured_average

KEYS = ("step_size", "D", "G", "dim")


def grid(budget: str) -> list[Cell]:
    """From the corner of a box; and the problems that reach each term."""
    full = budget == "full"
    cells = product(
        problem=["kink", "bowl", "huber", "elastic"],
        sigma=[0.0, 0.5],
        d=[1, 3, 8] if full else [1, 3],
        reach=[0.45, 0.9, 3.0, 10.0, 30.0] if full else [0.45, 3.0, 20.0],
        T=[100_000 if full else 5_000],
    )
    cells += product(problem=each("stalled"), reach=[0.499], T=[10_000])
    cells += product(problem=each("half way"), reach=[1.0], T=[24])
    cells += [{"problem": "corner kink", "reach": 90.0, "T": 1}]
    cells += [{"problem": "wider kink", "reach": 12_288.0, "T": 4_000}]
    return cells + product(problem=["wide kink"], reach=[256.0, 384.0, 1_000.0], T=[1_000])


def constants(cell: Cell) -> Constants:
    found = known(cell)
    return {"c": found["eta"], **{key: found[key] for key in (*KEYS, "eta", "D1", "G1", "g_max", "L", "mu", "convex")}}


def bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in ("c", *KEYS)}
    return [stalling.dr_convex_sqrt(T=T, **known) for T in horizons(cell)]


def stochastic_bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in ("c", *KEYS)}
    return [bounds.sr_convex_sqrt(T=T, **known) for T in horizons(cell)]


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    c, step, d, G, D = (constants[key] for key in ("c", "step_size", "dim", "G", "D"))

    def value(T: int) -> float:
        growing = broken.factor("sqrt(d)", math.sqrt(d)) * step * np.sqrt(np.arange(1.0, T + 1)) / (2 * c)
        added = D / T * math.fsum(np.minimum(growing, G))
        return min(
            broken.term("D^2/(2 c sqrt(T))", D**2 / (2 * c * math.sqrt(T)))
            + broken.term("c G^2/sqrt(T)", c * G**2 / math.sqrt(T))
            + broken.term("(D/T) sum_t min(sqrt(d) Delta sqrt(t)/(2 c), G)", added),
            broken.term("G D", G * D),
        )

    return [value(T) for T in horizons(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    made = of(cell)
    rates = Schedule("inverse-sqrt", made.rate(cell["reach"])).rates(int(cell["T"]))
    return measured_average(made.evolve(rates, "dr"), made, horizons(cell))


THEOREM = theorem(dr_convex_sqrt)
CLAIM = Claim(
    id="d2",
    left_out=DETERMINISTIC,
    title="Deterministic rounding, convex, learning rate c/√t",
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
            "held-to-s2",
            "DR held to the bound of SR (S2)",
            bound=stochastic_bound,
            where=at("kink", reach=0.45, sigma=0.0),
        ),
        *needed(of_terms, {"D^2/(2 c sqrt(T))": at("corner kink")}, scale=0.0),
        *needed(
            of_terms,
            {
                "c G^2/sqrt(T)": at("wide kink", "wider kink"),
                "(D/T) sum_t min(sqrt(d) Delta sqrt(t)/(2 c), G)": at(*each("stalled")),
                "G D": at(*each("stalled"), *each("half way")),
            },
        ),
        *needed_factors(of_terms, {"sqrt(d)": at("half way, d = 16")}),
    ),
)
