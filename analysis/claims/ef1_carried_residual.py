r"""EF1: nearest rounding that carries its residual along keeps S1's floor without a random word.

Statement and proof: `alpt_ref.theory.bounds.residual.dr_residual_constant`.
"""

from __future__ import annotations

from typing import Any

from alpt_ref.theory import bounds
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._left_out import CARRIED
from ._residual import ALONG, Carried, averages, both_forms, constants, figure, horizons, problem

KEYS = ("eta", "step_size", "D1", "G", "dim")


def cells(budget: str) -> list[Cell]:
    """`eta` in steps for a unit gradient; `start` a code; the minimum `theta` above a code."""
    full = budget == "full"
    T = [5_000 if full else 2_000]
    shapes = product(problem=["kink", "uneven kink", "ridge", "huber"], d=[1, 4, 16])
    small = product(eta=[0.3, 0.1, 0.02] if full else [0.02], start=[0, 8], theta=[0.0, 0.5] if full else [0.0], T=T)
    large = product(eta=[3.0, 16.0] if full else [16.0], start=[5], theta=[0.0], T=[100])
    return [{**shape, **rest} for shape in shapes for rest in small + large]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    return averages(cell, Carried(float(cell["eta"]), int(cell["d"]), lost=broken == "residual dropped"))


bound = both_forms(bounds.dr_residual_constant, *KEYS)


def wrong(term: str) -> Any:
    """The bound without one of its terms or factors."""

    def changed(cell: Cell, constants: Constants) -> list[float]:
        known = dict(constants)
        if term in ("D1", "step_size"):
            known[term] = 0.0
        if term == "sqrt(d)":
            known["G1"] = known["G"]
            sparse = bound(cell, known)[len(horizons(cell)) :]
            return sparse * 2
        values = bound(cell, known)
        floor = [full - less for full, less in zip(values, bound(cell, {**known, "step_size": 0.0}), strict=True)]
        if term == "eta G^2":
            return [full - 0.5 * known["eta"] * known["G"] ** 2 for full in values]
        return values if term != "1/2" else [full - half / 2.0 for full, half in zip(values, floor, strict=True)]

    return changed


def slow(cell: Cell) -> bool:
    """Cells in which the floor decides: small updates from w*."""
    return bool(
        cell["eta"] <= 0.02 and cell["start"] == 0 and cell["problem"] in ("kink", "ridge") and not cell["theta"]
    )


def trivial(cell: Cell, constants: Constants) -> float:
    """The largest value in the box of 8 bits."""
    made = problem(cell)
    return float(max(made.value(made.minimum * 0.0 - 128.0), made.value(made.minimum * 0.0 + 127.0)))


THEOREM = theorem(bounds.dr_residual_constant)
CLAIM = Claim(
    id="ef1",
    left_out=CARRIED,
    title="nearest rounding with carried residual, convex, constant learning rate",
    statement=THEOREM.statement,
    plain=THEOREM.plain + " Without noise.",
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    trivial=trivial,
    assumptions=ALONG,
    control=(
        Control(
            "residual dropped",
            "plain DR, which stalls at its start",
            where=lambda c: c["eta"] <= 0.1 and c["start"] == 8 and c["problem"] != "huber",
        ),
        Control(
            "without D1^2",
            "no trace of the start",
            bound=wrong("D1"),
            where=lambda c: c["start"] == 8 and c["problem"] != "huber",
            removes=("D1^2/(2 eta T)",),
        ),
        Control(
            "without eta G^2",
            "no trace of the learning rate",
            bound=wrong("eta G^2"),
            where=lambda c: c["eta"] == 16.0 and c["problem"] in ("kink", "ridge") and c["d"] == 1,
            removes=("eta G^2/2",),
        ),
        Control(
            "without Delta",
            "the floor of full precision",
            bound=wrong("step_size"),
            where=slow,
            removes=("sqrt(d) Delta G/2",),
        ),
        Control("half the floor", "1/4 for 1/2", bound=wrong("1/2"), where=slow, removes=("1/2",)),
        Control(
            "without sqrt(d)",
            "Delta G/2",
            bound=wrong("sqrt(d)"),
            where=lambda c: slow(c) and c["d"] > 1,
            removes=("sqrt(d)",),
        ),
    ),
    figure=figure,
)
