"""What the vectorised driver gets of a problem, for weights of several runs, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.theory.draws import generator
from alpt_ref.theory.gradient_source import ProblemSource, SeparableSource
from alpt_ref.theory.problems import elastic

W = np.array([[0.5, -2.0, 1.25], [3.0, 0.75, -1.5]], np.float32)


def source(f_star: float | None, sampled: Any = None) -> ProblemSource:
    """Of f = 3 w0 + 5 w1 - 7 w2 + 40, its minimum said to be at (1, 2, 3)."""
    slopes = np.array([3.0, 5.0, -7.0])
    problem: Any = SimpleNamespace(
        f_star=f_star,
        stochastic=sampled is not None,
        sampled_gradient=sampled,
        value=lambda w: w.astype(np.float64) @ slopes + 40.0,
        gradient=lambda w: np.repeat(slopes[None], len(w), axis=0) * [[1.0], [0.5]],
        distance=lambda w: np.linalg.norm(w - np.array([1.0, 2.0, 3.0]), axis=1),
    )
    return ProblemSource(problem)


def test_a_users_problem_is_counted_from_its_lowest_value() -> None:
    values = [1.5 - 10.0 - 8.75 + 40.0, 9.0 + 3.75 + 10.5 + 40.0]
    assert source(None).value(W).tolist() == values
    assert source(6.5).value(W).tolist() == [x - 6.5 for x in values]
    assert source(-6.5).f_star == -6.5
    assert source(6.5).gradient2(W).tolist() == [9.0 + 25.0 + 49.0, (9.0 + 25.0 + 49.0) / 4]
    np.testing.assert_allclose(source(6.5).distance2(W), [0.25 + 16.0 + 1.75**2, 4.0 + 1.25**2 + 4.5**2], rtol=1e-14)
    assert source(6.5).sampled(W, 3, 4).tolist() == [[3.0, 5.0, -7.0], [1.5, 2.5, -3.5]]


def test_a_sampled_gradient_gets_the_generator_of_seed_and_step() -> None:
    drawn = source(None, lambda w, draw: w + draw.random(w.shape)).sampled(W, 5, 11)
    wanted = W.astype(np.float64) + generator(11, 5, kinds.PURPOSE_SAMPLE).random(W.shape)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, wanted.astype(np.float32))


def test_a_separable_problem_is_counted_from_zero() -> None:
    made = SeparableSource(elastic([2.0, 0.5, 4.0], [0.25, 1.5, 0.0], [1.0, -0.5, 0.25]))
    assert made.f_star == 0.0
    gradient = [[-1.25, -2.25, 4.0], [4.25, 2.125, -7.0]]
    assert made.sampled(W, 7, 3).tolist() == gradient
    assert made.gradient2(W).tolist() == [sum(x * x for x in row) for row in gradient]
    assert made.distance2(W).tolist() == [0.25 + 2.25 + 1.0, 4.0 + 1.5625 + 3.0625]
    first = 0.25 + 0.25 * 0.5 + (0.25 * 2.25 + 1.5 * 1.5) + 2.0
    second = 4.0 + 0.25 * 2.0 + (0.25 * 1.5625 + 1.5 * 1.25) + 2.0 * 3.0625
    np.testing.assert_allclose(made.value(W), [first, second], rtol=1e-15)
