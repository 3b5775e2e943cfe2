r"""S2: stochastic rounding, convex f, learning rate ``c/sqrt(t)``: the full-precision rate, down to the floor.

Statement and proof: `alpt_ref.theory.bounds.sr_convex_sqrt`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_convex_sqrt
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_walks import walking
from ._sharp import each
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors
from ._track import ALONG, CONVEX, IN_BOX, against_time, horizons, known, largest_loss, loss_range, track

FORMS = ("usual", "sparse", "exact sums")


def grid(budget: str) -> list[Cell]:
    """Exact problems, those that reach each term, and regressions by Monte Carlo; `reach`: first update in steps."""
    full = budget == "full"
    reach = [0.1, 0.4, 1.0, 3.0, 10.0, 30.0] if full else [0.4, 10.0]
    cells: list[Cell] = [{"problem": "cliff", "reach": 0.4, "T": 10_000}]
    cells += product(problem=each("kink"), reach=[1.0], T=[200_000 if full else 20_000])
    cells += product(problem=each("kink"), reach=[10.0], T=[1_000])
    cells += [{"problem": "corner kink", "reach": 90.0, "T": 1}, {"problem": "wide kink", "reach": 384.0, "T": 1_000}]
    cells += product(problem=["bowls", "slopes", "hubers", "sparse"], reach=reach, T=[30_000 if full else 3_000])
    names = ["L1 regression", "one-hot logistic", "logistic", "one-hot L1"]
    return cells + product(
        problem=names if full else names[:2],
        reach=[0.4, 2.0, 10.0] if full else [2.0],
        T=[2_000 if full else 1_000],
        runs=[256],
    )


def bound(cell: Cell, constants: Constants) -> list[float]:
    """Every form at every horizon."""
    given: dict[str, Any] = {key: constants[key] for key in ("step_size", "D", "G", "dim")}
    c, norm_1, times = constants["eta"], constants["G1"], horizons(cell)
    rates = Schedule("inverse-sqrt", c).rates(times[-1])
    usual = [bounds.sr_convex_sqrt(T=T, c=c, **given) for T in times]
    sparse = [bounds.sr_convex_sqrt(T=T, c=c, **given, G1=norm_1) for T in times]
    sums = [bounds.sr_convex_schedule(rates=rates[:T], **given, G1=norm_1) for T in times]
    return usual + sparse + sums


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    c, step, d, G, G1, D = (constants[key] for key in ("eta", "step_size", "dim", "G", "G1", "D"))
    every = c / np.sqrt(np.arange(1.0, horizons(cell)[-1] + 1))

    def usual(T: int, sparse: bool) -> float:
        wrong = broken.within("")
        norm = wrong.factor("sqrt(d)", math.sqrt(d)) * G
        return (
            wrong.term("D^2/(2 c sqrt(T))", D**2 / (2 * c * math.sqrt(T)))
            + wrong.term("c G^2/sqrt(T)", c * G**2 / math.sqrt(T))
            + wrong.term("sqrt(d) Delta G/2", step * (min(norm, G1) if sparse else norm) / 2)
        )

    def sums(T: int) -> float:
        wrong, eta = broken.within("exact sums"), every[:T]
        norm = min(wrong.factor("sqrt(d)", math.sqrt(d)) * G, G1)
        linear = wrong.term("sqrt(d) Delta G/(2 T)", step * norm / (2 * T))
        square = wrong.term("d Delta^2/(8 eta_t T)", wrong.factor("d", d) * step**2 / (8 * T)) / eta
        return (
            wrong.term("D^2/(2 eta_T T)", D**2 / (2 * eta[-1] * T))
            + wrong.term("sum_t eta_t G^2/(2 T)", math.fsum(eta) * G**2 / (2 * T))
            + math.fsum(np.minimum(linear, square))
        )

    times = horizons(cell)
    return [usual(T, sparse) for sparse in (False, True) for T in times] + [sums(T) for T in times]


def measure(cell: Cell, seed: int, *, broken: str | None = None, rounding: UserQuantizer | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``."""
    run = track(cell, Schedule("inverse-sqrt", known(cell)["eta"]), seed, broken=broken, rounding=rounding)
    return run.measurement(run.average_value, horizons(cell), FORMS, loss_range(cell))


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim with the user's rounding in place of SR."""
    return walking(CLAIM, measure, quantizer)


THEOREM = theorem(sr_convex_sqrt)
CLAIM = Claim(
    id="s2",
    title="SR, convex, learning rate c/sqrt(t)",
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
        Control("shrunk", "0.95 of the bound, where it is reached", 0.95, where=at(*each("kink"), reach=1.0)),
        Control("nearest rounding", "DR in place of SR", where=at("cliff")),
        *needed(of_terms, {"D^2/(2 c sqrt(T))": at("corner kink")}, scale=0.0),
        *needed(
            of_terms,
            {"c G^2/sqrt(T)": at("wide kink"), "sqrt(d) Delta G/2": at(*each("kink"), reach=1.0)},
        ),
        *needed_factors(of_terms, {"sqrt(d)": at(*each("kink")[1:], reach=1.0)}),
        *needed(
            of_terms,
            {
                "D^2/(2 eta_T T)": at("corner kink"),
                "sum_t eta_t G^2/(2 T)": at("wide kink"),
                "sqrt(d) Delta G/(2 T)": at(*each("kink"), reach=1.0),
                "d Delta^2/(8 eta_t T)": at(*each("kink"), reach=10.0),
            },
            "exact sums",
        ),
        *needed_factors(
            of_terms,
            {"sqrt(d)": at(*each("kink")[1:], reach=1.0), "d": at(*each("kink")[1:], reach=10.0)},
            "exact sums",
        ),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E f(w_t) - f^*$"),
)
