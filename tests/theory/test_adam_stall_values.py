"""D7's first touch at its edges: the margin of float32, and where the bound meets what is needed exactly."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest

from alpt_ref.theory import adam_stall
from alpt_ref.theory.adam_stall import FLOAT32_MARGIN, adam_dr_first_move

B1, B2 = Fraction(1, 2), Fraction(3, 4)


def square(t: int) -> Fraction:
    """``c_t^2``, the sum of ``a_s^2/b_s``."""
    total = Fraction(0)
    for s in range(1, t + 1):
        a = (1 - B1) * B1 ** (t - s) / (1 - B1**t)
        total += a * a * (1 - B2**t) / ((1 - B2) * B2 ** (t - s))
    return total


def test_the_margin_of_float32_is_one_part_in_ten_thousand() -> None:
    assert FLOAT32_MARGIN == 1e-4
    c = [math.sqrt(square(t)) for t in range(1, 8)]
    assert all(b / a > 1.001 for a, b in itertools.pairwise(c))
    for t in range(2, 7):
        inside, outside = (0.5 * (1.0 - part * 1e-4) / c[t - 1] for part in (0.7, 1.4))
        assert adam_dr_first_move([inside, outside], 0.5, 0.75).tolist() == [t, t + 1]


@pytest.mark.parametrize("listed", [1 << 20, 0])
def test_a_touch_that_just_reaches_what_is_needed_is_the_first(listed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a first moment ``c_t^2 = (1 - b2^t)/(1 - b2)``; with b2 = 3/4 the first is 1 exactly, the second 1.32."""
    monkeypatch.setattr(adam_stall, "LISTED", listed)
    needed = 0.5 * (1.0 - FLOAT32_MARGIN)
    ratios = [needed, math.nextafter(needed, 0.0), needed / 1.32, needed / 1.33, needed / 2.01, 4.0]
    assert adam_dr_first_move(ratios, 0.0, 0.75).tolist() == [1.0, 2.0, 2.0, 3.0, math.inf, 1.0]
