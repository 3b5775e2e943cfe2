"""A matrix transposed: TF32 products are faster where both factors run along the inner dimension in memory."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.reduce import LANES, ROW_LANES
from alpt_ref.kernels.cuda.target import cuda, kernel

_TILE = LANES * (LANES + 1)  # a column of a tile lies in as many banks of shared memory as it has rows


def tiles(rows: int, columns: int) -> int:
    """Blocks that `transpose` takes."""
    return -(-rows // LANES) * -(-columns // LANES)


@kernel
def transpose(matrix, rows, columns, out):
    """``out`` (columns, rows) = `matrix` (rows, columns), both flat; a block takes a tile of 32 by 32."""
    tile = cuda.shared.array(_TILE, np.float32)
    across = (columns + LANES - 1) // LANES
    top, left = cuda.blockIdx.x // across * LANES, cuda.blockIdx.x % across * LANES
    lane, first = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    for k in range(first, LANES, ROW_LANES):
        if top + k < rows and left + lane < columns:
            tile[k * (LANES + 1) + lane] = matrix[(top + k) * columns + left + lane]
    cuda.syncthreads()
    for k in range(first, LANES, ROW_LANES):
        if left + k < columns and top + lane < rows:
            out[(left + k) * rows + top + lane] = tile[lane * (LANES + 1) + k]
