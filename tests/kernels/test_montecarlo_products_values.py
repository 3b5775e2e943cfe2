"""Products with rows: blocks that end with a whole tile, rows of which no two are alike, and very many columns."""

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
    """Of five runs, which are taken as eight."""
    n, d, runs = 50, 3, 5
    x, w = rng.integers(-3, 4, (n, d)).astype(F32), rng.integers(-3, 4, 8 * d).astype(F32)
    out = np.full(8 * products.BLOCK, 77.0, F32)
    plain(products.block_dots)(runs, begin, end, False, products.tiles(x), w, 0, np.ones(64, F32), out)
    found, last = out.reshape(8, products.BLOCK), -(-end // 16) * 16 - begin
    for r in range(runs):
        assert found[r, : end - begin].tolist() == (x[begin:end] @ w[r * d : (r + 1) * d]).tolist()
    assert (found[:, last:] == 77.0).all()


def test_four_rows_are_four_different_rows() -> None:
    d, rows, slopes = 3, (6, 0, 4, 1), [F32(one) for one in (2.0, -3.0, 5.0, 7.0)]
    x = rng.integers(-3, 4, (8, d)).astype(F32) + 8 * np.arange(8, dtype=F32)[:, None]
    w = np.array([9.0, 1.0, -2.0, 3.0], F32)
    found = plain(products.four_dots)(x, 3, w, 1)
    assert [float(one) for one in found] == (x[3:7] @ w[1:]).tolist()
    wanted = sum(s * x[r] for s, r in zip(slopes, rows, strict=True))
    g = np.array([77.0, 4.0, 5.0, -6.0, 77.0], F32)
    plain(products.add_four_rows)(x, rows, *slopes, g, 1)
    assert g.tolist() == [77.0, *(wanted + np.array([4.0, 5.0, -6.0])), 77.0]
    plain(products.set_four_rows)(x, rows, *slopes, F32(0.5), w, g, 1)
    assert g.tolist() == [77.0, *(wanted + 0.5 * w[1:]), 77.0]


def test_four_rows_of_very_many_columns() -> None:
    d, rows = 4097, (2, 0, 3, 1)
    x, w = rng.integers(-3, 4, (4, d)).astype(F32), rng.integers(-3, 4, d + 2).astype(F32)
    wanted = x.astype(float) @ w[2:].astype(float)
    one = plain(lanes.lanes_dot)(x, 3, w, 2, np.ones(lanes.ROOM, F32))
    assert float(one) == wanted[3]
    found = plain(lanes.four_lanes_dots)(x, rows, w, 2, np.ones(lanes.ROOM, F32))
    assert [float(one) for one in found] == [wanted[r] for r in rows]
