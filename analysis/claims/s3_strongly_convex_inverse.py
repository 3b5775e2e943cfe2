r"""S3: stochastic rounding, strongly convex f, learning rate ``1/(mu t)``.

Statement and proof: `alpt_ref.theory.bounds.sr_strongly_convex_inverse`.

Nearest rounding is no control here: these rates begin so large that it comes near the minimum before it freezes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_strongly_convex_inverse
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._track import ALONG, STRONGLY, against_time, horizons, known, track

FORMS = ("usual", "sparse")


def grid(budget: str) -> list[Cell]:
    """Exact problems, the tight one, and regressions with an l2 term by Monte Carlo."""
    full = budget == "full"
    cells: list[Cell] = [{"problem": "far elastic", "T": 10_000}, {"problem": "bent kink", "T": 200_000}]
    cells += product(problem=["bowls", "elastics", "far bowl"], T=[100_000 if full else 10_000])
    names = ["least squares", "one-hot logistic", "logistic"]
    return cells + product(
        problem=names if full else names[:2], T=[10_000 if full else 1_000], runs=[256 if full else 64]
    )


def bound(cell: Cell, constants: Constants) -> list[float]:
    """Both forms at every horizon."""
    given: dict[str, Any] = {key: constants[key] for key in ("mu", "step_size", "G", "dim")}
    usual = [bounds.sr_strongly_convex_inverse(T=T, **given) for T in horizons(cell)]
    return usual + [bounds.sr_strongly_convex_inverse(T=T, **given, G1=constants["G1"]) for T in horizons(cell)]


def no_rounding(cell: Cell, constants: Constants) -> list[float]:
    """What full precision would obey."""
    scale = constants["G"] ** 2 / (2 * constants["mu"])
    full = [scale * (1 + np.log(T)) / T for T in horizons(cell)]
    return [float(value) for value in np.tile(full, len(FORMS))]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``."""
    scale = 0.1 if broken == "slower" else 1.0
    run = track(cell, Schedule("inverse", scale * known(cell)["eta"]), seed)
    return run.measurement(run.average_value, horizons(cell), FORMS)


THEOREM = theorem(sr_strongly_convex_inverse)
CLAIM = Claim(
    id="s3",
    title="SR, strongly convex, learning rate 1/(mu t)",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    constants=known,
    bound=bound,
    measure=measure,
    assumptions=(STRONGLY, *ALONG),
    control=(
        Control("shrunk", "0.9 of the bound, where it is reached", 0.9, where=lambda c: c["problem"] == "bent kink"),
        Control("no rounding term", "the bound of full precision", bound=no_rounding),
        Control("slower", "a tenth of the learning rate", where=lambda cell: cell["problem"] == "far bowl"),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E f(w_t) - f^*$"),
)
