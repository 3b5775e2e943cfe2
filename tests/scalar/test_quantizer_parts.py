"""Moves, rounding errors and momenta at the ends of what is held, by hand, in plain Python: no kernel is compiled."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from alpt_ref.scalar import quantizer, rounding, straight_through, update
from alpt_ref.scalar.code_range import largest_step_size
from tests.plain import plain

F, C, U = np.float32, np.int32, np.uint32
FAR = 2**22


def test_moves_stop_far_beyond_every_code() -> None:
    assert quantizer._FAR == FAR
    for name, ratio in (("moved_code", (F(1.0),)), ("shifted_code", ())):
        move = plain(getattr(quantizer, name))
        for stochastic in (False, True):
            assert move(C(3), *ratio, F(-1e30), stochastic, U(0)) == 3 + FAR
            assert move(C(3), *ratio, F(1e30), stochastic, U(0)) == 3 - FAR
            assert move(C(3), *ratio, F(0.0), stochastic, U(0)) == 3
            assert move(C(-3), *ratio, F(1.25), stochastic, U(2**30 - 1)) == -4 - stochastic
            assert move(C(-3), *ratio, F(1.25), stochastic, U(2**30)) == -4
    assert plain(quantizer.moved_code)(C(30000), F(1e9), F(0.0), False, U(0)) == FAR
    whole, rest = plain(quantizer.moved_parts)(C(7), F(0.5), F(0.25))
    assert (whole, rest) == (4, -0.75)


def test_what_was_rounded_away_is_kept_and_what_was_clipped_is_not() -> None:
    error = plain(quantizer.rounding_error)
    for eighths in range(-8, 65):
        shift = Fraction(eighths, 8)
        exact = 3 - shift
        for after in (-4, 3):
            wanted = exact - after if -4 <= exact <= 3 else 0
            assert error(C(3), C(after), F(1.0), F(float(shift)), C(-4), C(3)) == wanted


def test_nearest_values_by_hand() -> None:
    encode, fake = plain(quantizer.encode_dr), plain(straight_through.fake_quantized)
    for quarters in range(-40, 41):
        x = quarters / 4
        wanted = min(max((2 * quarters + 4) // 8, -8), 7)
        assert encode(F(x), F(-8.0), F(7.0)) == wanted
        assert fake(F(x * 0.25), F(0.25), F(-8.0), F(7.0)) == 0.25 * wanted
        assert plain(rounding.dr)(F(x)) == (2 * quarters + 4) // 8
        sign = -1 if x < 0 else 1
        for word, part in ((0, abs(quarters) % 4 > 0), (2**31, abs(quarters) % 4 == 3), (2**32 - 1, False)):
            assert plain(rounding.sr)(F(x), U(word)) == sign * (abs(quarters) // 4 + part)


def test_where_momenta_and_learned_steps_are_held() -> None:
    back = plain(update.fed_back)
    assert back(F(0.0), F(1e30), F(1e-3), F(1.0), F(1.0)) == update.LARGEST_MOMENT == 2.0**90
    assert back(F(0.0), F(-1e30), F(1e-3), F(1.0), F(1.0)) == -(2.0**90)
    assert back(F(1.5), F(0.5), F(0.25), F(3.0), F(0.125)) == 2.25
    largest = float(update.LARGEST_LEARNED)
    assert largest == largest_step_size(16)
    assert plain(update.moved_step_size)(F(1.0), F(-1e38), False, F(0.5)) == (largest, 0)
    assert plain(update.moved_step_size)(F(1.0), F(0.75), False, F(0.5)) == (0.5, 1)
