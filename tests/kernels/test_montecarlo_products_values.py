"""Products with rows: blocks that end with a whole tile, and so many columns that blocks of 64 are counted twice over."""

from __future__ import annotations

import numpy as np
import pytest

from alpt_ref.kernels.cpu import montecarlo_lanes as lanes
from alpt_ref.kernels.cpu import montecarlo_products as products
from tests.plain import plain

F32 = np.float32
rng = np.random.default_rng(6)


@pytest.mark.parametrize(("begin", "end"), [(0, 32), (16, 32), (16, 48), (32, 37)])
def test_a_block_makes_no_more_than_its_own_tiles(begin: int, end: int) -> None:
    n, d, runs = 50, 3, 4
    x, w = rng.integers(-3, 4, (n, d)).astype(F32), rng.integers(-3, 4, runs * d).astype(F32)
    out = np.full(runs * products.BLOCK, 77.0, F32)
    plain(products.block_dots)(runs, begin, end, False, products.tiles(x), w, 0, np.ones(64, F32), out)
    found, last = out.reshape(runs, products.BLOCK), -(-end // 16) * 16 - begin
    for r in range(runs):
        assert found[r, : end - begin].tolist() == (x[begin:end] @ w[r * d : (r + 1) * d]).tolist()
    assert (found[:, last:] == 77.0).all()


def test_four_rows_of_very_many_columns() -> None:
    d, rows = 4097, (2, 0, 3, 1)
    x, w = rng.integers(-3, 4, (4, d)).astype(F32), rng.integers(-3, 4, d + 2).astype(F32)
    wanted = x.astype(float) @ w[2:].astype(float)
    found = plain(lanes.four_lanes_dots)(x, rows, w, 2, np.ones(lanes.ROOM, F32))
    assert [float(one) for one in found] == [wanted[r] for r in rows]
