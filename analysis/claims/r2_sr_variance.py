r"""R2: the variance of stochastic rounding, ``Delta^2 p (1 - p)`` with ``p = frac(x/Delta)``; at most ``Delta^2/4``.

Statement and proof: `alpt_ref.theory.identities.sr_variance`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory.identities import sr_variance
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._rounding import WORD_BIAS, WORD_BITS, count_values, nearest

PARTS = 32


def grid(budget: str) -> list[Cell]:
    """Step sizes, and the whole step in which x lies."""
    quick = budget == "quick"
    return product(step_size=[0.1, 1.0] if quick else [1e-4, 0.1, 1.0, 30.0], code=[-3, 2] if quick else [-8, -3, 0, 6])


def positions(cell: Cell) -> Any:
    """x in steps: the fractions ``0, 1/32, .. 1``, which 16 random bits represent exactly."""
    return (cell["code"] + np.arange(PARTS + 1) / PARTS).astype(np.float32)


def bound(cell: Cell, constants: Constants) -> Any:
    """``Delta^2 p(1 - p)`` at each fraction."""
    return cell["step_size"] ** 2 * sr_variance(positions(cell))


def of(cell: Cell, variance: Callable[[Any], Any]) -> Any:
    """Another function of p in place of ``p(1 - p)``, times ``Delta^2``."""
    x = positions(cell).astype(np.float64)
    return cell["step_size"] ** 2 * variance(x - np.floor(x))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Variance over all words of 16 bits, at each fraction."""
    x = positions(cell)
    if broken == "nearest rounding":  # counted as if its error were random
        variance = (nearest(x) - x.astype(np.float64)) ** 2
    else:
        _, variance = count_values(x, 4, WORD_BITS, less=WORD_BIAS if broken == "biased words" else 0)
    labels = [f"p = {part}/{PARTS}" for part in range(PARTS + 1)]
    square = cell["step_size"] ** 2
    return exact(square * variance, rtol=1e-12, atol=1e-15 * square, labels=labels)


def figure(axes: Any, result: Any) -> None:
    """The parabola, what was counted, and the biased generator."""
    p = np.linspace(0, 1, 101)
    axes.plot(p, p * (1 - p), "k-", label=r"$p(1-p)$")
    shown = (("SR, all words", result.cells[0], "o"), ("control: words too small", result.controls[0].cells[0], "x"))
    for label, cell, marker in shown:
        values = [point.value / cell.cell["step_size"] ** 2 for point in cell.points]
        axes.plot(np.linspace(0, 1, len(values)), values, marker, markersize=4, label=label)
    axes.set(xlabel=r"fraction $p$ of $x/\Delta$", ylabel=r"variance of SR ($\Delta^2$)")
    axes.legend(fontsize=8)


THEOREM = theorem(sr_variance)
CLAIM = Claim(
    id="r2",
    title="variance of stochastic rounding",
    statement=THEOREM.statement,
    plain=THEOREM.plain + "; counted over all words, not sampled.",
    source=THEOREM.source,
    kind="identity",
    grid=grid,
    bound=bound,
    measure=measure,
    control=(
        Control("biased words", "every word is 2^-8 too small"),
        Control("nearest rounding", "squared error of DR in place of the variance of SR"),
        Control("without 1 - p", "Delta^2 p", bound=lambda cell, constants: of(cell, lambda p: p), removes=("1 - p",)),
        Control(
            "without p", "Delta^2 (1 - p)", bound=lambda cell, constants: of(cell, lambda p: 1 - p), removes=("p",)
        ),
        Control(
            "halved",
            "half of it",
            bound=lambda cell, constants: 0.5 * bound(cell, constants),
            removes=("Delta^2 p(1 - p)",),
        ),
        Control(
            "an eighth",
            "at most Delta^2/8",
            bound=lambda cell, constants: (0.0, cell["step_size"] ** 2 / 8),
            removes=("Delta^2/4",),
        ),
    ),
    figure=figure,
)
