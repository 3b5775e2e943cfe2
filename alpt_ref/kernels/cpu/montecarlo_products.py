"""Products of the rows of a data matrix with the weights of many runs, in blocks, each sum in its own order.

A sum over the columns of one row is a chain of additions of which each waits for the one before. All rows lie in tiles
column by column, so that neighbouring lanes of the processor are neighbouring rows, each summed in column order, for
four runs at once (`tile_dots`, and `dot` where there are no tiles). A sampled row comes alone: it is summed in 16
lanes, of which lane l takes columns ``l, l + 16, ...`` in order, and the lanes in halves, l with l + 8, then l + 4,
l + 2 and l + 1 (`montecarlo_lanes`). Blocks change no bit of either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar

TILE = 256
"""Most rows of a tile: with 512 columns half a megabyte, which stays in the second-level cache for a group's runs."""
LANES = 16
"""The rows of a tile are a multiple of this; rows that are not there are zeros."""

_ZERO = np.float32(0.0)


def tiles(features: NDArray[np.float32], most: int = TILE) -> NDArray[np.float32]:
    """The matrix (rows, d) in tiles of at most `most` rows, each column by column: float32 (tiles, d, rows of a tile).

    Examples
    --------
    >>> tiles(np.ones((3, 2), np.float32)).shape
    (1, 2, 16)
    """
    rows, d = features.shape
    size = min(most, -(-rows // LANES) * LANES)
    count = -(-rows // size)
    padded = np.zeros((count * size, d), np.float32)
    padded[:rows] = features
    return np.ascontiguousarray(padded.reshape(count, size, d).transpose(0, 2, 1))


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
def add_rows_of_four_runs(
    features: NDArray[np.float32], first: Int, rows: Int, triangular: bool, slopes: NDArray[np.float32],
    g: NDArray[np.float32], at: Int,
) -> None:  # fmt: skip
    """`add_row` of ``rows`` rows from `first`, in order, to each of the four gradients that begin at `at`.

    ``slopes[k, i]`` is that of row ``first + i`` in run k. Of a triangular matrix the zeros on the left are left out.
    """
    d = features.shape[1]
    whole, blocked = rows - rows % 4, d // LANES * LANES
    g0, g1 = np.uint64(at), np.uint64(at + d)  # unsigned, or an index below zero is looked for at every element
    g2, g3 = np.uint64(at + 2 * d), np.uint64(at + 3 * d)
    for i in range(0, whole, 4):
        a = first + i
        w0, w1, w2, w3 = slopes[0, i], slopes[0, i + 1], slopes[0, i + 2], slopes[0, i + 3]
        v0, v1, v2, v3 = slopes[1, i], slopes[1, i + 1], slopes[1, i + 2], slopes[1, i + 3]
        u0, u1, u2, u3 = slopes[2, i], slopes[2, i + 1], slopes[2, i + 2], slopes[2, i + 3]
        t0, t1, t2, t3 = slopes[3, i], slopes[3, i + 1], slopes[3, i + 2], slopes[3, i + 3]
        begin = a // LANES * LANES if triangular else 0
        for block in range(np.uint64((blocked - begin) // LANES * LANES)):  # whole vectors: no rest keeps registers
            j = np.uint64(begin) + block
            x0, x1, x2, x3 = features[a, j], features[a + 1, j], features[a + 2, j], features[a + 3, j]
            g[g0 + j] = four_more(g[g0 + j], x0, x1, x2, x3, w0, w1, w2, w3)
            g[g1 + j] = four_more(g[g1 + j], x0, x1, x2, x3, v0, v1, v2, v3)
            g[g2 + j] = four_more(g[g2 + j], x0, x1, x2, x3, u0, u1, u2, u3)
            g[g3 + j] = four_more(g[g3 + j], x0, x1, x2, x3, t0, t1, t2, t3)
    for k in range(4):
        for i in range(whole):
            for column in range(blocked, d):
                e = at + k * d + column
                g[e] = np.float32(g[e] + mul(slopes[k, i], features[first + i, column]))
        for i in range(whole, rows):
            add_row(features, first + i, slopes[k, i], g, at + k * d)


@inline
def tile_dots(
    tile: Int, triangular: bool, columns: NDArray[np.float32], w: NDArray[np.float32], at: Int, z: NDArray[np.float32]
) -> None:
    """``z[k, i]`` = `dot` of row i of a tile and of run k of the four whose weights begin at `at`.

    A triangular matrix has zeros below its diagonal, which are left out; they add nothing to a sum.
    """
    d, size = columns.shape[1], columns.shape[2]
    for k in range(4):
        for i in range(size):
            z[k, i] = _ZERO
    b, c, e = at + d, at + 2 * d, at + 3 * d
    whole = d - d % 4
    for j in range(tile * size if triangular else 0, whole, 4):
        w0, w1 = np.float32(w[at + j]), np.float32(w[at + j + 1])
        w2, w3 = np.float32(w[at + j + 2]), np.float32(w[at + j + 3])
        v0, v1, v2, v3 = w[b + j], w[b + j + 1], w[b + j + 2], w[b + j + 3]
        u0, u1, u2, u3 = w[c + j], w[c + j + 1], w[c + j + 2], w[c + j + 3]
        t0, t1, t2, t3 = w[e + j], w[e + j + 1], w[e + j + 2], w[e + j + 3]
        rows = min(size, j + 3 - tile * size + LANES) if triangular else size
        for i in range(np.uint64(rows // LANES * LANES)):  # whole vectors
            x0, x1 = columns[tile, j, i], columns[tile, j + 1, i]
            x2, x3 = columns[tile, j + 2, i], columns[tile, j + 3, i]
            z[0, i] = four_more(z[0, i], x0, x1, x2, x3, w0, w1, w2, w3)
            z[1, i] = four_more(z[1, i], x0, x1, x2, x3, v0, v1, v2, v3)
            z[2, i] = four_more(z[2, i], x0, x1, x2, x3, u0, u1, u2, u3)
            z[3, i] = four_more(z[3, i], x0, x1, x2, x3, t0, t1, t2, t3)
    for j in range(whole, d):
        one, two, three, four = w[at + j], w[b + j], w[c + j], w[e + j]
        for i in range(size):
            x = columns[tile, j, i]
            z[0, i] = np.float32(z[0, i] + mul(x, one))
            z[1, i] = np.float32(z[1, i] + mul(x, two))
            z[2, i] = np.float32(z[2, i] + mul(x, three))
            z[3, i] = np.float32(z[3, i] + mul(x, four))
