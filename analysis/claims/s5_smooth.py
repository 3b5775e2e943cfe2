r"""S5: stochastic rounding, L-smooth f, convex or not, nothing clipped: the mean squared gradient.

Statement and proof: `alpt_ref.theory.bounds.sr_smooth`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_smooth
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, product

from ._track import ALONG, against_time, horizons, known, track

KEYS = ("eta", "L", "step_size", "gap", "G", "dim")
FORMS = ("dense", "sparse")
NEVER = 1e-9
"""Expected number of clipped updates that counts as none."""


def grid(budget: str) -> list[Cell]:
    """One Newton step (tight), stalls of DR, and smooth problems, exactly and by Monte Carlo."""
    full = budget == "full"
    reach = [0.02, 0.1, 0.4, 1.0] if full else [0.1, 0.4]
    cells = [{"problem": "corner bowl", "reach": 128.0, "T": 1}, {"problem": "far bowl", "reach": 0.8, "T": 10_000}]
    cells += [{"problem": "noisy bowl", "reach": 0.05, "T": 1_000_000 if full else 200_000}]
    cells += product(problem=["inner bowls", "hubers", "hollows"], reach=reach, T=[30_000 if full else 3_000])
    cells += product(
        problem=["hubers, normal noise", "hollows, uniform noise"],
        reach=reach,
        T=[30_000 if full else 3_000],
        runs=[256 if full else 64],
    )
    return cells + product(problem=["logistic"], reach=reach, T=[1_000 if full else 300], runs=[64], every=[True])


def bound(cell: Cell, constants: Constants) -> list[float]:
    """Both forms at every horizon."""
    given: dict[str, Any] = {key: constants[key] for key in KEYS}
    dense = [bounds.sr_smooth(T=T, **given) for T in horizons(cell)]
    return dense + [bounds.sr_smooth(T=T, **given, G1=constants["G1"]) for T in horizons(cell)]


def no_rounding(cell: Cell, constants: Constants) -> list[float]:
    """What full precision would obey."""
    gap, eta = constants["gap"], constants["eta"]
    full = [gap / (eta * T) + constants["L"] * eta * constants["G"] ** 2 / 2 for T in horizons(cell)]
    return [float(value) for value in np.tile(full, len(FORMS))]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(1/T) sum_t E|f'(w_t)|^2``."""
    run = track(cell, Schedule("constant", known(cell)["eta"]), seed, broken=broken)
    return run.measurement(run.average_gradient2, horizons(cell), FORMS)


THEOREM = theorem(sr_smooth)
CLAIM = Claim(
    id="s5",
    title="SR, smooth, not convex",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    constants=known,
    bound=bound,
    measure=measure,
    assumptions=(
        Assumption("f is L-smooth", lambda cell, constants: bool(np.isfinite(constants["L"]))),
        *ALONG,
        Assumption("no update is clipped", lambda cell, constants, seen: seen["clipped"] <= NEVER, along_run=True),
    ),
    control=(
        Control(
            "shrunk", "0.98 of the bound, where it is reached", 0.98, where=lambda c: c["problem"] == "corner bowl"
        ),
        Control("nearest rounding", "DR in place of SR", where=lambda cell: cell["problem"] == "far bowl"),
        Control("no rounding term", "the bound of full precision", bound=no_rounding),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E\|f'(w_t)\|^2$"),
)
