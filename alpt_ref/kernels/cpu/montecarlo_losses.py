"""The losses of the Monte Carlo runs and their gradients: separable ones, and linear forms of the rows of a matrix.

    f(w) = sum_j f_j(w_j - minimum_j)      or      f(w) = mean_i phi(a_i . w - b_i) + l2/2 |w|^2

The gradient of the second is that of `batch` rows drawn uniformly with replacement, or of all rows (``batch = 0``).
Sums run in row and column order in float32, so that an oracle can repeat them. Sample ``j`` of a run at a step takes
the word of element ``run * batch + j``; row ``floor(word * rows / 2**32)``, whose bias is at most ``rows / 2**32``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.montecarlo_types import (
    ABSOLUTE,
    ELASTIC,
    HUBER,
    HUBER_LOSS,
    PURPOSE_SAMPLE,
    SATURATING,
    SQUARE,
    Buffers,
    Method,
    Problem,
)
from alpt_ref.kernels.cpu.random import fill_words
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.elementary import log_unit, sigmoid
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.rounding import saturate

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_U32 = np.uint64(32)


@scalar
def is_linear(kind: int) -> bool:
    """Whether a problem's kind is a loss of linear forms."""
    return kind >= SQUARE


@scalar
def loss_value(kind: int, e: np.float32, a: np.float32, b: np.float32) -> np.float32:
    """Loss of one coordinate at distance `e` from its minimum."""
    if kind == ELASTIC:
        return np.float32(mul(mul(mul(_HALF, a), e), e) + mul(b, abs(e)))
    if kind == HUBER:
        inner = mul(mul(mul(_HALF, a), e), e)
        outer = mul(mul(a, b), np.float32(abs(e) - mul(_HALF, b)))
        return np.float32(inner if abs(e) <= b else outer)
    square = mul(e, e)
    return np.float32(mul(mul(_HALF, a), square) / np.float32(_ONE + square))


@scalar
def loss_slope(kind: int, e: np.float32, a: np.float32, b: np.float32) -> np.float32:
    """Derivative of `loss_value`; at a kink the subgradient of the right side."""
    if kind == ELASTIC:
        return np.float32(mul(a, e) + (b if e >= _ZERO else -b))
    if kind == HUBER:
        return np.float32(mul(a, saturate(e, -b, b)))
    base = np.float32(_ONE + mul(e, e))
    return np.float32(mul(a, e) / mul(base, base))


@inline
def separable_gradient(kind: int, n: int, buffers: Buffers) -> None:
    """``buffers.g`` becomes the exact gradient, element by element; one loop a kind so that each vectorises."""
    w, a, b, target, g = buffers.w, buffers.a, buffers.b, buffers.target, buffers.g
    if kind == ELASTIC:
        for i in range(n):
            g[i] = loss_slope(ELASTIC, np.float32(w[i] - target[i]), a[i], b[i])
    elif kind == HUBER:
        for i in range(n):
            g[i] = loss_slope(HUBER, np.float32(w[i] - target[i]), a[i], b[i])
    else:
        for i in range(n):
            g[i] = loss_slope(SATURATING, np.float32(w[i] - target[i]), a[i], b[i])


@inline
def add_values(kind: int, n: int, buffers: Buffers, out: NDArray[np.float32]) -> None:
    """Add the loss of each coordinate to `out`."""
    w, a, b, target = buffers.w, buffers.a, buffers.b, buffers.target
    if kind == ELASTIC:
        for i in range(n):
            out[i] += loss_value(ELASTIC, np.float32(w[i] - target[i]), a[i], b[i])
    elif kind == HUBER:
        for i in range(n):
            out[i] += loss_value(HUBER, np.float32(w[i] - target[i]), a[i], b[i])
    else:
        for i in range(n):
            out[i] += loss_value(SATURATING, np.float32(w[i] - target[i]), a[i], b[i])


@scalar
def residual_slope(kind: int, z: np.float32, width: np.float32) -> np.float32:
    """Derivative of the loss of one row by its residual (logistic: by its margin); at a kink the right one."""
    if kind == SQUARE:
        return z
    if kind == ABSOLUTE:
        return _ONE if z >= _ZERO else -_ONE
    if kind == HUBER_LOSS:
        return saturate(z, -width, width)
    return -sigmoid(-z)


@scalar
def residual_value(kind: int, z: np.float32, width: np.float32) -> np.float32:
    """Loss of one row at residual (logistic: margin) `z`."""
    size = abs(z)
    if kind == SQUARE:
        return np.float32(mul(mul(_HALF, z), z))
    if kind == ABSOLUTE:
        return size
    if kind == HUBER_LOSS:
        inner = mul(mul(_HALF, z), z)
        outer = mul(width, np.float32(size - mul(_HALF, width)))
        return np.float32(inner if size <= width else outer)
    return np.float32(max(-z, _ZERO) - log_unit(sigmoid(size)))


@inline
def residual(i: int | np.int64, first: int, problem: Problem, w: NDArray[np.float32]) -> np.float32:
    """``a_i . w - b_i`` for the run whose entries of `w` begin at `first`, summed in column order."""
    z = _ZERO
    for j in range(problem.features.shape[1]):
        z = np.float32(z + mul(problem.features[i, j], w[first + j]))
    return np.float32(z - problem.offsets[i])


@inline
def linear_value(first: int, problem: Problem, w: NDArray[np.float32]) -> float:
    """``f`` at the iterate of the run whose entries begin at `first`: float32 terms, float64 sum."""
    rows, d = problem.features.shape
    total = 0.0
    for i in range(rows):
        total += np.float64(residual_value(problem.kind, residual(i, first, problem, w), problem.width))
    square = 0.0
    for j in range(first, first + d):
        square += np.float64(w[j]) * np.float64(w[j])
    return float(total / rows + mul(0.5 * np.float64(problem.l2), square))


@scalar
def pick_row(random_bits: np.uint32, rows: int) -> np.int64:
    """Row that a uniform word stands for, ``floor(word * rows / 2**32)``."""
    return np.int64(np.uint64(random_bits) * np.uint64(rows) >> _U32)


@scalar
def sample_lanes(runs: int, batch: int) -> int:
    """Philox blocks that hold the samples of so many runs, wherever in a block the first of them begins."""
    return (runs * batch + 6) // 4


@inline
def linear_gradient(t: int, first: int, runs: int, problem: Problem, method: Method, buffers: Buffers) -> None:
    """``buffers.g`` becomes the mean gradient of the rows that each run draws at step `t`, or of all rows."""
    rows, d = problem.features.shape
    w, g, batch = buffers.w, buffers.g, problem.batch
    if batch > 0:
        lanes = sample_lanes(runs, batch)
        fill_words(lanes, buffers.s0, buffers.s1, t - 1, PURPOSE_SAMPLE, method.k0, method.k1, buffers.sample_bits)
    skipped = (first * batch) & 3  # samples of earlier runs in the first block
    weight = np.float32(_ONE / np.float32(batch if batch > 0 else rows))
    for i in range(runs * d):
        g[i] = mul(problem.l2, w[i])
    for r in range(runs):
        at = r * d
        for k in range(batch if batch > 0 else rows):
            row = pick_row(buffers.sample_bits[skipped + r * batch + k], rows) if batch > 0 else k
            slope = residual_slope(problem.kind, residual(row, at, problem, w), problem.width)
            slope = mul(weight, slope)
            for j in range(d):
                g[at + j] = np.float32(g[at + j] + mul(slope, problem.features[row, j]))
