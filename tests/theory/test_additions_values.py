"""What words of 32 bits, the default, add to S1."""

from __future__ import annotations

from alpt_ref.theory.bounds import word_bias_floor


def test_a_word_has_32_bits_unless_it_is_said() -> None:
    given = {"eta": 0.3, "step_size": 0.11, "D": 2.3, "dim": 4}
    assert word_bias_floor(**given) == 2.0 * 2.0**-32 * 0.11 * 2.3 / 0.3  # type: ignore[arg-type]
    assert word_bias_floor(**given, random_bits=5) == 2.0 * 2.0**-5 * 0.11 * 2.3 / 0.3  # type: ignore[arg-type]
