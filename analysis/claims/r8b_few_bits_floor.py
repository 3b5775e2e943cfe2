r"""R8B: stochastic rounding with r random bits keeps to S1 and S2 but for a floor that halves with every bit.

Statement and proof: `alpt_ref.theory.bounds.word_bias_floor`. Measured exactly, with the chain that truncates the move.
Reached where no update exceeds ``2^-r Delta``, so that nothing moves (R8).
"""

from __future__ import annotations

import math
from typing import Any

from alpt_ref.theory import Schedule, bounds, evolve_separable
from alpt_ref.theory.bounds import word_bias_floor
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._instances import of
from ._left_out import WORDS
from ._sharp import each
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors
from ._track import AT_EVERY_ITERATE, CONVEX, IN_BOX, against_time, horizons, known, largest_loss, measured_average

BELOW = 1.0 - 2.0**-10
"""Updates in the cells that reach the floor, in units of ``2^-r`` steps."""
SECOND = "2^-r sqrt(d) Delta D/eta"


def grid(budget: str) -> list[Cell]:
    """Problems whose rounding stands still, the one that reaches S1, and others, under both schedules."""
    full = budget == "full"
    cells: list[Cell] = []
    for bits in [3, 5, 8] if full else [5]:
        stalled = product(problem=each("stalled"), reach=[BELOW * 2.0**-bits], T=[20_000])
        cells += [{**cell, "random_bits": bits, "schedule": "constant"} for cell in stalled]
    cells += product(problem=each("kink"), reach=[0.01], T=[20_000], random_bits=[24], schedule=["constant"])
    cells += [{"problem": "cliff", "reach": 0.4, "T": 10_000, "random_bits": 10, "schedule": "constant"}]
    return cells + product(
        problem=["bowls", "slopes", "hubers"] if full else ["bowls", "slopes"],
        reach=[0.02, 0.1, 1.0, 10.0] if full else [0.1, 1.0],
        T=[30_000 if full else 3_000],
        random_bits=[1, 4, 8] if full else [4, 8],
        schedule=["constant", "inverse-sqrt"],
    )


def _last(cell: Cell, constants: Constants, T: int) -> float:
    eta = float(constants["eta"])
    return eta if cell["schedule"] == "constant" else eta / math.sqrt(T)


def bound(cell: Cell, constants: Constants) -> list[float]:
    """S1, or S2, and the floor, at every horizon."""
    given: dict[str, Any] = {key: constants[key] for key in ("step_size", "dim")}
    eta, G, G1, found = constants["eta"], constants["G"], constants["G1"], []
    for T in horizons(cell):
        if cell["schedule"] == "constant":
            ideal = bounds.sr_convex_constant(T=T, eta=eta, D1=constants["D1"], G=G, G1=G1, **given)
        else:
            ideal = bounds.sr_convex_sqrt(T=T, c=eta, D=constants["D"], G=G, G1=G1, **given)
        last = _last(cell, constants, T)
        found.append(ideal + word_bias_floor(eta=last, D=constants["D"], random_bits=cell["random_bits"], **given))
    return found


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    eta, step, d, G, D, D1 = (constants[key] for key in ("eta", "step_size", "dim", "G", "D", "D1"))
    norm = min(math.sqrt(d) * G, constants["G1"])

    def ideal(T: int) -> float:
        if cell["schedule"] == "constant":
            rounding = min(step * norm / 2, d * step**2 / (8 * eta))
            return float(D1**2 / (2 * eta * T) + eta * G**2 / 2 + rounding)
        return float((D**2 / (2 * eta) + eta * G**2) / math.sqrt(T) + step * norm / 2)

    def floor(T: int) -> float:
        bias = 2.0 ** -cell["random_bits"] * broken.factor("sqrt(d)", math.sqrt(d))
        return float(bias * step * D / _last(cell, constants, T))

    return [broken.term("S1", ideal(T)) + broken.term(SECOND, floor(T)) for T in horizons(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``."""
    made, times = of(cell), horizons(cell)
    run = evolve_separable(
        made.separable,
        made.grid,
        made.start,
        Schedule(cell["schedule"], known(cell)["eta"]).rates(times[-1]),
        noise=made.noise,
        rounding="dr" if broken == "nearest rounding" else "sr",
        random_bits=None if broken == "nearest rounding" else cell["random_bits"],
    )
    return measured_average(run, made, times)


THEOREM = theorem(word_bias_floor)
CLAIM = Claim(
    id="r8b",
    left_out=WORDS,
    title="what few random bits add to S1 and S2",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    constants=known,
    bound=bound,
    measure=measure,
    trivial=largest_loss,
    assumptions=(CONVEX, IN_BOX, is_its_terms(of_terms, bound), *AT_EVERY_ITERATE),
    control=(
        Control("nearest rounding", "DR in place of SR", where=at("cliff")),
        *needed(of_terms, {"S1": at(*each("kink")), SECOND: at(*each("stalled"))}),
        *needed_factors(of_terms, {"sqrt(d)": at(*each("stalled")[1:])}),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E f(w_t) - f^*$"),
)
