"""What is said of a user's function that cannot be used as it is, and when two of its results are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.theory.row_functions import _first_line, _gradient_loop, _reason, _same, _tried, _value_loop

NUMBA = "Failed in nopython mode pipeline (step: x)\n\n[1] During: y\n  Unknown attribute 'loc' of type z  \nFile a.py"


@pytest.mark.parametrize(
    ("message", "reason", "first"),
    [
        (NUMBA, "Unknown attribute 'loc' of type z", "Failed in nopython mode pipeline (step: x)"),
        ("\n  File b.py\n-----", "File b.py", "File b.py"),  # nothing but places
        ("", "no message", "no message"),
        ("a" * 300, "a" * 160, "a" * 160),
    ],
)
def test_the_line_that_says_what_is_wrong(message: str, reason: str, first: str) -> None:
    assert _reason(ValueError(message)) == reason
    assert _first_line(ValueError(message)) == first


def test_results_are_the_same_up_to_a_billionth_of_the_largest() -> None:
    one = np.array([1000.0, 1.0, np.nan, np.inf])
    assert _same(one + np.array([0.0, 0.9e-6, 0.0, 0.0]), one)
    assert not _same(one + np.array([0.0, 3e-6, 0.0, 0.0]), one)
    assert not _same(one + np.array([3e-6, 0.0, 0.0, 0.0]), one)
    assert not _same(np.array([1.0, 0.5, 0.0, 0.0]), one)
    assert _same(-one, -one + np.array([0.0, 0.9e-6, 0.0, 0.0]))  # magnitudes count
    assert _same(np.zeros(0), np.zeros(0))
    assert not _same(np.array([1e-12]), np.array([3e-12]))
    assert not _same(np.array([np.inf, 1.0]), np.array([np.inf, 2.0]))


def test_a_call_that_fails_or_has_another_shape_is_described() -> None:
    good, words = _tried(lambda: np.arange(3), (3,))
    assert good is not None
    assert good.dtype == np.float64
    assert words == ""
    assert _tried(lambda: np.zeros((3, 2)), (3,)) == (None, "returned the shape (2,)")
    assert _tried(lambda: np.zeros(4), (3,)) == (None, "returned the shape (4,)")

    def broken() -> Any:
        raise KeyError("no such thing")

    assert _tried(broken, (3,)) == (None, "raised KeyError: 'no such thing'")


def test_a_loop_goes_over_all_of_its_rows_and_no_other() -> None:
    w = np.arange(10.0).reshape(5, 2)
    values, gradients = np.full(5, -1.0), np.full((5, 2), -1.0)
    for loop, function, out in (
        (_value_loop(np.sum), np.sum, values),
        (_gradient_loop(np.square), np.square, gradients),
    ):
        getattr(loop, "py_func", loop)(1, 4, w, out)
        np.testing.assert_array_equal(out[1:4], [function(row) for row in w[1:4]])
        assert (out[[0, 4]] == -1.0).all()
