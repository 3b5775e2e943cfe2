"""Lookup of rows, and the optimisers' steps on the batch's unique rows.

All loops run over batch positions or unique rows, so that a split over threads cannot change a bit. The optimisers
turn summed gradients into updates (learning rate times direction, in weight units) in place.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import AdamRates, AdamState, MomentumRates, PackedCodes, RowUpdates, UnitValues
from alpt_ref.kernels.cpu.packing import read_2, read_4, unpack_row
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.quantize import row_sum
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.quantizer import decode
from alpt_ref.scalar.units import unit_of
from alpt_ref.scalar.update import adagrad_direction, adam_direction, decayed_weight, fed_back, moment


@kernel
def lookup_fp32(lo: Int, hi: Int, ids: Integers, table: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """``out[i] = table[ids[i]]``."""
    d = table.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, np.int64(ids[i + AHEAD]) * d)
        row = np.int64(ids[i])
        for j in range(d):
            out[i, j] = table[row, j]


@kernel
def lookup_codes(
    lo: Int, hi: Int, ids: Integers, table: PackedCodes, step_size: UnitValues, out: NDArray[np.float32]
) -> None:
    """``out[i] = step size * codes`` of table row ``ids[i]``, where a row's codes fill whole bytes."""
    packed, as8, as16, bits = table
    values, offsets, units = step_size
    d = out.shape[1]
    codes = np.empty(d, np.int32)
    for i in range(lo, hi):
        if i + AHEAD < hi:
            ahead = np.int64(ids[i + AHEAD])
            prefetch(packed, ahead * packed.shape[1])
            if units < 0:
                prefetch(values, ahead)
        row = np.int64(ids[i])
        delta = values[unit_of(row, offsets, units)]
        if bits == 8:
            for j in range(d):
                out[i, j] = decode(np.int32(as8[row, j]), delta)
        elif bits == 16:
            for j in range(d):
                out[i, j] = decode(np.int32(as16[row, j]), delta)
        else:
            if bits == 4:
                read_4(row, as8, d, codes, 0)
            else:
                read_2(row, as8, d, codes, 0)
            for j in range(d):
                out[i, j] = decode(codes[j], delta)


@kernel
def lookup_codes_ragged(
    lo: Int, hi: Int, ids: Integers, table: PackedCodes, step_size: UnitValues, out: NDArray[np.float32]
) -> None:
    """`lookup_codes` for any row length (4 bits and odd d, 2 bits and d not a multiple of 4); four times slower."""
    packed, _, _, bits = table
    values, offsets, units = step_size
    d = out.shape[1]
    codes = np.empty(d, np.int32)
    for i in range(lo, hi):
        row = np.int64(ids[i])
        delta = values[unit_of(row, offsets, units)]
        unpack_row(packed, row, d, bits, codes, 0)
        for j in range(d):
            out[i, j] = decode(codes[j], delta)


@kernel
def gather_units(lo: Int, hi: Int, rows: NDArray[np.int64], of: UnitValues, out: NDArray[np.float32]) -> None:
    """``out[i]`` = the number (step size or clip) that belongs to table row ``rows[i]``."""
    values, offsets, units = of
    for i in range(lo, hi):
        if units < 0 and i + AHEAD < hi:
            prefetch(values, rows[i + AHEAD])
        out[i] = values[unit_of(rows[i], offsets, units)]


@kernel
def pool_rows(
    lo: Int, hi: Int, values: NDArray[np.float32], bags: NDArray[np.int64], mean: bool, out: NDArray[np.float32]
) -> None:
    """``out[g]`` = sum (or mean) of ``values[bags[g] : bags[g + 1]]``, added in ascending order."""
    d = out.shape[1]
    for g in range(lo, hi):
        first, last = bags[g], bags[g + 1]
        for j in range(d):
            out[g, j] = np.float32(0.0)
        for i in range(first, last):
            for j in range(d):
                out[g, j] += values[i, j]
        if mean and last > first:
            for j in range(d):
                out[g, j] = np.float32(out[g, j] / np.float32(last - first))


@kernel
def sgd_rows(lo: Int, hi: Int, grads: NDArray[np.float32], lr: np.float32) -> None:
    """SGD: the gradient of each unique row becomes ``lr * gradient``, in place."""
    for i in range(lo, hi):
        for j in range(grads.shape[1]):
            grads[i, j] = np.float32(grads[i, j] * lr)


@kernel
def momentum_rows(
    lo: Int, hi: Int, rows: NDArray[np.int64], grads: NDArray[np.float32], first: NDArray[np.float32],
    rates: MomentumRates,
) -> None:  # fmt: skip
    """Lazy momentum: the touched rows' average of gradients moves; gradients become ``lr * average``, in place."""
    keep, take, lr = rates
    for i in range(lo, hi):
        row = rows[i]
        for j in range(grads.shape[1]):
            m = moment(first[row, j], grads[i, j], keep, take)
            first[row, j] = m
            grads[i, j] = np.float32(mul(m, lr))


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


@kernel
def adagrad_rows(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    grads: NDArray[np.float32],
    accumulator: NDArray[np.float32],
    lr: np.float32,
    eps: np.float32,
) -> None:
    """Row-wise Adagrad: adds the row's mean squared gradient to its accumulator; gradients become updates, in place."""
    d = grads.shape[1]
    squares = np.empty(d, np.float32)
    for i in range(lo, hi):
        row = rows[i]
        for j in range(d):
            squares[j] = mul(grads[i, j], grads[i, j])
        total = np.float32(accumulator[row] + np.float32(row_sum(squares, d) / np.float32(d)))
        accumulator[row] = total
        for j in range(d):
            grads[i, j] = np.float32(mul(adagrad_direction(grads[i, j], total, eps), lr))


@kernel
def adam_rows(
    lo: Int, hi: Int, rows: NDArray[np.int64], grads: NDArray[np.float32], state: AdamState, rates: AdamRates
) -> None:
    """Lazy Adam: moments and count of the touched rows move; gradients become ``lr * direction``, in place."""
    first, second, count, corrections = state
    b1, b2, take1, take2, lr, eps = rates
    d = grads.shape[1]
    last = corrections.shape[0] - 1
    for i in range(lo, hi):
        if i + AHEAD < hi:
            ahead = rows[i + AHEAD]
            prefetch(first, ahead * d)
            prefetch(second, ahead * d)
            prefetch(count, ahead)
        row = rows[i]
        t = min(count[row], np.int32(2147483646)) + np.int32(1)
        count[row] = t
        correct1 = corrections[min(np.int64(t), last), 0]
        correct2 = corrections[min(np.int64(t), last), 1]
        for j in range(d):
            g = grads[i, j]
            m = moment(first[row, j], g, b1, take1)
            v = moment(second[row, j], np.float32(mul(g, g)), b2, take2)
            first[row, j] = m
            second[row, j] = v
            grads[i, j] = np.float32(mul(adam_direction(m, v, correct1, correct2, eps), lr))


@kernel
def update_weights(lo: Int, hi: Int, of: RowUpdates, table: NDArray[np.float32]) -> None:
    """Float32 table: the touched rows less their updates and their decoupled weight decay."""
    rows, updates, decay = of
    d = table.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, rows[i + AHEAD] * d)
        row = rows[i]
        for j in range(d):
            table[row, j] = decayed_weight(table[row, j], updates[i, j], decay)
