r"""R4: deterministic rounding never moves a weight further than its update did; ties go up, ``DR(x) = floor(x + 1/2)``.

Statement and proof: `alpt_ref.theory.identities.dr_error_bound`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory.identities import dr_error_bound
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import DETERMINISTIC
from ._rounding import count_moves, nearest

MANTISSA = 1 << 23
EXPONENTS = range(-24, 4)
"""Binades of the numbers that are rounded: from below one word's resolution to sixteen steps."""


def grid(budget: str) -> list[Cell]:
    """Updates from grid points; every (or every k-th) float32 of each binade; ties."""
    quick = budget == "quick"
    moves = product(part=["moves"], code=[-7, 0, 6] if quick else list(range(-8, 8)))
    numbers = product(part=["numbers"], every=[4099] if quick else [1], sign=[-1, 1])
    return [*moves, *numbers, {"part": "ties"}]


def _moves() -> NDArray[np.float32]:
    """Updates in steps, from -2.5 to 2.5."""
    return (np.arange(-160, 161) / 64).astype(np.float32)


def _binades(cell: Cell) -> list[NDArray[np.float32]]:
    mantissa = np.arange(0, MANTISSA, cell["every"], dtype=np.float32) / np.float32(MANTISSA)
    return [np.ldexp(np.float32(cell["sign"]) * (1 + mantissa), e).astype(np.float32) for e in EXPONENTS]


def bound(cell: Cell, constants: Constants) -> Any:
    """``min(1/2, |u|)`` steps; as a ratio to it where the numbers are too many to keep; 1/2 exactly at ties."""
    if cell["part"] == "moves":
        return dr_error_bound(_moves(), 1.0)
    return 1.0 if cell["part"] == "numbers" else (0.5, 0.5)


def least(step: float, update: float) -> Callable[[Cell, Constants], Any]:
    """The smaller of `step` steps and `update` times the update."""
    return lambda cell, constants: np.minimum(step, update * np.abs(_moves().astype(np.float64)))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``|eps|`` in steps for every update, the largest ratio in each binade, or the signed error at ties."""
    if cell["part"] == "moves":
        u = _moves().astype(np.float64)
        if broken == "floor":
            error = np.floor(-u) + u
        elif broken == "stochastic rounding":
            below = np.floor(-u) + u
            error = np.maximum(np.abs(below), np.abs(below + (u != np.floor(u))))  # both neighbours happen
        else:
            error, _ = count_moves(np.full(len(u), cell["code"], np.int32), _moves(), 0, stochastic=False)
        return exact(np.abs(error), rtol=0.0, atol=1e-12, labels=[f"u = {x:g} steps" for x in u])
    if cell["part"] == "ties":
        x = (np.arange(-64, 64) + 0.5).astype(np.float32)
        codes = np.rint(x) if broken == "ties to even" else np.floor(x) if broken == "floor" else nearest(x)
        return exact(codes - x.astype(np.float64), rtol=0.0, labels=[f"x = {one:g}" for one in x])
    largest = []
    for x in _binades(cell):
        codes = np.floor(x) if broken == "floor" else nearest(x)
        largest.append(np.max(np.abs(codes - x.astype(np.float64)) / np.minimum(0.5, np.abs(x))))
    return exact(largest, rtol=0.0, labels=[f"2^{e} <= |x| < 2^{e + 1}" for e in EXPONENTS])


def figure(axes: Any, result: Any) -> None:
    """Error against update, its bound, and what floor does."""
    u = _moves()
    axes.plot(u, np.minimum(np.abs(u), 0.5), "k-", label=r"bound $\min(\Delta/2,\ |u|)$")
    for label, cell, style in (("DR", result.cells[0], "-"), ("control: floor", result.controls[0].cells[0], ":")):
        axes.plot(u, [point.value for point in cell.points], style, label=label)
    axes.set(xlabel=r"update $u$ ($\Delta$)", ylabel=r"$|\epsilon|$ ($\Delta$)")
    axes.legend(fontsize=8)


THEOREM = theorem(dr_error_bound)
CLAIM = Claim(
    id="r4",
    left_out=DETERMINISTIC,
    title="nearest rounding moves no further than the update",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    bound=bound,
    measure=measure,
    control=(
        Control("floor", "floor in place of nearest rounding"),
        Control("ties to even", "the other tie rule", where=lambda cell: cell["part"] == "ties"),
        Control("stochastic rounding", "the farther neighbour, as SR may take", where=lambda c: c["part"] == "moves"),
        Control(
            "quarter of a step",
            "min(Delta/4, eta |g|)",
            bound=least(0.25, 1.0),
            where=lambda cell: cell["part"] == "moves",
            removes=("Delta/2",),
        ),
        Control(
            "half the update",
            "min(Delta/2, eta |g|/2)",
            bound=least(0.5, 0.5),
            where=lambda cell: cell["part"] == "moves",
            removes=("eta |g_i|",),
        ),
    ),
    figure=figure,
)
