r"""S3: stochastic rounding, strongly convex f, learning rate ``1/(mu t)``.

Statement and proof: `alpt_ref.theory.bounds.sr_strongly_convex_inverse`.

Nearest rounding is no control here: these rates begin so large that it comes near the minimum before it freezes.
"""

from __future__ import annotations

import math
from typing import Any

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_strongly_convex_inverse
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_walks import walking
from ._sharp import each
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors
from ._track import ALONG, IN_BOX, STRONGLY, against_time, horizons, known, largest_loss, loss_range, track

FORMS = ("usual", "sparse")


def grid(budget: str) -> list[Cell]:
    """Exact problems, those that reach each term, and regressions with an l2 term by Monte Carlo."""
    full = budget == "full"
    cells: list[Cell] = [{"problem": "far elastic", "T": 10_000}, {"problem": "corner bowl", "T": 1}]
    cells += product(problem=each("bent kink"), T=[200_000 if full else 20_000])
    cells += [{"problem": "wide bent kink", "T": 1_000}]
    cells += product(problem=["bowls", "elastics", "far bowl"], T=[100_000 if full else 10_000])
    names = ["least squares", "one-hot logistic", "logistic"]
    return cells + product(problem=names if full else names[:2], T=[3_000 if full else 1_000], runs=[512])


def bound(cell: Cell, constants: Constants) -> list[float]:
    """Both forms at every horizon."""
    given: dict[str, Any] = {key: constants[key] for key in ("mu", "step_size", "G", "dim")}
    usual = [bounds.sr_strongly_convex_inverse(T=T, **given) for T in horizons(cell)]
    return usual + [bounds.sr_strongly_convex_inverse(T=T, **given, G1=constants["G1"]) for T in horizons(cell)]


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    mu, step, d, G, G1 = (constants[key] for key in ("mu", "step_size", "dim", "G", "G1"))

    def value(T: int, sparse: bool) -> float:
        grown = 1 + (0.0 if "ln T" in broken.factors else math.log(T))  # left out, it is the harmonic sum's first term
        norm = broken.factor("sqrt(d)", math.sqrt(d)) * G
        floor = broken.term("sqrt(d) Delta G/2", step * (min(norm, G1) if sparse else norm) / 2)
        return broken.term("(1 + ln T) G^2/(2 mu T)", grown * G**2 / (2 * mu * T)) + floor

    return [value(T, sparse) for sparse in (False, True) for T in horizons(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None, rounding: UserQuantizer | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``."""
    scale = 0.1 if broken == "slower" else 1.0
    run = track(cell, Schedule("inverse", scale * known(cell)["eta"]), seed, rounding=rounding)
    return run.measurement(run.average_value, horizons(cell), FORMS, loss_range(cell))


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim with the user's rounding in place of SR."""
    return walking(CLAIM, measure, quantizer)


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
    of_quantizer=of_quantizer,
    trivial=largest_loss,
    assumptions=(STRONGLY, IN_BOX, is_its_terms(of_terms, bound), *ALONG),
    control=(
        Control("shrunk", "0.9 of the bound, where it is reached", 0.9, where=at("corner bowl", *each("bent kink"))),
        Control("slower", "a tenth of the learning rate", where=at("far bowl")),
        *needed(
            of_terms,
            {"(1 + ln T) G^2/(2 mu T)": at("corner bowl"), "sqrt(d) Delta G/2": at(*each("bent kink"))},
        ),
        *needed_factors(of_terms, {"ln T": at("wide bent kink"), "sqrt(d)": at(*each("bent kink")[1:])}),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E f(w_t) - f^*$"),
)
