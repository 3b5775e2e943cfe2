"""The dense part of a click model on the CPU: everything between two matrix products, in as few passes as possible.

Memory traffic decides here, so each kernel reads its arrays once: batch norm and ReLU together, an optimiser's whole
update together; all cross layers together (`kernels.cpu.cross`). All kernels work in the arrays' own dtype (float32
in training, float64 in gradient checks).

Two kinds of split: element kernels take rows ``lo..hi``; column sums take *blocks* ``lo..hi`` of `ROW_BLOCK` rows and
leave one partial sum per block, which `sum_parts` and `combine_moments` add in ascending order. So neither kind lets
the number of threads into the bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.dense_update import AdamStep, adam_moments, adam_parameter, sgd_parameter
from alpt_ref.scalar.loss import logloss

Array = NDArray[Any]

ROW_BLOCK = 128
"""Rows of one partial column sum: 128 x 1024 float32 stay in the second-level cache between two reads."""


def block_count(rows: int) -> int:
    """Number of partial sums for a column reduction over `rows` rows."""
    return -(-rows // ROW_BLOCK)


@kernel
def sum_parts(lo: int, hi: int, parts: Array, out: Array) -> None:
    """``out[j] = parts[0, j] + parts[1, j] + ...`` in ascending order, for flat positions lo..hi."""
    target = out[lo:hi]
    target[:] = parts[0, lo:hi]
    for part in range(1, parts.shape[0]):
        source = parts[part, lo:hi]
        for j in range(hi - lo):
            target[j] += source[j]


# --- batch norm + ReLU --------------------------------------------------------------------------------------------


@kernel
def column_moments(lo: int, hi: int, z: Array, means: Array, squares: Array) -> None:
    """Mean and sum of squared deviations of each column within row blocks lo..hi (two passes in the cache)."""
    rows, columns = z.shape
    for block in range(lo, hi):
        start, stop = block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, rows)
        mean, square = means[block], squares[block]
        mean[:] = 0
        square[:] = 0
        for i in range(start, stop):
            row = z[i]
            for j in range(columns):
                mean[j] += row[j]
        count = z.dtype.type(stop - start)
        for j in range(columns):
            mean[j] /= count
        for i in range(start, stop):
            row = z[i]
            for j in range(columns):
                deviation = row[j] - mean[j]
                square[j] += deviation * deviation


@kernel
def combine_moments(rows: int, means: Array, squares: Array, mean: Array, variance: Array) -> None:
    """Moments of all rows from those of the blocks, in float64, in ascending order (Chan, Golub, LeVeque 1983)."""
    columns = mean.size
    mean[:] = 0.0
    variance[:] = 0.0
    for block in range(means.shape[0]):
        before = block * ROW_BLOCK
        count = min(ROW_BLOCK, rows - before)
        share = count / (before + count)
        cross = before * share
        for j in range(columns):
            delta = means[block, j] - mean[j]
            mean[j] += delta * share
            variance[j] += squares[block, j] + delta * delta * cross
    for j in range(columns):
        variance[j] /= rows


@kernel
def scale_shift_relu(lo: int, hi: int, z: Array, scale: Array, shift: Array, y: Array) -> None:
    """``y = max(scale * z + shift, 0)`` column by column; NaN stays NaN so that training can see it."""
    zero = z.dtype.type(0)
    for i in range(lo, hi):
        source, target = z[i], y[i]
        for j in range(z.shape[1]):
            value = source[j] * scale[j] + shift[j]
            target[j] = zero if value <= zero else value


class NormColumns(NamedTuple):
    """What batch norm and ReLU make of each column: ``max(scale * z + shift, 0)``; and the column's mean. (columns,)"""

    scale: Array
    shift: Array
    mean: Array


@kernel
def norm_relu_backward_sums(
    lo: int, hi: int, dy: Array, z: Array, norm: NormColumns, sums: Array, products: Array
) -> None:
    """Within row blocks lo..hi: column sums of g and of ``g * (z - mean)``, where g is `dy` behind the ReLU."""
    scale, shift, mean = norm
    zero = z.dtype.type(0)
    rows, columns = z.shape
    for block in range(lo, hi):
        total, product = sums[block], products[block]
        total[:] = 0
        product[:] = 0
        for i in range(block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, rows)):
            gradient, value = dy[i], z[i]
            for j in range(columns):
                g = gradient[j] if value[j] * scale[j] + shift[j] > zero else zero
                total[j] += g
                product[j] += g * (value[j] - mean[j])


@kernel
def norm_relu_backward(lo: int, hi: int, dy: Array, z: Array, norm: NormColumns, offset: Array, slope: Array) -> None:
    """In place ``dy <- scale * g - offset - slope * (z - mean)``: the gradient before batch norm and ReLU."""
    scale, shift, mean = norm
    zero = z.dtype.type(0)
    for i in range(lo, hi):
        gradient, value = dy[i], z[i]
        for j in range(z.shape[1]):
            g = gradient[j] if value[j] * scale[j] + shift[j] > zero else zero
            gradient[j] = scale[j] * g - offset[j] - slope[j] * (value[j] - mean[j])


# --- bias + ReLU --------------------------------------------------------------------------------------------------


@kernel
def bias_relu(lo: int, hi: int, z: Array, bias: Array) -> None:
    """In place ``z <- max(z + bias, 0)``."""
    zero = z.dtype.type(0)
    for i in range(lo, hi):
        row = z[i]
        for j in range(z.shape[1]):
            value = row[j] + bias[j]
            row[j] = zero if value <= zero else value


@kernel
def bias_relu_backward(lo: int, hi: int, dy: Array, y: Array, sums: Array) -> None:
    """In place ``dy <- dy where y > 0 else 0`` and its column sums within row blocks lo..hi."""
    zero = y.dtype.type(0)
    rows, columns = y.shape
    for block in range(lo, hi):
        total = sums[block]
        total[:] = 0
        for i in range(block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, rows)):
            gradient, value = dy[i], y[i]
            for j in range(columns):
                g = gradient[j] if value[j] > zero else zero
                gradient[j] = g
                total[j] += g


# --- output unit -------------------------------------------------------------------------------------------------


@kernel
def row_dots_backward(lo: int, hi: int, dout: Array, x: Array, w: Array, dx: Array, sums: Array) -> None:
    """``dx[i] = dout[i] * w`` and, within row blocks lo..hi, the column sums of ``dout[i] * x[i]``."""
    rows, columns = x.shape
    for block in range(lo, hi):
        total = sums[block]
        total[:] = 0
        for i in range(block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, rows)):
            g, row, target = dout[i], x[i], dx[i]
            for j in range(columns):
                target[j] = g * w[j]
                total[j] += g * row[j]


# --- loss ---------------------------------------------------------------------------------------------------------


@kernel
def bce_with_logits(
    lo: int, hi: int, logits: Array, labels: Array, inverse_rows: float, losses: Array, dlogits: Array
) -> None:
    """Logloss summed in float64 within row blocks lo..hi, and its gradient over the rows (`scalar.loss`)."""
    rows = logits.size
    for block in range(lo, hi):
        total = 0.0
        for i in range(block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, rows)):
            y = np.float64(labels[i])
            loss, probability = logloss(np.float64(logits[i]), y)
            total += loss
            dlogits[i] = (probability - y) * inverse_rows
        losses[block] = total


@kernel
def weighted_bce_with_logits(
    lo: int, hi: int, logits: Array, labels: Array, weights: Array, inverse: float, losses: Array, dlogits: Array
) -> None:
    """As `bce_with_logits`, each row's loss and gradient times its weight."""
    rows = logits.size
    for block in range(lo, hi):
        total = 0.0
        for i in range(block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, rows)):
            y, weight = np.float64(labels[i]), np.float64(weights[i])
            loss, probability = logloss(np.float64(logits[i]), y)
            total += mul(weight, loss)
            dlogits[i] = mul(weight, probability - y) * inverse
        losses[block] = total


# --- optimisers ---------------------------------------------------------------------------------------------------
# The views make the index start at 0: with a signed start the compiler cannot rule out wrap-around and stays scalar.


@kernel
def adam(lo: int, hi: int, params: Array, grads: Array, firsts: Array, seconds: Array, step: AdamStep) -> None:
    """One Adam step over flat positions lo..hi."""
    param, grad, first, second = params[lo:hi], grads[lo:hi], firsts[lo:hi], seconds[lo:hi]
    for j in range(hi - lo):
        m, v = adam_moments(grad[j], first[j], second[j], step)
        first[j] = m
        second[j] = v
        param[j] = adam_parameter(param[j], m, v, step)


@kernel
def sgd(lo: int, hi: int, params: Array, grads: Array, keep: float, lr: float) -> None:
    """One SGD step over flat positions lo..hi; `keep` = 1 - lr * decay."""
    param, grad = params[lo:hi], grads[lo:hi]
    for j in range(hi - lo):
        param[j] = sgd_parameter(param[j], grad[j], keep, lr)
