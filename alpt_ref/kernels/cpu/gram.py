"""Products of the columns of a float64 matrix with one another, each summed in row order, whatever the threads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar


@scalar
def four_products(
    z: np.float64, x0: np.float64, x1: np.float64, x2: np.float64, x3: np.float64,
    w0: np.float64, w1: np.float64, w2: np.float64, w3: np.float64,
) -> np.float64:  # fmt: skip
    """``z + x0 w0 + x1 w1 + x2 w2 + x3 w3`` in float64, one product after the other."""
    return np.float64((((z + mul(x0, w0)) + mul(x1, w1)) + mul(x2, w2)) + mul(x3, w3))


@kernel
def gram_rows(lo: Int, hi: Int, a: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Add ``A' A`` to rows ``4 lo .. 4 hi`` of `out`, from the first of each four's columns on.

    Rows and columns of `a` must be multiples of four; rows of zeros change no sum.
    """
    size = np.uint64(a.shape[1])
    for block in range(lo, hi):
        i = np.uint64(4 * block)  # unsigned, or an index below zero is looked for at every element
        for k in range(0, a.shape[0], 4):
            w0, w1, w2, w3 = a[k, i], a[k + 1, i], a[k + 2, i], a[k + 3, i]
            v0, v1, v2, v3 = a[k, i + 1], a[k + 1, i + 1], a[k + 2, i + 1], a[k + 3, i + 1]
            u0, u1, u2, u3 = a[k, i + 2], a[k + 1, i + 2], a[k + 2, i + 2], a[k + 3, i + 2]
            t0, t1, t2, t3 = a[k, i + 3], a[k + 1, i + 3], a[k + 2, i + 3], a[k + 3, i + 3]
            for j in range(i, size):
                x0, x1, x2, x3 = a[k, j], a[k + 1, j], a[k + 2, j], a[k + 3, j]
                out[i, j] = four_products(out[i, j], x0, x1, x2, x3, w0, w1, w2, w3)
                out[i + 1, j] = four_products(out[i + 1, j], x0, x1, x2, x3, v0, v1, v2, v3)
                out[i + 2, j] = four_products(out[i + 2, j], x0, x1, x2, x3, u0, u1, u2, u3)
                out[i + 3, j] = four_products(out[i + 3, j], x0, x1, x2, x3, t0, t1, t2, t3)
