"""The factorisation machine's passes on the GPU; x and dx are flat (rows, fields, k + 1), as in `kernels.cpu.fm`."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.bf16 import put_number
from alpt_ref.kernels.cuda.reduce import LANES, ROW_LANES, warp_sum
from alpt_ref.kernels.cuda.target import cuda, kernel


@kernel
def fm_forward(x, rows, fields, factors, sums, out):
    """Add ``sum_f w_f + sum_{f<g} v_f . v_g`` to ``out[i]``; leaves ``sum_f v_f`` in `sums`. One row per warp."""
    lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    width = factors + 1
    for base in range(ROW_LANES * cuda.blockIdx.x, rows, ROW_LANES * cuda.gridDim.x):
        i, logit = base + warp, np.float32(0)
        if i < rows:
            for k in range(lane, factors, LANES):
                total, pair = np.float32(0), np.float32(0)
                for f in range(fields):
                    value = x[(i * fields + f) * width + k]
                    pair += value * total
                    total += value
                sums[i * factors + k] = total
                logit += pair
            for f in range(lane, fields, LANES):
                logit += x[(i * fields + f) * width + factors]
        logit = warp_sum(logit)
        if lane == 0 and i < rows:
            out[i] += logit


@kernel
def fm_backward(x, size, fields, factors, sums, dout, dx):
    """``dx[i, f] = dout[i] * [sum_{g != f} v_g, 1]``; `size` elements of x."""
    width = np.int64(factors + 1)
    for place in range(cuda.grid(1), size, cuda.gridsize(1)):
        k, i = place % width, place // (width * fields)
        g = dout[i]
        dx[place] = g if k == factors else g * (sums[i * factors + k] - x[place])


@kernel
def fm_factors(x, size, factors, out):
    """Copy the factors, without the linear weights; `size` elements of `out`."""
    for place in range(cuda.grid(1), size, cuda.gridsize(1)):
        put_number(out, place, x[place + place // factors])


@kernel
def fm_add_factors(dfactors, size, factors, dx):
    """Add `dfactors` (`size` elements) to the factors' part of `dx`."""
    for place in range(cuda.grid(1), size, cuda.gridsize(1)):
        dx[place + place // factors] += dfactors[place]
