"""Algorithm 1 from end to end against float64: moved weights, second pass, step size by its unit, new codes.

The truth keeps real numbers: a code is right if it is the nearest one to the float64 value in grid units, a value of
the second pass if it is the nearest grid point. Step sizes change by several percent an update and codes are large, so
that an old step size where the new one belongs is off by whole codes.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import make_table
from alpt_ref.kernels import oracle
from alpt_ref.scalar.philox import PURPOSE_INITIAL
from alpt_ref.tables.initial import BLOCK_ROWS

from ..tolerances import GRID_UNITS, STEP_SIZE

N, D, BITS, BATCH = 12, 3, 8, 5
OFFSETS = np.array([0, 4, 9, N])
LOW, HIGH = -128, 127
STEP, FLOOR, LR, DECAY = 0.01, 1e-4, 0.02, 4.0
UNITS = {
    "row": np.arange(N),
    "field": np.repeat(np.arange(3), np.diff(OFFSETS)),
    "table": np.zeros(N, np.int64),
}
SCALES = {"bdq": 1 / math.sqrt(BATCH * D * HIGH), "dq": 1 / math.sqrt(D * HIGH), "none": 1.0}
Array = NDArray[np.float64]


class Truth:
    """Codes and step sizes of an ALPT table in float64, advanced by the definition."""

    def __init__(self, optimizer: str, granularity: str, scale: str, domain: str, step_lr: float, codes: Array) -> None:
        self.unit, self.scale, self.domain, self.step_lr = UNITS[granularity], SCALES[scale], domain, step_lr
        self.codes, self.steps = codes, np.full(self.unit.max() + 1, float(np.float32(STEP)))
        self.optimizer = oracle.RowOracle(optimizer, np.zeros((N, D)), LR)
        self.step_optimizer = oracle.RowOracle(optimizer, np.zeros((len(self.steps), 1)), step_lr)

    def step_of(self, row: int) -> float:
        return float(self.steps[self.unit[row]])

    def move(self, ids: NDArray[np.int64], grads: Array, lr: float) -> dict[int, Array]:
        """Moved weights of the unique rows (Algorithm 1, step 2)."""
        self.optimizer.lr = lr
        moved = {}
        for row in np.unique(ids).tolist():
            w = self.step_of(row) * self.codes[row]
            moved[row] = w - self.optimizer.update(row, grads[ids == row].sum(axis=0)) - lr * DECAY * w
        return moved

    def learn(self, ids: NDArray[np.int64], grads: Array, moved: dict[int, Array], lr: float) -> None:
        """Step sizes (Algorithm 1, step 3); the schedule divides their learning rate as it divides the rows'."""
        self.step_optimizer.lr = self.step_lr * lr / LR
        total: dict[int, float] = {}
        for row, w in moved.items():
            x = w / self.step_of(row)
            inside = np.floor(x + 0.5) - x
            derivative = np.where(x < LOW, LOW, np.where(x > HIGH, HIGH, inside))
            unit = int(self.unit[row])
            total[unit] = total.get(unit, 0.0) + self.scale * float((grads[ids == row].sum(axis=0) * derivative).sum())
        for unit, gradient in total.items():
            old = self.steps[unit]
            slope = gradient * old if self.domain == "log" else gradient
            change = float(self.step_optimizer.update(unit, np.array([slope]))[0])
            new = old * math.exp(-max(min(change, 1.0), -1.0)) if self.domain == "log" else old - change
            self.steps[unit] = max(FLOOR, new)


VARIANTS = [("bdq", "linear", True), ("dq", "log", True), ("none", "linear", False)]
STEP_RATES = {"sgd": {"bdq": 1e-2, "dq": 60.0, "none": 3e-4}, "adagrad": {"dq": 0.1}, "adam": {"dq": 0.1}}


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize("granularity", ["row", "field", "table"])
@pytest.mark.parametrize(("scale", "domain", "two_pass"), VARIANTS)
def test_algorithm_1(optimizer: str, granularity: str, scale: str, domain: str, two_pass: bool) -> None:
    rng = np.random.default_rng(11)
    step_lr = STEP_RATES[optimizer].get(scale, 1e-3)
    weights = rng.uniform(-1.2, 1.2, (N, D)).astype(np.float32)
    table: Any = make_table(
        "alpt", N, D, bits=BITS, rounding="dr", optimizer=optimizer, lr=LR, weights=weights, weight_decay=DECAY,
        granularity=granularity, field_offsets=OFFSETS, init_step=STEP, step_lr=step_lr, grad_scale=scale,
        step_domain=domain, min_step=FLOOR,
    )  # fmt: skip
    truth = Truth(optimizer, granularity, scale, domain, step_lr, table.codes().astype(np.float64))
    rows = np.array([0, 3, 4, 5, 8, 9, 11])  # both ends of every field; some rows are never touched
    changes = []
    for lr in (LR, LR, LR / 10, LR / 10):
        ids = rng.choice(rows, 9)
        first, second = (rng.standard_normal((9, D)).astype(np.float32) for _ in range(2))
        before, old = table.codes(), truth.steps.copy()
        moved = truth.move(ids, first.astype(np.float64), lr)
        if two_pass:
            pending = table.begin_update(ids, first, lr=lr)
            assert np.array_equal(table.codes(), before)
            seen = table.lookup_pending(pending)
            for position, row in enumerate(ids.tolist()):
                x = np.clip(moved[row] / truth.step_of(row), LOW, HIGH)
                value = seen[position] / truth.step_of(row)
                assert np.abs(value - np.rint(value)).max() < GRID_UNITS
                assert np.abs(value - x).max() < 0.5 + GRID_UNITS
            table.finish_update(pending, second, batch_size=BATCH)
        else:
            second = first
            table.apply_gradients(ids, first, lr=lr, batch_size=BATCH)
        truth.learn(ids, second.astype(np.float64), moved, lr)
        np.testing.assert_allclose(table.step_size, truth.steps, rtol=STEP_SIZE)
        codes = table.codes()
        for row, w in moved.items():
            assert np.abs(codes[row] - np.clip(w / truth.step_of(row), LOW, HIGH)).max() < 0.5 + GRID_UNITS
        untouched = np.setdiff1d(np.arange(N), ids)
        assert np.array_equal(codes[untouched], before[untouched])
        changes.append(np.abs(truth.steps / old - 1).max())
        truth.codes, truth.steps = codes.astype(np.float64), table.step_size.astype(np.float64)
    assert max(changes) > 0.02  # else an old step size could pass for a new one


@pytest.mark.parametrize("method", ["lpt", "alpt"])
def test_initial_codes_draw_their_own_words_by_row(method: str) -> None:
    n = BLOCK_ROWS + 6
    weights = np.random.default_rng(2).standard_normal((n, D)).astype(np.float32)
    codes = make_table(method, n, D, bits=4, rounding="sr", seed=2**40 + 1, weights=weights, init_step=0.3).codes()
    assert codes is not None
    for row in (0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 5):
        for column in range(D):
            word = oracle.random_word(2**40 + 1, row, column, 0, PURPOSE_INITIAL)
            x = Fraction(float(weights[row, column] / np.float32(0.3)))
            assert codes[row, column] == oracle.encode(x, 4, "sr", word)
