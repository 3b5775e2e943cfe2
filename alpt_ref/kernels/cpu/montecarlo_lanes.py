"""The product of a sampled row and a run's weights, summed in 16 lanes; see `montecarlo_products` for the order.

On a processor the lanes lie in memory side by side, 64 columns a pass: an inner loop over the lanes becomes vector
instructions, four rows at once. A GPU's thread, which has no such memory, holds them in registers. The order is the
same, so are the bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.montecarlo_products import four_more
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar

ROOM = 64
"""Numbers in the memory of lanes: 16 of each of four rows."""

_ZERO = np.float32(0.0)
_U0, _U15, _U16 = np.uint64(0), np.uint64(15), np.uint64(16)
_U32, _U48, _U64 = np.uint64(32), np.uint64(48), np.uint64(64)


@scalar
def eight_sums(
    h0: np.float32, h1: np.float32, h2: np.float32, h3: np.float32,
    h4: np.float32, h5: np.float32, h6: np.float32, h7: np.float32,
) -> np.float32:  # fmt: skip
    """Sum of eight lanes in halves."""
    even = np.float32(np.float32(h0 + h4) + np.float32(h2 + h6))
    return np.float32(even + np.float32(np.float32(h1 + h5) + np.float32(h3 + h7)))


@inline
def lanes_sum(z: NDArray[np.float32], at: Int) -> np.float32:
    """Sum in halves of the 16 lanes that begin at `at`."""
    return eight_sums(
        np.float32(z[at] + z[at + 8]), np.float32(z[at + 1] + z[at + 9]), np.float32(z[at + 2] + z[at + 10]),
        np.float32(z[at + 3] + z[at + 11]), np.float32(z[at + 4] + z[at + 12]), np.float32(z[at + 5] + z[at + 13]),
        np.float32(z[at + 6] + z[at + 14]), np.float32(z[at + 7] + z[at + 15]),
    )  # fmt: skip


@inline
def lanes_dot(
    features: NDArray[np.float32], row: Int, w: NDArray[np.float32], at: Int, z: NDArray[np.float32]
) -> np.float32:
    """``a_row . w`` for the weights that begin at `at`, in lanes in `z`, or in registers where `z` is empty."""
    if z.size == 0:
        return register_dot(features, row, w, at)
    x, a, begin = features, np.uint64(row), np.uint64(at)
    for i in range(_U16):
        z[i] = _ZERO
    whole = x.shape[1] // ROOM * ROOM
    for j in range(_U0, np.uint64(whole), _U64):
        for i in range(_U16):
            p = j + i
            v0, v1, v2, v3 = w[begin + p], w[begin + p + _U16], w[begin + p + _U32], w[begin + p + _U48]
            z[i] = four_more(z[i], x[a, p], x[a, p + _U16], x[a, p + _U32], x[a, p + _U48], v0, v1, v2, v3)
    for j in range(np.uint64(whole), np.uint64(x.shape[1])):
        z[j & _U15] = np.float32(z[j & _U15] + mul(x[a, j], w[begin + j]))
    return lanes_sum(z, 0)


@inline
def four_lanes_dots(
    features: NDArray[np.float32], rows: tuple[Int, Int, Int, Int], w: NDArray[np.float32], at: Int,
    z: NDArray[np.float32],
) -> tuple[np.float32, np.float32, np.float32, np.float32]:  # fmt: skip
    """The `lanes_dot` of each of four rows with the weights of one run, with lanes in `z`."""
    x, begin = features, np.uint64(at)
    a, b, c, e = np.uint64(rows[0]), np.uint64(rows[1]), np.uint64(rows[2]), np.uint64(rows[3])
    for i in range(_U64):
        z[i] = _ZERO
    whole = x.shape[1] // ROOM * ROOM
    for j in range(_U0, np.uint64(whole), _U64):
        for i in range(_U16):
            p = j + i
            v0, v1, v2, v3 = w[begin + p], w[begin + p + _U16], w[begin + p + _U32], w[begin + p + _U48]
            p1, p2, p3 = p + _U16, p + _U32, p + _U48
            i1, i2, i3 = i + _U16, i + _U32, i + _U48
            z[i] = four_more(z[i], x[a, p], x[a, p1], x[a, p2], x[a, p3], v0, v1, v2, v3)
            z[i1] = four_more(z[i1], x[b, p], x[b, p1], x[b, p2], x[b, p3], v0, v1, v2, v3)
            z[i2] = four_more(z[i2], x[c, p], x[c, p1], x[c, p2], x[c, p3], v0, v1, v2, v3)
            z[i3] = four_more(z[i3], x[e, p], x[e, p1], x[e, p2], x[e, p3], v0, v1, v2, v3)
    for j in range(np.uint64(whole), np.uint64(x.shape[1])):
        v, lane = w[begin + j], j & _U15
        z[lane] = np.float32(z[lane] + mul(x[a, j], v))
        z[lane + _U16] = np.float32(z[lane + _U16] + mul(x[b, j], v))
        z[lane + _U32] = np.float32(z[lane + _U32] + mul(x[c, j], v))
        z[lane + _U48] = np.float32(z[lane + _U48] + mul(x[e, j], v))
    return lanes_sum(z, 0), lanes_sum(z, 16), lanes_sum(z, 32), lanes_sum(z, 48)


@inline
def product_or_zero(features: NDArray[np.float32], row: Int, j: Int, w: NDArray[np.float32], at: Int) -> np.float32:
    """One product; zero, which changes no sum, where there is no such column."""
    return mul(features[row, j], w[at + j]) if j < features.shape[1] else _ZERO


@inline
def register_dot(features: NDArray[np.float32], row: Int, w: NDArray[np.float32], at: Int) -> np.float32:
    """`lanes_dot` with a name for each lane."""
    x = features
    z0 = z1 = z2 = z3 = z4 = z5 = z6 = z7 = _ZERO
    y0 = y1 = y2 = y3 = y4 = y5 = y6 = y7 = _ZERO
    for j in range(0, x.shape[1], 16):
        z0 = np.float32(z0 + product_or_zero(x, row, j, w, at))
        z1 = np.float32(z1 + product_or_zero(x, row, j + 1, w, at))
        z2 = np.float32(z2 + product_or_zero(x, row, j + 2, w, at))
        z3 = np.float32(z3 + product_or_zero(x, row, j + 3, w, at))
        z4 = np.float32(z4 + product_or_zero(x, row, j + 4, w, at))
        z5 = np.float32(z5 + product_or_zero(x, row, j + 5, w, at))
        z6 = np.float32(z6 + product_or_zero(x, row, j + 6, w, at))
        z7 = np.float32(z7 + product_or_zero(x, row, j + 7, w, at))
        y0 = np.float32(y0 + product_or_zero(x, row, j + 8, w, at))
        y1 = np.float32(y1 + product_or_zero(x, row, j + 9, w, at))
        y2 = np.float32(y2 + product_or_zero(x, row, j + 10, w, at))
        y3 = np.float32(y3 + product_or_zero(x, row, j + 11, w, at))
        y4 = np.float32(y4 + product_or_zero(x, row, j + 12, w, at))
        y5 = np.float32(y5 + product_or_zero(x, row, j + 13, w, at))
        y6 = np.float32(y6 + product_or_zero(x, row, j + 14, w, at))
        y7 = np.float32(y7 + product_or_zero(x, row, j + 15, w, at))
    return eight_sums(
        np.float32(z0 + y0), np.float32(z1 + y1), np.float32(z2 + y2), np.float32(z3 + y3),
        np.float32(z4 + y4), np.float32(z5 + y5), np.float32(z6 + y6), np.float32(z7 + y7),
    )  # fmt: skip
