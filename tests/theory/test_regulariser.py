"""R9 against a sum over the corners around a point, each with its probability, for full Hessians."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory.regulariser import expected_rise, expected_rise_from_grid
from tests import tolerances


@given(
    d=st.integers(1, 4), seed=st.integers(0, 99), step_size=st.sampled_from([0.1, 1.0, 3.0]), grid=st.booleans(),
)  # fmt: skip
def test_the_mean_over_the_corners_needs_the_diagonal_alone(d: int, seed: int, step_size: float, grid: bool) -> None:
    draw = np.random.default_rng(seed)
    factor, minimum = draw.normal(size=(d, d)), draw.normal(size=d)
    hessian = factor + factor.T  # no need of a sign

    def f(w: np.ndarray) -> float:
        return float(0.5 * (w - minimum) @ hessian @ (w - minimum))

    code, u = draw.integers(-5, 5, d), draw.uniform(-1.0, 1.0, d)
    v = (code - u) * step_size
    below = np.floor(v / step_size)
    p = v / step_size - below
    mean = 0.0
    for corner in itertools.product((0, 1), repeat=d):
        up = np.array(corner)
        mean += float(np.prod(np.where(up == 1, p, 1.0 - p))) * f((below + up) * step_size)
    scale = np.abs(hessian).sum() * (10.0 * step_size + 5.0) ** 2
    wanted = mean - f(v)
    found = (
        expected_rise_from_grid(np.diag(hessian), u * step_size, step_size)
        if grid
        else expected_rise(np.diag(hessian), v, step_size)
    )
    assert found == pytest.approx(wanted, abs=tolerances.FLOAT64 * scale)


def test_on_the_grid_nothing_is_added() -> None:
    assert expected_rise([1.0, 2.0], [0.5, -1.5], 0.5) == 0.0
    assert expected_rise_from_grid([1.0, 2.0], [0.5, 0.0], 0.5) == 0.0


def test_shapes_must_match() -> None:
    with pytest.raises(InputError, match="must be \\(d,\\), got \\(2,\\) and \\(3,\\)"):
        expected_rise([1.0, 2.0], [0.0, 0.0, 0.0], 1.0)
