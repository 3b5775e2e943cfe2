"""Products of the rows of a data matrix with the weights of many runs, in blocks, each sum in its own order.

A sum over the columns of one row is a chain of additions of which each waits for the one before. All rows lie in tiles
of 16, column by column, so that the lanes of the processor are neighbouring rows, each summed in column order, for four
runs at once; 64 sums stay in registers from the first column to the last (`four_sums`). The gradient, a sum over the
rows for each column, is the same on tiles of 16 columns, row by row. Without tiles it is `dot` and `add_row`. A sampled
row comes alone: it is summed in 16 lanes, of which lane l takes columns ``l, l + 16, ...`` in order, and the lanes in
halves, l with l + 8, then l + 4, l + 2 and l + 1 (`montecarlo_lanes`). Blocks change no bit of either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar

LANES = 16
"""The rows of a tile, of 64 bytes; rows that are not there are zeros."""
BLOCK = 512
"""Rows whose products with the weights are kept until they are added to the gradients, a multiple of `LANES`."""

_ZERO = np.float32(0.0)
_U16, _U32, _U48, _U64 = np.uint64(16), np.uint64(32), np.uint64(48), np.uint64(64)


def tiles(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix (rows, d) in tiles of 16 rows, each column by column: float32 (tiles, d, 16).

    Examples
    --------
    >>> tiles(np.ones((3, 2), np.float32)).shape
    (1, 2, 16)
    """
    rows, d = features.shape
    count = -(-rows // LANES)
    padded = np.zeros((count * LANES, d), np.float32)
    padded[:rows] = features
    return np.ascontiguousarray(padded.reshape(count, LANES, d).transpose(0, 2, 1))


@scalar
def four_more(
    z: np.float32, x0: np.float32, x1: np.float32, x2: np.float32, x3: np.float32,
    w0: np.float32, w1: np.float32, w2: np.float32, w3: np.float32,
) -> np.float32:  # fmt: skip
    """``z + x0 w0 + x1 w1 + x2 w2 + x3 w3``, one product after the other."""
    z = np.float32(z + mul(x0, w0))
    z = np.float32(z + mul(x1, w1))
    z = np.float32(z + mul(x2, w2))
    return np.float32(z + mul(x3, w3))


@inline
def dot(features: NDArray[np.float32], row: Int, w: NDArray[np.float32], at: Int) -> np.float32:
    """``a_row . w`` for the weights that begin at `at`, summed in column order."""
    z = _ZERO
    for j in range(features.shape[1]):
        z = np.float32(z + mul(features[row, j], w[at + j]))
    return z


@inline
def four_dots(
    features: NDArray[np.float32], first: Int, w: NDArray[np.float32], at: Int
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """The `dot` of each of four rows from `first`."""
    z0, z1, z2, z3 = _ZERO, _ZERO, _ZERO, _ZERO
    for j in range(features.shape[1]):
        v = w[at + j]
        z0 = np.float32(z0 + mul(features[first, j], v))
        z1 = np.float32(z1 + mul(features[first + 1, j], v))
        z2 = np.float32(z2 + mul(features[first + 2, j], v))
        z3 = np.float32(z3 + mul(features[first + 3, j], v))
    return z0, z1, z2, z3


@inline
def add_row(features: NDArray[np.float32], row: Int, slope: np.float32, g: NDArray[np.float32], at: Int) -> None:
    """Add ``slope a_row`` to the gradient that begins at `at`."""
    a, begin = np.uint64(row), np.uint64(at)  # unsigned, or an index below zero is looked for at every element
    for j in range(np.uint64(features.shape[1])):
        g[begin + j] = np.float32(g[begin + j] + mul(slope, features[a, j]))


@inline
def add_four_rows(
    features: NDArray[np.float32], rows: tuple[Int, Int, Int, Int], s0: np.float32, s1: np.float32, s2: np.float32,
    s3: np.float32, g: NDArray[np.float32], at: Int,
) -> None:  # fmt: skip
    """`add_row` of four rows to one gradient, one after the other."""
    a, b, c, e = np.uint64(rows[0]), np.uint64(rows[1]), np.uint64(rows[2]), np.uint64(rows[3])
    begin = np.uint64(at)
    for j in range(np.uint64(features.shape[1])):
        x0, x1, x2, x3 = features[a, j], features[b, j], features[c, j], features[e, j]
        g[begin + j] = four_more(g[begin + j], x0, x1, x2, x3, s0, s1, s2, s3)


@inline
def set_four_rows(
    features: NDArray[np.float32], rows: tuple[Int, Int, Int, Int], s0: np.float32, s1: np.float32, s2: np.float32,
    s3: np.float32, l2: np.float32, w: NDArray[np.float32], g: NDArray[np.float32], at: Int,
) -> None:  # fmt: skip
    """`add_four_rows` to a gradient that begins as ``l2 w``."""
    a, b, c, e = np.uint64(rows[0]), np.uint64(rows[1]), np.uint64(rows[2]), np.uint64(rows[3])
    begin = np.uint64(at)
    for j in range(np.uint64(features.shape[1])):
        x0, x1, x2, x3 = features[a, j], features[b, j], features[c, j], features[e, j]
        g[begin + j] = four_more(mul(l2, w[begin + j]), x0, x1, x2, x3, s0, s1, s2, s3)


@inline
def four_sums(
    columns: NDArray[np.float32], tile: Int, begin: Int, end: Int, v: NDArray[np.float32], at: Int, stride: Int,
    z: NDArray[np.float32],
) -> None:  # fmt: skip
    """Add to ``z[16 k + i]``, for row i of a tile and run k of four, its products with columns ``begin .. end - 1``.

    Column j meets ``v[at + k stride + j - begin]``. The factors of `v` are read within the inner loop: a read before
    it might see what the loop wrote, for all that a compiler knows, and the sums would go through memory.
    """
    t, first = np.uint64(tile), np.uint64(begin)
    v0, v1 = np.uint64(at), np.uint64(at + stride)
    v2, v3 = np.uint64(at + 2 * stride), np.uint64(at + 3 * stride)
    for n in range(np.uint64(end - begin)):
        for i in range(_U16):
            x = columns[t, first + n, i]
            z[i] = np.float32(z[i] + mul(x, v[v0 + n]))
            z[i + _U16] = np.float32(z[i + _U16] + mul(x, v[v1 + n]))
            z[i + _U32] = np.float32(z[i + _U32] + mul(x, v[v2 + n]))
            z[i + _U48] = np.float32(z[i + _U48] + mul(x, v[v3 + n]))


@inline
def block_dots(
    runs: Int, begin: Int, end: Int, triangular: bool, columns: NDArray[np.float32], w: NDArray[np.float32], at: Int,
    z: NDArray[np.float32], out: NDArray[np.float32],
) -> None:  # fmt: skip
    """``out[BLOCK r + i]`` = `dot` of row ``begin + i`` and of run r of those whose weights begin at `at`.

    Whole tiles of rows from `begin`, a multiple of `LANES`, and whole fours of runs. A triangular matrix has zeros left
    of its diagonal, which are left out; they add nothing to a sum.
    """
    d = columns.shape[1]
    for tile in range(begin // LANES, (end + LANES - 1) // LANES):
        left = tile * LANES if triangular else 0
        for r in range(0, runs, 4):
            for i in range(_U64):
                z[i] = _ZERO
            four_sums(columns, tile, left, d, w, at + r * d + left, d, z)
            for k in range(4):
                to = np.uint64((r + k) * BLOCK + tile * LANES - begin)
                for i in range(_U16):
                    out[to + i] = z[np.uint64(k) * _U16 + i]


@inline
def add_block(
    runs: Int, begin: Int, end: Int, triangular: bool, across: NDArray[np.float32], d: Int,
    slopes: NDArray[np.float32], g: NDArray[np.float32], z: NDArray[np.float32],
) -> None:  # fmt: skip
    """`add_row` of rows ``begin .. end - 1``, in order, with slopes from ``BLOCK r``, to the gradient of each run r.

    `across` has the columns in tiles, row by row. The zeros below the diagonal of a triangular matrix are left out.
    """
    for tile in range(begin // LANES if triangular else 0, across.shape[0]):
        column = tile * LANES
        here, last = np.uint64(min(LANES, d - column)), min(end, column + LANES) if triangular else end
        for i in range(_U64):
            z[i] = _ZERO
        for r in range(0, runs, 4):
            for k in range(4):
                of, sums = np.uint64((r + k) * d + column), np.uint64(k) * _U16
                for i in range(here):
                    z[sums + i] = g[of + i]
            four_sums(across, tile, begin, last, slopes, r * BLOCK, BLOCK, z)
            for k in range(4):
                of, sums = np.uint64((r + k) * d + column), np.uint64(k) * _U16
                for i in range(here):
                    g[of + i] = z[sums + i]
