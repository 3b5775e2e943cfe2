r"""S2: stochastic rounding, convex f, learning rate ``c/sqrt(t)``: the full-precision rate, down to the floor.

Statement and proof: `alpt_ref.theory.bounds.sr_convex_sqrt`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_convex_sqrt
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._track import ALONG, CONVEX, against_time, horizons, known, track

FORMS = ("usual", "sparse", "exact sums")


def grid(budget: str) -> list[Cell]:
    """Exact problems, the tight one, and regressions by Monte Carlo; `reach` is the first update in steps."""
    full = budget == "full"
    reach = [0.1, 0.4, 1.0, 3.0, 10.0, 30.0] if full else [0.4, 10.0]
    cells = [{"problem": "cliff", "reach": 0.4, "T": 10_000}, {"problem": "kink", "reach": 1.0, "T": 200_000}]
    cells += product(problem=["bowls", "slopes", "hubers", "sparse"], reach=reach, T=[30_000 if full else 3_000])
    names = ["L1 regression", "one-hot logistic", "logistic", "one-hot L1"]
    return cells + product(
        problem=names if full else names[:2],
        reach=[0.4, 2.0, 10.0] if full else [2.0],
        T=[10_000 if full else 1_000],
        runs=[256 if full else 64],
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


def no_rounding(cell: Cell, constants: Constants) -> list[float]:
    """What full precision would obey."""
    c = constants["eta"]
    full = [(constants["D"] ** 2 / (2 * c) + c * constants["G"] ** 2) / np.sqrt(T) for T in horizons(cell)]
    return [float(value) for value in np.tile(full, len(FORMS))]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``."""
    run = track(cell, Schedule("inverse-sqrt", known(cell)["eta"]), seed, broken=broken)
    return run.measurement(run.average_value, horizons(cell), FORMS)


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
    assumptions=(CONVEX, *ALONG),
    control=(
        Control("shrunk", "0.95 of the bound, where it is reached", 0.95, where=lambda cell: cell["problem"] == "kink"),
        Control("no rounding term", "the bound of full precision", bound=no_rounding),
        Control("nearest rounding", "DR in place of SR", where=lambda cell: cell["problem"] == "cliff"),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E f(w_t) - f^*$"),
)
