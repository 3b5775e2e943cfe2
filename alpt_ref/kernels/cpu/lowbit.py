"""Low-precision updates of the batch's unique rows: re-quantisation, ALPT's pending rows and step-size moves.

Works on the unpacked codes of the unique rows (u, d) in grid units: codes minus moves over the step size, rounded
(`scalar.quantizer.moved_code`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.quantize import row_sum
from alpt_ref.kernels.cpu.random import chunk_layout, chunk_rows, close_ranks, fill_words, set_counters
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.fixed_point import fixed_scale, fixed_unit
from alpt_ref.scalar.quantizer import decode, grid_shift, moved_code, moved_step_derivative, q_max, q_min
from alpt_ref.scalar.update import exp_bounded


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
    codes: NDArray[np.int32],
) -> tuple[int, int, int]:
    """Codes (u, d) of the touched rows after their moves, rounded on the new grid, in place.

    `moves` (u, d) are in weight units; `old_step` and `new_step` (u,) belong to the unique rows. Returns how many
    elements had a move other than zero, how many of those kept their code, and how many codes were clipped.
    """
    low = q_min(bits)
    high = q_max(bits)
    d = moves.shape[1]
    blocks = (d + 3) // 4
    rows_a_chunk = chunk_rows(d)
    lanes = rows_a_chunk * blocks
    lane_row = np.empty(lanes, np.int64)
    lane_block = np.empty(lanes, np.uint32)
    chunk_layout(rows_a_chunk, blocks, lane_row, lane_block)
    c0 = np.empty(lanes, np.uint32)
    c1 = np.empty(lanes, np.uint32)
    random = np.zeros(4 * lanes, np.uint32)
    delta = np.empty(rows_a_chunk * d, np.float32)
    ratio = np.empty(rows_a_chunk * d, np.float32)
    nonzero = 0
    stalled = 0
    clipped = 0
    for start in range(lo, hi, rows_a_chunk):
        end = min(start + rows_a_chunk, hi)
        if stochastic:
            used = (end - start) * blocks
            set_counters(used, rows, start, lane_row, lane_block, c0, c1)
            fill_words(used, c0, c1, counter, purpose, k0, k1, random)
            close_ranks(random, end - start, d, 4 * blocks)
        for i in range(start, end):
            at = (i - start) * d
            delta[at : at + d] = new_step[i]
            ratio[at : at + d] = np.float32(old_step[i] / new_step[i])
        code = codes[start:end].reshape(-1)
        move = moves[start:end].reshape(-1)
        chunk_nonzero = np.int32(0)
        chunk_stalled = np.int32(0)
        chunk_clipped = np.int32(0)
        for t in range(code.size):
            before = code[t]
            shift = grid_shift(before, ratio[t], move[t], delta[t], decay)
            moved = moved_code(before, ratio[t], shift, stochastic, random[t])
            after = min(max(moved, low), high)
            code[t] = after
            moves_ = np.int32(1) if shift != np.float32(0.0) else np.int32(0)
            chunk_nonzero += moves_
            chunk_stalled += moves_ if after == before else np.int32(0)
            chunk_clipped += np.int32(1) if after != moved else np.int32(0)
        nonzero += int(chunk_nonzero)
        stalled += int(chunk_stalled)
        clipped += int(chunk_clipped)
    return nonzero, stalled, clipped


@kernel
def pending_rows(
    lo: Int,
    hi: Int,
    moves: NDArray[np.float32],
    step: NDArray[np.float32],
    decay: np.float32,
    bits: Int,
    codes: NDArray[np.int32],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Nearest-rounded values of the moved rows under the present step size, written to every occurrence (Alg. 1, 3)."""
    low = q_min(bits)
    high = q_max(bits)
    d = moves.shape[1]
    values = np.empty(d, np.float32)
    for i in range(lo, hi):
        delta = step[i]
        for j in range(d):
            code = codes[i, j]
            move = grid_shift(code, np.float32(1.0), moves[i, j], delta, decay)
            moved = moved_code(code, np.float32(1.0), move, False, np.uint32(0))
            values[j] = decode(min(max(moved, low), high), delta)
        for k in range(starts[i], starts[i + 1]):
            position = order[k]
            for j in range(d):
                out[position, j] = values[j]


@kernel
def pending_step_gradient(
    lo: Int,
    hi: Int,
    moves: NDArray[np.float32],
    grads: NDArray[np.float32],
    step: NDArray[np.float32],
    decay: np.float32,
    bits: Int,
    codes: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None:
    """Each unique row's sum of ``grads * dQ/dstep`` at its moved weights (Algorithm 1, step 3; theory R5)."""
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    d = moves.shape[1]
    products = np.empty(d, np.float32)
    for i in range(lo, hi):
        delta = step[i]
        for j in range(d):
            code = codes[i, j]
            move = grid_shift(code, np.float32(1.0), moves[i, j], delta, decay)
            products[j] = np.float32(mul(grads[i, j], moved_step_derivative(code, move, low, high)))
        out[i] = row_sum(products, d)


@kernel
def sum_units(
    gradient: NDArray[np.float32],
    unit: NDArray[np.int64],
    peak: NDArray[np.int32],
    count: NDArray[np.int64],
    total: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """``out[k]`` = sum of the step-size gradients of the rows of unit ``k``, the same for every order of the rows.

    `peak`, `count` and `total` (units,) begin at zero; afterwards `count` is the number of rows of each unit.
    """
    for i in range(gradient.shape[0]):
        k = unit[i]
        peak[k] = max(peak[k], np.int32(np.float32(gradient[i]).view(np.int32) & np.int32(0x7FFFFFFF)))
        count[k] += 1
    for i in range(gradient.shape[0]):
        k = unit[i]
        total[k] += np.int64(np.float64(gradient[i]) * fixed_scale(peak[k], count[k]))
    for k in range(out.shape[0]):
        out[k] = np.float32(np.float64(total[k]) * fixed_unit(peak[k], count[k]))


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
