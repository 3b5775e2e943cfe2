"""Lookup of rows, and the optimisers' steps on the batch's unique rows.

All loops run over batch positions or unique rows, so that a split over threads cannot change a bit. The optimisers
turn summed gradients into moves (learning rate times direction, in weight units) in place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.quantize import row_sum, unpack_row
from alpt_ref.kernels.cpu.rows import read_2, read_4, unit_of
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.quantizer import decode
from alpt_ref.scalar.update import adagrad_direction, adam_direction, moment


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
    lo: Int,
    hi: Int,
    ids: Integers,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
    step: NDArray[np.float32],
    offsets: NDArray[np.int64],
    units: Int,
    bits: Int,
    out: NDArray[np.float32],
) -> None:
    """``out[i] = step * codes`` of table row ``ids[i]``, where a row's codes fill whole bytes."""
    d = out.shape[1]
    codes = np.empty(d, np.int32)
    for i in range(lo, hi):
        if i + AHEAD < hi:
            ahead = np.int64(ids[i + AHEAD])
            prefetch(words, ahead * words.shape[1])
            if units < 0:
                prefetch(step, ahead)
        row = np.int64(ids[i])
        delta = step[unit_of(row, offsets, units)]
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
    lo: Int,
    hi: Int,
    ids: Integers,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
    step: NDArray[np.float32],
    offsets: NDArray[np.int64],
    units: Int,
    bits: Int,
    out: NDArray[np.float32],
) -> None:
    """`lookup_codes` for any row length (4 bits and odd d, 2 bits and d not a multiple of 4); four times slower."""
    d = out.shape[1]
    codes = np.empty(d, np.int32)
    for i in range(lo, hi):
        row = np.int64(ids[i])
        delta = step[unit_of(row, offsets, units)]
        unpack_row(words, row, d, bits, codes, 0)
        for j in range(d):
            out[i, j] = decode(codes[j], delta)


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
def adagrad_rows(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    grads: NDArray[np.float32],
    accumulator: NDArray[np.float32],
    lr: np.float32,
    eps: np.float32,
) -> None:
    """Row-wise Adagrad: adds the row's mean squared gradient to its accumulator; gradients become moves, in place."""
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
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    grads: NDArray[np.float32],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    count: NDArray[np.int32],
    corrections: NDArray[np.float32],
    b1: np.float32,
    b2: np.float32,
    take1: np.float32,
    take2: np.float32,
    lr: np.float32,
    eps: np.float32,
) -> None:
    """Lazy Adam: moments and count of the touched rows move; gradients become ``lr * direction``, in place."""
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
def subtract_rows(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    moves: NDArray[np.float32],
    decay: np.float32,
    table: NDArray[np.float32],
) -> None:
    """FP32 table: ``w - (move + decay * w)`` on the touched rows (decoupled weight decay)."""
    d = table.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, rows[i + AHEAD] * d)
        row = rows[i]
        for j in range(d):
            w = table[row, j]
            table[row, j] = np.float32(w - np.float32(moves[i, j] + mul(decay, w)))
