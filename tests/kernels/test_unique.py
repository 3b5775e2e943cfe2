"""Unique rows and order-independent gradient sums."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref import set_num_threads
from alpt_ref.tables import unique_rows as module
from alpt_ref.tables.unique_rows import sum_gradients, unique_rows

IDS = st.lists(st.integers(0, 40), min_size=1, max_size=60)


@given(st.lists(st.integers(0, 2**40), max_size=50))
def test_unique_rows_equal_those_of_numpy(ids: list[int]) -> None:
    array = np.array(ids, np.int64)
    unique = unique_rows(array, 2**40 + 1)
    rows, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    assert np.array_equal(unique.rows, rows)
    assert np.array_equal(np.diff(unique.starts), counts)
    for index in range(len(rows)):
        positions = unique.order[unique.starts[index] : unique.starts[index + 1]]
        assert np.array_equal(positions, np.flatnonzero(inverse == index))


@given(st.integers(1, 200), st.integers(1, 120), st.sampled_from([1, 7, 64]), st.integers(0, 2**32 - 1))
def test_the_bitmap_finds_what_sorting_finds_whatever_the_parts(n: int, size: int, part: int, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, n, size).astype([np.int64, np.uint32][seed % 2])
    order = np.argsort(ids, kind="stable")
    rows, starts = np.unique(ids[order], return_index=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART", part)
        patch.setattr(module, "num_threads", lambda: 3)
        found = unique_rows(ids, n)
    assert found.rows.tolist() == rows.tolist()
    assert found.starts.tolist() == [*starts, size]
    assert found.order.tolist() == order.tolist()


@given(IDS, st.randoms(use_true_random=False), st.integers(0, 2**32 - 1))
def test_sum_does_not_depend_on_the_order_and_is_exact_to_the_last_bit_or_so(
    ids: list[int], shuffler: object, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    grads = (rng.standard_normal((len(ids), 3)) * 10.0 ** rng.integers(-6, 6, (len(ids), 1))).astype(np.float32)
    array = np.array(ids, np.int64)
    total, _ = sum_gradients(unique_rows(array, 41), grads)
    order = rng.permutation(len(ids))
    again, _ = sum_gradients(unique_rows(array[order], 41), grads[order])
    assert np.array_equal(total, again)
    for index, row in enumerate(np.unique(array)):
        mine = grads[array == row]
        for column in range(3):
            exact = sum((Fraction(float(value)) for value in mine[:, column]), Fraction(0))
            largest = float(np.abs(mine).max())
            # One float32 rounding of the exact sum, plus the stated truncation.
            allowed = abs(float(exact)) * 2.0**-24 + largest * 2.0**-62 * len(mine) ** 2 * 4
            assert abs(Fraction(float(total[index, column])) - exact) <= Fraction(allowed) + Fraction(2) ** -149


def test_a_running_float_sum_would_depend_on_the_order() -> None:
    # The control of the test above: the property is not a triviality of the data.
    values = np.array([1e8, 1.0, -1e8], np.float32)
    assert (values[0] + values[1]) + values[2] != (values[0] + values[2]) + values[1]
    grads = values.reshape(3, 1)
    ids = np.zeros(3, np.int64)
    assert sum_gradients(unique_rows(ids, 1), grads)[0][0, 0] == 1.0


def test_the_same_for_any_number_of_threads(threads: None) -> None:
    rng = np.random.default_rng(1)
    ids = rng.zipf(1.3, 50_000) % 5_000
    grads = rng.standard_normal((len(ids), 8)).astype(np.float32)
    sums = []
    for count in (1, 2, 3):
        set_num_threads(count)
        sums.append(sum_gradients(unique_rows(ids, 5_000), grads)[0])
    assert np.array_equal(sums[0], sums[1])
    assert np.array_equal(sums[0], sums[2])


@pytest.mark.parametrize("magnitude", [1e-40, 1e-20, 1.0, 1e20, 3e38])
def test_extreme_magnitudes(magnitude: float) -> None:
    grads = np.array([[magnitude], [-magnitude / 2], [magnitude / 4]], np.float32)
    total, _ = sum_gradients(unique_rows(np.zeros(3, np.int64), 1), grads)
    assert total[0, 0] == pytest.approx(float(grads.astype(np.float64).sum()), rel=1e-7)
    zero, _ = sum_gradients(unique_rows(np.zeros(3, np.int64), 1), np.zeros((3, 1), np.float32))
    assert zero[0, 0] == 0.0


@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_shows_in_the_sum(count: int, value: float) -> None:
    ids = np.append(np.arange(5), np.full(count, 7))
    grads = np.ones((len(ids), 3), np.float32)
    assert sum_gradients(unique_rows(ids, 8), grads)[1]
    grads[-1, 1] = value
    assert not sum_gradients(unique_rows(ids, 8), grads)[1]


@pytest.mark.parametrize("count", [2, 4, 40])
def test_a_sum_that_overflows_is_seen_and_one_that_cancels_is_not(count: int) -> None:
    unique = unique_rows(np.zeros(count, np.int64), 1)
    grads = np.full((count, 2), 3e38, np.float32)
    assert not sum_gradients(unique, grads)[1]
    grads[::2] *= np.float32(-1.0)
    assert sum_gradients(unique, grads)[1]
