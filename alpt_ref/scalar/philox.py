"""Philox4x32-10: the counter-based generator behind every random word of this package.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Random123); the
multipliers and Weyl constants are theirs. A word is a pure function of (seed, row, column, step, purpose), so a
result cannot depend on threads, launch size, batch order or device.

The counter of the word for element (row, column) at a step is::

    c0 = low 32 bits of row
    c1 = column // 4 in the low 16 bits, bits 32..47 of row in the high 16 bits
    c2 = low 32 bits of step
    c3 = purpose in the low 8 bits, bits 32..55 of step in the high 24 bits

and the element takes output word ``column % 4``. Hence rows < 2**48, columns < 2**18, steps < 2**56.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.types import Int

MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = 0x9E3779B9
WEYL_1 = 0xBB67AE85
ROUNDS = 10

MAX_ROWS = 1 << 48
MAX_COLUMNS = 1 << 18
MAX_STEPS = 1 << 56

PURPOSE_QUANTIZE = 0
PURPOSE_INITIAL = 1
PURPOSE_UPDATE = 2
PURPOSE_REPLAY = 3

_SHIFT_32 = np.uint64(32)
_LOW_32 = np.uint64(0xFFFFFFFF)
W0 = tuple(np.uint32(i * WEYL_0 % 2**32) for i in range(ROUNDS))
W1 = tuple(np.uint32(i * WEYL_1 % 2**32) for i in range(ROUNDS))


@scalar
def _round(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    product_0 = MULTIPLIER_0 * (c0 & _LOW_32)
    product_1 = MULTIPLIER_1 * (c2 & _LOW_32)
    return (product_1 >> _SHIFT_32) ^ c1 ^ k0, product_1, (product_0 >> _SHIFT_32) ^ c3 ^ k1, product_0


@scalar
def philox4x32(
    c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Ten rounds of Philox on one 128-bit counter and one 64-bit key; four uint32 words.

    The words travel in the low halves of 64-bit lanes, whose high halves are never looked at: vector units multiply
    32 x 32 bits into 64 without packing and unpacking. The rounds are written out because a loop here keeps the
    compiler from vectorising the loop around it.
    """
    d0, d1, d2, d3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[0])), np.uint64(np.uint32(k1 + W1[0])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[1])), np.uint64(np.uint32(k1 + W1[1])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[2])), np.uint64(np.uint32(k1 + W1[2])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[3])), np.uint64(np.uint32(k1 + W1[3])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[4])), np.uint64(np.uint32(k1 + W1[4])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[5])), np.uint64(np.uint32(k1 + W1[5])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[6])), np.uint64(np.uint32(k1 + W1[6])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[7])), np.uint64(np.uint32(k1 + W1[7])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[8])), np.uint64(np.uint32(k1 + W1[8])))
    d0, d1, d2, d3 = _round(d0, d1, d2, d3, np.uint64(np.uint32(k0 + W0[9])), np.uint64(np.uint32(k1 + W1[9])))
    return np.uint32(d0), np.uint32(d1), np.uint32(d2), np.uint32(d3)


@scalar
def counter_1(row: Int, block: Int) -> np.uint32:
    """Second counter word: column block and the high bits of the row."""
    return np.uint32((np.uint64(row) >> np.uint64(32) << np.uint64(16)) | np.uint64(block))


@scalar
def counter_2(step: Int) -> np.uint32:
    """Third counter word: the low bits of the step."""
    return np.uint32(np.uint64(step) & np.uint64(0xFFFFFFFF))


@scalar
def counter_3(step: Int, purpose: Int) -> np.uint32:
    """Fourth counter word: purpose and the high bits of the step."""
    return np.uint32((np.uint64(step) >> np.uint64(32) << np.uint64(8)) | np.uint64(purpose))
