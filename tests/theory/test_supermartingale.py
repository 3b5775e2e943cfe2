"""X5: the mean of one increment over both roundings, in fractions, is at most 0, and what it lacks is known."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory.supermartingale import Update, increment

PLACE = st.integers(-64, 64)
CODES = (-4, 3)


@given(w=st.integers(*CODES), u=PLACE, minimum=PLACE, slope=st.integers(1, 8), rate=st.integers(1, 60))
def test_the_mean_of_one_increment(w: int, u: int, minimum: int, slope: int, rate: int) -> None:
    """``l = slope |w - minimum|/4`` on a grid with step 1/2, clipped to the box; u anywhere in it."""
    step, eta = Fraction(1, 2), Fraction(rate, 16)
    weight, low, high = w * step, CODES[0] * step, CODES[1] * step
    point = min(max(Fraction(u, 32), low), high)
    at = Fraction(minimum, 32)
    g = Fraction(slope, 4) * (1 if weight >= at else -1)
    gain = Fraction(slope, 4) * (abs(weight - at) - abs(point - at))
    target = (weight - eta * g) / step
    below = math.floor(target)
    p = target - below
    mean, clips = Fraction(0), False
    for chance, code in ((1 - p, below), (p, below + 1)):
        landed = min(max(code, CODES[0]), CODES[1])
        clips |= landed != code and chance > 0
        found = increment(
            Update([[float(weight)]], [[float(landed * step)]], [[float(g)]], [float(gain)]),
            comparator=[float(point)], eta=float(eta), step_size=float(step),
        )  # fmt: skip
        mean += chance * Fraction(float(found[0]))
    assert mean <= Fraction(1, 10**12)
    lacking = 2 * eta * (g * (weight - point) - gain) + eta * step * abs(g) - step**2 * p * (1 - p)
    assert lacking >= 0
    if not clips:
        assert float(mean + lacking) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"after": [[0.0]]}, "before, after and gradient must be"),
        ({"gain": [[1.0]]}, "gain must be"),
        ({"gain": [1.0, 2.0]}, "gain must be"),
    ],
)
def test_shapes_must_match(changed: dict[str, object], message: str) -> None:
    update = Update(before=[[0.0, 1.0]], after=[[0.0, 1.0]], gradient=[[1.0, 1.0]], gain=[1.0])._replace(**changed)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        increment(update, comparator=[0.0, 0.0], eta=0.5, step_size=1.0)


def test_the_comparator_has_one_number_a_coordinate() -> None:
    with pytest.raises(InputError, match=r"comparator \(d,\)"):
        increment(Update([[0.0]], [[0.0]], [[1.0]], [1.0]), comparator=[0.0, 0.0], eta=0.5, step_size=1.0)
