"""Dense steps by hand, at numbers that float64 holds and of which no two are alike; in plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from alpt_ref.scalar import dense_update
from tests.plain import plain

STEP = dense_update.AdamStep(keep=0.875, lr=0.375, beta1=0.75, beta2=0.625, rest1=0.25, rest2=0.5, root=0.5, eps=0.25)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_moves_both_moments_and_the_parameter(dtype: type[np.floating]) -> None:
    step = dense_update.AdamStep(*(dtype(one) for one in STEP))
    m, v = plain(dense_update.adam_moments)(dtype(3.0), dtype(-5.0), dtype(7.0), step)
    assert (m, v) == (0.75 * -5.0 + 0.25 * 3.0, 0.625 * 7.0 + 0.5 * 9.0)
    p = plain(dense_update.adam_parameter)(dtype(11.0), dtype(-4.5), dtype(0.765625), step)
    assert p == 0.875 * 11.0 + 0.375 * 4.5 / 2.0  # .875 is the root: .875 / .5 + .25 = 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_step_decays_and_goes_down(dtype: type[np.floating]) -> None:
    found = plain(dense_update.sgd_parameter)(dtype(11.0), dtype(-3.0), dtype(0.875), dtype(0.375))
    assert found == 0.875 * 11.0 + 0.375 * 3.0
