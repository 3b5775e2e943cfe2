"""R1 and R3 at numbers by hand: words of 32 bits by default, and the same error in both directions."""

from __future__ import annotations

from fractions import Fraction

import pytest

from alpt_ref.theory.identities import sr_bias, sr_error_from_grid, sr_up_probability


def test_a_word_has_32_bits_unless_it_is_said() -> None:
    exact = Fraction(2.3)
    away = Fraction(int((exact - 2) * 2**32), 2**32)
    assert (exact - 2) * 2**32 % 1 > Fraction(1, 2)  # so that a bit more is another number
    assert sr_up_probability(2.3) == away
    assert sr_up_probability(-2.3) == 1 - away
    assert sr_bias(2.3) == -sr_bias(-2.3) == away + 2 - exact


def test_the_error_from_the_grid_is_periodic_and_has_no_direction() -> None:
    found = sr_error_from_grid([0.033, -0.033, 0.143, -0.363, 0.0], 0.11)
    assert found.tolist() == pytest.approx([0.11**2 * 0.3 * 0.7] * 4 + [0.0], rel=1e-12)
