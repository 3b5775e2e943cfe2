"""Update rules at the places where they divide: nothing, almost nothing, and the numbers that are left out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alpt_ref.theory import Adagrad, Adam, Eco

GRADIENT = np.array([[3e-8, -0.75], [0.0, 1.25]], np.float32)


def test_eco_injects_nothing_at_a_rate_of_0() -> None:
    rule = Eco(0.25)
    state = rule.init(2, 2)
    error = np.array([[0.5, -0.25], [1.5, 0.75]])
    rule.absorb(error, state, 0.0, 1)
    assert state["m"].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    rule.absorb(error, state, 0.5, 2)
    np.testing.assert_array_equal(state["m"], -6.0 * error)  # (1 - 4)/(1/2)


def test_adagrad_adds_nothing_to_its_root_and_leaves_alone_what_never_had_a_gradient() -> None:
    rule = Adagrad()
    state = rule.init(2, 2)
    with np.errstate(all="raise"):
        first = rule.move(GRADIENT, state, 0.5, 1)
        second = rule.move(GRADIENT, state, 0.25, 2)
    assert first == pytest.approx(np.array([[-0.5, 0.5], [0.0, -0.5]]), rel=1e-12)
    assert second == pytest.approx(np.array([[-0.25, 0.25], [0.0, -0.25]]) / math.sqrt(2.0), rel=1e-12)


def test_adam_adds_1e_8_to_its_root() -> None:
    """Corrected moments of the first step are the gradient and its square."""
    rule = Adam()
    move = rule.move(GRADIENT, rule.init(2, 2), 0.5, 1)
    size = np.abs(GRADIENT.astype(np.float64))
    assert move == pytest.approx(-0.5 * GRADIENT / (size + 1e-8), rel=1e-9)
    assert abs(move[0, 0]) == pytest.approx(0.375, rel=1e-6)
