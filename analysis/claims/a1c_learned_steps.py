r"""A1C: what learned step sizes add to stochastic rounding, per element and with the new step size in the expectation.

Statement and proof: `alpt_ref.theory.bounds.sr_convex_learned_steps`.

Measured exactly, gap and expectations of the bound alike. ``alternating``: a step size that goes to and fro by 1/4096,
in the long run; there the change of the step size is nearly all of the loss, and bounds with max_i|k_i| in place of the
sum fail. ``by ...``: one learned step size for a row, moved by the sign of a gradient, by the codes or by a coin.
``at zero``: the step size is large where the gradient is, so that it must stay inside the expectation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Grid, Separable, absolute, quadratic
from alpt_ref.theory.bounds import sr_convex_learned_steps
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._changing_steps import CAPPED, CHANGE, GAP, GRADIENT, LARGEST, SIZE, STEP, Alternating, Learned
from ._instance import Floats
from ._left_out import LEARNED
from ._terms import WHOLE, Broken, at, is_its_terms, needed

ALTERNATING = {
    # reach is eta times the slope, in steps
    "alternating": {"slope": 0.02, "minimum": 100.5, "bits": 8, "reach": 2e-5, "change": 2.0**-12, "start": 100},
    "corner": {"slope": 1.0, "minimum": 0.0, "bits": 7, "reach": 1.0, "change": 0.0, "start": -64},
    "wide": {"slope": 1.0, "minimum": 0.0, "bits": 7, "reach": 32.0, "change": 0.0, "start": 0},
    "kink": {"slope": 1.0, "minimum": 0.0, "bits": 2, "reach": 0.02, "change": 0.0, "start": 0},
    "half steps": {"slope": 1.0, "minimum": 0.0, "bits": 2, "reach": 0.5, "change": 0.0, "start": 0},
}
RULES: dict[str, Callable[[int, Floats, Floats, int], int]] = {
    "by gradient": lambda place, codes, g, coin: place + (1 if g[0] > 0.0 else -1),
    "by size": lambda place, codes, g, coin: 2 if abs(g[0]) > 1.0 else 0,
    "by codes": lambda place, codes, g, coin: place + (1 if np.abs(codes).max() >= 2.0 else -1),
    "by coin": lambda place, codes, g, coin: place + coin,
    "at zero": lambda place, codes, g, coin: place if codes.any() else (4 if abs(g[0]) > 1.0 else 0),
}
LAST = 2**44
BITS_OF = {1: 4, 2: 3, 4: 2}
"""Width of the codes for rows of so many elements: all their states are enumerated."""


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    sharp = product(problem=list(ALTERNATING), d=[1, 2, 4, 16])
    sharp.append({"problem": "at zero", "loss": "kink", "d": 1, "change": 1.0, "reach": 0.2, "sigma": 1.0})
    rules, losses = list(RULES)[:-1], ["kink", "bowl"]
    learned = product(
        problem=rules,
        loss=losses,
        d=[1, 2],
        change=[0.01, 0.2],
        reach=[0.2, 2.0] if full else [0.2],
        sigma=[0.0, 1.5] if full else [1.5],
    )
    if full:
        learned += product(problem=rules, loss=losses, d=[4], change=[0.2], reach=[0.2], sigma=[1.5])
    return sharp + learned


def horizons(cell: Cell) -> list[int]:
    return [64, 2**20, LAST] if cell["problem"] in ALTERNATING else [8, 64, 512]


def row_of(cell: Cell) -> tuple[Learned, Separable]:
    """The row: five step sizes around 1, a minimum inside every box, slopes of at most 1 without the noise."""
    d, ratio = int(cell["d"]), 1.0 + cell["change"]
    zero = cell["problem"] == "at zero"
    slope, minimum = np.linspace(1.0, 0.5, d), 0.3 * (not zero) + 0.3 * (np.arange(d) % 2)
    problem = absolute(slope, minimum) if cell["loss"] == "kink" else quadratic(slope / 8.0, minimum)
    rule = RULES[cell["problem"]]
    within = functools.partial(_within, rule)
    steps = tuple(ratio**power for power in range(-2, 3))
    return Learned(problem, BITS_OF[d], steps, float(cell["reach"]), float(cell["sigma"]), within), problem


def _within(rule: Callable[..., int], place: int, codes: Floats, g: Floats, coin: int) -> int:
    return min(max(rule(place, codes, g, coin), 0), 4)


@functools.lru_cache(maxsize=1)
def _run(key: tuple[tuple[str, Any], ...]) -> tuple[Floats, dict[str, Any]]:
    """Sums of a cell at its horizons, and what else its bound needs; once for bound, terms and measurement."""
    cell = dict(key)
    d, T = int(cell["d"]), horizons(cell)
    if cell["problem"] in ALTERNATING:
        given = dict(ALTERNATING[cell["problem"]])
        eta, bits = given.pop("reach") / given["slope"], int(given.pop("bits"))
        chain = Alternating(bits=bits, eta=eta, dim=d, start=int(given.pop("start")), **given)
        ends = np.outer(np.array([1.0, 1.0 + chain.change]), [Grid(1.0, bits).low, Grid(1.0, bits).high])
        known = {
            "eta": eta,
            "D1": abs(chain.start - chain.minimum) * d**0.5,
            "G": chain.slope * d**0.5,
            "largest": d * chain.slope * float(np.abs(ends - chain.minimum).max()),
            "inside": bool(ends[:, 0].max() <= chain.minimum <= ends[:, 1].min()),
        }
        return chain.sums(T), known
    row, problem = row_of(cell)
    grid = Grid(1.0, row.bits)
    start = 0 if cell["problem"] == "at zero" else grid.low_code
    sums, square = row.sums((2, (start,) * d), T)
    ends = np.outer(row.steps, [grid.low, grid.high])
    worst = problem.values(ends.reshape(-1, 1) + np.zeros(d)).max(axis=0)
    known = {
        "eta": row.eta,
        "D1": float(problem.distance(np.full(d, float(start)))),
        "G": square**0.5,
        "largest": float(worst.sum()),
        "inside": bool(ends[:, 0].max() <= problem.minimum.min() and problem.minimum.max() <= ends[:, 1].min()),
    }
    return sums, known


def run(cell: Cell) -> tuple[Floats, dict[str, Any]]:
    return _run(tuple(sorted(cell.items())))


def constants(cell: Cell) -> Constants:
    """What the bound needs: expectations along the run are part of A1C's bound, so they come from the exact run."""
    sums, known = run(cell)
    return {**known, "sums": sums[:, 1:]}


FORMS = ("sums", "capped")


def bound(cell: Cell, constants: Constants) -> list[float]:
    found = []
    for form in FORMS:
        for T, sums in zip(horizons(cell), np.asarray(constants["sums"]), strict=True):
            known = {key: constants[key] for key in ("eta", "D1", "G")}
            known |= {"gradient_sum": sums[GRADIENT - 1], "change_sum": sums[CHANGE - 1]}
            capped = sums[CAPPED - 1] if form == "capped" else None
            found.append(sr_convex_learned_steps(T=T, **known, capped_sum=capped))
    return found


GRADIENT_TERM = "(1/(2T)) sum_t E sum_i Delta'_{t,i} |g_{t,i}|"
CHANGE_TERM = "(1/(2 eta T)) sum_t E sum_i Delta'_{t,i} |k_{t,i}| |delta_{t,i}|"


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists; a control for "sum_i" takes the largest |k_i|."""
    eta = constants["eta"]

    def value(form: str, T: int, sums: Floats) -> float:
        first = broken.term("D1^2/(2 eta T)", constants["D1"] ** 2 / (2.0 * eta * T))
        first += broken.term("eta G^2/2", 0.5 * eta * constants["G"] ** 2)
        if form == "capped":
            return first + broken.term("cap", sums[CAPPED - 1] / (2.0 * eta * T))
        changes = sums[LARGEST - 1] if "sum_i" in broken.factors else sums[CHANGE - 1]
        together = sums[STEP - 1] * sums[SIZE - 1] / T if "Delta'" in broken.factors else sums[GRADIENT - 1]
        gradients = broken.term(GRADIENT_TERM, together / (2.0 * T))
        return first + gradients + broken.term(CHANGE_TERM, changes / (2.0 * eta * T))

    every = list(zip(horizons(cell), np.asarray(constants["sums"]), strict=True))
    return [float(value(form, T, sums)) for form in FORMS for T, sums in every]


def one_element(cell: Cell, constants: Constants) -> list[float]:
    """max_i E|k_i| in place of the sum: the change term of one of d equal elements."""
    sums = np.asarray(constants["sums"]).copy()
    sums[:, CHANGE - 1] /= float(cell["d"])
    return of_terms(cell, {**constants, "sums": sums})


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``, once for each form."""
    gaps = run(cell)[0][:, GAP] / np.array(horizons(cell), dtype=np.float64)
    labels = [f"T = {T}, {form}" for form in FORMS for T in horizons(cell)]
    return exact(np.tile(gaps, len(FORMS)), labels=labels)


def draw(axes: Any, result: Any) -> None:
    """The alternating step size: measured, the bound, and the bounds without the sum over a row's elements."""
    chosen = [cell for cell in result.cells if cell.cell["problem"] == "alternating" and cell.points]
    d, last = [cell.cell["d"] for cell in chosen], len(horizons(chosen[0].cell)) - 1
    axes.plot(d, [cell.points[last].value for cell in chosen], "o", label="measured")
    axes.plot(d, [cell.points[last].high for cell in chosen], "-", label=r"A1C, $\sum_i |k_i|$")
    for place, formula in enumerate((lambda c, k: of_terms(c, k, Broken((), ("sum_i",))), one_element)):
        name = (r"$E\,\max_i |k_i|$", r"$\max_i E|k_i|$")[place]
        axes.plot(d, [formula(c.cell, c.constants)[last] for c in chosen], ":", color=f"C{2 + place}", label=name)
    s1 = [of_terms(c.cell, c.constants, Broken((CHANGE_TERM,), scale=0.0))[last] for c in chosen]
    axes.plot(d, s1, "--", color="0.5", label="S1, without the change")
    axes.set(xscale="log", yscale="log", xlabel="elements of a row", ylabel="average gap in the long run")
    axes.legend(fontsize=7)


THEOREM = theorem(sr_convex_learned_steps)
CLAIM = Claim(
    id="a1c",
    left_out=LEARNED,
    title="SR, convex, learned step sizes for each row",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    trivial=lambda cell, constants: constants["largest"],
    assumptions=(
        Assumption("w* lies in every box that occurs", lambda cell, constants: bool(constants["inside"])),
        is_its_terms(of_terms, bound),
    ),
    control=(
        Control(
            "one element",
            "the change of one element in place of the sum over the row",
            bound=one_element,
            where=lambda cell: cell["problem"] == "alternating" and cell["d"] > 1,
            removes=("sum_i",),
        ),
        Control(
            "S1 alone",
            "without the term of the change",
            bound=lambda cell, constants: of_terms(cell, constants, Broken((CHANGE_TERM,), scale=0.0)),
            where=at("alternating"),
            removes=(CHANGE_TERM,),
        ),
        *needed(
            of_terms,
            {
                "D1^2/(2 eta T)": at("corner"),
                "eta G^2/2": at("wide"),
                GRADIENT_TERM: at("kink"),
                CHANGE_TERM: at("alternating"),
            },
        ),
        Control(
            "largest element",
            "E max_i |k_i| in place of E sum_i |k_i|",
            bound=lambda cell, constants: of_terms(cell, constants, Broken(factors=("sum_i",))),
            where=lambda cell: cell["problem"] == "alternating" and cell["d"] > 2,
            removes=("sum_i",),
        ),
        Control(
            "half of the cap",
            "half of the capped form's rounding term",
            bound=lambda cell, constants: of_terms(cell, constants, Broken(("cap",))),
            where=at("half steps"),
        ),
        Control(
            "step size outside",
            "E Delta' E|g| in place of E Delta' |g|",
            bound=lambda cell, constants: of_terms(cell, constants, Broken(factors=("Delta'",))),
            where=at("at zero"),
            removes=("Delta'",),
        ),
    ),
    figure=draw,
)
