r"""S4: stochastic rounding, strongly convex f, constant learning rate: geometric approach to a floor of the distance.

Statement and proof: `alpt_ref.theory.bounds.sr_strongly_convex_constant`.
"""

from __future__ import annotations

import math
from typing import Any

from alpt_ref.theory import Schedule, bounds
from alpt_ref.theory.bounds import sr_strongly_convex_constant
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, product
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_walks import walking
from ._sharp import each
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors
from ._track import ALONG, IN_BOX, STRONGLY, against_time, horizons, known, track

KEYS = ("mu", "eta", "step_size", "D1", "G", "dim")


def grid(budget: str) -> list[Cell]:
    """Exact problems, those that reach each term, and regressions with an l2 term by Monte Carlo."""
    full = budget == "full"
    reach = [0.02, 0.1, 0.4, 1.0, 3.0] if full else [0.1, 1.0]
    cells: list[Cell] = [{"problem": "far bowl", "reach": 0.8, "T": 3_000}]
    cells += product(problem=each("noisy bowls"), reach=[0.1], T=[20_000])
    cells += product(problem=each("noisy bowls"), reach=[0.66], T=[4_000])
    cells += [{"problem": "noisy bowls, d = 1", "reach": 5.28, "T": 2_000}]
    cells += [{"problem": "corner bowl", "reach": u, "T": T} for u, T in ((6.4, 5), (1.0, 50))]
    cells += product(problem=["bowls", "elastics"], reach=reach, T=[30_000 if full else 3_000])
    names = ["least squares", "one-hot logistic", "logistic"]
    return cells + product(
        problem=names if full else names[:2],
        reach=[0.5, 2.0] if full else [0.5],
        T=[3_000 if full else 1_000],
        first=[1_000],  # earlier the distance has hardly changed: the bound is too close for so few runs
        runs=[512],
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


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    mu, eta, step, d, G, G1 = (constants[key] for key in ("mu", "eta", "step_size", "dim", "G", "G1"))

    def value(form: str, t: int) -> float:
        wrong = broken.within("small moves" if form == "small moves" else "")
        k = (1 - 2 * eta * mu) ** (t - 1)
        first = wrong.term("k D1^2", k * constants["D1"] ** 2)
        if form == "small moves":
            return first + wrong.term("(1 - k) Delta G1/(2 mu)", (1 - k) * step * G1 / (2 * mu))
        norm = wrong.factor("sqrt(d)", math.sqrt(d)) * G
        linear = wrong.term("sqrt(d) Delta G/(2 mu)", step * (min(norm, G1) if form == "sparse" else norm) / (2 * mu))
        square = wrong.term("d Delta^2/(8 eta mu)", wrong.factor("d", d) * step**2 / (8 * eta * mu))
        F = wrong.term("eta G^2/(2 mu)", eta * G**2 / (2 * mu)) + min(linear, square)
        return first + wrong.term("(1 - k) F", (1 - k) * F)

    return [value(form, t) for form in forms(cell) for t in horizons(cell)]


def largest(cell: Cell, constants: Constants) -> float:
    """What no method can exceed: the squared distance of the farthest corner."""
    return float(constants["D"] ** 2)


def measure(cell: Cell, seed: int, *, broken: str | None = None, rounding: UserQuantizer | None = None) -> Measurement:
    """``E|w_t - w*|^2``."""
    run = track(cell, Schedule("constant", known(cell)["eta"]), seed, broken=broken, rounding=rounding)
    return run.measurement(run.distance2, horizons(cell), forms(cell), largest(cell, known(cell)))


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim with the user's rounding in place of SR."""
    return walking(CLAIM, measure, quantizer)


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
    of_quantizer=of_quantizer,
    trivial=largest,
    assumptions=(
        STRONGLY,
        Assumption("eta <= 1/(2 mu)", lambda cell, constants: 2 * constants["eta"] * constants["mu"] <= 1.0),
        IN_BOX,
        is_its_terms(of_terms, bound),
        *ALONG,
    ),
    control=(
        Control("shrunk", "0.98 of the bound, where it is reached", 0.98, where=at(*each("noisy bowls"), reach=0.1)),
        Control("nearest rounding", "DR in place of SR", where=at("far bowl")),
        *needed(
            of_terms,
            {
                "k D1^2": at("corner bowl"),
                "(1 - k) F": at(*each("noisy bowls")),
                "eta G^2/(2 mu)": at("noisy bowls, d = 1", reach=5.28),
                "sqrt(d) Delta G/(2 mu)": at(*each("noisy bowls"), reach=0.1),
                "d Delta^2/(8 eta mu)": at(*each("noisy bowls"), reach=0.66),
            },
        ),
        *needed_factors(
            of_terms,
            {
                "sqrt(d)": at(*each("noisy bowls")[1:], reach=0.1),
                "d": at(*each("noisy bowls")[1:], reach=0.66),
            },
        ),
        *needed(
            of_terms,
            {
                "k D1^2": at("corner bowl", reach=1.0),
                "(1 - k) Delta G1/(2 mu)": at(*each("noisy bowls"), reach=0.1),
            },
            "small moves",
        ),
    ),
    figure=against_time(r"$E\|w_t - w^*\|^2$", "iterate t"),
)
