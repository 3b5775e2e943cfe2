"""Unique rows of a batch and the order-independent sum of their gradients.

The ids are radix-sorted (stable, least significant digit first), which gives the unique rows in ascending order and
for each the positions where it occurs. The sum over the occurrences of a row must not depend on their order in the
batch, on threads or on the device, so it is not a running float sum: two occurrences are added in float32
(commutative), three or more as 64-bit integers relative to the row's largest magnitude, which is exact up to a
truncation below ``2**-62 * count**2`` of that magnitude (the pre-rounding idea of Demmel and Nguyen, "Fast
reproducible floating-point summation", ARITH 2013).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.quantize import not_finite, overflow_bit
from alpt_ref.kernels.cpu.segment import CONVERTS, segment_peak, segment_total
from alpt_ref.kernels.cpu.vectors import WIDTHS, add_row, move_row
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.fixed_point import TOO_LARGE, fixed_scale, fixed_unit
from alpt_ref.scalar.jit import scalar

_MAGNITUDE = np.int32(0x7FFFFFFF)
TOO_LARGE_CARRY = np.int32(2**31 - int(TOO_LARGE))
"""Added to a magnitude of `TOO_LARGE` or more, carries into the sign."""
TILE = 32
"""Sums that are looked at together, while they are in the first-level cache."""
_ZERO = np.float32(0.0)
DIGIT_BITS = 11
BUCKETS = 1 << DIGIT_BITS


@kernel
def id_range(ids: Integers) -> tuple[int, int]:
    """Smallest and largest id of a non-empty array."""
    low = ids[0]
    high = ids[0]
    for i in range(ids.size):
        low = min(low, ids[i])
        high = max(high, ids[i])
    return low, high


@kernel
def sort_ids(
    ids: Integers,
    largest: Int,
    keys: NDArray[np.int64],
    order: NDArray[np.int64],
    spare_keys: NDArray[np.int64],
    spare_order: NDArray[np.int64],
) -> bool:
    """Sort ids in ``[0, largest]`` with their positions; True if the result ended in the spare arrays."""
    size = ids.size
    for i in range(size):
        keys[i] = ids[i]
        order[i] = i
    counts = np.empty(BUCKETS, np.int64)
    flipped = False
    shift = 0
    while shift == 0 or (largest >> shift) > 0:
        counts[:] = 0
        for i in range(size):
            counts[(keys[i] >> shift) & (BUCKETS - 1)] += 1
        total = 0
        for b in range(BUCKETS):
            here = counts[b]
            counts[b] = total
            total += here
        for i in range(size):
            key = keys[i]
            b = (key >> shift) & (BUCKETS - 1)
            to = counts[b]
            counts[b] = to + 1
            spare_keys[to] = key
            spare_order[to] = order[i]
        keys, spare_keys = spare_keys, keys
        order, spare_order = spare_order, order
        flipped = not flipped
        shift += DIGIT_BITS
    return flipped


@kernel
def mark_segments(keys: NDArray[np.int64], rows: NDArray[np.int64], starts: NDArray[np.int64]) -> int:
    """Unique values of sorted `keys` into `rows`, their first positions into `starts`; returns how many."""
    count = 0
    for i in range(keys.size):
        if i == 0 or keys[i] != keys[i - 1]:
            rows[count] = keys[i]
            starts[count] = i
            count += 1
    starts[count] = keys.size
    return count


@kernel
def any_not_finite(lo: Int, hi: Int, values: NDArray[np.float32]) -> bool:
    """Whether ``values[lo:hi]`` (2-D) holds NaN or infinity."""
    return not_finite(values[lo:hi].reshape(-1))


@scalar
def too_large_bit(bits: np.int32) -> np.int32:
    """Below zero if the float32 with these bits is NaN or has the magnitude `TOO_LARGE` or more."""
    return np.int32(np.int32(bits & np.int32(0x7FFFFFFF)) + TOO_LARGE_CARRY)


@inline
def _find_peak(
    first: Int, end: Int, last: Int, d: Int, grads: NDArray[np.float32], bits: NDArray[np.int32],
    order: NDArray[np.int64], peak: NDArray[np.int32],
) -> None:  # fmt: skip
    """Largest magnitude of each column over the positions ``order[first:end]``, as bits.

    Magnitudes of finite floats are ordered as their bits are, and integers can be compared in vectors. Four rows at a
    time, or the loop waits for what it has just stored.
    """
    for j in range(d):
        peak[j] = np.int32(0)
    k = first
    while k + 3 < end:
        for ahead in range(min(k + AHEAD + 2, last), min(k + AHEAD + 6, last)):
            prefetch(grads, order[ahead] * d)
        p, q, r, s = order[k], order[k + 1], order[k + 2], order[k + 3]
        for j in range(d):
            a = max(np.int32(bits[p, j] & _MAGNITUDE), np.int32(bits[q, j] & _MAGNITUDE))
            b = max(np.int32(bits[r, j] & _MAGNITUDE), np.int32(bits[s, j] & _MAGNITUDE))
            peak[j] = max(peak[j], max(a, b))
        k += 4
    while k < end:
        if k + AHEAD + 2 < last:
            prefetch(grads, order[k + AHEAD + 2] * d)
        p = order[k]
        for j in range(d):
            peak[j] = max(peak[j], np.int32(bits[p, j] & _MAGNITUDE))
        k += 1


@inline
def _add_up(
    first: Int, end: Int, d: Int, grads: NDArray[np.float32], order: NDArray[np.int64], scale: np.float64,
    total: NDArray[np.int64],
) -> None:  # fmt: skip
    """Sum of each column over the positions ``order[first:end]`` in whole units of ``1 / scale``; four at a time."""
    for j in range(d):
        total[j] = 0
    k = first
    while k + 3 < end:
        p, q, r, s = order[k], order[k + 1], order[k + 2], order[k + 3]
        for j in range(d):
            a = np.int64(np.float64(grads[p, j]) * scale) + np.int64(np.float64(grads[q, j]) * scale)
            b = np.int64(np.float64(grads[r, j]) * scale) + np.int64(np.float64(grads[s, j]) * scale)
            total[j] += a + b
        k += 4
    while k < end:
        p = order[k]
        for j in range(d):
            total[j] += np.int64(np.float64(grads[p, j]) * scale)
        k += 1


@inline
def _sum_rows(
    lo: Int, hi: Int, grads: NDArray[np.float32], bits: NDArray[np.int32], order: NDArray[np.int64],
    starts: NDArray[np.int64], total: NDArray[np.int64], peak: NDArray[np.int32], out: NDArray[np.float32],
) -> bool:  # fmt: skip
    """`sum_duplicates` with the room that it works in."""
    d = grads.shape[1]
    last = starts[hi]
    vectors = d in WIDTHS
    sums, sum_bits = out.reshape(-1), out.reshape(-1).view(np.int32)
    for begin in range(lo, hi, TILE):
        stop = min(begin + TILE, hi)
        for i in range(begin, stop):
            first, end = starts[i], starts[i + 1]
            count = end - first
            for k in range(first + AHEAD, min(min(first + 2, end) + AHEAD, last)):
                prefetch(grads, order[k] * d)
            if count <= 2:
                move_row(out, i * d, grads, order[first] * d, _ZERO, d)
                if count == 2:
                    add_row(out, i * d, grads, order[first + 1] * d, _ZERO, d)
                continue
            largest = np.int32(0)
            if vectors:
                largest = segment_peak(bits, order, first, end, last, d)
            else:
                _find_peak(first, end, last, d, grads, bits, order, peak)
                for j in range(d):
                    largest = max(largest, peak[j])
            if overflow_bit(largest) < np.int32(0):
                return True
            scale, unit = fixed_scale(largest, count), fixed_unit(largest, count)
            if vectors and CONVERTS:
                segment_total(out, i * d, grads, order, first, end, scale, unit, d)
            else:
                _add_up(first, end, d, grads, order, scale, total)
                for j in range(d):
                    sums[i * d + j] = np.float32(np.float64(total[j]) * unit)
        seen = np.int32(0)
        for t in range(begin * d, stop * d):
            seen = np.int32(seen | too_large_bit(sum_bits[t]))
        if seen < np.int32(0):
            return True
    return False


@kernel
def sum_duplicates(
    lo: Int, hi: Int, grads: NDArray[np.float32], bits: NDArray[np.int32], order: NDArray[np.int64],
    starts: NDArray[np.int64], out: NDArray[np.float32],
) -> bool:  # fmt: skip
    """``out[i]`` = sum of the gradients of unique row ``i`` over its occurrences, the same for every order of them.

    `bits` is `grads` (len, d) seen as int32. Returns whether a gradient or a sum is NaN or infinite, or a sum too
    large to be squared: every such gradient shows in its row's sum, so that one look at the sums, while they are in the
    cache, is enough.
    """
    d = grads.shape[1]
    return bool(_sum_rows(lo, hi, grads, bits, order, starts, np.empty(d, np.int64), np.empty(d, np.int32), out))
