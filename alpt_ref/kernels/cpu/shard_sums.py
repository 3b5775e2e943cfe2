"""Sums of a row's gradients over several ranks: the integers of one process, added where the row lives.

The scale of a row's integers follows from the largest magnitude and the number of its gradients on all ranks
(`scalar.fixed_point`), so that their sum over ranks is the one that a single process makes (`kernels.cpu.unique`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.fixed_point import fixed_scale, fixed_unit
from alpt_ref.scalar.quantizer import grid_shift, moved_code, q_max, q_min

_ONE = np.float32(1.0)


@kernel
def row_peaks(
    lo: Int, hi: Int, bits: NDArray[np.int32], which: NDArray[np.int64], order: NDArray[np.int64],
    starts: NDArray[np.int64], out: NDArray[np.int32],
) -> None:  # fmt: skip
    """``out[i]`` = magnitude bits of the largest gradient of unique row ``which[i]``; `bits` (len, d) are theirs."""
    for i in range(lo, hi):
        peak = np.int32(0)
        for k in range(starts[which[i]], starts[which[i] + 1]):
            p = order[k]
            for j in range(bits.shape[1]):
                peak = max(peak, np.int32(bits[p, j] & np.int32(0x7FFFFFFF)))
        out[i] = peak


@kernel
def row_totals(
    lo: Int, hi: Int, grads: NDArray[np.float32], which: NDArray[np.int64], order: NDArray[np.int64],
    starts: NDArray[np.int64], peaks: NDArray[np.int32], times: NDArray[np.int32], out: NDArray[np.int64],
) -> None:  # fmt: skip
    """``out[i]`` (d,) = integer sum of the gradients of unique row ``which[i]`` here.

    `peaks` and `times` are the row's over all ranks.
    """
    d = grads.shape[1]
    for i in range(lo, hi):
        scale = fixed_scale(peaks[i], times[i])
        for j in range(d):
            out[i, j] = 0
        for k in range(starts[which[i]], starts[which[i] + 1]):
            p = order[k]
            for j in range(d):
                out[i, j] += np.int64(np.float64(grads[p, j]) * scale)


@kernel
def join_parts(
    lo: Int, hi: Int, order: NDArray[np.int64], starts: NDArray[np.int64], whole: NDArray[np.bool_],
    place: NDArray[np.int64], floats: NDArray[np.float32], totals: NDArray[np.int64],
    peaks: NDArray[np.int32], times: NDArray[np.int32], out: NDArray[np.float32],
) -> None:  # fmt: skip
    """``out[i]`` (d,) = the sum of unique row ``i`` from what the ranks sent.

    The parts of the row are ``order[starts[i] : starts[i + 1]]``; part ``e`` is ``floats[place[e]]`` if ``whole[e]``,
    else ``totals[place[e]]``. A row has one float, two to be added as floats, or integers with `peaks` and `times`.
    """
    d = out.shape[1]
    for i in range(lo, hi):
        first, last = starts[i], starts[i + 1]
        e = order[first]
        if whole[e]:
            a = place[e]
            if last - first == 1:
                for j in range(d):
                    out[i, j] = floats[a, j]
            else:
                b = place[order[first + 1]]
                for j in range(d):
                    out[i, j] = np.float32(floats[a, j] + floats[b, j])
        else:
            unit = fixed_unit(peaks[i], times[i])
            for j in range(d):
                total = np.int64(0)
                for k in range(first, last):
                    total += totals[place[order[k]], j]
                out[i, j] = np.float32(np.float64(total) * unit)


@kernel
def unit_peaks(
    gradient: NDArray[np.float32], unit: NDArray[np.int64], peak: NDArray[np.int32], count: NDArray[np.int64]
) -> None:
    """Largest magnitude and number of the step-size gradients of each unit (first half of `unit_steps.sum_units`)."""
    for i in range(gradient.shape[0]):
        k = unit[i]
        peak[k] = max(peak[k], np.int32(np.float32(gradient[i]).view(np.int32) & np.int32(0x7FFFFFFF)))
        count[k] += 1


@kernel
def unit_totals(
    gradient: NDArray[np.float32], unit: NDArray[np.int64], peak: NDArray[np.int32], count: NDArray[np.int64],
    total: NDArray[np.int64],
) -> None:  # fmt: skip
    """Integer sums of the step-size gradients of each unit."""
    for i in range(gradient.shape[0]):
        k = unit[i]
        total[k] += np.int64(np.float64(gradient[i]) * fixed_scale(peak[k], count[k]))


@kernel
def unit_values(
    total: NDArray[np.int64], peak: NDArray[np.int32], count: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """The sums as float32 (second half of `unit_steps.sum_units`)."""
    for k in range(out.shape[0]):
        out[k] = np.float32(np.float64(total[k]) * fixed_unit(peak[k], count[k]))


@kernel
def pending_codes(
    lo: Int, hi: Int, updates: NDArray[np.float32], decay: np.float32, codes: NDArray[np.int32],
    step_size: NDArray[np.float32], bits: Int, out: NDArray[np.int32],
) -> None:  # fmt: skip
    """Nearest-rounded codes of moved rows under their present step sizes (what `lowbit.pending_rows` decodes)."""
    low = q_min(bits)
    high = q_max(bits)
    for i in range(lo, hi):
        delta = step_size[i]
        for j in range(updates.shape[1]):
            code = codes[i, j]
            shift = grid_shift(code, _ONE, updates[i, j], delta, decay)
            moved = moved_code(code, _ONE, shift, False, np.uint32(0))
            out[i, j] = min(max(moved, low), high)
