"""Rows that define their own grid: their update in float32, the new grid and the codes on it; and their lookup.

Works on the unpacked codes of the unique rows (u, d), signed as they are stored: an affine grid's unsigned code is the
stored one plus ``2**(bits - 1)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import PackedCodes, RandomStream, RowUpdates
from alpt_ref.kernels.cpu.packing import unpack_row
from alpt_ref.kernels.cpu.random import CHUNK_LANES, compact_rows, draw_chunk, new_chunk, set_counters
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.lattice import nearest_code, random_code
from alpt_ref.scalar.quantizer import decode, q_max, q_min
from alpt_ref.scalar.row_grid import affine_code, affine_value, row_step_size
from alpt_ref.scalar.update import decayed_weight

_ZERO = np.float32(0.0)
_LARGEST = np.finfo(np.float32).max


class RowGrids(NamedTuple):
    """The grids of some rows.

    Attributes
    ----------
    step_size, bias : float32 arrays (u,)
        `bias` is not read where the grid is symmetric.
    bits : int
    affine : bool
    largest : float32
        Largest step size.
    """

    step_size: NDArray[np.float32]
    bias: NDArray[np.float32]
    bits: int
    affine: bool
    largest: np.float32


@kernel
def update_rows(
    lo: Int, hi: Int, of: RowUpdates, codes: NDArray[np.int32], grids: RowGrids, stochastic: bool, stream: RandomStream
) -> tuple[int, int, int]:
    """Codes and grids of rows after their updates, in place; the counts of `lowbit.requantize_rows`.

    Clipped is an element more than half a step beyond the grid's end, which only a row near float32's largest number
    can have.
    """
    rows, updates, decay = of
    step_size, bias, bits, affine, largest = grids
    low, high = q_min(bits), q_max(bits)
    last = np.int32(high - low) if affine else high
    bottom_code, top_code = np.float32(-high), np.float32(high)
    d = updates.shape[1]
    chunk = new_chunk(d, CHUNK_LANES)
    words, weights = chunk.random_bits, chunk.spare
    nonzero = 0
    stalled = 0
    clipped = 0
    for start in range(lo, hi, chunk.rows):
        end = min(start + chunk.rows, hi)
        if stochastic:
            lanes = (end - start) * chunk.blocks
            set_counters(lanes, rows, start, chunk)
            draw_chunk(lanes, stream, chunk)
            compact_rows(words, end - start, d, 4 * chunk.blocks)
        for i in range(start, end):
            at = (i - start) * d
            old, shift = step_size[i], bias[i]
            least, most = np.float32(_LARGEST), np.float32(-_LARGEST)
            for j in range(d):
                code = codes[i, j]
                value = affine_value(np.int32(code - low), old, shift) if affine else decode(code, old)
                moved = decayed_weight(value, updates[i, j], decay)
                nonzero += 1 if moved != value else 0
                w = np.float32(min(max(moved, np.float32(-_LARGEST)), np.float32(_LARGEST)))
                weights[at + j] = w
                least = min(least, w)
                most = max(most, w)
            bottom = least if affine else _ZERO
            top = most if affine else max(most, np.float32(-least))
            new = row_step_size(bottom, top, last, largest)
            step_size[i] = new
            if affine:
                bias[i] = bottom
            end_value = np.float32(affine_value(last, new, bottom) + np.float32(new / np.float32(2.0)))
            for j in range(d):
                w, word = weights[at + j], words[at + j]
                if affine:
                    after = np.int32(affine_code(w, new, bottom, last, stochastic, word) + low)
                elif stochastic:
                    after = random_code(w, new, bottom_code, top_code, word)
                else:
                    after = nearest_code(w, new, bottom_code, top_code)
                before = codes[i, j]
                value = affine_value(np.int32(before - low), old, shift) if affine else decode(before, old)
                stalled += 1 if after == before and w != value else 0
                clipped += 1 if w > end_value or (not affine and -w > end_value) else 0
                codes[i, j] = after
    return nonzero, stalled, clipped


@kernel
def lookup_affine(
    lo: Int, hi: Int, ids: Integers, table: PackedCodes, grids: RowGrids, out: NDArray[np.float32]
) -> None:
    """``out[i]`` = values of the codes of table row ``ids[i]``; `grids` are those of all rows."""
    packed, as8, as16, bits = table
    step_size, bias = grids.step_size, grids.bias
    low = q_min(bits)
    d = out.shape[1]
    codes = np.empty(d, np.int32)
    for i in range(lo, hi):
        row = np.int64(ids[i])
        if bits == 8:
            for j in range(d):
                codes[j] = as8[row, j]
        elif bits == 16:
            for j in range(d):
                codes[j] = as16[row, j]
        else:
            unpack_row(packed, row, d, bits, codes, 0)
        for j in range(d):
            out[i, j] = affine_value(np.int32(codes[j] - low), step_size[row], bias[row])
