"""Passes without batch norm on the GPU: bias and ReLU, the output unit, sums of rows and of columns."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.dense import relu
from alpt_ref.kernels.cuda.reduce import (
    FOLD,
    LANES,
    ROW_LANES,
    THREADS,
    WIDTH,
    block_sum,
    fold,
    fold_parts,
    of_block,
    put4,
    take4,
    warp_sum,
)
from alpt_ref.kernels.cuda.target import cuda, kernel


@kernel
def bias_relu(z, bias, rows, columns, span, whole):
    """In place ``z <- max(z + bias, 0)``."""
    _, part, column, left = of_block(columns)
    if left > 0:
        t0, t1, t2, t3 = take4(bias, column, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            place = i * columns + column
            a, b, c, d = take4(z, place, left, whole)
            put4(z, place, left, whole, relu(a + t0), relu(b + t1), relu(c + t2), relu(d + t3))


@kernel
def bias_relu_backward(dy, lead, y, rows, columns, span, whole, sums):
    """In place ``dy <- dy where y > 0 else 0``, and per row block its column sums."""
    group, part, column, left = of_block(columns)
    zero = np.float32(0)
    g0, g1, g2, g3 = zero, zero, zero, zero
    if left > 0:
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            place, there = i * columns + column, i * lead + column
            a, b, c, d = take4(y, place, left, whole)
            e0, e1, e2, e3 = take4(dy, there, left, whole)
            e0 = e0 if a > zero else zero
            e1 = e1 if b > zero else zero
            e2 = e2 if c > zero else zero
            e3 = e3 if d > zero else zero
            put4(dy, there, left, whole, e0, e1, e2, e3)
            g0 += e0
            g1 += e1
            g2 += e2
            g3 += e3
    fold((g0, g1, g2, g3), columns, group, sums, part * columns)


@kernel
def finish_sums(parts_array, parts, columns, out):
    """``out[j]`` = sum over the row blocks of their column sums."""
    column = FOLD * cuda.blockIdx.x + cuda.threadIdx.x % FOLD
    total = fold_parts(parts_array, 0, parts, columns, column)
    if cuda.threadIdx.x < FOLD and column < columns:
        out[column] = np.float32(total)


@kernel
def output(x, weight, bias, rows, columns, whole, logits):
    """``logits = bias + x . weight``, one row per warp."""
    lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    for base in range(ROW_LANES * cuda.blockIdx.x, rows, ROW_LANES * cuda.gridDim.x):
        i, total = base + warp, np.float32(0)
        if i < rows:
            for column in range(4 * lane, columns, WIDTH):
                left = columns - column
                w0, w1, w2, w3 = take4(weight, column, left, whole)
                a, b, c, d = take4(x, i * columns + column, left, whole)
                total += a * w0 + b * w1 + c * w2 + d * w3
        total = warp_sum(total)
        if lane == 0 and i < rows:
            logits[i] = bias[0] + total


@kernel
def output_backward(dlogits, x, weight, rows, columns, span, whole, dx, lead, sums):
    """``dx[i] = dlogits[i] * weight``, and per row block the column sums of ``dlogits[i] * x[i]``."""
    group, part, column, left = of_block(columns)
    zero = np.float32(0)
    g0, g1, g2, g3 = zero, zero, zero, zero
    if left > 0:
        w0, w1, w2, w3 = take4(weight, column, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            place, g = i * columns + column, dlogits[i]
            a, b, c, d = take4(x, place, left, whole)
            put4(dx, i * lead + column, left, whole, g * w0, g * w1, g * w2, g * w3)
            g0 += g * a
            g1 += g * b
            g2 += g * c
            g3 += g * d
    fold((g0, g1, g2, g3), columns, group, sums, part * columns)


@kernel
def row_sums(x, bias, rows, columns, out):
    """``out[i] = bias + sum of x[i]``, one row per warp."""
    lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    for base in range(ROW_LANES * cuda.blockIdx.x, rows, ROW_LANES * cuda.gridDim.x):
        i, total = base + warp, np.float32(0)
        if i < rows:
            for column in range(lane, columns, LANES):
                total += x[i * columns + column]
        total = warp_sum(total)
        if lane == 0 and i < rows:
            out[i] = bias[0] + total


@kernel
def spread(dout, size, columns, dx):
    """``dx[i, j] = dout[i]``."""
    for place in range(cuda.grid(1), size, cuda.gridsize(1)):
        dx[place] = dout[place // columns]


@kernel
def total_sum(x, size, out):
    """``out[0]`` = sum of all elements, in float64, by one block."""
    total, i = np.float64(0.0), cuda.threadIdx.x
    while i + 3 * THREADS < size:
        a, b, c, d = x[i], x[i + THREADS], x[i + 2 * THREADS], x[i + 3 * THREADS]
        total = total + np.float64(a) + np.float64(b) + np.float64(c) + np.float64(d)
        i += 4 * THREADS
    while i < size:
        total += np.float64(x[i])
        i += THREADS
    total = block_sum(total)
    if cuda.threadIdx.x == 0:
        out[0] = np.float32(total)
