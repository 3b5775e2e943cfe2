"""R8: every start of a walk with few random bits is followed through in fractions, to where it cannot leave."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory.few_bits import WordRule, few_bits_stall


def steps_away(x: Fraction, bits: int, rule: WordRule) -> set[int]:
    """Whole steps that an update of `x` steps can make: word k of ``2^bits`` goes on iff ``k`` is below its count."""
    whole = math.floor(x)
    count = math.floor((x - whole) * 2**bits + (Fraction(1, 2) if rule == "centred" else 0))
    return {whole + (word < count) for word in range(2**bits)}


@given(
    bits=st.integers(1, 5), rule=st.sampled_from(["truncated", "centred"]), size=st.integers(1, 400),
    place=st.integers(0, 15),
)  # fmt: skip
def test_walks_end_where_the_theorem_says(bits: int, rule: WordRule, size: int, place: int) -> None:
    rate = Fraction(1, 2) / size
    radius = Fraction(1, 2 ** (bits + (rule == "centred"))) / rate
    if radius < 1:
        return
    low, high = few_bits_stall(eta=0.5, curvature=2 * float(rate), step_size=1.0, random_bits=bits, rule=rule)
    assert (low, high) == pytest.approx((float(radius) - 1.0, float(radius)), rel=1e-12)
    for sign in (1, -1):
        for code in range(math.ceil(radius) + 30):
            error = abs(Fraction(place, 16) - sign * code) if sign < 0 else code + Fraction(place, 16)
            moves = steps_away(rate * error, bits, rule)
            if error < radius:
                assert moves == {0}
            else:
                assert moves != {0}
                assert error - max(moves) >= radius - 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"random_bits": 0}, "random_bits must be a whole number from 1 to 32"),
        ({"random_bits": True}, "random_bits must be a whole number"),
        ({"rule": "upwards"}, "rule must be 'truncated' or 'centred'"),
        ({"eta": 0.6}, "needs eta \\* curvature <= 1/2"),
        ({"random_bits": 9}, "such a run does not stall"),
        ({"curvature": -1.0}, "curvature must be a finite number above 0"),
    ],
)
def test_what_it_refuses(changed: dict[str, object], message: str) -> None:
    given_: dict[str, object] = {"eta": 0.01, "curvature": 1.0, "step_size": 1.0, "random_bits": 4}
    with pytest.raises(InputError, match=message):
        few_bits_stall(**{**given_, **changed})  # type: ignore[arg-type]


def test_the_stall_is_in_units_of_the_step_size() -> None:
    """R = 2^-r Delta/(eta lambda), half of that where words are centred."""
    about = {"eta": 0.125, "curvature": 2.0, "step_size": 0.5, "random_bits": 1}
    assert few_bits_stall(**about) == (0.5, 1.0)
    assert few_bits_stall(**about, rule="centred") == (0.0, 0.5)
