"""R7 with a function of the user's: rounding errors of different elements, rows and draws are uncorrelated.

The draws that are compared lie powers of two apart, where generators that drop or mix bits of their seed repeat
themselves; and among many draws, near each other and far apart, no two may give the same rounding of a long column.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, Test, exact, sampled
from alpt_ref.verification.user_quantizer import DRAWS, UserQuantizer

from ._quantizer_cells import on
from ._rounding import generator_of

RUNS, ROWS, COLUMNS = 64, 2048, 8
WITHIN = 0.01
"""Correlation that counts as none."""
LAGS = (1, 1 << 8, 1 << 16, 1 << 24)
PAIRS = ("next column", "column + 4", "next row", *(f"draw + {lag}" for lag in LAGS), "row sum")
LONG, CALLS = 256, 4096
"""Elements of a column that is rounded by so many draws: two of them agree by chance with a probability below 2^-100.

A column, since one word for a row is for `PAIRS` to see."""


def uncorrelated(claim: Claim, q: UserQuantizer) -> Claim:
    """R7."""

    def value(cell: Cell, constants: Constants) -> Any:
        within = WITHIN if cell["of"] == "pairs" else 0.0
        return -within, within

    def moved(cell: Cell, constants: Constants) -> Any:
        return 2 * WITHIN, 4 * WITHIN

    def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
        return _pairs(q, seed) if cell["of"] == "pairs" else _repeated(q, seed)

    return replace(
        claim,
        title="Rounding errors are uncorrelated",
        plain=f"E eps_i eps_j = 0 for different columns, rows and draws, within {WITHIN:g}; and of {CALLS:,} draws "
        "no two round a long column in the same way",
        grid=lambda budget: on(q, [{"of": "pairs"}, {"of": "draws"}]),
        bound=value,
        margin=0.0,
        measure=measure,
        test=Test(
            normal=f"a run's value is the mean of at least {ROWS * (COLUMNS - 4):,} products of standardised errors, "
            "each between -4 and 4 (the row sums: -1 and 4), and 64 of them are averaged again"
        ),
        control=Control("moved", "a correlation of 0.03", bound=moved, where=lambda cell: bool(cell["of"] == "pairs")),
        figure=None,
        of_quantizer=None,
        left_out="",
    )


def _weights(q: UserQuantizer, generator: np.random.Generator, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Weights with one place p in each row, and p from 0.2 to 0.8."""
    p = generator.uniform(0.2, 0.8, (shape[0], 1))
    codes = generator.integers(max(q.low, -64), min(q.high, 64), shape)
    step = np.float64(np.float32(q.step_size))
    return (q.values(codes).astype(np.float64) + p * step).astype(np.float32), p


def _standard(q: UserQuantizer, x: NDArray[np.float32], p: Any, draw: int) -> NDArray[np.float64]:
    error = (q(x, draw).astype(np.float64) - x) / np.float64(np.float32(q.step_size))
    return np.asarray(error / np.sqrt(p * (1.0 - p)))


def _pairs(q: UserQuantizer, seed: int) -> Measurement:
    generator, values = generator_of(seed), np.empty((RUNS, len(PAIRS)))
    for run in range(RUNS):
        x, p = _weights(q, generator, (ROWS, COLUMNS))
        draw = int(generator.integers(DRAWS - max(LAGS)))
        e = _standard(q, x, p, draw)
        values[run] = (
            (e[:, 1:] * e[:, :-1]).mean(),
            (e[:, 4:] * e[:, :-4]).mean(),
            (e[1:] * e[:-1]).mean(),
            *((e * _standard(q, x, p, draw + lag)).mean() for lag in LAGS),
            (e.sum(axis=1) ** 2 - (e**2).sum(axis=1)).mean() / (COLUMNS * (COLUMNS - 1)),
        )
    return sampled(values, labels=PAIRS)


def _repeated(q: UserQuantizer, seed: int) -> Measurement:
    """How many of the draws gave a rounding that an earlier one gave."""
    generator = generator_of(seed)
    x, _ = _weights(q, generator, (LONG, 1))
    draws = np.unique(np.concatenate([np.arange(CALLS // 4), generator.integers(DRAWS, size=3 * CALLS // 4)]))
    seen = {q(x, int(draw)).tobytes() for draw in draws}
    return exact(float(len(draws) - len(seen)), rtol=0.0, labels=["draws that repeat another"])
