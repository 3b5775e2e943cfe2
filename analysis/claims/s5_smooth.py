r"""S5: stochastic rounding, L-smooth f, convex or not, nothing clipped: the mean squared gradient.

Statement and proof: `alpt_ref.theory.bounds.sr_smooth`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_smooth
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, product
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._instances import of
from ._quantizer_walks import walking
from ._sharp import each
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors
from ._track import ALONG, IN_BOX, SMOOTH_BEYOND, against_time, horizons, known, track

KEYS = ("eta", "L", "step_size", "gap", "G", "dim")
FORMS = ("dense", "sparse")
NEVER = 1e-9
"""Expected number of clipped updates that counts as none."""


def grid(budget: str) -> list[Cell]:
    """Problems that reach each term, stalls of DR, and smooth problems, exactly and by Monte Carlo."""
    full = budget == "full"
    reach = [0.02, 0.1, 0.4, 1.0] if full else [0.1, 0.4]
    cells: list[Cell] = product(problem=["corner bowl", "two bowls"], reach=[128.0], T=[1])
    cells += [{"problem": "far bowl", "reach": 0.8, "T": 10_000}]
    cells += product(problem=each("noisy bowls"), reach=[0.1], T=[300_000 if full else 30_000])
    cells += product(problem=each("noisy bowls"), reach=[0.66], T=[10_000])
    cells += product(problem=["inner bowls", "hubers", "hollows"], reach=reach, T=[30_000 if full else 3_000])
    cells += product(
        problem=["hubers, normal noise", "hollows, uniform noise"],
        reach=reach,
        T=[10_000 if full else 3_000],
        runs=[1024 if full else 512],
    )
    return cells + product(problem=["logistic"], reach=reach, T=[300], runs=[1024 if full else 512], every=[True])


def bound(cell: Cell, constants: Constants) -> list[float]:
    """Both forms at every horizon."""
    given: dict[str, Any] = {key: constants[key] for key in KEYS}
    dense = [bounds.sr_smooth(T=T, **given) for T in horizons(cell)]
    return dense + [bounds.sr_smooth(T=T, **given, G1=constants["G1"]) for T in horizons(cell)]


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists; without L the smallest curvature takes the largest's place."""
    eta, step, d, G, G1, gap = (constants[key] for key in ("eta", "step_size", "dim", "G", "G1", "gap"))
    L = smallest_curvature(cell) if "L" in broken.factors else constants["L"]

    def value(T: int, sparse: bool) -> float:
        norm = broken.factor("sqrt(d)", math.sqrt(d)) * G
        linear = broken.term("L sqrt(d) Delta G/2", L * step * (min(norm, G1) if sparse else norm) / 2)
        square = broken.term("L d Delta^2/(8 eta)", L * broken.factor("d", d) * step**2 / (8 * eta))
        first = broken.term("(f(w_1) - f*)/(eta T)", gap / (eta * T))
        return first + broken.term("L eta G^2/2", L * eta * G**2 / 2) + min(linear, square)

    return [value(T, sparse) for sparse in (False, True) for T in horizons(cell)]


def smallest_curvature(cell: Cell) -> float:
    """Of a quadratic."""
    return float(of(cell).separable.curvature.min())


def largest(cell: Cell, constants: Constants) -> float:
    """What no method can exceed: the largest squared gradient in the box."""
    return of(cell).largest_square()


def measure(cell: Cell, seed: int, *, broken: str | None = None, rounding: UserQuantizer | None = None) -> Measurement:
    """``(1/T) sum_t E|f'(w_t)|^2``."""
    run = track(cell, Schedule("constant", known(cell)["eta"]), seed, broken=broken, rounding=rounding)
    return run.measurement(run.average_gradient2, horizons(cell), FORMS, largest(cell, {}))


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim with the user's rounding in place of SR."""
    return walking(CLAIM, measure, quantizer)


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
    of_quantizer=of_quantizer,
    trivial=largest,
    assumptions=(
        Assumption("f is L-smooth", lambda cell, constants: bool(np.isfinite(constants["L"])), proved=True),
        IN_BOX,
        SMOOTH_BEYOND,
        is_its_terms(of_terms, bound),
        *ALONG,
        Assumption("no update is clipped", lambda cell, constants, seen: seen["clipped"] <= NEVER, along_run=True),
    ),
    control=(
        Control("shrunk", "0.98 of the bound, where it is reached", 0.98, where=at("corner bowl", "two bowls")),
        Control("nearest rounding", "DR in place of SR", where=at("far bowl")),
        *needed(
            of_terms,
            {
                "(f(w_1) - f*)/(eta T)": at("corner bowl", "two bowls"),
                "L eta G^2/2": at("corner bowl", "two bowls"),
                "L sqrt(d) Delta G/2": at(*each("noisy bowls"), reach=0.1),
                "L d Delta^2/(8 eta)": at(*each("noisy bowls"), reach=0.66),
            },
        ),
        *needed_factors(
            of_terms,
            {
                "L": at("two bowls"),
                "sqrt(d)": at(*each("noisy bowls")[1:], reach=0.1),
                "d": at(*each("noisy bowls")[1:], reach=0.66),
            },
        ),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E\|f'(w_t)\|^2$"),
)
