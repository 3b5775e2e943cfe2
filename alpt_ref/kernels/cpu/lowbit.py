"""Low-precision updates of the batch's unique rows: re-quantisation, ALPT's pending rows and step-size moves.

Works in grid units: a row's codes, minus its moves over the step size, rounded (`scalar.quantizer.moved_code`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._jit import kernel
from ..._types import Int
from ...scalar.arith import mul
from ...scalar.quantizer import decode, moved_code, moved_step_derivative, q_max, q_min
from ...scalar.update import exp_bounded
from .prefetch import AHEAD, prefetch
from .quantize import row_sum
from .random import chunk_layout, chunk_rows, fill_words, set_counters
from .rows import read_codes, write_codes


@kernel
def requantize_rows(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    moves: NDArray[np.float32],
    old_step: NDArray[np.float32],
    new_step: NDArray[np.float32],
    decay: np.float32,
    bits: Int,
    stochastic: bool,
    counter: Int,
    purpose: Int,
    k0: np.uint32,
    k1: np.uint32,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
) -> tuple[int, int, int]:
    """Codes of the touched rows after their moves, rounded on the new grid.

    `moves` (u, d) are in weight units; `old_step` and `new_step` (u,) belong to the unique rows. Returns how many
    elements had a move other than zero, how many of those kept their code, and how many codes were clipped.
    """
    low = q_min(bits)
    high = q_max(bits)
    d = moves.shape[1]
    blocks = (d + 3) // 4
    stride = 4 * blocks
    rows_a_chunk = chunk_rows(d)
    lanes = rows_a_chunk * blocks
    lane_row = np.empty(lanes, np.int64)
    lane_block = np.empty(lanes, np.uint32)
    chunk_layout(rows_a_chunk, blocks, lane_row, lane_block)
    c0 = np.empty(lanes, np.uint32)
    c1 = np.empty(lanes, np.uint32)
    random = np.zeros(4 * lanes, np.uint32)
    ratio = np.zeros(4 * lanes, np.float32)
    move = np.zeros(4 * lanes, np.float32)
    old = np.zeros(4 * lanes, np.int32)
    new = np.zeros(4 * lanes, np.int32)
    nonzero = 0
    stalled = 0
    clipped = 0
    for start in range(lo, hi, rows_a_chunk):
        end = min(start + rows_a_chunk, hi)
        used = (end - start) * blocks
        if stochastic:
            set_counters(used, rows, start, lane_row, lane_block, c0, c1)
            fill_words(used, c0, c1, counter, purpose, k0, k1, random)
        for i in range(start, end):
            if i + AHEAD < hi:
                prefetch(words, rows[i + AHEAD] * words.shape[1])
            at = (i - start) * stride
            read_codes(rows[i], words, as8, as16, bits, d, old, at)
            delta = new_step[i]
            change = np.float32(old_step[i] / delta)
            for j in range(d):
                ratio[at + j] = change
                move[at + j] = moves[i, j] / delta
        chunk_nonzero = np.int32(0)
        chunk_stalled = np.int32(0)
        chunk_clipped = np.int32(0)
        for t in range((end - start) * stride):
            kept = np.float32(np.float32(old[t]) * ratio[t])
            shift = np.float32(move[t] + mul(decay, kept))
            code = moved_code(old[t], ratio[t], shift, stochastic, random[t])
            limited = min(max(code, low), high)
            new[t] = limited
            moves_ = shift != np.float32(0.0)
            chunk_nonzero += np.int32(1) if moves_ else np.int32(0)
            chunk_stalled += np.int32(1) if moves_ and limited == old[t] else np.int32(0)
            chunk_clipped += np.int32(1) if limited != code else np.int32(0)
        nonzero += int(chunk_nonzero)
        stalled += int(chunk_stalled)
        clipped += int(chunk_clipped)
        for i in range(start, end):
            at = (i - start) * stride
            write_codes(rows[i], words, as8, as16, bits, d, new, at)
    return nonzero, stalled, clipped


@kernel
def pending_rows(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    moves: NDArray[np.float32],
    step: NDArray[np.float32],
    decay: np.float32,
    bits: Int,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Nearest-rounded values of the moved rows under the present step size, written to every occurrence (Alg. 1, 3)."""
    low = q_min(bits)
    high = q_max(bits)
    d = moves.shape[1]
    codes = np.empty(d, np.int32)
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(words, rows[i + AHEAD] * words.shape[1])
        read_codes(rows[i], words, as8, as16, bits, d, codes, 0)
        for j in range(d):
            move = np.float32(np.float32(moves[i, j] / step[i]) + mul(decay, np.float32(codes[j])))
            moved = moved_code(codes[j], np.float32(1.0), move, False, np.uint32(0))
            codes[j] = min(max(moved, low), high)
        for k in range(starts[i], starts[i + 1]):
            for j in range(d):
                out[order[k], j] = decode(codes[j], step[i])


@kernel
def pending_step_gradient(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    moves: NDArray[np.float32],
    grads: NDArray[np.float32],
    step: NDArray[np.float32],
    decay: np.float32,
    bits: Int,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
    out: NDArray[np.float32],
) -> None:
    """Each unique row's sum of ``grads * dQ/dstep`` at its moved weights (Algorithm 1, step 3; theory R5)."""
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    d = moves.shape[1]
    codes = np.empty(d, np.int32)
    products = np.empty(d, np.float32)
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(words, rows[i + AHEAD] * words.shape[1])
        read_codes(rows[i], words, as8, as16, bits, d, codes, 0)
        for j in range(d):
            move = np.float32(np.float32(moves[i, j] / step[i]) + mul(decay, np.float32(codes[j])))
            products[j] = np.float32(mul(grads[i, j], moved_step_derivative(codes[j], move, low, high)))
        out[i] = row_sum(products, d)


@kernel
def sum_units(gradient: NDArray[np.float32], unit: NDArray[np.int64], total: NDArray[np.float64]) -> None:
    """Add each row's step-size gradient to its unit, in ascending row order, in float64."""
    for i in range(gradient.shape[0]):
        total[unit[i]] += np.float64(gradient[i])


@kernel
def move_steps(
    units: NDArray[np.int64], moves: NDArray[np.float32], log_domain: bool, floor: np.float32, step: NDArray[np.float32]
) -> int:
    """New step sizes, kept at or above `floor`; returns how many were held there.

    Linear: ``step - move``. Logarithmic: ``step * exp(-move)``, the move of one update limited to 1.
    """
    hits = 0
    for i in range(units.shape[0]):
        u = units[i]
        old = step[u]
        new = np.float32(old * exp_bounded(-moves[i])) if log_domain else np.float32(old - moves[i])
        if not new >= floor:
            new = floor
            hits += 1
        step[u] = new
    return hits
