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
from alpt_ref.kernels.cpu.montecarlo_products import (
    add_four_rows,
    add_row,
    add_rows_of_four_runs,
    dot,
    four_dots,
    tile_dots,
)
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
def add_linear_values(first: int, runs: int, problem: Problem, buffers: Buffers) -> None:
    """Add ``f`` at the iterates of `runs` runs from run `first` of the group to their totals.

    Float32 terms, float64 sums, in row order; whole tiles of rows where the matrix is there in tiles, for the four
    runs from `first`.
    """
    rows, d = problem.features.shape
    w, sums, total, offsets, kind = buffers.w, buffers.norms, buffers.total, problem.offsets, problem.kind
    for r in range(first, first + runs):
        sums[r] = 0.0
    if problem.columns.size > 0:
        z, size = buffers.residuals, problem.columns.shape[2]
        for tile in range(problem.columns.shape[0]):
            tile_dots(tile, problem.columns, w, first * d, z)
            begin = tile * size
            for r in range(runs):
                for i in range(min(size, rows - begin)):
                    e = np.float32(z[r, i] - offsets[begin + i])
                    sums[first + r] += np.float64(residual_value(kind, e, problem.width))
    else:
        for r in range(first, first + runs):
            for i in range(rows):
                e = np.float32(dot(problem.features, i, w, r * d) - offsets[i])
                sums[r] += np.float64(residual_value(kind, e, problem.width))
    for r in range(first, first + runs):
        square = 0.0
        for j in range(r * d, (r + 1) * d):
            square += np.float64(w[j]) * np.float64(w[j])
        total[r] += float(sums[r] / rows + mul(0.5 * np.float64(problem.l2), square))


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
    g, w, batch, count = buffers.g, buffers.w, problem.batch, problem.batch
    d, by_tiles = problem.features.shape[1], problem.batch == 0 and problem.columns.size > 0
    if batch > 0:
        lanes = sample_lanes(runs, batch)
        fill_words(lanes, buffers.s0, buffers.s1, t - 1, PURPOSE_SAMPLE, method.k0, method.k1, buffers.sample_bits)
    else:
        count = problem.features.shape[0]
    for i in range((runs + 3) // 4 * 4 * d if by_tiles else runs * d):
        g[i] = mul(problem.l2, w[i])
    weight = np.float32(_ONE / np.float32(count))
    if by_tiles:
        gradient_by_tiles(runs, weight, problem, buffers)
    else:
        gradient_by_rows((first * batch) & 3, runs, count, weight, problem, buffers)


@scalar
def row_slope(kind: int, z: np.float32, offset: np.float32, width: np.float32, weight: np.float32) -> np.float32:
    """What a row at product `z` is multiplied by in the gradient."""
    return np.float32(mul(weight, residual_slope(kind, np.float32(z - offset), width)))


@scalar
def row_of(sampled: bool, random_bits: NDArray[np.uint32], index: int, k: int, rows: int) -> np.int64:
    """The row that a sample's word stands for, or row `k` where all rows are taken."""
    return pick_row(random_bits[index], rows) if sampled else np.int64(k)


@scalar
def next_pair(at: int, k: int, count: int, d: int) -> tuple[int, int]:
    """Where the weights of the next sample's run begin, and which of its `count` samples that is."""
    return (at, k + 1) if k + 1 < count else (at + d, 0)


@inline
def gradient_by_rows(
    skipped: int, runs: int, count: int, weight: np.float32, problem: Problem, buffers: Buffers
) -> None:
    """Add the gradient of `count` rows of each run, sampled or all, four rows at a time.

    `skipped` samples of earlier runs stand in the first block.
    """
    rows, d = problem.features.shape
    x, offsets, kind, width = problem.features, problem.offsets, problem.kind, problem.width
    w, g, bits, sampled = buffers.w, buffers.g, buffers.sample_bits, problem.batch > 0
    pairs, at, k = runs * count, 0, 0
    for p in range(0, pairs - pairs % 4, 4):
        a, at_a = row_of(sampled, bits, skipped + p, k, rows), at
        at, k = next_pair(at, k, count, d)
        b, at_b = row_of(sampled, bits, skipped + p + 1, k, rows), at
        at, k = next_pair(at, k, count, d)
        c, at_c = row_of(sampled, bits, skipped + p + 2, k, rows), at
        at, k = next_pair(at, k, count, d)
        e, at_e = row_of(sampled, bits, skipped + p + 3, k, rows), at
        at, k = next_pair(at, k, count, d)
        z0, z1, z2, z3 = four_dots(x, a, b, c, e, w, at_a, at_b, at_c, at_e)
        s0, s1 = row_slope(kind, z0, offsets[a], width, weight), row_slope(kind, z1, offsets[b], width, weight)
        s2, s3 = row_slope(kind, z2, offsets[c], width, weight), row_slope(kind, z3, offsets[e], width, weight)
        if at_a == at_e:
            add_four_rows(x, a, b, c, e, s0, s1, s2, s3, g, at_a)
        else:
            add_row(x, a, s0, g, at_a)
            add_row(x, b, s1, g, at_b)
            add_row(x, c, s2, g, at_c)
            add_row(x, e, s3, g, at_e)
    for p in range(pairs - pairs % 4, pairs):
        row = row_of(sampled, bits, skipped + p, k, rows)
        add_row(x, row, row_slope(kind, dot(x, row, w, at), offsets[row], width, weight), g, at)
        at, k = next_pair(at, k, count, d)


@inline
def gradient_by_tiles(runs: int, weight: np.float32, problem: Problem, buffers: Buffers) -> None:
    """Add the gradient of all rows of each run; runs up to the next multiple of four must have weights."""
    rows, d, size = problem.features.shape[0], problem.features.shape[1], problem.columns.shape[2]
    z, offsets, kind, width = buffers.residuals, problem.offsets, problem.kind, problem.width
    for first in range(0, runs, 4):
        for tile in range(problem.columns.shape[0]):
            tile_dots(tile, problem.columns, buffers.w, first * d, z)
            begin = tile * size
            count = min(size, rows - begin)
            for k in range(4):
                for i in range(count):
                    z[k, i] = row_slope(kind, z[k, i], offsets[begin + i], width, weight)
            add_rows_of_four_runs(problem.features, begin, count, z, buffers.g, first * d)
