"""Numbers of the calls and noises of the driver in NumPy, word by word from a Philox written anew."""

from __future__ import annotations

import numpy as np
import pytest

from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.theory.draws import Noises, element_words, first_draw
from alpt_ref.theory.setting import Noise

from . import oracle

SEEDS = [0, 1, 7, 2**40 + 3, 2**64 - 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_draw_is_that_of_one_word(seed: int) -> None:
    word = int(oracle.words(1, 0, kinds.PURPOSE_ROUNDING, seed)[0])
    assert first_draw(seed) == word % (2**30 - 1) + 1


def test_one_of_these_words_lies_beyond_the_range() -> None:
    """Otherwise the remainder would not count above."""
    assert max(int(oracle.words(1, 0, kinds.PURPOSE_ROUNDING, seed)[0]) for seed in SEEDS) > 2**31


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
def test_words_of_any_number_of_elements(count: int) -> None:
    got = element_words(count, 6, kinds.PURPOSE_NOISE, 2**40 + 3)
    np.testing.assert_array_equal(got, oracle.words(count, 6, kinds.PURPOSE_NOISE, 2**40 + 3))


@pytest.mark.parametrize("noise", [Noise("two-point", 0.7), Noise("uniform", 0.6), Noise("normal", 0.8)])
def test_noises_of_35_steps(noise: Noise) -> None:
    made, g = Noises(noise, 3, 5, 9), np.arange(15, dtype=np.float32).reshape(3, 5) / np.float32(7)
    wanted = oracle.twin.noises(noise, 15, 35, 9).reshape(35, 3, 5)
    for t in range(1, 36):
        np.testing.assert_array_equal(made.add(g, t), g + wanted[t - 1])
        np.testing.assert_array_equal(made.again(g), g + wanted[t - 1])
