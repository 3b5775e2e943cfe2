"""Lookup of rows, and the step of a float32 table on the batch's unique rows.

All loops run over batch positions or unique rows, so that a split over threads cannot change a bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import PackedCodes, RowUpdates, UnitValues
from alpt_ref.kernels.cpu.inline import outline
from alpt_ref.kernels.cpu.optimizers import Optimizer, advance
from alpt_ref.kernels.cpu.packing import read_2, read_4, unpack_row
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.vectors import decode_row, move_row
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.quantizer import decode
from alpt_ref.scalar.units import unit_of
from alpt_ref.scalar.update import decayed_weight

_ZERO = np.float32(0.0)
TILE = 64
"""Rows that a step works on at a time: their gradients stay in the first-level cache."""


@kernel
def lookup_fp32(lo: Int, hi: Int, ids: Integers, table: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """``out[i] = table[ids[i]]``."""
    d = table.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, np.int64(ids[i + AHEAD]) * d)
        move_row(out, i * d, table, np.int64(ids[i]) * d, _ZERO, d)


@kernel
def lookup_codes(
    lo: Int, hi: Int, ids: Integers, table: PackedCodes, step_size: UnitValues, out: NDArray[np.float32]
) -> None:
    """``out[i] = step size * codes`` of table row ``ids[i]``, where a row's codes fill whole bytes."""
    packed, as8, as16, bits = table
    values, offsets, units = step_size
    d = out.shape[1]
    own = units < 0
    if bits == 8 and d == 16 and units <= 1:  # the commonest table, without the switches below
        for i in range(lo, hi):
            if i + AHEAD < hi:
                ahead = np.int64(ids[i + AHEAD])
                prefetch(packed, ahead * 4)
                if own:
                    prefetch(values, ahead)
            row = np.int64(ids[i])
            decode_row(out, i * 16, as8, row * 16, values[row if own else 0], 16)
        return
    codes = np.empty(d, np.int32)
    for i in range(lo, hi):
        if i + AHEAD < hi:
            ahead = np.int64(ids[i + AHEAD])
            prefetch(packed, ahead * packed.shape[1])
            if own:
                prefetch(values, ahead)
        row = np.int64(ids[i])
        delta = values[unit_of(row, offsets, units)]
        if bits == 8:
            decode_row(out, i * d, as8, row * as8.shape[1], delta, d)
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


@outline
def _lessen(start: Int, end: Int, last: Int, of: RowUpdates, table: NDArray[np.float32]) -> None:
    """`update_weights` of ``rows[start:end]``; rows up to `last` are fetched ahead."""
    rows, updates, decay = of
    d = table.shape[1]
    for i in range(start, end):
        if i + AHEAD < last:
            prefetch(table, rows[i + AHEAD] * d)
        row = rows[i]
        for j in range(d):
            table[row, j] = decayed_weight(table[row, j], updates[i, j], decay)


@kernel
def update_weights(lo: Int, hi: Int, of: RowUpdates, table: NDArray[np.float32]) -> None:
    """Float32 table: the touched rows less their updates and their decoupled weight decay."""
    _lessen(lo, hi, hi, of, table)


@kernel
def step_weights(lo: Int, hi: Int, of: RowUpdates, optimizer: Optimizer, table: NDArray[np.float32]) -> None:
    """A step of a float32 table in one pass; the updates `of` are still gradients, and become updates in place."""
    rows, grads, _ = of
    squares = np.empty(grads.shape[1], np.float32)
    for start in range(lo, hi, TILE):
        end = min(start + TILE, hi)
        advance(start, end, hi, rows, grads, squares, optimizer)
        _lessen(start, end, hi, of, table)
