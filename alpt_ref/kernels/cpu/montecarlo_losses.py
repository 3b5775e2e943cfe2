"""The losses of the Monte Carlo runs and their gradients: separable ones, and linear forms of the rows of a matrix.

    f(w) = sum_j f_j(w_j - minimum_j)      or      f(w) = mean_i phi(a_i . w - b_i) + l2/2 |w|^2

The gradient of the second is that of `batch` rows drawn uniformly with replacement, or of all rows (``batch = 0``).
Sums run in float32 in row order and in the orders of columns of `montecarlo_products`, so that an oracle can repeat
them. Sample ``j`` of a run at a step takes
the word of element ``run * batch + j``; row ``floor(word * rows / 2**32)``, whose bias is at most ``rows / 2**32``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.montecarlo_lanes import four_lanes_dots, lanes_dot
from alpt_ref.kernels.cpu.montecarlo_products import (
    BLOCK,
    add_block,
    add_four_rows,
    add_row,
    block_dots,
    dot,
    four_dots,
    set_four_rows,
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
from alpt_ref.kernels.types import Int
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
    """Add ``f`` at the iterates of `runs` runs from run `first` of the group, a multiple of four, to their totals.

    Float32 terms, float64 sums, in row order, however the products are made.
    """
    rows, d = problem.whole.shape
    w, sums, total, kind = buffers.w, buffers.norms, buffers.total, problem.kind
    for r in range(first, first + runs):
        sums[r] = 0.0
    if problem.columns.size > 0:
        for begin in range(0, rows, BLOCK):
            end = min(begin + BLOCK, rows)
            block_dots(
                runs, begin, end, problem.triangular, problem.columns, w, first * d, buffers.lanes, buffers.residuals
            )
            add_losses(first, runs, begin, end, problem, buffers)
    else:
        for r in range(first, first + runs):
            for i in range(rows):
                e = np.float32(dot(problem.whole, i, w, r * d) - problem.whole_offsets[i])
                sums[r] += np.float64(residual_value(kind, e, problem.width))
    for r in range(first, first + runs):
        square = 0.0
        if problem.l2 != _ZERO:
            for j in range(r * d, (r + 1) * d):
                square += np.float64(w[j]) * np.float64(w[j])
        total[r] += float(sums[r] / rows + mul(0.5 * np.float64(problem.l2), square) + problem.rest)


@inline
def add_losses(first: int, runs: int, begin: int, end: int, problem: Problem, buffers: Buffers) -> None:
    """Add the losses of rows ``begin .. end - 1`` at the products of `block_dots` to ``buffers.norms`` from `first`."""
    z, sums, offsets, kind, width = (
        buffers.residuals, buffers.norms, problem.whole_offsets, problem.kind, problem.width
    )  # fmt: skip
    count = np.uint64(end - begin)
    for r in range(runs):
        at = np.uint64(r * BLOCK)
        for i in range(count):
            z[at + i] = residual_value(kind, np.float32(z[at + i] - offsets[np.uint64(begin) + i]), width)
    for r in range(0, runs, 4):  # four sums, none of which waits for another
        a, b = np.uint64(r * BLOCK), np.uint64((r + 1) * BLOCK)
        c, e = np.uint64((r + 2) * BLOCK), np.uint64((r + 3) * BLOCK)
        sum_at = first + r
        s0, s1, s2, s3 = sums[sum_at], sums[sum_at + 1], sums[sum_at + 2], sums[sum_at + 3]
        for i in range(count):
            s0 += np.float64(z[a + i])
            s1 += np.float64(z[b + i])
            s2 += np.float64(z[c + i])
            s3 += np.float64(z[e + i])
        sums[sum_at], sums[sum_at + 1], sums[sum_at + 2], sums[sum_at + 3] = s0, s1, s2, s3


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
    g, w, batch, d = buffers.g, buffers.w, problem.batch, problem.features.shape[1]
    if batch > 0:
        lanes = sample_lanes(runs, batch)
        fill_words(lanes, buffers.s0, buffers.s1, t - 1, PURPOSE_SAMPLE, method.k0, method.k1, buffers.sample_bits)
        weight, skipped = np.float32(_ONE / np.float32(batch)), (first * batch) & 3
        for r in range(runs):
            sampled_gradient(r, skipped + r * batch, weight, problem, buffers.sample_bits, w, g, buffers.lanes)
    elif problem.columns.size > 0:
        gradient_by_tiles(runs, problem, buffers)
    else:
        for r in range(runs):
            begin_gradient(r * d, (r + 1) * d, problem.l2, w, g)
            add_all_rows(r, problem, w, g)


@inline
def begin_gradient(lo: Int, hi: Int, l2: np.float32, w: NDArray[np.float32], g: NDArray[np.float32]) -> None:
    """The part of the gradient that no row makes, ``l2 w``, of elements ``lo .. hi - 1``."""
    for i in range(np.uint64(lo), np.uint64(hi)):
        g[i] = mul(l2, w[i])


@scalar
def row_slope(kind: int, z: np.float32, offset: np.float32, width: np.float32, weight: np.float32) -> np.float32:
    """What a row at product `z` is multiplied by in the gradient."""
    return np.float32(mul(weight, residual_slope(kind, np.float32(z - offset), width)))


@inline
def sampled_gradient(
    run: int, drawn: int, weight: np.float32, problem: Problem, random_bits: NDArray[np.uint32],
    w: NDArray[np.float32], g: NDArray[np.float32], lanes: NDArray[np.float32],
) -> None:  # fmt: skip
    """The gradient of a run becomes that of the rows that it draws, in order; its words are those from `drawn`."""
    rows, d = problem.features.shape
    x, offsets, kind, width, at = problem.features, problem.offsets, problem.kind, problem.width, run * d
    fours = problem.batch // 4 * 4 if lanes.size > 0 else 0
    if fours == 0:
        begin_gradient(at, at + d, problem.l2, w, g)
    for k in range(drawn, drawn + fours, 4):
        a, b = pick_row(random_bits[k], rows), pick_row(random_bits[k + 1], rows)
        c, e = pick_row(random_bits[k + 2], rows), pick_row(random_bits[k + 3], rows)
        z0, z1, z2, z3 = four_lanes_dots(x, (a, b, c, e), w, at, lanes)
        s0, s1 = row_slope(kind, z0, offsets[a], width, weight), row_slope(kind, z1, offsets[b], width, weight)
        s2, s3 = row_slope(kind, z2, offsets[c], width, weight), row_slope(kind, z3, offsets[e], width, weight)
        if k == drawn:
            set_four_rows(x, (a, b, c, e), s0, s1, s2, s3, problem.l2, w, g, at)
        else:
            add_four_rows(x, (a, b, c, e), s0, s1, s2, s3, g, at)
    for k in range(drawn + fours, drawn + problem.batch):
        row = pick_row(random_bits[k], rows)
        add_row(x, row, row_slope(kind, lanes_dot(x, row, w, at, lanes), offsets[row], width, weight), g, at)


@inline
def add_all_rows(run: int, problem: Problem, w: NDArray[np.float32], g: NDArray[np.float32]) -> None:
    """Add the gradient of all rows to that of a run, in order."""
    rows, d = problem.whole.shape
    x, offsets, kind, width, at = problem.whole, problem.whole_offsets, problem.kind, problem.width, run * d
    weight, fours = np.float32(_ONE / np.float32(rows)), rows // 4 * 4
    for i in range(0, fours, 4):
        z0, z1, z2, z3 = four_dots(x, i, w, at)
        s0, s1 = row_slope(kind, z0, offsets[i], width, weight), row_slope(kind, z1, offsets[i + 1], width, weight)
        s2, s3 = row_slope(kind, z2, offsets[i + 2], width, weight), row_slope(kind, z3, offsets[i + 3], width, weight)
        add_four_rows(x, (i, i + 1, i + 2, i + 3), s0, s1, s2, s3, g, at)
    for i in range(fours, rows):
        add_row(x, i, row_slope(kind, dot(x, i, w, at), offsets[i], width, weight), g, at)


@inline
def gradient_by_tiles(runs: int, problem: Problem, buffers: Buffers) -> None:
    """The gradient of all rows of each run; runs up to the next multiple of four must have weights."""
    rows, d = problem.whole.shape
    z, offsets, kind, width = buffers.residuals, problem.whole_offsets, problem.kind, problem.width
    weight, triangular = np.float32(_ONE / np.float32(rows)), problem.triangular
    begin_gradient(0, (runs + 3) // 4 * 4 * d, problem.l2, buffers.w, buffers.g)
    for begin in range(0, rows, BLOCK):
        end = min(begin + BLOCK, rows)
        block_dots(runs, begin, end, triangular, problem.columns, buffers.w, 0, buffers.lanes, z)
        for r in range(runs):
            at = np.uint64(r * BLOCK)
            for i in range(np.uint64(end - begin)):
                z[at + i] = row_slope(kind, z[at + i], offsets[np.uint64(begin) + i], width, weight)
        add_block(runs, begin, end, triangular, problem.across, d, z, buffers.g, buffers.lanes)
