"""The factorisation machine's passes on the CPU: linear and pairwise terms forward and backward, and its factors alone.

A row of the embedding table is ``[v_1 .. v_k, w]``: the k factors of a category, then its linear weight. All kernels
take the batch as ``x`` (rows, fields, k + 1) and work in its dtype. A row's sums run in field order in one thread,
so the number of threads cannot change a bit.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel

Array = NDArray[Any]


@kernel
def fm_forward(lo: int, hi: int, x: Array, sums: Array, pairs: Array, out: Array) -> None:
    """Add ``sum_f w_f + sum_{f<g} v_f . v_g`` to ``out[i]``; leaves ``sum_f v_f`` in `sums` (rows, k).

    Each field is multiplied by the sum of the fields before it. The form of the paper's lemma 3.1, half of the
    square of the sum less the sum of the squares, costs the same and cancels where one factor is much the largest.
    `pairs` (rows, k) is scratch: one running sum a factor, because a single one would not vectorise.
    """
    fields, factors = x.shape[1], x.shape[2] - 1
    for i in range(lo, hi):
        total, pair = sums[i], pairs[i]
        total[:] = 0
        pair[:] = 0
        logit = x.dtype.type(0)
        for f in range(fields):
            row = x[i, f]
            for k in range(factors):
                pair[k] += row[k] * total[k]
                total[k] += row[k]
            logit += row[factors]
        for k in range(factors):
            logit += pair[k]
        out[i] += logit


@kernel
def fm_backward(lo: int, hi: int, x: Array, sums: Array, dout: Array, dx: Array) -> None:
    """``dx[i, f] = dout[i] * [sum_{g != f} v_g, 1]``, with `sums` of `fm_forward`."""
    fields, factors = x.shape[1], x.shape[2] - 1
    for i in range(lo, hi):
        total, g = sums[i], dout[i]
        for f in range(fields):
            row, target = x[i, f], dx[i, f]
            for k in range(factors):
                target[k] = g * (total[k] - row[k])
            target[factors] = g


@kernel
def fm_factors(lo: int, hi: int, x: Array, out: Array) -> None:
    """Copy the factors, without the linear weights, into `out` (rows, fields, k)."""
    for i in range(lo, hi):
        for f in range(x.shape[1]):
            row, target = x[i, f], out[i, f]
            for k in range(out.shape[2]):
                target[k] = row[k]


@kernel
def fm_add_factors(lo: int, hi: int, dfactors: Array, dx: Array) -> None:
    """Add `dfactors` (rows, fields, k) to the factors' part of `dx` (rows, fields, k + 1)."""
    for i in range(lo, hi):
        for f in range(dx.shape[1]):
            row, target = dfactors[i, f], dx[i, f]
            for k in range(dfactors.shape[2]):
                target[k] += row[k]
