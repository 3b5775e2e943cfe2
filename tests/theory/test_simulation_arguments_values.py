"""What a simulation may be given, at the edges: just inside is taken, just outside is one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, quadratic, simulation_arguments
from alpt_ref.theory.linear import synthetic_regression
from alpt_ref.theory.simulation_arguments import (
    minimum_outside_box,
    require_batch,
    require_minimum_in_box,
    require_numbers,
    start_of,
)

GRID = Grid(0.25, 3)
SIZES = np.array([0.25, 0.5])
ROWS = synthetic_regression("huber", 11, 7, seed=4)


def test_a_batch_has_at_most_two_to_the_20_rows() -> None:
    require_batch(1_048_576, ROWS)
    with pytest.raises(InputError, match=r"batch must be from 0 .* to 1048576, got 1048577"):
        require_batch(1_048_577, ROWS)


def test_the_memory_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five float64 records a checkpoint, four limits, and float32 weights: of every checkpoint, or of the last."""
    asked: list[Any] = []
    monkeypatch.setattr(simulation_arguments, "require_memory", lambda *words: asked.append(words))
    points = np.array([2, 5, 9])
    require_numbers(ROWS, 13, 0, 4, points)
    require_numbers(quadratic([1.0] * 7, 0.0), 13, 0, 1, points)
    assert [one[0] for one in asked] == [13 * (8 * 19 + 4 * 7 * 3), 13 * (8 * 19 + 4 * 7)]
    assert asked[0][1] == "the results of 13 runs with 7 coordinates and 3 checkpoints"


def test_weights_as_a_start_may_be_the_ends_of_their_own_box() -> None:
    """Codes -4 .. 3 of 1/4 and of 1/2."""
    for ends in ([-1.0, 1.5], [0.75, -2.0]):
        assert start_of(ends, 2, GRID, SIZES, clipped=True).tolist() == ends
    for outside in ([-1.01, 0.0], [0.76, 0.0], [0.0, -2.01], [0.0, 1.51]):
        with pytest.raises(InputError, match=r"must lie in the box, from -1 to 0.75, got .*; codes are whole numbers"):
            start_of(outside, 2, GRID, SIZES, clipped=True)
        assert start_of(outside, 2, GRID, SIZES, clipped=False).tolist() == outside


def test_a_minimum_may_be_an_end_of_its_box() -> None:
    for ends in ([-1.0, 1.5], [0.75, -2.0]):
        assert minimum_outside_box(quadratic([1.0, 1.0], ends), GRID, SIZES) == ""
        require_minimum_in_box(quadratic([1.0, 1.0], ends), GRID, SIZES)
    for minimum, told in (
        ([-1.125, 0.0], r"coordinate 0 of it is -1.125 and the box is \[-1, 0.75\]"),
        ([0.5, 1.625], r"coordinate 1 of it is 1.625 and the box is \[-2, 1.5\]"),
    ):
        with pytest.raises(InputError, match=f"the minimum must lie in the box, but {told}; take more bits"):
            require_minimum_in_box(quadratic([1.0, 1.0], minimum), GRID, SIZES)
