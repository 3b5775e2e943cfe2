r"""S1: stochastic rounding, convex f, constant learning rate: a floor that does not grow as the learning rate shrinks.

Statement and proof: `alpt_ref.theory.bounds.sr_convex_constant`.
"""

from __future__ import annotations

import math
from typing import Any

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_convex_constant
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_walks import walking
from ._sharp import each
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors
from ._track import ALONG, CONVEX, IN_BOX, against_time, horizons, known, largest_loss, loss_range, track

KEYS = ("eta", "step_size", "D1", "G", "dim")


def grid(budget: str) -> list[Cell]:
    """Exact problems over small and large updates, those that reach each term, and regressions by Monte Carlo."""
    full = budget == "full"
    reach = [0.02, 0.1, 0.4, 1.0, 3.0, 10.0] if full else [0.1, 1.0, 10.0]
    cells: list[Cell] = [{"problem": "cliff", "reach": 0.4, "T": 10_000}]
    cells += product(problem=each("kink"), reach=[0.01, 0.5], T=[100_000 if full else 20_000])
    cells += [{"problem": "corner kink", "reach": u, "T": T} for u, T in ((1.0, 128), (16.0, 8), (128.0, 1))]
    cells += [{"problem": "wide kink", "reach": 64.0, "T": 1_000}]
    cells += product(problem=["bowls", "slopes", "hubers", "sparse"], reach=reach, T=[30_000 if full else 3_000])
    names = ["logistic", "L1 regression", "one-hot logistic", "one-hot L1"]
    return cells + product(
        problem=names if full else names[:1] + names[3:],
        reach=[0.1, 0.5],
        T=[1_000 if full else 500],
        runs=[1024],
    )


def forms(cell: Cell) -> list[str]:
    """The forms of the bound that apply."""
    return ["dense", "sparse", "small moves"] if cell["reach"] <= 1.0 else ["dense", "sparse"]


def bound(cell: Cell, constants: Constants) -> list[float]:
    """Every form at every horizon."""
    given: dict[str, Any] = {key: constants[key] for key in KEYS}
    small = {key: constants[key] for key in ("eta", "step_size", "D1", "G1", "g_max")}
    made = {
        "dense": lambda T: bounds.sr_convex_constant(T=T, **given),
        "sparse": lambda T: bounds.sr_convex_constant(T=T, **given, G1=constants["G1"]),
        "small moves": lambda T: bounds.sr_convex_constant_small_updates(T=T, **small),
    }
    return [made[form](T) for form in forms(cell) for T in horizons(cell)]


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    eta, step, d, G, G1, D1 = (constants[key] for key in ("eta", "step_size", "dim", "G", "G1", "D1"))

    def value(form: str, T: int) -> float:
        wrong = broken.within("small moves" if form == "small moves" else "")
        first = wrong.term("D1^2/(2 eta T)", D1**2 / (2 * eta * T))
        if form == "small moves":
            return first + wrong.term("Delta G1/2", step * G1 / 2)
        dense = wrong.factor("sqrt(d)", math.sqrt(d)) * G
        linear = wrong.term("sqrt(d) Delta G/2", step * (min(dense, G1) if form == "sparse" else dense) / 2)
        square = wrong.term("d Delta^2/(8 eta)", wrong.factor("d", d) * step**2 / (8 * eta))
        return first + wrong.term("eta G^2/2", eta * G**2 / 2) + min(linear, square)

    return [value(form, T) for form in forms(cell) for T in horizons(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None, rounding: UserQuantizer | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``."""
    run = track(cell, Schedule("constant", known(cell)["eta"]), seed, broken=broken, rounding=rounding)
    return run.measurement(run.average_value, horizons(cell), forms(cell), loss_range(cell))


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim with the user's rounding in place of SR."""
    return walking(CLAIM, measure, quantizer)


THEOREM = theorem(sr_convex_constant)
CLAIM = Claim(
    id="s1",
    title="SR, convex, constant learning rate",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    constants=known,
    bound=bound,
    measure=measure,
    of_quantizer=of_quantizer,
    trivial=largest_loss,
    assumptions=(CONVEX, IN_BOX, is_its_terms(of_terms, bound), *ALONG),
    control=(
        Control("shrunk", "0.98 of the bound, where it is reached", 0.98, where=at("kink, d = 1", "kink, d = 16")),
        Control("nearest rounding", "DR in place of SR", where=at("cliff")),
        *needed(
            of_terms,
            {
                "D1^2/(2 eta T)": at("corner kink"),
                "eta G^2/2": at("wide kink"),
                "sqrt(d) Delta G/2": at(*each("kink"), reach=0.01),
                "d Delta^2/(8 eta)": at(*each("kink"), reach=0.5),
            },
        ),
        *needed_factors(
            of_terms,
            {"sqrt(d)": at(*each("kink")[1:], reach=0.01), "d": at(*each("kink")[1:], reach=0.5)},
        ),
        *needed(
            of_terms,
            {"D1^2/(2 eta T)": at("corner kink", reach=1.0), "Delta G1/2": at(*each("kink"), reach=0.01)},
            "small moves",
        ),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E f(w_t) - f^*$"),
)
