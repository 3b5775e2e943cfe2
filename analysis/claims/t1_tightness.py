r"""T1: what of S1 to S5, D1 and D2 is nearly reached, term by term, and in which instance.

Proof. By example, measured exactly. Two kinds of rows:

``the whole bound``: the largest measured / bound among points where the bound is non-trivial, that is below what no
method can exceed.

A term, in the cell (problem, d, T) that its necessity control names: the smallest share of the term, the others left
whole, with which the bound would still hold there; so no smaller constant can stand before it. Where sqrt(d) or d is a
factor there is a row for d = 1, 4 and 16. Other forms that a bound could have, and other T, are not covered.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from alpt_ref.verification import Cell, Claim, Control, Measurement, exact
from alpt_ref.verification.user_quantizer import UserQuantizer

from . import (
    d1_dr_convex_constant,
    d2_dr_convex_sqrt,
    s1_convex_constant,
    s2_convex_sqrt,
    s3_strongly_convex_inverse,
    s4_strongly_convex_constant,
    s5_smooth,
)
from ._quantizer_tightness import tight
from ._terms import WHOLE, Broken

MODULES: dict[str, ModuleType] = {
    module.CLAIM.id: module
    for module in (
        s1_convex_constant,
        s2_convex_sqrt,
        s3_strongly_convex_inverse,
        s4_strongly_convex_constant,
        s5_smooth,
        d1_dr_convex_constant,
        d2_dr_convex_sqrt,
    )
}
REACHED = 0.9
WHOLE_BOUND = "the whole bound"
HALVINGS = 14
"""Steps of the search for a share, which is then too small by at most 2^-14 = 6e-5."""
LESS = {
    ("s2", "D^2/(2 c sqrt(T))"): 0.4,
    ("s2", "c G^2/sqrt(T)"): 0.85,
    ("s2", "exact sums: d Delta^2/(8 eta_t T)"): 0.8,
    ("s4", "d Delta^2/(8 eta mu)"): 0.85,
    ("s5", "L sqrt(d) Delta G/2"): 0.8,
    ("s5", "L d Delta^2/(8 eta)"): 0.8,
    ("d1", "sqrt(d) Delta D/(2 eta)"): 0.7,
    ("d2", "D^2/(2 c sqrt(T))"): 0.4,
    ("d2", "c G^2/sqrt(T)"): 0.7,
}
"""Terms of which less than that is known to be needed, and how much is."""


def terms(claim: str) -> Iterator[tuple[str, Callable[[Cell], bool]]]:
    """Labels of the terms that the claim's controls remove, and where."""
    module = MODULES[claim]
    cells = module.CLAIM.grid("quick")
    for control in module.CLAIM.controls:
        for label in control.removes:
            some = next(cell for cell in cells if control.where is None or control.where(cell))
            if _bound(claim, some, label, 0.0) != _bound(claim, some, "", 1.0):  # a factor is none
                yield label, control.where or (lambda cell: True)


def _bound(claim: str, cell: Cell, label: str, share: float) -> list[float]:
    """The claim's bound with this share of a term."""
    form, _, name = label.rpartition(": ")
    broken = Broken((name,), (), share, form) if label else WHOLE
    return list(MODULES[claim].of_terms(cell, MODULES[claim].CLAIM.constants(cell), broken))


def cells(budget: str) -> list[Cell]:
    """A row for each bound, and for each term in each cell that its control names."""
    found: list[Cell] = [{"claim": claim, "term": WHOLE_BOUND} for claim in MODULES]
    for claim, module in MODULES.items():
        grid = module.CLAIM.grid("quick")
        found += [
            {"claim": claim, "term": label, "in": cell} for label, where in terms(claim) for cell in grid if where(cell)
        ]
    return found


@functools.cache
def _reached(claim: str, times: float) -> tuple[float, str]:
    """Largest measured / (times bound) among the exact points where that is non-trivial, and where."""
    one, best = MODULES[claim].CLAIM, (0.0, "")
    for cell in one.grid("quick"):
        if "runs" in cell:
            continue
        constants = one.constants(cell)
        bound, trivial = times * np.array(one.bound(cell, constants)), one.trivial(cell, constants)
        measured = one.measure(cell, 0)
        ratio = np.where(bound < trivial, measured.values / bound, 0.0)
        best = max(best, (float(ratio.max()), f"{cell}, {measured.labels[int(ratio.argmax())]}"))
    return best


def share(claim: str, label: str, cell: Cell, times: float = 1.0) -> tuple[float, str]:
    """Smallest share of so many times a term with which the bound holds at every point, and the point that needs it."""
    measured = MODULES[claim].CLAIM.measure(cell, 0)
    values = measured.values * (1 - measured.rtol)
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if (np.array(_bound(claim, cell, label, times * middle)) >= values).all():
            high = middle
        else:
            low = middle
    worst = int(np.argmin(np.array(_bound(claim, cell, label, times * low)) - values))
    return low, measured.labels[worst]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """The largest ratio, or the share of a term; of twice the bound, or twice the term, for the control."""
    times = 1.0 if broken is None else 2.0
    if cell["term"] == WHOLE_BOUND:
        value, where = _reached(cell["claim"], times)
    else:
        value, where = share(cell["claim"], cell["term"], cell["in"], times)
    return exact(value, labels=[where])


def bound(cell: Cell, constants: Any) -> float:
    """What the ratio or share is claimed to reach."""
    return LESS.get((cell["claim"], cell["term"]), REACHED)


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim about the user's rounding in place of the package's."""
    return tight(CLAIM, MODULES, quantizer)


CLAIM = Claim(
    id="t1",
    title="How much of each bound and of each of its terms an instance needs",
    statement=(
        r"$\sup\ \mathrm{measured}/\mathrm{bound} \geq 0.9$ where the bound is non-trivial, for each of S1-S5, D1, D2"
        "\n"
        r"each of their terms is needed to the stated share in the named instance ($d$ = 1, 4, 16 where $d$ enters)"
    ),
    plain=(
        "for each of S1-S5, D1, D2 there is a point where the bound lies below what no method can exceed and the "
        "measured value is at least 0.9 of it; and each of several terms of them has an instance (problem, d, T) in "
        "which the bound would fail with less than the stated share of that term: 0.9 unless the row says otherwise"
    ),
    kind="lower",
    grid=cells,
    bound=bound,
    measure=measure,
    of_quantizer=of_quantizer,
    control=Control(
        "twice as large",
        "bounds and terms twice as large: less than the stated share of them is needed",
        where=lambda cell: cell["term"] == WHOLE_BOUND or cell["in"].get("d", 1) == 1,
    ),
    trivial=lambda cell, constants: 0.0,
)
