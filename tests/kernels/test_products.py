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


@pytest.mark.parametrize("triangular", [False, True])
@pytest.mark.parametrize(("n", "d"), [(4, 5), (7, 16), (21, 37), (40, 40), (3, 33)])
def test_rows_are_added_to_the_gradients_of_four_runs(n: int, d: int, triangular: bool) -> None:
    x = np.triu(numbers(n, d)) if triangular else numbers(n, d)
    first, at = min(2, n - 1), 3
    rows = n - first
    slopes, g = numbers(4, rows + 1), numbers(at + 4 * d + 2)
    wanted = g.copy()
    for k in range(4):
        for i in range(rows):
            wanted[at + k * d : at + (k + 1) * d] += slopes[k, i] * x[first + i]
    plain(products.add_rows_of_four_runs)(x, first, rows, triangular, slopes, g, at)
    np.testing.assert_array_equal(g, wanted)


@pytest.mark.parametrize("triangular", [False, True])
@pytest.mark.parametrize(("n", "d", "most"), [(4, 5, 16), (20, 19, 16), (40, 40, 16), (33, 70, 32), (3, 4, 256)])
def test_tiles_hold_the_dots_of_their_rows_for_four_runs(n: int, d: int, most: int, triangular: bool) -> None:
    x = np.triu(numbers(n, d)) if triangular else numbers(n, d)
    columns, at = products.tiles(x, most), 2
    w = numbers(at + 4 * d + 1)
    size = columns.shape[2]
    assert columns.shape == (-(-n // size), d, min(most, -(-n // 16) * 16))
    for tile in range(len(columns)):
        z = np.full((4, size), 7.0, np.float32)
        plain(products.tile_dots)(tile, triangular, columns, w, at, z)
        for k in range(4):
            here = w[at + k * d : at + (k + 1) * d]
            for i in range(size):
                row = tile * size + i
                assert z[k, i] == (in_order(x[row], here) if row < n else 0.0)
