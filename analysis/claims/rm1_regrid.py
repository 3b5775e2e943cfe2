r"""RM1: a row that sets its own step size rounds elements that have no update.

Statement and proof: `alpt_ref.theory.row_grid.rowmax_regrid_variance`. Measured exactly by R2 in real numbers, and by
runs of the table, a row each, of which one update moves the largest element alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alpt_ref.tables import make_table
from alpt_ref.theory.identities import sr_variance
from alpt_ref.theory.row_grid import rowmax_regrid_variance
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Measurement, exact, product, sampled

from ._left_out import OF_ROWS
from ._terms import WHOLE, Broken, is_its_terms, needed, needed_factors

STEP_SIZE = 2.0**-5
D = 8


def cells(budget: str) -> list[Cell]:
    """`move`: ``M'/M - 1``; ``half``: the others have one code, which the move sends half-way between two values."""
    full = budget == "full"
    moves = [1e-4, -1e-4, 1e-3, -1e-3, 0.01, -0.01, 0.1] if full else [1e-4, -1e-3, 0.01]
    spread = product(engine=["exact"], bits=[4, 8, 16], row=["spread"], move=moves)
    half = product(engine=["exact"], bits=[4, 8], row=["half"])
    table = product(engine=["table"], bits=[8], row=["spread"], move=[1e-3, -0.01], runs=[20_000 if full else 8_000])
    return spread + half + table


def shape(cell: Cell) -> tuple[int, np.ndarray, float]:
    """q, codes of the others, and M'."""
    q = 2 ** (cell["bits"] - 1) - 1
    if cell["row"] == "half":
        code = (q + 1) // 2
        return q, np.full(D - 1, code), q * STEP_SIZE * code / (code - 0.5)
    codes = np.linspace(-0.9 * q, 0.8 * q, D - 1).round().astype(int)
    return q, codes, q * STEP_SIZE * (1.0 + cell["move"])


def constants(cell: Cell) -> Constants:
    q, codes, moved = shape(cell)
    return {"largest": q * STEP_SIZE, "moved": moved, "q": q, "codes": codes.tolist()}


def bound(cell: Cell, constants: Constants) -> list[float]:
    return [rowmax_regrid_variance(**constants)]


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    q, moved = constants["q"], constants["moved"]
    new, size = moved / q, float(np.abs(constants["codes"]).sum())
    drift = new * abs(moved - constants["largest"]) * broken.factor("|k|_1", size) / q
    quarter = broken.factor("d", len(constants["codes"])) * new**2 / 4.0
    return [min(broken.term("Delta' |M' - M| |k|_1/q", drift), broken.term("(d-1) Delta'^2/4", quarter))]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``sum_i E (w_i' - w_i)^2`` over the elements without an update."""
    q, codes, moved = shape(cell)
    if cell["engine"] == "exact":
        new = moved / q
        return exact([float((new**2 * sr_variance(codes * STEP_SIZE / new)).sum())], atol=1e-15)
    row = np.append(codes, q).astype(np.float32) * np.float32(STEP_SIZE)
    table = make_table(
        "rowmax", cell["runs"], D, bits=cell["bits"], grid="symmetric", optimizer="sgd", lr=1.0, seed=seed,
        weights=np.tile(row, (cell["runs"], 1)),
    )  # fmt: skip
    grads = np.zeros((cell["runs"], D), np.float32)
    grads[:, -1] = q * STEP_SIZE - moved
    ids = np.arange(cell["runs"])
    before = table.lookup(ids)[:, :-1].astype(np.float64)
    table.apply_gradients(ids, grads)
    squares = ((table.lookup(ids)[:, :-1] - before) ** 2).sum(axis=1)
    return sampled(squares, low=0.0, high=(D - 1) * (moved / q) ** 2 * (1.0 + 1e-4))


def small(cell: Cell) -> bool:
    """Moves that leave every element within a tenth of a step of its old value."""
    return bool(cell["row"] == "spread" and cell["bits"] <= 8 and abs(cell["move"]) <= 1e-3)


def half(cell: Cell) -> bool:
    """Cells in which every element comes to lie half-way."""
    return bool(cell["row"] == "half")


WHERE: dict[str, Callable[[Cell], bool]] = {"Delta' |M' - M| |k|_1/q": small, "(d-1) Delta'^2/4": half}
THEOREM = theorem(rowmax_regrid_variance)
CLAIM = Claim(
    id="rm1",
    left_out=OF_ROWS,
    title="A row that sets its own step size rounds elements without an update",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(is_its_terms(of_terms, bound),),
    control=(*needed(of_terms, WHERE), *needed_factors(of_terms, {"|k|_1": small, "d": half})),
)
