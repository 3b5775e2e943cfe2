"""Products of rows and weights against plain sums, to the bit: every order is one that the pages state."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import montecarlo_lanes as lanes
from alpt_ref.kernels.cpu import montecarlo_products as products
from tests.plain import plain

Floats = NDArray[np.float32]
WIDTHS = (1, 3, 15, 16, 17, 33, 63, 64, 65, 83, 130)
rng = np.random.default_rng(5)


def numbers(*shape: int) -> Floats:
    return rng.normal(size=shape).astype(np.float32)


def in_lanes(x: Floats, w: Floats) -> np.float32:
    sums = np.zeros(16, np.float32)
    for j in range(len(x)):
        sums[j % 16] = sums[j % 16] + x[j] * w[j]
    for half in (8, 4, 2, 1):
        sums = sums[:half] + sums[half:]
    return np.float32(sums[0])


def in_order(x: Floats, w: Floats) -> np.float32:
    z = np.float32(0.0)
    for a, b in zip(x, w, strict=True):
        z = np.float32(z + a * b)
    return z


@pytest.mark.parametrize("d", WIDTHS)
def test_a_sampled_row_is_summed_in_lanes(d: int) -> None:
    x, w, at = numbers(5, d), numbers(d + 6), 4
    wanted = [in_lanes(row, w[at : at + d]) for row in x]
    for room in (0, lanes.ROOM):
        got = [plain(lanes.lanes_dot)(x, r, w, at, np.full(room, 7.0, np.float32)) for r in range(5)]
        assert got == wanted
    rows = (4, 0, 2, 1)
    four = plain(lanes.four_lanes_dots)(x, rows, w, at, np.full(lanes.ROOM, 7.0, np.float32))
    assert list(four) == [wanted[r] for r in rows]


@pytest.mark.parametrize("d", [1, 5, 17])
def test_dots_in_the_order_of_the_columns(d: int) -> None:
    x, w, at = numbers(6, d), numbers(d + 3), 2
    wanted = [in_order(row, w[at : at + d]) for row in x]
    assert [plain(products.dot)(x, r, w, at) for r in range(6)] == wanted
    assert list(plain(products.four_dots)(x, 1, w, at)) == wanted[1:5]


@pytest.mark.parametrize("d", [1, 5, 17])
def test_rows_are_added_one_after_the_other(d: int) -> None:
    x, at, slopes = numbers(6, d), 3, numbers(4)
    one, wanted = numbers(d + 5), np.empty(0, np.float32)
    wanted = one.copy()
    wanted[at : at + d] += slopes[0] * x[2]
    plain(products.add_row)(x, 2, slopes[0], one, at)
    np.testing.assert_array_equal(one, wanted)
    rows = (5, 0, 3, 3)
    for s, r in zip(slopes, rows, strict=True):
        wanted[at : at + d] += s * x[r]
    plain(products.add_four_rows)(x, rows, *slopes, one, at)
    np.testing.assert_array_equal(one, wanted)


@pytest.mark.parametrize("d", [1, 5, 17])
def test_a_gradient_may_begin_with_its_first_four_rows(d: int) -> None:
    x, at, slopes, w, l2 = numbers(6, d), 3, numbers(4), numbers(d + 4), np.float32(0.3)
    got, rows = np.full(d + 5, 7.0, np.float32), (5, 0, 3, 3)
    wanted = got.copy()
    wanted[at : at + d] = l2 * w[at : at + d]
    for s, r in zip(slopes, rows, strict=True):
        wanted[at : at + d] += s * x[r]
    plain(products.set_four_rows)(x, rows, *slopes, l2, w, got, at)
    np.testing.assert_array_equal(got, wanted)


def test_tiles_hold_every_row_and_zeros() -> None:
    x = numbers(21, 3)
    found = products.tiles(x)
    assert found.shape == (2, 3, 16)
    np.testing.assert_array_equal(found.transpose(0, 2, 1).reshape(32, 3), np.concatenate([x, np.zeros((11, 3))]))


@pytest.mark.parametrize("triangular", [False, True])
@pytest.mark.parametrize(("n", "d"), [(4, 5), (20, 19), (40, 40), (33, 70)])
def test_a_block_of_dots_of_many_runs(n: int, d: int, triangular: bool) -> None:
    x = np.triu(numbers(n, d)) if triangular else numbers(n, d)
    runs, at, begin = 8, 2, 16 if n > 16 else 0
    w = numbers(at + runs * d + 1)
    got = np.full(runs * products.BLOCK, 7.0, np.float32)
    plain(products.block_dots)(runs, begin, n, triangular, products.tiles(x), w, at, np.ones(64, np.float32), got)
    rows = got.reshape(runs, products.BLOCK)
    for r in range(runs):
        here = w[at + r * d : at + (r + 1) * d]
        assert list(rows[r, : n - begin]) == [in_order(row, here) for row in x[begin:]]
    last = -(-(n - begin) // 16) * 16
    assert not rows[:, n - begin : last].any()
    assert (rows[:, last:] == 7.0).all()


@pytest.mark.parametrize("triangular", [False, True])
@pytest.mark.parametrize(("n", "d"), [(4, 5), (21, 37), (40, 40), (19, 33)])
def test_a_block_of_rows_is_added_to_the_gradients_of_many_runs(n: int, d: int, triangular: bool) -> None:
    x = np.triu(numbers(n, d)) if triangular else numbers(n, d)
    runs, begin, end = 8, 16 if n > 16 else 0, n - 1
    slopes, g = numbers(runs * products.BLOCK), numbers(runs * d + 2)
    wanted = g.copy()
    for r in range(runs):
        for i in range(begin, end):
            wanted[r * d : (r + 1) * d] += slopes[r * products.BLOCK + i - begin] * x[i]
    across = products.tiles(x.T)
    plain(products.add_block)(runs, begin, end, triangular, across, d, slopes, g, np.ones(64, np.float32))
    np.testing.assert_array_equal(g, wanted)
