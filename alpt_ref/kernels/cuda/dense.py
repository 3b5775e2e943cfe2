"""Hidden layers and output unit on the GPU, forward: batch norm, ReLU and row dot products after a matrix product.

Memory traffic decides: every pass reads its matrices once, four neighbouring elements a thread, and the last hidden
layer's activations are never stored, because the output unit can be taken where they are formed. Matrices come flat,
float32 or bfloat16 bits (`bf16`); statistics and sums are float32 and float64. `whole` says that rows start on 16
bytes. How a matrix is split and summed: `alpt_ref.kernels.cuda.reduce`.

`saved` holds six vectors of n floats, one after the other: scale, shift, mean, inverse standard deviation, and for the
backward pass offset and slope.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from alpt_ref.kernels.cuda.bf16 import number
from alpt_ref.kernels.cuda.reduce import (
    FOLD,
    LANES,
    NONE4,
    ROW_LANES,
    WIDTH,
    add4,
    add_products4,
    fold,
    fold_two,
    last_row,
    minus4,
    of_block,
    put4,
    take4,
    warp_sum,
)
from alpt_ref.kernels.cuda.target import cuda, device, kernel


@kernel(registers=64)
def column_sums(z, rows, columns, span, whole, sums, squares):
    """Per row block: column sums of ``z - z[0]`` and of its square (less the first row, or a large mean cancels)."""
    group, part, column, left = of_block(columns)
    s, q = NONE4, NONE4
    if left > 0:
        first = take4(z, column, left, whole)
        i, last = part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows)
        place, step = i * columns + column, ROW_LANES * columns
        while whole and i + 3 * ROW_LANES < last:
            x0, x1 = take4(z, place, left, whole), take4(z, place + step, left, whole)
            x2, x3 = take4(z, place + 2 * step, left, whole), take4(z, place + 3 * step, left, whole)
            x0, x1, x2, x3 = minus4(x0, first), minus4(x1, first), minus4(x2, first), minus4(x3, first)
            s = add4(add4(add4(add4(s, x0), x1), x2), x3)
            q = add_products4(add_products4(q, x0, x0), x1, x1)
            q = add_products4(add_products4(q, x2, x2), x3, x3)
            i, place = i + 4 * ROW_LANES, place + 4 * step
        while i < last:
            x0 = minus4(take4(z, place, left, whole), first)
            s, q = add4(s, x0), add_products4(q, x0, x0)
            i, place = i + ROW_LANES, place + step
    fold(s, columns, group, sums, part * columns)
    fold(q, columns, group, squares, part * columns)


@device
def set_scale(saved, columns, j, weight, bias, mean, variance, eps):
    """Fill `saved` for column j from mean and variance."""
    inverse_std = np.float64(1.0) / math.sqrt(variance + eps)
    scale = np.float64(weight) * inverse_std
    saved[j] = np.float32(scale)
    saved[columns + j] = np.float32(np.float64(bias) - mean * scale)
    saved[2 * columns + j] = np.float32(mean)
    saved[3 * columns + j] = np.float32(inverse_std)


@device
def move_running(running_mean, running_var, j, momentum, mean, variance, rows):
    """Move the running statistics of column j towards those of a batch; the variance unbiased."""
    keep = np.float64(1.0) - momentum
    running_mean[j] = np.float32(keep * np.float64(running_mean[j]) + momentum * mean)
    if rows > 1:
        unbiased = variance * (np.float64(rows) / np.float64(rows - 1))
        running_var[j] = np.float32(keep * np.float64(running_var[j]) + momentum * unbiased)


@kernel
def finish_moments(
    sums, squares, parts, rows, columns, z, weight, bias, running_mean, running_var, momentum, eps, update, saved
):
    """Moments of the batch from `column_sums`, and what follows from them; with `update` the running ones move."""
    column = FOLD * cuda.blockIdx.x + cuda.threadIdx.x % FOLD
    at = min(column, columns - 1)
    first, factor, shift = number(z[at]), weight[at], bias[at]  # asked for before the sums are waited for
    total, square = fold_two(sums, squares, parts, columns, column)
    if cuda.threadIdx.x < FOLD and column < columns:
        delta = total / rows
        mean = np.float64(first) + delta
        variance = max(square / rows - delta * delta, np.float64(0.0))
        set_scale(saved, columns, column, factor, shift, mean, variance, eps)
        if update:
            move_running(running_mean, running_var, column, momentum, mean, variance, rows)


@kernel
def running_scale(columns, weight, bias, running_mean, running_var, eps, saved):
    """`saved` of inference, from the running statistics."""
    column = cuda.grid(1)
    if column < columns:
        mean, variance = np.float64(running_mean[column]), np.float64(running_var[column])
        set_scale(saved, columns, column, weight[column], bias[column], mean, variance, eps)


@device
def relu(value):
    """max(value, 0); NaN stays NaN so that training can see it."""
    zero = np.float32(0)
    return zero if value <= zero else value


@device
def normal4(x, scale, shift):
    """``max(scale * x + shift, 0)`` of four."""
    a, b = relu(x[0] * scale[0] + shift[0]), relu(x[1] * scale[1] + shift[1])
    return a, b, relu(x[2] * scale[2] + shift[2]), relu(x[3] * scale[3] + shift[3])


@device
def put_normal4(y, place, left, whole, x, scale, shift):
    """Store `normal4`."""
    a, b, c, d = normal4(x, scale, shift)
    put4(y, place, left, whole, a, b, c, d)


@kernel(registers=64)
def scale_shift_relu(z, saved, rows, columns, span, whole, y):
    """``y = max(scale * z + shift, 0)``."""
    _, part, column, left = of_block(columns)
    if left > 0:
        scale, shift = take4(saved, column, left, whole), take4(saved, columns + column, left, whole)
        begin = part * span
        i = last_row(begin, min(begin + span, rows))
        place, step = i * columns + column, -ROW_LANES * columns
        while whole and i - 3 * ROW_LANES >= begin:
            x0, x1 = take4(z, place, left, whole), take4(z, place + step, left, whole)
            x2, x3 = take4(z, place + 2 * step, left, whole), take4(z, place + 3 * step, left, whole)
            put_normal4(y, place, left, whole, x0, scale, shift)
            put_normal4(y, place + step, left, whole, x1, scale, shift)
            put_normal4(y, place + 2 * step, left, whole, x2, scale, shift)
            put_normal4(y, place + 3 * step, left, whole, x3, scale, shift)
            i, place = i - 4 * ROW_LANES, place + 4 * step
        while i >= begin:
            put_normal4(y, place, left, whole, take4(z, place, left, whole), scale, shift)
            i, place = i - ROW_LANES, place + step


@kernel
def norm_relu_output(z, saved, weight, bias, rows, columns, whole, more, adds, logits):
    """``logits = bias + max(scale * z + shift, 0) . weight``, two rows per warp; with `adds` plus a row's `more`."""
    lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    zero = np.float32(0)
    for base in range(2 * ROW_LANES * cuda.blockIdx.x, rows, 2 * ROW_LANES * cuda.gridDim.x):
        i, one, two = base + 2 * warp, zero, zero
        if i < rows:
            below = columns if i + 1 < rows else 0  # the last of an odd number of rows is taken twice
            for column in range(4 * lane, columns, WIDTH):
                left, place = columns - column, i * columns + column
                x, y = take4(z, place, left, whole), take4(z, place + below, left, whole)
                scale, shift = take4(saved, column, left, whole), take4(saved, columns + column, left, whole)
                w = take4(weight, column, left, whole)
                x, y = normal4(x, scale, shift), normal4(y, scale, shift)
                one += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3]
                two += y[0] * w[0] + y[1] * w[1] + y[2] * w[2] + y[3] * w[3]
        one, two = warp_sum(one), warp_sum(two)
        if lane == 0 and i < rows:
            one, two = bias[0] + one, bias[0] + two
            logits[i] = one + more[i] if adds else one
            if i + 1 < rows:
                logits[i + 1] = two + more[i + 1] if adds else two
