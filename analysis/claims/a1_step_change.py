r"""A1: what one change of the step size costs, element by element.

Statement and proof: `alpt_ref.theory.learned_step_size.step_size_change_variance`.

Hence changes of the step size must stay far below delta ~ eta |g|/|k|: the *relative* change of the step size below the
relative update of the weight (A3 measures these). Measured exactly for every code by R2, and, where the ratio of the
old step size to the new one has few binary digits, counted over all words of the update that tables make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Grid
from alpt_ref.theory.identities import sr_variance
from alpt_ref.theory.learned_step_size import step_size_change_variance
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import LEARNED
from ._rounding import WORD_BITS, count_moves

STEP_SIZE = 0.5


def cells(budget: str) -> list[Cell]:
    changes = [1e-4, 1e-3, 0.01, 0.1] if budget == "quick" else np.geomspace(1e-5, 0.5, 16).round(8).tolist()
    by_r2 = product(bits=[2, 4, 8], change=[sign * change for change in changes for sign in (-1, 1)])
    digits = [8, 5] if budget == "quick" else [9, 8, 7, 6, 5, 4]
    return by_r2 + product(bits=[4, 8], ratio=[1.0 + sign * 2.0**-k for k in digits for sign in (-1, 1)])


def new_step_size(cell: Cell) -> float:
    return float(STEP_SIZE / cell["ratio"] if "ratio" in cell else STEP_SIZE * (1.0 + cell["change"]))


def change_of(cell: Cell) -> float:
    return float(new_step_size(cell) - STEP_SIZE if "ratio" in cell else cell["change"] * STEP_SIZE)


def codes(cell: Cell) -> list[int]:
    """All codes of up to four bits, else some of each size."""
    grid = Grid(STEP_SIZE, cell["bits"])
    wanted = grid.codes if cell["bits"] <= 4 else np.unique(np.linspace(grid.low_code, grid.high_code, 24).astype(int))
    return [int(code) for code in wanted]


def bound(cell: Cell, constants: Constants) -> list[float]:
    return list(step_size_change_variance(step_size=STEP_SIZE, change=change_of(cell), codes=codes(cell)).tolist())


def without_code(cell: Cell, constants: Constants) -> Any:
    return step_size_change_variance(step_size=STEP_SIZE, change=change_of(cell), codes=np.ones(len(codes(cell))))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    step_size, labels = new_step_size(cell), [f"code {code}" for code in codes(cell)]
    if "ratio" in cell:
        code = np.array(codes(cell), np.int32)
        bias, variance = count_moves(code, np.zeros(len(code), np.float32), WORD_BITS, ratio=cell["ratio"])
        return exact(step_size**2 * (variance + bias**2), atol=1e-15, labels=labels)
    grid = Grid(step_size, cell["bits"])
    value = np.clip(np.array(codes(cell)) * STEP_SIZE, grid.low, grid.high)
    return exact(step_size**2 * sr_variance(value / step_size), atol=1e-15, labels=labels)


def small(most: float) -> Callable[[Cell], bool]:
    """Whether 8 bits, and a relative change of at most this much."""
    return lambda cell: cell["bits"] == 8 and abs(new_step_size(cell) / STEP_SIZE - 1.0) <= most


THEOREM = theorem(step_size_change_variance)
CLAIM = Claim(
    id="a1",
    left_out=LEARNED,
    title="A change of the step size adds rounding variance in proportion to the code",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    bound=bound,
    measure=measure,
    trivial=lambda cell, constants: 0.25 * new_step_size(cell) ** 2,
    control=(
        Control("no-code", "the same without the factor |k|", bound=without_code, where=small(0.01), removes=("|k|",)),
        Control("halved", "half of the bound", shrink=0.5, where=small(0.01), removes=("Delta' |k| |delta|",)),
    ),
)
