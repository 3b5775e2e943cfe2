r"""S4: stochastic rounding, strongly convex f, constant learning rate: geometric approach to a floor of the distance.

Statement and proof: `alpt_ref.theory.bounds.sr_strongly_convex_constant`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_strongly_convex_constant
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, product

from ._track import ALONG, STRONGLY, against_time, horizons, known, track

KEYS = ("mu", "eta", "step_size", "D1", "G", "dim")


def grid(budget: str) -> list[Cell]:
    """Exact problems, the tight one, and regressions with an l2 term by Monte Carlo."""
    full = budget == "full"
    reach = [0.02, 0.1, 0.4, 1.0, 3.0] if full else [0.1, 1.0]
    cells = [{"problem": "far bowl", "reach": 0.8, "T": 3_000}, {"problem": "noisy bowl", "reach": 0.01, "T": 200_000}]
    cells += product(problem=["bowls", "elastics"], reach=reach, T=[30_000 if full else 3_000])
    names = ["least squares", "one-hot logistic", "logistic"]
    return cells + product(
        problem=names if full else names[:2],
        reach=[0.1, 0.5, 2.0] if full else [0.5],
        T=[10_000 if full else 1_000],
        first=[100],  # earlier the distance has hardly changed: the bound is too close for so few runs
        runs=[1024 if full else 512],
    )


def forms(cell: Cell) -> list[str]:
    """The forms of the bound that apply."""
    return ["dense", "sparse", "small moves"] if cell["reach"] <= 1.0 else ["dense", "sparse"]


def bound(cell: Cell, constants: Constants) -> list[float]:
    """Every form at every iterate that is looked at."""
    given: dict[str, Any] = {key: constants[key] for key in KEYS}
    small = {key: constants[key] for key in ("mu", "eta", "step_size", "D1", "G1", "g_max")}
    made = {
        "dense": lambda t: bounds.sr_strongly_convex_constant(t=t, **given),
        "sparse": lambda t: bounds.sr_strongly_convex_constant(t=t, **given, G1=constants["G1"]),
        "small moves": lambda t: bounds.sr_strongly_convex_constant_small_updates(t=t, **small),
    }
    return [made[form](t) for form in forms(cell) for t in horizons(cell)]


def no_rounding(cell: Cell, constants: Constants) -> list[float]:
    """What full precision would obey."""
    rate = 2 * constants["eta"] * constants["mu"]
    kept = (1 - rate) ** (np.array(horizons(cell)) - 1.0)
    floor = constants["eta"] * constants["G"] ** 2 / (2 * constants["mu"])
    full = kept * constants["D1"] ** 2 + (1 - kept) * floor
    return [float(value) for value in np.tile(full, len(forms(cell)))]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``E|w_t - w*|^2``."""
    run = track(cell, Schedule("constant", known(cell)["eta"]), seed, broken=broken)
    return run.measurement(run.distance2, horizons(cell), forms(cell))


THEOREM = theorem(sr_strongly_convex_constant)
CLAIM = Claim(
    id="s4",
    title="SR, strongly convex, constant learning rate",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    constants=known,
    bound=bound,
    measure=measure,
    assumptions=(
        STRONGLY,
        Assumption("eta <= 1/(2 mu)", lambda cell, constants: 2 * constants["eta"] * constants["mu"] <= 1.0),
        *ALONG,
    ),
    control=(
        Control("shrunk", "0.98 of the bound, where it is reached", 0.98, where=lambda c: c["problem"] == "noisy bowl"),
        Control("no rounding term", "the bound of full precision", bound=no_rounding),
        Control("nearest rounding", "DR in place of SR", where=lambda cell: cell["problem"] == "far bowl"),
    ),
    figure=against_time(r"$E\|w_t - w^*\|^2$", "iterate t"),
)
