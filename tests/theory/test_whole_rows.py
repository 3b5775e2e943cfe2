"""Rows in place of all rows of least squares: the same mean loss, the bits of the definition, on any threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alpt_ref.kernels import jit
from alpt_ref.theory.linear import LinearModel, least_squares, synthetic_regression
from alpt_ref.theory.whole_rows import triangular_factor, whole_rows
from analysis.claims import _engine_twin as twin
from tests import tolerances


def model(rows: int, d: int, loss: str = "square") -> LinearModel:
    """Normal features with columns of unlike lengths; no minimum is needed."""
    generator = np.random.default_rng(1)
    features = generator.standard_normal((rows, d)) * 2.0 ** generator.integers(-6, 6, d)
    return LinearModel(loss, features, generator.standard_normal(rows), np.zeros(d), 0.0, 0.0)  # type: ignore[arg-type]


def test_the_mean_loss_is_that_of_all_rows() -> None:
    problem = model(101, 7)
    found = whole_rows(problem)
    assert found.triangular
    assert found.features.shape == (7, 7)
    w = np.random.default_rng(2).standard_normal((5, 7))
    value = 0.5 * ((w @ found.features.T - found.offsets) ** 2).mean(axis=1) + found.rest
    np.testing.assert_allclose(value, problem.value(w), rtol=tolerances.FLOAT32)
    gradient = (w @ found.features.T - found.offsets) @ found.features / 7
    np.testing.assert_allclose(gradient, problem.gradient(w), rtol=tolerances.FLOAT32, atol=tolerances.FLOAT32)


def test_the_rest_is_the_loss_at_the_minimum() -> None:
    problem = synthetic_regression("square", 40, 3, seed=2, l2=0.0)
    assert whole_rows(problem).rest == pytest.approx(problem.f_star, rel=tolerances.FLOAT64)


def test_the_factor_has_the_bits_of_the_definition_for_any_number_of_threads() -> None:
    problem, before = model(90, 70), jit.num_threads()
    a = np.column_stack([problem.features, problem.offsets])
    wanted = twin.reduced_rows(problem)
    assert wanted is not None
    try:
        for threads in (1, 2):
            jit.set_num_threads(threads)
            factor = triangular_factor(a)
            assert factor is not None
            scaled = (factor * np.sqrt(70 / 90)).astype(np.float32)
            np.testing.assert_array_equal(scaled[:70, :70], wanted[0])
            np.testing.assert_array_equal(scaled[:70, 70], wanted[1])
    finally:
        jit.set_num_threads(before)


@pytest.mark.parametrize(
    "problem",
    [
        model(40, 3, "huber"),
        model(3, 3),
        replace(model(40, 3), features=np.ones((40, 3)) + 1e-6 * np.random.default_rng(1).random((40, 3))),
        replace(model(40, 3), features=np.zeros((40, 3))),
    ],
    ids=["another loss", "as many columns", "almost one column", "zeros"],
)
def test_rows_that_have_no_good_factor_are_taken_as_they_are(problem: LinearModel) -> None:
    found = whole_rows(problem)
    assert not found.triangular
    assert found.rest == 0.0
    np.testing.assert_array_equal(found.features, problem.features.astype(np.float32))


def test_the_rows_of_a_model_are_computed_once() -> None:
    problem = least_squares([[3.0], [4.0]], [5.0, 10.0])
    assert whole_rows(problem) is whole_rows(problem)
