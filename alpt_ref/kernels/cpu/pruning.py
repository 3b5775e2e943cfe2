"""Magnitude pruning: the exact k-th smallest magnitude, reads and writes below a threshold, the sparse layout.

The selection counts digits of the magnitudes' bit patterns (which are ordered as the magnitudes are), most significant
first: whole numbers, so that the result does not depend on how rows are split, and no copy of the table is made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers

_MAGNITUDE = np.int32(0x7FFFFFFF)


@kernel
def count_digits(lo: Int, hi: Int, bits: NDArray[np.int32], prefix: Int, shift: Int, width: Int) -> NDArray[np.int64]:
    """How often each digit of `width` bits at `shift` occurs where the magnitude's bits above it equal `prefix`.

    `bits` is the table (n, d) seen as int32.
    """
    counts = np.zeros(1 << width, np.int64)
    mask = (1 << width) - 1
    for i in range(lo, hi):
        for j in range(bits.shape[1]):
            magnitude = np.int64(bits[i, j] & _MAGNITUDE)
            if magnitude >> (shift + width) == prefix:
                counts[(magnitude >> shift) & mask] += 1
    return counts


@kernel
def zero_below(lo: Int, hi: Int, table: NDArray[np.float32], threshold: np.float32) -> None:
    """Set every weight of smaller magnitude than `threshold` to zero."""
    for i in range(lo, hi):
        for j in range(table.shape[1]):
            w = table[i, j]
            table[i, j] = np.float32(0.0) if abs(w) < threshold else w


@kernel
def lookup_pruned(
    lo: Int, hi: Int, ids: Integers, table: NDArray[np.float32], threshold: np.float32, out: NDArray[np.float32]
) -> None:
    """``out[i]`` = table row ``ids[i]`` with weights of smaller magnitude than `threshold` read as zero."""
    d = table.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, np.int64(ids[i + AHEAD]) * d)
        row = np.int64(ids[i])
        for j in range(d):
            w = table[row, j]
            out[i, j] = np.float32(0.0) if abs(w) < threshold else w


@kernel
def kept_per_row(
    lo: Int, hi: Int, table: NDArray[np.float32], threshold: np.float32, counts: NDArray[np.int64]
) -> None:
    """``counts[i]`` = weights of row ``i`` that are not read as zero."""
    for i in range(lo, hi):
        kept = 0
        for j in range(table.shape[1]):
            w = table[i, j]
            kept += int(w != np.float32(0.0) and not abs(w) < threshold)
        counts[i] = kept


@kernel
def gather_kept(
    lo: Int,
    hi: Int,
    table: NDArray[np.float32],
    threshold: np.float32,
    offsets: NDArray[np.int64],
    mask: NDArray[np.uint8],
    values: NDArray[np.float32],
) -> None:
    """Kept weights of row ``i`` into ``values[offsets[i]:offsets[i+1]]``, their columns into the bits of ``mask[i]``.

    Column ``j`` is bit ``j % 8`` of byte ``j // 8``; `mask` comes in as zeros.
    """
    for i in range(lo, hi):
        at = offsets[i]
        for j in range(table.shape[1]):
            w = table[i, j]
            if w != np.float32(0.0) and not abs(w) < threshold:
                mask[i, j >> 3] |= np.uint8(1 << (j & 7))
                values[at] = w
                at += 1
