"""The exact engine's matrix, laws and times in fractions, on chains small enough for a hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from alpt_ref.errors import InputError
from alpt_ref.theory.markov import Chain, ExactRounding
from alpt_ref.theory.problems import quadratic
from alpt_ref.theory.setting import Grid, Noise
from alpt_ref.theory.stationary import absorption, closed_classes, gth

HALF = Fraction(1, 2)


def matrix(rounding: str, words: int | None) -> list[list[Fraction]]:
    """Of ``w <- SR(clip(w - 5/16 (3/4 (w - 1/8) +- 7/8)))`` on the codes -4 .. 3 of step 1/2; `words` of a word."""
    out = [[Fraction(0)] * 8 for _ in range(8)]
    for s in range(8):
        w = Fraction(s - 4, 2)
        for outcome in (Fraction(7, 8), Fraction(-7, 8)):
            moved = w - Fraction(5, 16) * (Fraction(3, 4) * (w - Fraction(1, 8)) + outcome)
            update = (min(max(moved, Fraction(-2)), Fraction(3, 2)) - w) / HALF
            whole = math.trunc(update)
            rest = abs(update - whole)
            if rounding == "dr":
                nearest = math.floor(update + HALF)
                out[s][s + nearest] += HALF
                continue
            away = Fraction(math.floor(rest * words), words) if words else rest
            out[s][s + whole] += HALF * (1 - away)
            if away:
                out[s][s + whole + (1 if update > 0 else -1)] += HALF * away
    return out


@pytest.mark.parametrize(("rounding", "bits"), [("sr", None), ("sr", 3), ("sr", 1), ("dr", None)])
def test_the_transition_matrix_in_fractions(rounding: ExactRounding, bits: int | None) -> None:
    chain = Chain(quadratic(0.75, 0.125), Grid(0.5, 3), Noise("two-point", 0.875), rounding, bits)
    wanted = np.array(matrix(rounding, None if bits is None else 2**bits), dtype=np.float64)
    assert (wanted[0] > 0).sum() + (wanted[-1] > 0).sum() > 2
    np.testing.assert_array_equal(chain.transition_matrix(0.3125).toarray(), wanted)


def test_updates_that_reach_beyond_the_ends_stop_there() -> None:
    """Rate 4 and curvature 3/4: three times the distance to the other side, clipped; the minimum, a code, stays."""
    got = Chain(quadratic(0.75, 0.5), Grid(0.5, 3), Noise()).transition_matrix(4.0).toarray()
    np.testing.assert_array_equal(got.argmax(axis=1), [7, 7, 7, 7, 7, 5, 3, 1])
    assert (got.max(axis=1) == 1.0).all()


def test_where_a_chain_with_two_closed_classes_stays_depends_on_the_start() -> None:
    """Updates of -2 w: code 0 stays, 1 and -1 change places, -2 is clipped to 1."""
    chain = Chain(quadratic(1.0, 0.0), Grid(1.0, 2), Noise())
    laws = {code: chain.stationary(2.0, start=code).tolist() for code in (-2, -1, 0, 1)}
    assert laws == {-2: [0, 0.5, 0, 0.5], -1: [0, 0.5, 0, 0.5], 0: [0, 0, 1, 0], 1: [0, 0.5, 0, 0.5]}
    with pytest.raises(InputError, match="this chain has 2 closed classes"):
        chain.stationary(2.0)
    assert chain.expected_time_to_stall(2.0).tolist() == [math.inf, math.inf, 0.0, math.inf]


def test_code_0_may_be_the_start() -> None:
    chain = Chain(quadratic(1.0, 0.0), Grid(1.0, 5), Noise(), "dr")  # codes -4 .. 5 stay where they are
    for start in (0, 1, -3):
        law = chain.stationary(0.1, start=start)
        assert law.tolist() == [float(code == start) for code in range(-16, 16)]


def test_start_laws_and_what_they_refuse() -> None:
    chain = Chain(quadratic(1.0, 0.0), Grid(1.0, 3), Noise())
    assert [chain.start_law(code).argmax() for code in (-4, -1, 0, 3)] == [0, 3, 4, 7]
    assert chain.start_law(-1).sum() == 1.0
    given = np.array([0.1, 0.0, 0.2, 0.0, 0.3, 0.0, 0.0, 0.4])
    np.testing.assert_array_equal(chain.start_law(given), given)
    for wrong in (given + 1e-9, given[:7], -given + 0.25):
        with pytest.raises(InputError, match="start must be a code or 8 probabilities that sum to 1"):
            chain.start_law(wrong)
    for code in (-5, 4):
        with pytest.raises(InputError, match=f"start must be a code from -4 to 3, got {code}"):
            chain.start_law(code)


def test_absorption_and_elimination_in_fractions() -> None:
    """Gambler's ruin with odds 2 to 1 from 2 of 4: 4/5 and 1/5 at the ends; a chain of three by its balance."""
    p = np.zeros((5, 5))
    p[0, 0] = p[4, 4] = 1.0
    for k in (1, 2, 3):
        p[k, k + 1], p[k, k - 1] = 2 / 3, 1 / 3
    ruin = sparse.csr_array(p)
    closed = closed_classes(ruin)
    assert sorted(int(one[0]) for one in closed) == [0, 4]
    found = dict(zip((int(one[0]) for one in closed), absorption(ruin, closed, np.eye(5)[2]), strict=True))
    assert found == pytest.approx({0: 0.2, 4: 0.8}, rel=1e-12)
    three = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.4, 0.2, 0.4]])
    minors = np.array([0.4 * 0.6 - 0.3 * 0.2, 0.5 * 0.6 - 0.2 * 0.4, 0.5 * 0.4 - 0.3 * 0.1])  # of I - P
    np.testing.assert_allclose(gth(three), minors / minors.sum(), rtol=1e-12)
