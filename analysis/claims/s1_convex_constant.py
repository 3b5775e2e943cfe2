r"""S1: stochastic rounding, convex f, constant learning rate: a floor that does not grow as the learning rate shrinks.

Statement and proof: `alpt_ref.theory.bounds.sr_convex_constant`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_convex_constant
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._track import ALONG, CONVEX, against_time, horizons, known, track

KEYS = ("eta", "step_size", "D1", "G", "dim")


def grid(budget: str) -> list[Cell]:
    """Exact problems over small and large updates, the tight one, and regressions by Monte Carlo."""
    full = budget == "full"
    reach = [0.02, 0.1, 0.4, 1.0, 3.0, 10.0] if full else [0.1, 1.0, 10.0]
    cells = [{"problem": "cliff", "reach": 0.4, "T": 10_000}, {"problem": "kink", "reach": 0.01, "T": 100_000}]
    cells += product(problem=["bowls", "slopes", "hubers", "sparse"], reach=reach, T=[30_000 if full else 3_000])
    names = ["logistic", "L1 regression", "one-hot logistic", "one-hot L1"]
    return cells + product(
        problem=names if full else names[:1] + names[3:],
        reach=[0.02, 0.1, 0.5, 2.0] if full else [0.1, 0.5],
        T=[10_000 if full else 1_000],
        runs=[256 if full else 64],
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


def no_rounding(cell: Cell, constants: Constants) -> list[float]:
    """What full precision would obey: the same without the rounding term."""
    eta, square = constants["eta"], constants["D1"] ** 2
    full = [square / (2 * eta * T) + eta * constants["G"] ** 2 / 2 for T in horizons(cell)]
    return list(np.tile(full, len(forms(cell))))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``."""
    run = track(cell, Schedule("constant", known(cell)["eta"]), seed, broken=broken)
    return run.measurement(run.average_value, horizons(cell), forms(cell))


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
    assumptions=(CONVEX, *ALONG),
    control=(
        Control("shrunk", "0.98 of the bound, where it is reached", 0.98, where=lambda cell: cell["problem"] == "kink"),
        Control("no rounding term", "the bound of full precision", bound=no_rounding),
        Control("nearest rounding", "DR in place of SR", where=lambda cell: cell["problem"] == "cliff"),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E f(w_t) - f^*$"),
)
