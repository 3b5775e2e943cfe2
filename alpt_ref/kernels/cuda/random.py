"""Random words on the GPU: one thread, one Philox block; and from a thread's number to row and column block."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.target import BLOCK, blocks_for, cuda, device, kernel, launch, wide_product
from alpt_ref.scalar.philox import MULTIPLIER_0, MULTIPLIER_1, W0, W1, counter_1, philox4x32

_SHIFT, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint32(MULTIPLIER_0), np.uint32(MULTIPLIER_1)
MAX_INDEX = 1 << 31
"""Work items that `split` can take apart."""


def divider(divisor: int) -> tuple[np.uint32, np.uint32]:
    """Multiplier and shift that divide a number below `MAX_INDEX` by `divisor` (1 to 2**31) in `split`.

    With ``s = ceil(log2 divisor)`` and ``m = ceil(2**(31 + s) / divisor)``, ``floor(m g / 2**(31 + s))`` is exact for
    every ``g < 2**31`` because m is too large by less than ``2**s / divisor`` units (Granlund and Montgomery, 1994).
    """
    shift = 31 + (divisor - 1).bit_length()
    return np.uint32(-(-(1 << shift) // divisor)), np.uint32(shift)


@device
def split(index, divisor, multiplier, shift):  # type: ignore[no-untyped-def]
    """Quotient and remainder of ``index / divisor``, uint32 both, without a division."""
    quotient = np.uint32(np.uint64(np.uint64(np.uint32(index)) * np.uint64(multiplier)) >> np.uint64(shift))
    return quotient, np.uint32(np.uint32(index) - np.uint32(quotient * np.uint32(divisor)))


@functools.cache
def splitter(divisor: int) -> tuple[Any, np.uint32, np.uint32]:
    """`split` and its multiplier and shift for a divisor; one that is a power of two takes a mask and a shift."""
    if divisor & (divisor - 1) == 0:
        return shifted, np.uint32(divisor - 1), np.uint32(divisor.bit_length() - 1)
    return split, *divider(divisor)


@device
def shifted(index, divisor, multiplier, shift):  # type: ignore[no-untyped-def]
    """`split` by a power of two: `multiplier` is the divisor less one, `shift` its logarithm."""
    return np.uint32(np.uint32(index) >> np.uint32(shift)), np.uint32(np.uint32(index) & np.uint32(multiplier))


@device
def block_words(row, block, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """The four words of columns ``4 * block .. 4 * block + 3`` of `row` (int64)."""
    c0 = np.uint32(np.uint64(row) & np.uint64(0xFFFFFFFF))
    return philox4x32(c0, counter_1(row, block), c2, c3, k0, k1)


def round_keys(k0: Any, k1: Any) -> tuple[np.uint32, ...]:
    """Both keys of every round of Philox, in turn: as arguments of a kernel they cost no instruction."""
    first, second = int(k0), int(k1)
    keys = [(first + int(a), second + int(b)) for a, b in zip(W0, W1, strict=True)]
    return tuple(np.uint32(key % 2**32) for pair in keys for key in pair)


@device
def keyed_words(c0, c1, c2, c3, keys):  # type: ignore[no-untyped-def]
    """`philox4x32` by the `round_keys`."""
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[0], keys[1])
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[2], keys[3])
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[4], keys[5])
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[6], keys[7])
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[8], keys[9])
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[10], keys[11])
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[12], keys[13])
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[14], keys[15])
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, keys[16], keys[17])
    return _round(c0, c1, c2, c3, keys[18], keys[19])


@device
def _round(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    first, second = wide_product(c0, _MULTIPLIER_0), wide_product(c2, _MULTIPLIER_1)
    high_0, high_1 = np.uint32(first >> _SHIFT), np.uint32(second >> _SHIFT)
    return np.uint32(high_1 ^ c1 ^ k0), np.uint32(second & _LOW), np.uint32(high_0 ^ c3 ^ k1), np.uint32(first & _LOW)


@kernel
def _philox_rows(counters, keys, out):  # type: ignore[no-untyped-def]
    for i in range(cuda.grid(1), counters.shape[0], cuda.gridsize(1)):
        r0, r1, r2, r3 = philox4x32(
            counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], keys[i, 0], keys[i, 1]
        )
        out[i, 0] = r0
        out[i, 1] = r1
        out[i, 2] = r2
        out[i, 3] = r3


def philox_rows(counters: Any, keys: Any, out: Any) -> None:
    """Philox4x32-10 of each row of `counters` (n, 4) with the key of the same row of `keys` (n, 2), all uint32."""
    if len(out):
        launch(_philox_rows, blocks_for(len(out)), BLOCK, counters, keys, out)
