"""Steps of low-precision tables in one pass over the batch's unique rows, a tile of rows at a time.

The rows of a tile stay in the first-level cache while their optimiser moves, their codes are read out of the packed
table, rounded and stored back; rows to come are fetched ahead. The formulas are those of the parts: `optimizers`,
`packing`, `lowbit`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import PackedCodes, RowUpdates, UnitValues
from alpt_ref.kernels.cpu.inline import inline, outline
from alpt_ref.kernels.cpu.lowbit import PendingRows, Rounding, Tile, draw_tile, new_tile, round_tile
from alpt_ref.kernels.cpu.optimizers import ADAGRAD, ADAM, MOMENTUM, Optimizer, advance
from alpt_ref.kernels.cpu.packing import TILE, Room, new_room, read_codes, write_codes
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.rooms import new_integers
from alpt_ref.kernels.cpu.vectors import fill_row
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.units import unit_of
from alpt_ref.scalar.update import moved_step_size

FETCHED = 64
"""Rows of lookahead of a step: a tile asks for those of a later tile between its parts, so that memory never waits."""


@inline
def _read_steps(
    start: Int, end: Int, last: Int, rows: NDArray[np.int64], keys: NDArray[np.int64], of: UnitValues,
    out: NDArray[np.float32], at: Int,
) -> None:  # fmt: skip
    """Step sizes of ``rows[start:end]`` into ``out[at:]``; which unit a row belongs to, its key says."""
    values, offsets, units = of
    for i in range(start, end):
        if units < 0:
            if i + AHEAD < last:
                prefetch(values, rows[i + AHEAD])
            out[at + i - start] = values[rows[i]]
        else:
            out[at + i - start] = values[unit_of(keys[i], offsets, units)]


@outline
def _step_tiles(
    lo: Int, hi: Int, keys: NDArray[np.int64], of: RowUpdates, optimizer: Optimizer, table: PackedCodes,
    step_size: UnitValues, rounding: Rounding, tile: Tile, room: Room, codes: NDArray[np.int32],
    steps: NDArray[np.float32], squares: NDArray[np.float32],
) -> tuple[int, int, int]:  # fmt: skip
    """The loop of `step_codes`, which has made the room that it works in."""
    rows, grads, decay = of
    d = grads.shape[1]
    delta, height = tile.chunk.spare, tile.chunk.rows
    one, flat = step_size.units == 1, grads.reshape(-1)
    nonzero, stalled, clipped = 0, 0, 0
    kind, state, packed, count = optimizer.kind, optimizer.state, table.packed, table.packed.shape[1]
    for start in range(lo, hi, height):
        end = min(start + height, hi)
        near, far = min(start + FETCHED, hi), min(end + FETCHED, hi)
        if kind in (ADAM, MOMENTUM):
            for i in range(near, far):
                prefetch(state.first, rows[i] * d)
        elif kind == ADAGRAD:
            for i in range(near, far):
                prefetch(optimizer.accumulator, rows[i])
        draw_tile(keys, start, end - start, d, rounding, tile)
        if kind == ADAM:
            for i in range(near, far):
                prefetch(state.second, rows[i] * d)
        advance(start, end, start, rows, grads, squares, optimizer)
        if kind == ADAM:
            for i in range(near, far):
                prefetch(state.counts, rows[i])
        read_codes(start, end, start, rows, table, d, room, codes)
        if not one:
            _read_steps(start, end, hi, rows, keys, step_size, steps, 0)
            for i in range(end - start):
                fill_row(delta, i * d, delta, 0, steps[i], d)
        for i in range(near, far):
            prefetch(packed, rows[i] * count)
        counts = round_tile(codes[: (end - start) * d], flat[start * d : end * d], decay, rounding, tile, True)
        write_codes(start, end, rows, codes, d, room, table)
        nonzero += int(counts[0])
        stalled += int(counts[1])
        clipped += int(counts[2])
    return nonzero, stalled, clipped


@kernel
def step_codes(
    lo: Int, hi: Int, keys: NDArray[np.int64], of: RowUpdates, optimizer: Optimizer, table: PackedCodes,
    step_size: UnitValues, rounding: Rounding,
) -> tuple[int, int, int]:  # fmt: skip
    """LPT's step: optimiser, and codes rounded on a grid that stays; the updates `of` are gradients, and overwritten.

    `keys` (u,) are the rows' numbers in the whole table, which key their random words, where `of` has their places in
    a part of it. Returns the counts of `lowbit.requantize_rows`.
    """
    d = of.updates.shape[1]
    tile = new_tile(d)
    height = tile.chunk.rows
    if step_size.units == 1:
        tile.chunk.spare[:] = step_size.values[0]
    codes, steps, squares = new_integers(height * d), np.empty(height, np.float32), np.empty(d, np.float32)
    room = new_room(height, table)
    return _step_tiles(lo, hi, keys, of, optimizer, table, step_size, rounding, tile, room, codes, steps, squares)


@outline
def _begin_tiles(
    lo: Int, hi: Int, keys: NDArray[np.int64], pending: PendingRows, optimizer: Optimizer, table: PackedCodes,
    step_size: UnitValues, squares: NDArray[np.float32], room: Room,
) -> None:  # fmt: skip
    """The loop of `begin_codes`."""
    of, codes, steps, _ = pending
    rows, grads, _ = of
    d = grads.shape[1]
    for start in range(lo, hi, TILE):
        end = min(start + TILE, hi)
        advance(start, end, hi, rows, grads, squares, optimizer)
        read_codes(start, end, hi, rows, table, d, room, codes[start:end].reshape(-1))
        _read_steps(start, end, hi, rows, keys, step_size, steps, start)


@kernel
def begin_codes(
    lo: Int, hi: Int, keys: NDArray[np.int64], pending: PendingRows, optimizer: Optimizer, table: PackedCodes,
    step_size: UnitValues,
) -> None:  # fmt: skip
    """The first half of ALPT's step: the pending rows' gradients become updates; codes and step sizes are read."""
    squares = np.empty(pending.of.updates.shape[1], np.float32)
    _begin_tiles(lo, hi, keys, pending, optimizer, table, step_size, squares, new_room(TILE, table))


class StepSizeMove(NamedTuple):
    """How rows' own step sizes move, in the pass that rounds the rows.

    Attributes
    ----------
    own : bool
        Whether rows have their own; where they share them, they have moved before.
    gradient : float32 array (u, 1)
        Of the step sizes, or of their logarithms; overwritten.
    optimizer : Optimizer
    learn, log_domain : bool
    floor : float32
    """

    own: bool
    gradient: NDArray[np.float32]
    optimizer: Optimizer
    learn: bool
    log_domain: bool
    floor: np.float32


@outline
def _finish_tiles(
    lo: Int, hi: Int, keys: NDArray[np.int64], pending: PendingRows, move: StepSizeMove, table: PackedCodes,
    step_size: UnitValues, rounding: Rounding, tile: Tile, steps: NDArray[np.float32], square: NDArray[np.float32],
    room: Room,
) -> tuple[int, int, int, int]:  # fmt: skip
    """The loop of `finish_codes`."""
    of, codes, old, _ = pending
    rows, updates, decay = of
    own, gradient, optimizer, learn, log_domain, floor = move
    values = step_size.values
    d = updates.shape[1]
    delta, ratio, height = tile.chunk.spare, tile.ratio, tile.chunk.rows
    nonzero, stalled, clipped, hits = 0, 0, 0, 0
    for start in range(lo, hi, height):
        end = min(start + height, hi)
        if own:
            advance(start, end, hi, rows, gradient, square, optimizer)
            for i in range(start, end if learn else start):
                if i + AHEAD < hi:
                    prefetch(values, rows[i + AHEAD])
                new, held = moved_step_size(old[i], gradient[i, 0], log_domain, floor)
                values[rows[i]] = new
                hits += int(held)
        _read_steps(start, end, hi, rows, keys, step_size, steps, 0)
        for i in range(end - start):
            quotient = np.float32(old[start + i] / steps[i])
            fill_row(delta, i * d, delta, 0, steps[i], d)
            fill_row(ratio, i * d, ratio, 0, quotient, d)
        code, update = codes[start:end].reshape(-1), updates[start:end].reshape(-1)
        draw_tile(keys, start, end - start, d, rounding, tile)
        counts = round_tile(code, update, decay, rounding, tile, False)
        write_codes(start, end, rows, code, d, room, table)
        nonzero += int(counts[0])
        stalled += int(counts[1])
        clipped += int(counts[2])
    return nonzero, stalled, clipped, hits


@kernel
def finish_codes(
    lo: Int, hi: Int, keys: NDArray[np.int64], pending: PendingRows, move: StepSizeMove, table: PackedCodes,
    step_size: UnitValues, rounding: Rounding,
) -> tuple[int, int, int, int]:  # fmt: skip
    """The second half: step sizes move, pending rows are rounded on the new grid and stored; overwrites their codes.

    Returns the counts of `lowbit.requantize_rows` and how many step sizes were held at their floor.
    """
    tile = new_tile(pending.of.updates.shape[1])
    height = tile.chunk.rows
    steps, square, room = np.empty(height, np.float32), np.empty(1, np.float32), new_room(height, table)
    return _finish_tiles(lo, hi, keys, pending, move, table, step_size, rounding, tile, steps, square, room)
