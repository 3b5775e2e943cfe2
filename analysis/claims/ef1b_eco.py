r"""EF1b: nearest rounding with its error kept in the momentum (ECO): no array more, and no stalling.

Statement and proof: `alpt_ref.theory.bounds.residual.eco_constant`.
"""

from __future__ import annotations

from typing import Any

from alpt_ref.theory import bounds
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from . import _residual
from ._left_out import CARRIED
from ._residual import ALONG, Eco, averages, both_forms, figure, horizons, problem

KEYS = ("eta", "keep", "step_size", "D1", "G", "g_max", "dim")


def cells(budget: str) -> list[Cell]:
    """`eta` in steps for a unit gradient, b the momentum; `start` a code; the minimum `theta` above a code."""
    full = budget == "full"
    shapes = product(problem=["kink", "uneven kink", "ridge", "huber"], d=[1, 4, 16])
    rest = product(b=[0.1, 0.5, 0.9] if full else [0.1, 0.9], eta=[0.1, 0.02] if full else [0.02], start=[0, 8],
                   theta=[0.3], T=[5_000 if full else 2_000])  # fmt: skip
    found = [{**shape, **one} for shape in shapes for one in rest]
    first = product(problem=["kink"], d=[1], b=[0.3], eta=[300.0], start=[3_200], theta=[0.9], T=[10])
    overshoot = product(problem=["kink", "ridge"], d=[1, 4], b=[0.99], eta=[200.0], start=[3_000], theta=[0.5], T=[200])
    slow = product(problem=["kink"], d=[1], b=[0.9], eta=[0.0135], start=[-2], theta=[0.84], T=[400])
    return found + first + overshoot + slow


def constants(cell: Cell) -> Constants:
    return {**_residual.constants(cell), "keep": float(cell["b"])}


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    return averages(cell, Eco(float(cell["eta"]), int(cell["d"]), float(cell["b"]), lost=broken == "error dropped"))


bound = both_forms(bounds.eco_constant, *KEYS)


def wrong(term: str) -> Any:
    """The bound without one of its terms or factors, put together here from its parts."""

    def changed(cell: Cell, constants: Constants) -> list[float]:
        eta, b, G, G_inf = (constants[key] for key in ("eta", "keep", "G", "g_max"))
        root = constants["dim"] ** 0.5
        rounding = (0.0 if term == "Delta" else 0.5 * constants["step_size"]) / (1.0 if term == "1/(1-b)" else 1.0 - b)
        momentum = 0.0 if term == "momentum" else eta * b * G_inf / (1.0 if term == "1 - b of momentum" else 1.0 - b)
        found = []
        for size in (G if term == "sqrt(d)" else root * G, G if term == "sqrt(d)" else min(constants["G1"], root * G)):
            for T in horizons(cell):
                start = 0.0 if term == "D1" else constants["D1"] ** 2 / (2.0 * eta * T)
                found.append(start + (0.0 if term == "eta G^2" else 0.5 * eta * G**2) + size * (rounding + momentum))
        return found

    return changed


def rests(cell: Cell) -> bool:
    """Small updates from beside w*: the rounding decides."""
    return bool(cell["eta"] <= 0.02 and cell["start"] == 0 and cell["problem"] == "kink")


def trivial(cell: Cell, constants: Constants) -> float:
    """The largest value in the box of 8 bits, or of 13 where the start is far."""
    made, half = problem(cell), 128.0 if abs(cell["start"]) < 128 else 4096.0
    return float(max(made.value(made.minimum * 0.0 - half), made.value(made.minimum * 0.0 + half - 1.0)))


THEOREM = theorem(bounds.eco_constant)
CLAIM = Claim(
    id="ef1b",
    left_out=CARRIED,
    title="nearest rounding with its error in the momentum (ECO), convex, constant learning rate",
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
            "error dropped",
            "momentum with plain DR, which stalls at its start",
            where=lambda c: c["b"] <= 0.1 and c["eta"] <= 0.02 and c["start"] == 8 and c["problem"] != "huber",
        ),
        Control(
            "without D1^2",
            "no trace of the start",
            bound=wrong("D1"),
            where=lambda c: c["b"] <= 0.1 and c["start"] == 8 and c["problem"] != "huber",
            removes=("D1^2/(2 eta T)",),
        ),
        Control(
            "without eta G^2",
            "no eta G^2/2",
            bound=wrong("eta G^2"),
            where=lambda c: c["b"] == 0.3,
            removes=("eta G^2/2",),
        ),
        Control(
            "without Delta", "no rounding", bound=wrong("Delta"), where=rests, removes=("sqrt(d) G Delta/(2 (1-b))",)
        ),
        Control(
            "without 1/(1-b)",
            "EF1's floor",
            bound=wrong("1/(1-b)"),
            where=lambda c: c["start"] == -2,
            removes=("1/(1-b)",),
        ),
        Control(
            "without momentum",
            "no eta b G_inf/(1-b)",
            bound=wrong("momentum"),
            where=lambda c: c["b"] == 0.99,
            removes=("sqrt(d) G eta b G_inf/(1-b)",),
        ),
        Control(
            "momentum without 1/(1-b)",
            "eta b G_inf",
            bound=wrong("1 - b of momentum"),
            where=lambda c: c["b"] == 0.99 and c["d"] == 1,
            removes=("1/(1-b)",),
        ),
        Control(
            "without sqrt(d)",
            "G for sqrt(d) G",
            bound=wrong("sqrt(d)"),
            where=lambda c: rests(c) and c["d"] > 1 and c["b"] == 0.1,
            removes=("sqrt(d)",),
        ),
    ),
    figure=figure,
)
