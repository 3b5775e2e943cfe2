"""Optimisers of a table's rows: SGD, row-wise Adagrad, lazy Adam. They hold state; the maths is in `scalar.update`.

A row optimiser turns the summed gradients of the batch's unique rows into updates (``lr`` times direction, in weight
units) in place, and touches the state of those rows only. The same classes serve the step sizes (one column).
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.kernels.arguments import AdamRates, AdamState
from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cpu import table as kernels
from alpt_ref.kernels.jit import run_rows

GRAIN = 1024


class RowOptimizer(ABC):
    """State of `n` rows with `d` columns and the step that uses it."""

    kind: ClassVar[str]

    def __init__(self, backend: Backend, n: int, d: int) -> None:
        self.backend = backend
        self.n = n
        self.d = d

    @abstractmethod
    def updates(self, rows: NDArray[np.int64], grads: NDArray[np.float32], lr: float) -> None:
        """Turn `grads` (u, d) of the unique `rows` into updates in place and advance the rows' state."""

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Arrays of the state by name (the arrays themselves, not copies)."""
        return {}

    def nbytes(self) -> int:
        """Bytes of the state's arrays."""
        return sum(array.nbytes for array in self.state().values())


class SGD(RowOptimizer):
    """``lr * gradient``; no state."""

    kind = "sgd"

    def updates(self, rows: NDArray[np.int64], grads: NDArray[np.float32], lr: float) -> None:
        """See `RowOptimizer.updates`."""
        run_rows(kernels.sgd_rows, len(rows), grads, np.float32(lr), grain=GRAIN)


class RowWiseAdagrad(RowOptimizer):
    """``lr * gradient / (sqrt(sum of the row's mean squared gradients) + eps)``; one float32 per row."""

    kind = "adagrad"

    def __init__(self, backend: Backend, n: int, d: int, *, eps: float = 1e-8) -> None:
        super().__init__(backend, n, d)
        self.eps = np.float32(eps)
        self.accumulator = backend.zeros(n, np.float32)

    def updates(self, rows: NDArray[np.int64], grads: NDArray[np.float32], lr: float) -> None:
        """See `RowOptimizer.updates`."""
        rates = (np.float32(lr), self.eps)
        run_rows(kernels.adagrad_rows, len(rows), rows, grads, self.accumulator, *rates, grain=GRAIN)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """See `RowOptimizer.state`."""
        return {"accumulator": self.accumulator}


@functools.cache
def adam_corrections(b1: float, b2: float) -> NDArray[np.float32]:
    """``[t] -> (1 / (1 - b1**t), 1 / sqrt(1 - b2**t))`` in float32, (T, 2), until both are 1 to float32 precision.

    Computed once in float64, so that every device corrects with the same numbers. A constant shared by all tables:
    it is not counted in a table's bytes.
    """
    last = 1 + max(math.ceil(math.log(2.0**-26) / math.log(beta)) if beta > 0 else 1 for beta in (b1, b2))
    t = np.arange(1, last + 1, dtype=np.float64)
    table = np.ones((last + 1, 2), np.float32)
    table[1:, 0] = 1.0 / (1.0 - b1**t)
    table[1:, 1] = 1.0 / np.sqrt(1.0 - b2**t)
    table.flags.writeable = False
    return table


class LazyAdam(RowOptimizer):
    """Adam on touched rows only, bias correction by the row's own count; ``8 d + 4`` bytes a row."""

    kind = "adam"

    def __init__(
        self, backend: Backend, n: int, d: int, *, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(backend, n, d)
        self.betas = (np.float32(b1), np.float32(b2), np.float32(1.0 - b1), np.float32(1.0 - b2))
        self.eps = np.float32(eps)
        self.corrections = adam_corrections(b1, b2)
        self.first = backend.zeros((n, d), np.float32)
        self.second = backend.zeros((n, d), np.float32)
        self.count = backend.zeros(n, np.int32)

    def updates(self, rows: NDArray[np.int64], grads: NDArray[np.float32], lr: float) -> None:
        """See `RowOptimizer.updates`."""
        state = AdamState(self.first, self.second, self.count, self.corrections)
        rates = AdamRates(*self.betas, np.float32(lr), self.eps)
        run_rows(kernels.adam_rows, len(rows), rows, grads, state, rates, grain=GRAIN)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """See `RowOptimizer.state`."""
        return {"first": self.first, "second": self.second, "count": self.count}


OPTIMIZERS: dict[str, type[RowOptimizer]] = {"sgd": SGD, "adagrad": RowWiseAdagrad, "adam": LazyAdam}


def make_row_optimizer(kind: str, backend: Backend, n: int, d: int) -> RowOptimizer:
    """Row optimiser by name: ``"sgd"``, ``"adagrad"`` or ``"adam"``."""
    kind = _check.choice("optimizer", kind, tuple(OPTIMIZERS))
    return OPTIMIZERS[kind](backend, n, d)
