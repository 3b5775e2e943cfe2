"""Optimisers of a table's rows: SGD, row-wise Adagrad, lazy momentum, lazy Adam. They hold state.

The maths is in `scalar.update`. A row optimiser turns the summed gradients of the batch's unique rows into updates
(``lr`` times direction, in weight units) in place, and touches the state of those rows only. The same classes serve the
step sizes (one column).

One that keeps a momentum can take rounding errors back into it (`RowOptimizer.absorb`; ECO, arXiv 2601.22101): the
updates that follow return them, at no memory of their own.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.arguments import AdamRates, AdamState
from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cpu import optimizers as kernels
from alpt_ref.kernels.cpu.optimizers import Optimizer
from alpt_ref.kernels.jit import run_rows

GRAIN = 1024


class RowOptimizer(ABC):
    """State of `n` rows with `d` columns and the step that uses it."""

    kind: ClassVar[str]
    replays: ClassVar[bool] = False
    """Whether rows that are not in a batch move too, which the table must make up for (`dense_adam`)."""
    any_length: ClassVar[frozenset[str]] = frozenset()
    """Names of the state's arrays whose length is not fixed."""
    not_per_row: ClassVar[frozenset[str]] = frozenset()
    """Names of the state's arrays that do not have an entry for each row, whatever their length."""
    behind: bool = False
    """Whether a row may have missed moves."""

    def __init__(self, backend: Backend, n: int, d: int) -> None:
        self.backend = backend
        self.n = n
        self.d = d

    def updates(self, rows: NDArray[np.int64], grads: NDArray[np.float32], lr: float) -> None:
        """Turn `grads` (u, d) of the unique `rows` into updates in place and advance the rows' state."""
        run_rows(kernels.move_rows, len(rows), rows, grads, self.step(lr), grain=GRAIN)

    @abstractmethod
    def step(self, lr: float) -> Optimizer:
        """What a kernel needs to make `updates` of the rows that it moves: asked for once a step.

        For a table whose kernel does so itself, in the same pass in which it moves its rows.
        """

    def absorb(self, rows: NDArray[np.int64], errors: NDArray[np.float32], lr: float) -> None:
        """Take what rounding took from the unique `rows`, float32 (u, d) in weight units, into the rows' momentum.

        Right after `updates` of the same rows at the same rate, so that the updates to come return it: all of it
        at an unchanged rate, ``lr' / lr`` of what is outstanding at another. At ``lr = 0`` nothing is taken.

        Raises
        ------
        InputError
            The optimiser keeps no momentum.
        """
        raise InputError(f"optimizer must keep a momentum to take rounding errors back, got {self.kind!r}")

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Arrays of the state by name (the arrays themselves, not copies)."""
        return {}

    def missed(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Moves that `rows` have missed, float32 (len(rows), d), in weight units; nothing changes."""
        return np.zeros((len(rows), self.d), np.float32)

    def advance(self, rows: NDArray[np.int64], *, wake: bool = True) -> None:  # noqa: B027  # nothing to do
        """Take the missed steps of the unique `rows` into their state, whose moves the table has made.

        `wake` the rows that rest, which are about to be updated.
        """

    def rest(self) -> None:  # noqa: B027  # nothing to do
        """Let no row, all being up to date, move before its next update."""

    def settled(self) -> None:  # noqa: B027  # nothing to do
        """All rows are up to date now."""

    def make_room(self, given: dict[str, NDArray[np.generic]]) -> None:  # noqa: B027  # nothing to do
        """Take arrays of the lengths that a state to be loaded has, where these are not fixed (`any_length`).

        Raises
        ------
        InputError
            It cannot be a state of this optimiser; nothing has changed.
        """

    def loaded(self) -> None:  # noqa: B027  # nothing to do
        """Make anew what follows from a state that has been put into the arrays of `state`."""

    def nbytes(self) -> int:
        """Bytes of the state's arrays."""
        return sum(array.nbytes for array in self.state().values())


class SGD(RowOptimizer):
    """``lr * gradient``; no state."""

    kind = "sgd"

    def step(self, lr: float) -> Optimizer:
        """See `RowOptimizer.step`."""
        return NOTHING._replace(kind=kernels.SGD, rates=AdamRates(*_ONES, np.float32(lr), _ONES[0]))


class RowWiseAdagrad(RowOptimizer):
    """``lr * gradient / (sqrt(sum of the row's mean squared gradients) + eps)``; one float32 per row."""

    kind = "adagrad"

    def __init__(self, backend: Backend, n: int, d: int, *, eps: float = 1e-8) -> None:
        super().__init__(backend, n, d)
        self.eps = np.float32(eps)
        self.accumulator = backend.zeros(n, np.float32)

    def step(self, lr: float) -> Optimizer:
        """See `RowOptimizer.step`."""
        rates = AdamRates(*_ONES, np.float32(lr), self.eps)
        return NOTHING._replace(kind=kernels.ADAGRAD, accumulator=self.accumulator, rates=rates)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """See `RowOptimizer.state`."""
        return {"accumulator": self.accumulator}


class LazyMomentum(RowOptimizer):
    """``lr`` times the average ``m = b m + (1 - b) g`` of the gradients that touched the row; ``4 d`` bytes a row."""

    kind = "momentum"

    def __init__(self, backend: Backend, n: int, d: int, *, b1: float = 0.9) -> None:
        super().__init__(backend, n, d)
        self.betas = (np.float32(b1), np.float32(1.0 - b1))
        self.factor = _back(b1)
        self.first = backend.zeros((n, d), np.float32)

    def step(self, lr: float) -> Optimizer:
        """See `RowOptimizer.step`."""
        keep, take = self.betas
        rates = AdamRates(keep, keep, take, take, np.float32(lr), _ONES[0])
        return NOTHING._replace(kind=kernels.MOMENTUM, state=NOTHING.state._replace(first=self.first), rates=rates)

    def absorb(self, rows: NDArray[np.int64], errors: NDArray[np.float32], lr: float) -> None:
        """See `RowOptimizer.absorb`: ``m + (1/lr) (1 - 1/b) error``."""
        rate = np.float32(lr)
        if rate > 0 and self.factor < 0:
            run_rows(kernels.absorb_momentum, len(rows), rows, errors, self.first, rate, self.factor, grain=GRAIN)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """See `RowOptimizer.state`."""
        return {"first": self.first}


def _back(b1: float) -> np.float32:
    """``1 - 1/b``; 0 for b = 0, which keeps no momentum."""
    return np.float32(1.0 - 1.0 / b1) if b1 > 0 else np.float32(0.0)


@functools.cache
def adam_returns(b1: float) -> NDArray[np.float32]:
    """``[t] -> S_t = sum_{k >= 0} (1 - b) b**k / (1 - b**(t + 1 + k))``, float32 (T,), until it is 1 to its precision.

    What lazy Adam's bias corrections make of a momentum that a row gets at its t-th update, over all updates to come:
    they return ``b/(1 - b) S_t`` times it. ``S_t = (1 - b)/(1 - b**(t+1)) + b S_{t+1}``, from the end, in float64.

    Examples
    --------
    >>> [round(share, 3) for share in adam_returns(0.5)[:4].tolist()], adam_returns(0.5)[-1].item()
    ([1.607, 1.213, 1.093, 1.044], 1.0)
    """
    last = 1 + math.ceil(math.log(2.0**-27) / math.log(b1)) if b1 > 0 else 1
    found = np.ones(last + 1)
    for t in range(last - 1, -1, -1):
        found[t] = (1.0 - b1) / (1.0 - b1 ** (t + 1)) + b1 * found[t + 1]
    table = found.astype(np.float32)
    table.flags.writeable = False
    return table


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


_ONES = (np.float32(1.0),) * 4
_EMPTY = np.zeros((0, 0), np.float32)
NOTHING = Optimizer(
    kernels.DONE,
    AdamState(_EMPTY, _EMPTY, np.zeros(0, np.int32), adam_corrections(0.0, 0.0)),
    np.zeros(0, np.float32),
    AdamRates(*_ONES, _ONES[0], _ONES[0]),
)
"""No state: what the steps of the optimisers fill in, each its own part."""


class LazyAdam(RowOptimizer):
    """Adam on touched rows only, bias correction by the row's own count; ``8 d + 4`` bytes a row."""

    kind = "adam"

    def __init__(
        self, backend: Backend, n: int, d: int, *, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(backend, n, d)
        self.betas = (np.float32(b1), np.float32(b2), np.float32(1.0 - b1), np.float32(1.0 - b2))
        self.eps = np.float32(eps)
        self.b1 = b1
        self.corrections = adam_corrections(b1, b2)
        self.first = backend.zeros((n, d), np.float32)
        self.second = backend.zeros((n, d), np.float32)
        self.count = backend.zeros(n, np.int32)

    def step(self, lr: float) -> Optimizer:
        """See `RowOptimizer.step`."""
        state = AdamState(self.first, self.second, self.count, self.corrections)
        rates = AdamRates(*self.betas, np.float32(lr), self.eps)
        return NOTHING._replace(kind=kernels.ADAM, state=state, rates=rates)

    def absorb(self, rows: NDArray[np.int64], errors: NDArray[np.float32], lr: float) -> None:
        """See `RowOptimizer.absorb`: ``m + (1/lr) (1 - 1/b1) error (sqrt(v / (1 - b2**t)) + eps) / S_t``.

        ``S_t`` (`adam_returns`) is what makes rows return all of it from their first update on: without it, with
        ``1 - b1**t`` in place of ``1 / S_t``, a row would return 22 % of its first error.
        """
        rate, factor = np.float32(lr), _back(self.b1)
        if rate > 0 and factor < 0:
            state = AdamState(self.first, self.second, self.count, self.corrections)
            rates = AdamRates(*self.betas, rate, self.eps)
            factors = np.float32(factor) / adam_returns(self.b1)
            run_rows(kernels.absorb_adam, len(rows), rows, errors, state, rates, factors, grain=GRAIN)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """See `RowOptimizer.state`."""
        return {"first": self.first, "second": self.second, "count": self.count}


OPTIMIZERS: dict[str, type[RowOptimizer]] = {
    "sgd": SGD, "adagrad": RowWiseAdagrad, "momentum": LazyMomentum, "adam": LazyAdam,
}  # fmt: skip


def make_row_optimizer(kind: str, backend: Backend, n: int, d: int, **settings: Any) -> RowOptimizer:
    """Row optimiser by name, one of `OPTIMIZERS` or ``"dense_adam"``; settings are its keywords."""
    kind = _check.choice("optimizer", kind, (*OPTIMIZERS, "dense_adam"))
    if kind == "dense_adam":
        from alpt_ref.tables.dense_adam import DenseAdam  # built on this module

        return DenseAdam(backend, n, d, **settings)
    return OPTIMIZERS[kind](backend, n, d, **settings)
