r"""S2: stochastic rounding, convex f, learning rate ``c/sqrt(t)``: the full-precision rate, down to the floor.

Proof. Divide the one-step inequality of S1 by ``2 eta_t`` before summing. Abel summation: ``sum (a_t - a_{t+1})/(2
eta_t) <= D^2/(2 eta_T)``, as ``1/eta_t`` grows and ``a_t <= D^2``. ``sum_t eta_t <= 2 c sqrt(T)``; the rounding term
is at most ``step E|g|_1/2`` a step. With the sums left exact the bound holds for every learning rate that never grows.

The bound is proved here; its closest published relative is in Li et al. 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._instances import RELATIVE
from ._settings import ALONG, CONVEX, against_time, horizons, known, track

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


CLAIM = Claim(
    id="s2",
    title="SR, convex, learning rate c/sqrt(t)",
    statement=r"$\frac{1}{T}\sum_t E f(w_t) - f^* \leq \left(\frac{D^2}{2c} + cG^2\right)\frac{1}{\sqrt{T}} + "
    r"\frac{1}{2}\sqrt{d}\,\Delta G$",
    plain="SR, f convex, eta_t = c/sqrt(t), D >= |w_t - w*|: (1/T) sum_t E f(w_t) - f* <= (D^2/(2c) + c G^2)/sqrt(T) + "
    "sqrt(d) step G/2. Sparse form: sup E|g_t|_1 for sqrt(d) G. Exact sums: any learning rates that never grow.",
    source=RELATIVE,
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
