"""Low-precision updates of the batch's unique rows: re-quantisation, and ALPT's pending rows.

Works on the unpacked codes of the unique rows (u, d) in grid units: codes less their updates over the step size,
rounded (`scalar.quantizer.moved_code`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import RandomStream, RowUpdates
from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.quantize import row_sum
from alpt_ref.kernels.cpu.random import Chunk, compact_rows, draw_chunk, new_chunk, set_counters
from alpt_ref.kernels.cpu.rooms import new_floats
from alpt_ref.kernels.cpu.vectors import move_row
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.quantizer import (
    decode,
    grid_shift,
    moved_code,
    moved_step_derivative,
    q_max,
    q_min,
    rounding_error,
    shifted_code,
)

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_I0, _I1 = np.int32(0), np.int32(1)


class PendingRows(NamedTuple):
    """Unique rows that have moved but are not rounded.

    Attributes
    ----------
    of : RowUpdates
    codes : int32 array (u, d)
        Before the update.
    step_size : float32 array (u,)
        Of the rows, under which `codes` are to be read.
    bits : int
    """

    of: RowUpdates
    codes: NDArray[np.int32]
    step_size: NDArray[np.float32]
    bits: int


class Rounding(NamedTuple):
    """How rows are rounded.

    Attributes
    ----------
    bits : int
    stochastic : bool
    stream : RandomStream
        Not read where rounding is to nearest.
    """

    bits: int
    stochastic: bool
    stream: RandomStream


TILE_LANES = 128
"""Philox calls of a tile: while it is worked on, the rows of a later one come out of memory (`lowbit_step`)."""


class Tile(NamedTuple):
    """Room for the rows that are rounded together (`new_tile`); each array is flat, element after element.

    Attributes
    ----------
    chunk : Chunk
        Their random words, and as `spare` their new step sizes.
    ratio : float32 array (chunk.rows * d,)
        Old step size over new.
    """

    chunk: Chunk
    ratio: NDArray[np.float32]


@scalar
def new_tile(d: Int) -> Tile:
    """Room for tiles of rows with `d` columns."""
    chunk = new_chunk(d, TILE_LANES)
    return Tile(chunk, new_floats(chunk.rows * d))


@inline
def _round_elements(
    code: NDArray[np.int32], ratio: NDArray[np.float32], update: NDArray[np.float32], delta: NDArray[np.float32],
    words: NDArray[np.uint32], decay: np.float32, low: np.int32, high: np.int32, stays: bool, stochastic: bool,
) -> tuple[np.int32, np.int32, np.int32]:  # fmt: skip
    """The loop of `round_tile`, without branches for constants; sums that are not cast would be kept in 64 bits."""
    nonzero, stalled, clipped = _I0, _I0, _I0
    for t in range(code.size):
        before = code[t]
        if stays:
            shift = grid_shift(before, _ONE, update[t], delta[t], decay)
            moved = shifted_code(before, shift, stochastic, words[t])
        else:
            shift = grid_shift(before, ratio[t], update[t], delta[t], decay)
            moved = moved_code(before, ratio[t], shift, stochastic, words[t])
        after = min(max(moved, low), high)
        code[t] = after
        shifts = _I1 if shift != _ZERO else _I0
        nonzero = np.int32(nonzero + shifts)
        stalled = np.int32(stalled + (shifts if after == before else _I0))
        clipped = np.int32(clipped + (_I1 if after != moved else _I0))
    return nonzero, stalled, clipped


@inline
def draw_tile(keys: NDArray[np.int64], start: Int, rows: Int, d: Int, rounding: Rounding, tile: Tile) -> None:
    """Random words of `rows` rows of `d` columns for `round_tile`; ``keys[start:]`` are the row numbers of them."""
    if rounding.stochastic:
        chunk = tile.chunk
        lanes = rows * chunk.blocks
        set_counters(lanes, keys, start, chunk)
        draw_chunk(lanes, rounding.stream, chunk)
        compact_rows(chunk.random_bits, rows, d, 4 * chunk.blocks)


@inline
def round_tile(
    code: NDArray[np.int32], update: NDArray[np.float32], decay: np.float32, rounding: Rounding, tile: Tile, stays: bool
) -> tuple[np.int32, np.int32, np.int32]:
    """Round rows, codes and updates flat, by the words and on the grids that stand in `tile`; codes change in place.

    Where step sizes stay, `tile` has no ratios. Returns the counts of `requantize_rows`.
    """
    stochastic = rounding.stochastic
    low, high = q_min(rounding.bits), q_max(rounding.bits)
    ratio, delta, words = tile.ratio, tile.chunk.spare, tile.chunk.random_bits
    if stays and stochastic:
        return _round_elements(code, ratio, update, delta, words, decay, low, high, True, True)
    if stays:
        return _round_elements(code, ratio, update, delta, words, decay, low, high, True, False)
    if stochastic:
        return _round_elements(code, ratio, update, delta, words, decay, low, high, False, True)
    return _round_elements(code, ratio, update, delta, words, decay, low, high, False, False)


@kernel
def requantize_rows(
    lo: Int, hi: Int, pending: PendingRows, new_step_size: NDArray[np.float32], stochastic: bool, stream: RandomStream
) -> tuple[int, int, int]:
    """Codes of the pending rows after their updates, rounded on the new grid, in place.

    `new_step_size` (u,) belongs to the unique rows. Returns how many elements had an update other than zero, how many
    of those kept their code, and how many codes were clipped.
    """
    of, codes, old_step_size, bits = pending
    rows, updates, decay = of
    rounding = Rounding(bits, stochastic, stream)
    d = updates.shape[1]
    tile = new_tile(d)
    delta, ratio = tile.chunk.spare, tile.ratio
    nonzero, stalled, clipped = 0, 0, 0
    for start in range(lo, hi, tile.chunk.rows):
        end = min(start + tile.chunk.rows, hi)
        for i in range(start, end):
            at = (i - start) * d
            delta[at : at + d] = new_step_size[i]
            ratio[at : at + d] = np.float32(old_step_size[i] / new_step_size[i])
        draw_tile(rows, start, end - start, d, rounding, tile)
        code, update = codes[start:end].reshape(-1), updates[start:end].reshape(-1)
        counts = round_tile(code, update, decay, rounding, tile, False)
        nonzero += int(counts[0])
        stalled += int(counts[1])
        clipped += int(counts[2])
    return nonzero, stalled, clipped


@kernel
def rounding_errors(
    lo: Int, hi: Int, pending: PendingRows, before: NDArray[np.int32], new_step_size: NDArray[np.float32]
) -> None:
    """What `requantize_rows` rounded away, in weight units, in place of the updates; `before` are the codes before.

    The pending rows' codes are those after. An element beyond the code range has no rounding error.
    """
    of, codes, old_step_size, bits = pending
    _, updates, decay = of
    low, high = q_min(bits), q_max(bits)
    for i in range(lo, hi):
        delta = new_step_size[i]
        ratio = np.float32(old_step_size[i] / delta)
        for j in range(updates.shape[1]):
            shift = grid_shift(before[i, j], ratio, updates[i, j], delta, decay)
            error = rounding_error(before[i, j], codes[i, j], ratio, shift, low, high)
            updates[i, j] = np.float32(mul(error, delta))


@kernel
def pending_rows(
    lo: Int, hi: Int, pending: PendingRows, order: NDArray[np.int64], starts: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Nearest-rounded values of the moved rows under the present step size, written to every occurrence (Alg. 1, 3)."""
    of, codes, step_size, bits = pending
    _, updates, decay = of
    low, high = q_min(bits), q_max(bits)
    d = updates.shape[1]
    values = new_floats(d)
    last = starts[hi]
    for i in range(lo, hi):
        for k in range(min(starts[i] + AHEAD, last), min(starts[i + 1] + AHEAD, last)):
            prefetch(out, order[k] * d)
        delta = step_size[i]
        for j in range(d):
            code = codes[i, j]
            shift = grid_shift(code, _ONE, updates[i, j], delta, decay)
            moved = shifted_code(code, shift, False, np.uint32(0))
            values[j] = decode(min(max(moved, low), high), delta)
        for k in range(starts[i], starts[i + 1]):
            move_row(out, order[k] * d, values, 0, _ZERO, d)


@kernel
def pending_step_gradient(
    lo: Int, hi: Int, pending: PendingRows, grads: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Each unique row's sum of ``grads * dQ/dstep`` at its moved weights (Algorithm 1, step 3; theory R5)."""
    of, codes, step_size, bits = pending
    _, updates, decay = of
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    d = updates.shape[1]
    products = np.empty(d, np.float32)
    for i in range(lo, hi):
        delta = step_size[i]
        for j in range(d):
            code = codes[i, j]
            shift = grid_shift(code, _ONE, updates[i, j], delta, decay)
            products[j] = np.float32(mul(grads[i, j], moved_step_derivative(code, shift, low, high)))
        out[i] = row_sum(products, d)
