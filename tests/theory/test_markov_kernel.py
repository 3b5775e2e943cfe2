"""The kernel of the exact engine on a few codes, against sums over every path in fractions; in plain Python."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from alpt_ref.kernels.cpu import markov
from tests.plain import plain

evolve_chain = plain(markov.evolve_chain)
spread = plain(markov.spread)
Law = dict[int, Fraction]
VALUES, ERRORS, SLOPES = [5, 2, 1, 3, 7], [-2, -1, 0, 1, 2], [-3, -1, 0, 2, 4]
OUTCOMES, CHANCES = [-1, 2], [Fraction(3, 4), Fraction(1, 4)]


def rounded(state: int, update: Fraction, top: int, stochastic: bool, words: int) -> Law:
    """Where a state goes, by the definition."""
    target = state + update
    if not 0 < target < top:
        return {0 if target <= 0 else top: Fraction(1)}
    if not stochastic:
        return {math.floor(target + Fraction(1, 2)): Fraction(1)}
    size = abs(update)
    p = size - math.floor(size)
    p = Fraction(math.floor(p * words), words) if words else p
    sign = -1 if update < 0 else 1
    near = state + sign * math.floor(size)
    return {one: q for one, q in ((near, 1 - p), (near + sign, p)) if q}


@pytest.mark.parametrize(("stochastic", "words"), [(True, 0), (True, 1), (True, 4), (True, 8), (False, 0)])
def test_one_update_from_each_state(stochastic: bool, words: int) -> None:
    for state in range(5):
        for eighths in range(-48, 49):
            update, law = Fraction(eighths, 8), np.full(5, 0.5)
            spread(state, float(update), 0.25, stochastic, float(words), 4, law)
            wanted = [0.5] * 5
            for to, p in rounded(state, update, 4, stochastic, words).items():
                wanted[to] += float(p) / 4
            assert law.tolist() == wanted
    law = np.zeros(3)
    spread(1, 0.5, 1.0, stochastic, float(words), 2, law)  # a state above is reached by a tie, or half of the time
    assert law.tolist() == ([0.0, 0.5, 0.5] if stochastic and words != 1 else [0.0, float(words), 1.0 - words])


@pytest.mark.parametrize(("stochastic", "words"), [(True, 0), (True, 4), (False, 0)])
def test_records_are_expectations_under_the_law_of_each_iterate(stochastic: bool, words: int) -> None:
    rates, law = (
        [Fraction(1, 4), Fraction(3, 8), Fraction(7, 8), Fraction(1, 2)],
        {2: Fraction(1, 4), 3: Fraction(3, 4)},
    )
    wanted = []
    for t, rate in enumerate(rates):
        row, after = [Fraction(0)] * 6, dict[int, Fraction]()
        for s, p in law.items():
            for i, one in enumerate((VALUES[s], ERRORS[s], ERRORS[s] ** 2, SLOPES[s] ** 2)):
                row[i] += p * one
            for noise, chance in zip(OUTCOMES, CHANCES, strict=True):
                g, weight = SLOPES[s] + noise, p * chance
                row[4] += weight * abs(g)
                if t + 1 == len(rates):
                    after[s] = after.get(s, Fraction(0)) + weight
                    continue
                row[5] += weight * (not 0 <= s - rate * g <= 4)
                for to, q in rounded(s, -rate * g, 4, stochastic, words).items():
                    after[to] = after.get(to, Fraction(0)) + weight * q
        wanted.append(row)
        law = after
    first, records = np.array([0.0, 0.0, 0.25, 0.75, 0.0]), np.zeros((4, 6))
    arrays = [np.array(one, dtype=np.float64) for one in (VALUES, ERRORS, SLOPES, OUTCOMES, CHANCES, rates)]
    value, error, slope, outcomes, chances, each = arrays
    model = markov.ChainModel(value, error, slope, outcomes, chances, each, stochastic, float(words))
    evolve_chain(first, model, records)
    np.testing.assert_allclose(records, np.array(wanted, dtype=np.float64), rtol=1e-14)
    np.testing.assert_allclose(first, [float(law.get(s, 0)) for s in range(5)], rtol=1e-14)


def test_an_update_that_ends_at_an_end_of_the_range_leaves_nothing() -> None:
    """From 2 by -2 and by 2, on codes 0 to 4: neither is beyond; by a little more both are."""
    flat, outcomes, chances = np.zeros(5), np.array([-2.0, 2.0]), np.array([0.5, 0.5])
    for rate, leaving in ((1.0, 0.0), (1.001, 1.0)):
        law, records = np.eye(5)[2], np.zeros((2, 6))
        model = markov.ChainModel(flat, flat, flat, outcomes, chances, np.array([rate, rate]), True, 0.0)
        evolve_chain(law, model, records)
        assert records[:, markov.LEAVING].tolist() == [leaving, 0.0]
        assert law.tolist() == [0.5, 0.0, 0.0, 0.0, 0.5]


def test_states_that_nothing_can_be_said_of_are_dropped() -> None:
    """A probability of 1e-280 stays, half of it does not; a sum of such numbers never becomes subnormal."""
    assert markov.NEGLIGIBLE == 1e-280
    ones, zeros = np.ones(3), np.zeros(3)
    model = markov.ChainModel(ones, ones, zeros, np.zeros(1), np.ones(1), np.array([1.0]), True, 0.0)
    for p, seen in ((markov.NEGLIGIBLE, markov.NEGLIGIBLE), (markov.NEGLIGIBLE / 2, 0.0)):
        records = np.zeros((1, 6))
        evolve_chain(np.array([0.0, p, 0.0]), model, records)
        assert records[0, markov.VALUE] == seen
