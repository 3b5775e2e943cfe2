"""All cross layers of DCN with their part of the output unit on the GPU; the formulas are in `alpt_ref.models.cross`.

The L layers and the output unit are L + 1 *units*. Kernels that read the batch take four of them at a time, so that a
row's four dot products and a column's sixteen sums stay in registers: for L = 3 one pass. Arrays over units are padded
to a multiple of four with units whose vector is zero.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.bf16 import load_numbers
from alpt_ref.kernels.cuda.reduce import (
    NONE4,
    THREADS,
    block_sum,
    eight_sum,
    take4,
)
from alpt_ref.kernels.cuda.target import cuda, device, kernel, load4

UNITS = 4
"""Units of one pass."""
EIGHT = 8
"""Lanes that take a row in the forward pass."""
ROWS, STRIDE = THREADS // EIGHT, 4 * EIGHT


@kernel
def cross_prepare(weight, bias, output, layers, columns, vectors, betas, constants):
    """Vectors (w_0 .. w_{L-1}, v), beta_l = b_0 + ... + b_{l-1} and c_l = beta_l . vector_l, one unit per block."""
    unit = cuda.blockIdx.x
    total = np.float64(0.0)
    for j in range(cuda.threadIdx.x, columns, THREADS):
        beta = np.float64(0.0)
        for layer in range(min(unit, layers)):
            beta += np.float64(bias[layer * columns + j])
        vector = np.float32(0)
        if unit < layers:
            vector = weight[unit * columns + j]
        elif unit == layers:
            vector = output[j]
        vectors[unit * columns + j] = vector
        betas[unit * columns + j] = beta
        total += beta * np.float64(vector)
    total = block_sum(total)
    if cuda.threadIdx.x == 0:
        constants[unit] = np.float32(total)


@device
def dot4(x, v):
    """One lane's part of a dot product."""
    return x[0] * v[0] + x[1] * v[1] + x[2] * v[2] + x[3] * v[3]


@device
def add_dots4(p, a, vectors, at, columns):
    """Add one lane's part of the dot products with four vectors, whose rows start on 16 bytes."""
    v, w = load4(vectors, at), load4(vectors, at + columns)
    y, z = load4(vectors, at + 2 * columns), load4(vectors, at + 3 * columns)
    return p[0] + dot4(a, v), p[1] + dot4(a, w), p[2] + dot4(a, y), p[3] + dot4(a, z)


@device
def put_dots(p, i, layers, units, first, constants, dots, logits, alone):
    """Store a row's dot products with four units; with the last of them add the row's sum to `logits`, or put it."""
    place = i * units + first
    dots[place] = p[0]
    dots[place + 1] = p[1]
    dots[place + 2] = p[2]
    dots[place + 3] = p[3]
    if first + UNITS == units:
        alpha, below = np.float32(1), min(first, layers)
        for layer in range(below):
            alpha += alpha * dots[i * units + layer] + constants[layer]
        if first < layers:
            alpha += alpha * p[0] + constants[first]
        if first + 1 < layers:
            alpha += alpha * p[1] + constants[first + 1]
        if first + 2 < layers:
            alpha += alpha * p[2] + constants[first + 2]
        last = layers - first
        dot = p[0] if last == 0 else p[1] if last == 1 else p[2] if last == 2 else p[3]
        value = alpha * dot + constants[layers]
        logits[i] = value if alone else logits[i] + value


@kernel(registers=64)
def cross_forward(x, vectors, constants, rows, columns, whole, layers, units, first, dots, logits, alone):
    """``dots[i, l] = x[i] . vectors[l]`` for four units from `first`; with the last of them the sum added to `logits`.

    `alone`: what `logits` held before does not count.

    Eight lanes take a row, so that the four rows of a warp share what it reads of the vectors; a lane asks for four
    pieces of it at a time.
    """
    lane, start = cuda.threadIdx.x % EIGHT, first * columns
    for base in range(ROWS * cuda.blockIdx.x, rows, ROWS * cuda.gridDim.x):
        i, p = base + cuda.threadIdx.x // EIGHT, NONE4
        if i < rows:
            column, row = 4 * lane, i * columns
            while whole and column + 3 * STRIDE < columns:
                a, b = load_numbers(x, row + column), load_numbers(x, row + column + STRIDE)
                c, d = load_numbers(x, row + column + 2 * STRIDE), load_numbers(x, row + column + 3 * STRIDE)
                p = add_dots4(p, a, vectors, start + column, columns)
                p = add_dots4(p, b, vectors, start + column + STRIDE, columns)
                p = add_dots4(p, c, vectors, start + column + 2 * STRIDE, columns)
                p = add_dots4(p, d, vectors, start + column + 3 * STRIDE, columns)
                column += 4 * STRIDE
            while column < columns:
                left, at = columns - column, start + column
                a = take4(x, row + column, left, whole)
                v, w = take4(vectors, at, left, whole), take4(vectors, at + columns, left, whole)
                at += 2 * columns
                y, z = take4(vectors, at, left, whole), take4(vectors, at + columns, left, whole)
                p = p[0] + dot4(a, v), p[1] + dot4(a, w), p[2] + dot4(a, y), p[3] + dot4(a, z)
                column += STRIDE
        p = eight_sum(p[0]), eight_sum(p[1]), eight_sum(p[2]), eight_sum(p[3])
        if lane == 0 and i < rows:
            put_dots(p, i, layers, units, first, constants, dots, logits, alone)
