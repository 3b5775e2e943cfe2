"""Hidden layers and output unit on the GPU: batch norm, bias, ReLU and row dot products between two matrix products.

Memory traffic decides: every pass reads its matrices once, in 128-bit accesses, and the last hidden layer's
activations are never stored, because the output unit can be taken where they are formed. Matrices come flat; `whole`
says that rows start on 16 bytes. How a matrix is split and summed: `alpt_ref.kernels.cuda.reduce`.

`saved` holds six vectors of n floats, one after the other: scale, shift, mean, inverse standard deviation, and for the
backward pass offset and slope.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from alpt_ref.kernels.cuda.reduce import LANES, ROW_LANES, WIDTH, fold, fold_parts, put4, take4, warp_sum
from alpt_ref.kernels.cuda.target import cuda, device, kernel
from alpt_ref.scalar.arith import mul

# --- batch norm forward -------------------------------------------------------------------------------------------


@kernel
def column_sums(z, rows, columns, span, whole, sums, squares):
    """Per row block: column sums of ``z - z[0]`` and of its square (less the first row, or a large mean cancels)."""
    groups = (columns + WIDTH - 1) // WIDTH
    group, part = cuda.blockIdx.x % groups, cuda.blockIdx.x // groups
    column = WIDTH * group + 4 * (cuda.threadIdx.x % LANES)
    left = columns - column
    zero = np.float32(0)
    s0, s1, s2, s3 = zero, zero, zero, zero
    q0, q1, q2, q3 = zero, zero, zero, zero
    if left > 0:
        k0, k1, k2, k3 = take4(z, column, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            a, b, c, d = take4(z, i * columns + column, left, whole)
            a, b, c, d = a - k0, b - k1, c - k2, d - k3
            s0 += a
            s1 += b
            s2 += c
            s3 += d
            q0 += a * a
            q1 += b * b
            q2 += c * c
            q3 += d * d
    fold(s0, s1, s2, s3, columns, group, sums, part * columns)
    fold(q0, q1, q2, q3, columns, group, squares, part * columns)


@device
def set_scale(saved, columns, j, weight, bias, mean, variance, eps):
    """Fill `saved` for column j from mean and variance."""
    inverse_std = np.float64(1.0) / math.sqrt(variance + eps)
    scale = np.float64(weight) * inverse_std
    saved[j] = np.float32(scale)
    saved[columns + j] = np.float32(np.float64(bias) - mean * scale)
    saved[2 * columns + j] = np.float32(mean)
    saved[3 * columns + j] = np.float32(inverse_std)


@kernel
def finish_moments(
    sums, squares, parts, rows, columns, z, weight, bias, running_mean, running_var, momentum, eps, update, saved
):
    """Moments of the batch from `column_sums`, and what follows from them; with `update` the running ones move."""
    column = LANES * cuda.blockIdx.x + cuda.threadIdx.x % LANES
    total = fold_parts(sums, 0, parts, columns, column)
    square = fold_parts(squares, 0, parts, columns, column)
    if cuda.threadIdx.x < LANES and column < columns:
        delta = total / rows
        mean = np.float64(z[column]) + delta
        variance = max(square / rows - delta * delta, np.float64(0.0))
        set_scale(saved, columns, column, weight[column], bias[column], mean, variance, eps)
        if update:
            keep = np.float64(1.0) - momentum
            running_mean[column] = np.float32(keep * np.float64(running_mean[column]) + momentum * mean)
            if rows > 1:
                unbiased = variance * (np.float64(rows) / np.float64(rows - 1))
                running_var[column] = np.float32(keep * np.float64(running_var[column]) + momentum * unbiased)


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


@kernel
def scale_shift_relu(z, saved, rows, columns, span, whole, y):
    """``y = max(scale * z + shift, 0)``."""
    groups = (columns + WIDTH - 1) // WIDTH
    group, part = cuda.blockIdx.x % groups, cuda.blockIdx.x // groups
    column = WIDTH * group + 4 * (cuda.threadIdx.x % LANES)
    left = columns - column
    if left > 0:
        s0, s1, s2, s3 = take4(saved, column, left, whole)
        t0, t1, t2, t3 = take4(saved, columns + column, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            place = i * columns + column
            a, b, c, d = take4(z, place, left, whole)
            put4(y, place, left, whole, relu(a * s0 + t0), relu(b * s1 + t1), relu(c * s2 + t2), relu(d * s3 + t3))


@kernel
def norm_relu_output(z, saved, weight, bias, rows, columns, whole, logits):
    """``logits = bias + max(scale * z + shift, 0) . weight``, one row per warp."""
    lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    for base in range(ROW_LANES * cuda.blockIdx.x, rows, ROW_LANES * cuda.gridDim.x):
        i, total = base + warp, np.float32(0)
        if i < rows:
            for column in range(4 * lane, columns, WIDTH):
                left = columns - column
                s0, s1, s2, s3 = take4(saved, column, left, whole)
                t0, t1, t2, t3 = take4(saved, columns + column, left, whole)
                w0, w1, w2, w3 = take4(weight, column, left, whole)
                a, b, c, d = take4(z, i * columns + column, left, whole)
                total += relu(a * s0 + t0) * w0 + relu(b * s1 + t1) * w1
                total += relu(c * s2 + t2) * w2 + relu(d * s3 + t3) * w3
        total = warp_sum(total)
        if lane == 0 and i < rows:
            logits[i] = bias[0] + total


# --- batch norm backward ------------------------------------------------------------------------------------------


@device
def gate(g, z, scale, shift):
    """The gradient `g` behind the ReLU of ``scale * z + shift``."""
    zero = np.float32(0)
    return g if z * scale + shift > zero else zero


@kernel
def norm_backward_sums(dy, z, saved, rows, columns, span, whole, sums, products):
    """Per row block: column sums of g and of ``g * (z - mean)``, where g is `dy` behind the ReLU."""
    groups = (columns + WIDTH - 1) // WIDTH
    group, part = cuda.blockIdx.x % groups, cuda.blockIdx.x // groups
    column = WIDTH * group + 4 * (cuda.threadIdx.x % LANES)
    left = columns - column
    zero = np.float32(0)
    g0, g1, g2, g3 = zero, zero, zero, zero
    p0, p1, p2, p3 = zero, zero, zero, zero
    if left > 0:
        s0, s1, s2, s3 = take4(saved, column, left, whole)
        t0, t1, t2, t3 = take4(saved, columns + column, left, whole)
        m0, m1, m2, m3 = take4(saved, 2 * columns + column, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            place = i * columns + column
            a, b, c, d = take4(z, place, left, whole)
            e0, e1, e2, e3 = take4(dy, place, left, whole)
            e0, e1, e2, e3 = gate(e0, a, s0, t0), gate(e1, b, s1, t1), gate(e2, c, s2, t2), gate(e3, d, s3, t3)
            g0 += e0
            g1 += e1
            g2 += e2
            g3 += e3
            p0 += e0 * (a - m0)
            p1 += e1 * (b - m1)
            p2 += e2 * (c - m2)
            p3 += e3 * (d - m3)
    fold(g0, g1, g2, g3, columns, group, sums, part * columns)
    fold(p0, p1, p2, p3, columns, group, products, part * columns)


@kernel
def output_backward_sums(dlogits, z, saved, weight, rows, columns, span, whole, sums, products, dweights):
    """`norm_backward_sums` for ``dy[i] = dlogits[i] * weight``, and per row block the sums of ``dlogits[i] * y[i]``."""
    groups = (columns + WIDTH - 1) // WIDTH
    group, part = cuda.blockIdx.x % groups, cuda.blockIdx.x // groups
    column = WIDTH * group + 4 * (cuda.threadIdx.x % LANES)
    left = columns - column
    zero = np.float32(0)
    g0, g1, g2, g3 = zero, zero, zero, zero
    p0, p1, p2, p3 = zero, zero, zero, zero
    y0, y1, y2, y3 = zero, zero, zero, zero
    if left > 0:
        s0, s1, s2, s3 = take4(saved, column, left, whole)
        t0, t1, t2, t3 = take4(saved, columns + column, left, whole)
        m0, m1, m2, m3 = take4(saved, 2 * columns + column, left, whole)
        w0, w1, w2, w3 = take4(weight, column, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            a, b, c, d = take4(z, i * columns + column, left, whole)
            g = dlogits[i]
            y0 += g * relu(a * s0 + t0)
            y1 += g * relu(b * s1 + t1)
            y2 += g * relu(c * s2 + t2)
            y3 += g * relu(d * s3 + t3)
            e0, e1 = gate(g * w0, a, s0, t0), gate(g * w1, b, s1, t1)
            e2, e3 = gate(g * w2, c, s2, t2), gate(g * w3, d, s3, t3)
            g0 += e0
            g1 += e1
            g2 += e2
            g3 += e3
            p0 += e0 * (a - m0)
            p1 += e1 * (b - m1)
            p2 += e2 * (c - m2)
            p3 += e3 * (d - m3)
    fold(g0, g1, g2, g3, columns, group, sums, part * columns)
    fold(p0, p1, p2, p3, columns, group, products, part * columns)
    fold(y0, y1, y2, y3, columns, group, dweights, part * columns)


@kernel
def finish_backward(sums, products, parts, rows, columns, saved, params, dweight, dbias):
    """Gradients of norm weight and bias (stored with `params`); offset and slope of the gradient of z in `saved`."""
    column = LANES * cuda.blockIdx.x + cuda.threadIdx.x % LANES
    total = fold_parts(sums, 0, parts, columns, column)
    product = fold_parts(products, 0, parts, columns, column)
    if cuda.threadIdx.x < LANES and column < columns:
        inverse_std = np.float64(saved[3 * columns + column])
        scale = np.float64(saved[column])
        product *= inverse_std
        saved[4 * columns + column] = np.float32(scale * (total / rows))
        saved[5 * columns + column] = np.float32(scale * inverse_std * (product / rows))
        if params:
            dbias[column] = np.float32(total)
            dweight[column] = np.float32(product)


@kernel
def norm_backward(dy, z, saved, rows, columns, span, whole):
    """In place ``dy <- scale * g - offset - slope * (z - mean)``: the gradient before batch norm and ReLU.

    The product is rounded on its own, so that the gradient of a batch of one row is exactly zero.
    """
    groups = (columns + WIDTH - 1) // WIDTH
    group, part = cuda.blockIdx.x % groups, cuda.blockIdx.x // groups
    column = WIDTH * group + 4 * (cuda.threadIdx.x % LANES)
    left = columns - column
    if left > 0:
        s0, s1, s2, s3 = take4(saved, column, left, whole)
        t0, t1, t2, t3 = take4(saved, columns + column, left, whole)
        m0, m1, m2, m3 = take4(saved, 2 * columns + column, left, whole)
        o0, o1, o2, o3 = take4(saved, 4 * columns + column, left, whole)
        k0, k1, k2, k3 = take4(saved, 5 * columns + column, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            place = i * columns + column
            a, b, c, d = take4(z, place, left, whole)
            e0, e1, e2, e3 = take4(dy, place, left, whole)
            e0 = mul(s0, gate(e0, a, s0, t0)) - o0 - k0 * (a - m0)
            e1 = mul(s1, gate(e1, b, s1, t1)) - o1 - k1 * (b - m1)
            e2 = mul(s2, gate(e2, c, s2, t2)) - o2 - k2 * (c - m2)
            e3 = mul(s3, gate(e3, d, s3, t3)) - o3 - k3 * (d - m3)
            put4(dy, place, left, whole, e0, e1, e2, e3)


@kernel
def output_backward(dlogits, z, saved, weight, rows, columns, span, whole, dz):
    """`norm_backward` for ``dy[i] = dlogits[i] * weight``, written to `dz`."""
    groups = (columns + WIDTH - 1) // WIDTH
    group, part = cuda.blockIdx.x % groups, cuda.blockIdx.x // groups
    column = WIDTH * group + 4 * (cuda.threadIdx.x % LANES)
    left = columns - column
    if left > 0:
        s0, s1, s2, s3 = take4(saved, column, left, whole)
        t0, t1, t2, t3 = take4(saved, columns + column, left, whole)
        m0, m1, m2, m3 = take4(saved, 2 * columns + column, left, whole)
        o0, o1, o2, o3 = take4(saved, 4 * columns + column, left, whole)
        k0, k1, k2, k3 = take4(saved, 5 * columns + column, left, whole)
        w0, w1, w2, w3 = take4(weight, column, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            place, g = i * columns + column, dlogits[i]
            a, b, c, d = take4(z, place, left, whole)
            e0 = mul(s0, gate(g * w0, a, s0, t0)) - o0 - k0 * (a - m0)
            e1 = mul(s1, gate(g * w1, b, s1, t1)) - o1 - k1 * (b - m1)
            e2 = mul(s2, gate(g * w2, c, s2, t2)) - o2 - k2 * (c - m2)
            e3 = mul(s3, gate(g * w3, d, s3, t3)) - o3 - k3 * (d - m3)
            put4(dz, place, left, whole, e0, e1, e2, e3)
