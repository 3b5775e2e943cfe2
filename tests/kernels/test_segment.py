"""Sums of segments in vectors and in loops, against whole numbers of Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import segment
from alpt_ref.tables.unique_rows import sum_gradients, unique_rows


def summed(rows: NDArray[np.float32]) -> Any:
    """The sum of a row's gradients (count, d) as `kernels.cpu.unique` defines it, without floats that round."""
    count = len(rows)
    if count == 1:
        return rows[0].copy()
    if count == 2:
        return rows[0] + rows[1]
    exponent = math.frexp(float(np.abs(rows).max()))[1]
    shift = 62 - (count - 1).bit_length() - exponent
    totals = [sum(int(math.ldexp(float(value), shift)) for value in column) for column in rows.T]
    return np.array([math.ldexp(float(total), -shift) for total in totals]).astype(np.float32)


@pytest.mark.parametrize("d", [4, 5, 8, 16, 32])
def test_sums_of_every_width_are_those_of_whole_numbers(d: int) -> None:
    rng = np.random.default_rng(d)
    ids = np.repeat(np.arange(12), np.arange(1, 13))
    grads = (rng.standard_normal((len(ids), d)) * 10.0 ** rng.integers(-9, 9, (len(ids), 1))).astype(np.float32)
    shuffled = rng.permutation(len(ids))
    found, finite = sum_gradients(unique_rows(ids[shuffled], 12), grads[shuffled])
    assert finite
    assert found.tobytes() == np.stack([summed(grads[ids == row]) for row in range(12)]).tobytes()


@pytest.mark.parametrize("d", [4, 5, 8, 16, 32])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_gradient_of_many_is_seen_in_every_column(d: int, value: float) -> None:
    ids = np.zeros(5, np.int64)
    for column in range(d):
        grads = np.ones((5, d), np.float32)
        grads[3, column] = value
        assert not sum_gradients(unique_rows(ids, 1), grads)[1]


def test_without_compilation_the_same() -> None:
    grads = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    order = np.array([5, 1, 3, 0, 2, 4])
    bits, picked = grads.view(np.int32), grads[order[1:5]]
    assert segment._python_peak(bits, order, 1, 5, 6, 4) == np.abs(picked).max().view(np.int32)
    out, shift = np.zeros((2, 4), np.float32), 60 - math.frexp(float(np.abs(picked).max()))[1]
    segment._python_total(out, 4, grads, order, 1, 5, 2.0**shift, 2.0**-shift, 4)
    assert out[1].tobytes() == summed(picked).tobytes()
    assert not out[0].any()
