"""Optimisers of a table's rows: gradients of unique rows become updates (learning rate times direction) in place.

One function with a branch for each optimiser, so that whatever moves rows in one pass (`table.step_weights`,
`lowbit_step`) has all of them in one kernel: it advances a tile of rows, which stay in the cache, and goes on.
All loops run over unique rows, so that a split over threads cannot change a bit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import AdamRates, AdamState
from alpt_ref.kernels.cpu.inline import outline
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.quantize import row_sum
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.update import adagrad_direction, adam_direction, fed_back, moment

DONE, SGD, ADAGRAD, MOMENTUM, ADAM = range(5)
"""Which optimiser: `DONE` leaves gradients that are updates already."""


class Optimizer(NamedTuple):
    """State and rates of any of the optimisers; what it does not use is empty.

    Attributes
    ----------
    kind : int
        `DONE`, `SGD`, ...
    state : AdamState
        Momentum uses its `first` alone.
    accumulator : float32 array (n,)
        Row-wise Adagrad's.
    rates : AdamRates
        Momentum keeps `beta1` and takes `take1`.
    """

    kind: int
    state: AdamState
    accumulator: NDArray[np.float32]
    rates: AdamRates


@outline
def advance(
    start: Int, end: Int, last: Int, rows: NDArray[np.int64], grads: NDArray[np.float32], squares: NDArray[np.float32],
    optimizer: Optimizer,
) -> None:  # fmt: skip
    """The state of ``rows[start:end]`` moves and their `grads` (u, d) become updates.

    Rows up to `last` are fetched ahead; `squares` is room for d numbers.
    """
    kind, state, accumulator, rates = optimizer
    first, second, count, corrections = state
    b1, b2, take1, take2, lr, eps = rates
    d = grads.shape[1]
    if kind == ADAM:
        final = corrections.shape[0] - 1
        for i in range(start, end):
            if i + AHEAD < last:
                ahead = rows[i + AHEAD]
                prefetch(first, ahead * d)
                prefetch(second, ahead * d)
                prefetch(count, ahead)
            row = rows[i]
            t = min(count[row], np.int32(2147483646)) + np.int32(1)
            count[row] = t
            correct1 = corrections[min(np.int64(t), final), 0]
            correct2 = corrections[min(np.int64(t), final), 1]
            for j in range(d):
                g = grads[i, j]
                m = moment(first[row, j], g, b1, take1)
                v = moment(second[row, j], np.float32(mul(g, g)), b2, take2)
                first[row, j] = m
                second[row, j] = v
                grads[i, j] = np.float32(mul(adam_direction(m, v, correct1, correct2, eps), lr))
    elif kind == MOMENTUM:
        for i in range(start, end):
            if i + AHEAD < last:
                prefetch(first, rows[i + AHEAD] * d)
            row = rows[i]
            for j in range(d):
                m = moment(first[row, j], grads[i, j], b1, take1)
                first[row, j] = m
                grads[i, j] = np.float32(mul(m, lr))
    elif kind == ADAGRAD:
        for i in range(start, end):
            if i + AHEAD < last:
                prefetch(accumulator, rows[i + AHEAD])
            row = rows[i]
            for j in range(d):
                squares[j] = mul(grads[i, j], grads[i, j])
            total = np.float32(accumulator[row] + np.float32(row_sum(squares, d) / np.float32(d)))
            accumulator[row] = total
            for j in range(d):
                grads[i, j] = np.float32(mul(adagrad_direction(grads[i, j], total, eps), lr))
    elif kind == SGD:
        for i in range(start, end):
            for j in range(d):
                grads[i, j] = np.float32(grads[i, j] * lr)


@kernel
def move_rows(lo: Int, hi: Int, rows: NDArray[np.int64], grads: NDArray[np.float32], optimizer: Optimizer) -> None:
    """State of the touched rows moves; gradients become ``lr * direction``, in place."""
    advance(lo, hi, hi, rows, grads, np.empty(grads.shape[1], np.float32), optimizer)


@kernel
def absorb_momentum(
    lo: Int, hi: Int, rows: NDArray[np.int64], errors: NDArray[np.float32], first: NDArray[np.float32],
    lr: np.float32, factor: np.float32,
) -> None:  # fmt: skip
    """Lazy momentum takes rounding errors (u, d) in: ``factor = 1 - 1/b``."""
    for i in range(lo, hi):
        row = rows[i]
        for j in range(errors.shape[1]):
            first[row, j] = fed_back(first[row, j], errors[i, j], lr, factor, np.float32(1.0))


@kernel
def absorb_adam(
    lo: Int, hi: Int, rows: NDArray[np.int64], errors: NDArray[np.float32], state: AdamState,
    rates: AdamRates, factors: NDArray[np.float32],
) -> None:  # fmt: skip
    """Lazy Adam takes rounding errors (u, d) in: ``factors[t] = (1 - 1/b1) / S_t`` by the row's count t."""
    first, second, count, corrections = state
    lr, eps = rates.lr, rates.eps
    last, end = corrections.shape[0] - 1, factors.shape[0] - 1
    for i in range(lo, hi):
        row = rows[i]
        t = np.int64(count[row])
        factor = factors[min(t, end)]
        correct2 = corrections[min(t, last), 1]
        for j in range(errors.shape[1]):
            scale = np.float32(mul(np.float32(math.sqrt(second[row, j])), correct2) + eps)
            first[row, j] = fed_back(first[row, j], errors[i, j], lr, factor, scale)
