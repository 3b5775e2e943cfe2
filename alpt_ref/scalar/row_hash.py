"""A bijection of the row numbers 0 .. n - 1 that looks random, and its inverse: which rank owns a row, and where.

Two odd multiplications and two shifts on the smallest number k of bits that holds n - 1 are a bijection of
``[0, 2**k)``; what leaves ``[0, n)`` goes round again until it is back (cycle walking, fewer than two rounds on
average: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). The multipliers are those of
MurmurHash3's 64-bit finaliser (Appleby, public domain), the constant is 2**64 over the golden ratio.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.jit import scalar

_A, _A_INVERSE = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0x4F74430C22A54005)
_B, _B_INVERSE = np.uint64(0xC4CEB9FE1A85EC53), np.uint64(0x9CB4B2F8129337DB)
_C = np.uint64(0x9E3779B97F4A7C15)


@scalar
def hashed_row(row: np.uint64, n: np.uint64, mask: np.uint64, shift: np.uint64) -> np.uint64:
    """Hash of a row below `n`, below `n`; `mask` is ``2**k - 1`` and `shift` at least ``k / 2``."""
    x = row
    while True:
        x = np.uint64((x * _A + _C) & mask)
        x = np.uint64(x ^ (x >> shift))
        x = np.uint64((x * _B) & mask)
        x = np.uint64(x ^ (x >> shift))
        if x < n:
            return x


@scalar
def row_of_hash(value: np.uint64, n: np.uint64, mask: np.uint64, shift: np.uint64) -> np.uint64:
    """The row whose `hashed_row` is `value`."""
    x = value
    while True:
        x = np.uint64(x ^ (x >> shift))
        x = np.uint64((x * _B_INVERSE) & mask)
        x = np.uint64(x ^ (x >> shift))
        x = np.uint64(((x - _C) * _A_INVERSE) & mask)
        if x < n:
            return x
