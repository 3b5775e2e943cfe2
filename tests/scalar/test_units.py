"""Which step size belongs to a row."""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.units import unit_of


def test_a_row_finds_its_field_by_the_offsets() -> None:
    offsets = np.array([0, 3, 4, 10], np.int64)
    assert [int(unit_of(row, offsets, 3)) for row in range(10)] == [0, 0, 0, 1, 2, 2, 2, 2, 2, 2]


def test_a_row_with_its_own_step_size_is_its_unit() -> None:
    assert [int(unit_of(row, np.zeros(1, np.int64), -1)) for row in (0, 7)] == [0, 7]


def test_without_fields_there_is_one_step_size() -> None:
    assert [int(unit_of(row, np.zeros(1, np.int64), units)) for row in (0, 7) for units in (0, 1)] == [0] * 4
