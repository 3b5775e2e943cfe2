"""The printed formulas, written down once more by hand: every term and every factor at numbers that hide none of them.

The bounds are compared with exact chains elsewhere, where they hold with room; here a factor too many is seen as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.bounds.lemma import norm_1_bound, rounding_rate
from alpt_ref.theory.bounds.replay import replay_variance, sr_replayed_moves
from alpt_ref.theory.row_grid import rowmax_regrid_variance
from tests import tolerances

T, ETA, STEP, D1, D, G, DIM, G1, MU, L, GAP, KEEP = 7, 0.3, 0.11, 1.7, 2.3, 1.9, 3, 2.6, 0.45, 5.3, 0.83, 0.6
RATE = {"T": T, "eta": ETA, "step_size": STEP}
SPACE = {"G": G, "dim": DIM}
DENSE = 3.0**0.5 * 1.9  # sqrt(d) G = 3.29; G1 is below it
START = 1.7**2 / (2 * 0.3 * 7)  # D1^2/(2 eta T)
NOISE = 0.3 * 1.9**2 / 2  # eta G^2/2
LINEAR, SQUARE = 0.11 * DENSE, 3 * 0.11**2 / (4 * 0.3)  # .362 and .030: the second form is the smaller one


def kept(t: int) -> float:
    return float((1 - 2 * 0.3 * 0.45) ** t)


def roots(count: int) -> float:
    return float(sum(t**0.5 for t in range(1, count + 1)))


FORMULAS: dict[str, tuple[Callable[[], float], float]] = {
    "norm 1": (lambda: norm_1_bound(G, DIM, None), DENSE),
    "norm 1, given": (lambda: norm_1_bound(G, DIM, G1), 2.6),
    "norm 1, given above sqrt(d) G": (lambda: norm_1_bound(G, DIM, 9.0), DENSE),
    "rate of rounding, large eta": (lambda: rounding_rate(ETA, STEP, G, DIM), SQUARE),
    "rate of rounding, small eta": (lambda: rounding_rate(0.02, STEP, G, DIM), LINEAR),
    "rate of rounding, small eta, sparse": (lambda: rounding_rate(0.02, STEP, G, DIM, G1), 0.11 * 2.6),
    "S1": (lambda: bounds.sr_convex_constant(**RATE, D1=D1, **SPACE), START + NOISE + SQUARE / 2),
    "S1, small eta": (
        lambda: bounds.sr_convex_constant(T=T, eta=0.02, step_size=STEP, D1=D1, **SPACE),
        1.7**2 / (2 * 0.02 * 7) + 0.02 * 1.9**2 / 2 + LINEAR / 2,
    ),
    "S1, small updates": (
        lambda: bounds.sr_convex_constant_small_updates(**RATE, D1=D1, G1=G1, g_max=0.36),
        START + 0.11 * 2.6 / 2,
    ),
    "S2": (
        lambda: bounds.sr_convex_sqrt(T=T, c=ETA, step_size=STEP, D=D, **SPACE),
        (2.3**2 / (2 * 0.3) + 0.3 * 1.9**2) / 7**0.5 + LINEAR / 2,
    ),
    "S2, rates": (
        lambda: bounds.sr_convex_schedule(rates=[0.3, 0.02], step_size=STEP, D=D, **SPACE),
        (2.3**2 / (2 * 0.02) + ((0.3 + 0.02) * 1.9**2 + SQUARE + LINEAR) / 2) / 2,
    ),
    "S3": (
        lambda: bounds.sr_strongly_convex_inverse(T=T, mu=MU, step_size=STEP, **SPACE),
        (1 + math.log(7)) * 1.9**2 / (2 * 0.45 * 7) + LINEAR / 2,
    ),
    "S4": (
        lambda: bounds.sr_strongly_convex_constant(t=5, mu=MU, eta=ETA, step_size=STEP, D1=D1, **SPACE),
        kept(4) * 1.7**2 + (1 - kept(4)) * (0.3 * 1.9**2 + SQUARE) / (2 * 0.45),
    ),
    "S4, small updates": (
        lambda: bounds.sr_strongly_convex_constant_small_updates(
            t=5, mu=MU, eta=ETA, step_size=STEP, D1=D1, G1=G1, g_max=0.36
        ),
        kept(4) * 1.7**2 + (1 - kept(4)) * 0.11 * 2.6 / (2 * 0.45),
    ),
    "S5": (
        lambda: bounds.sr_smooth(**RATE, L=L, gap=GAP, **SPACE),
        0.83 / (0.3 * 7) + 5.3 * 0.3 * 1.9**2 / 2 + 5.3 * SQUARE / 2,
    ),
    "S6": (
        lambda: bounds.sr_adagrad(T=T, c=ETA, step_size=STEP, D=[D, 0.7], root=[1.3, 2.1], norm_1=4.4, eps=0.09),
        (
            (2.3**2 / 0.6 + 0.3) * 1.3 + (0.7**2 / 0.6 + 0.3) * 2.1 + (2.3**2 + 0.7**2) * 0.09 / 0.6 + 0.11 * 4.4 / 2
        )
        / 7,
    ),
    "S6, rows": (
        lambda: bounds.sr_adagrad_rows(
            T=T, c=ETA, step_size=STEP, D=[D, 0.7], root=[1.3, 2.1], norm_1=4.4, eps=0.09, row_dim=4
        ),
        (
            (2.3**2 / 0.6 + 1.2) * 1.3 + (0.7**2 / 0.6 + 1.2) * 2.1 + (2.3**2 + 0.7**2) * 0.09 / 0.6 + 0.11 * 4.4 / 2
        )
        / 7,
    ),
    "S6, rows, sum": (
        lambda: bounds.sr_adagrad_rows(
            T=T, c=ETA, step_size=STEP, D=[D], root=[1.3], norm_1=4.4, row_dim=4, accumulator="sum"
        ),
        ((2.3**2 / 0.6 + 0.3) * 1.3 + 0.11 * 4.4 / 2) / 7,
    ),
    "S7": (
        lambda: bounds.sr_pl_constant(t=5, mu=MU, L=L, eta=ETA, step_size=STEP, gap=GAP, **SPACE),
        kept(5) * 0.83 + (1 - kept(5)) * 5.3 / (4 * 0.45) * (0.3 * 1.9**2 + LINEAR),
    ),
    "S1D": (
        lambda: bounds.sr_convex_row_steps(T=T, eta=ETA, D1=D1, G=G, step_sizes=[0.11, 0.4], G1=[2.6, 0.9]),
        START + NOISE + (0.11 * 2.6 + 0.4 * 0.9) / 2,
    ),
    "A1C": (
        lambda: bounds.sr_convex_learned_steps(T=T, eta=ETA, D1=D1, G=G, gradient_sum=3.1, change_sum=0.7),
        START + NOISE + 3.1 / (2 * 7) + 0.7 / (2 * 0.3 * 7),
    ),
    "A1C, capped": (
        lambda: bounds.sr_convex_learned_steps(
            T=T, eta=ETA, D1=D1, G=G, gradient_sum=3.1, change_sum=0.7, capped_sum=0.5
        ),
        START + NOISE + 0.5 / (2 * 0.3 * 7),
    ),
    "RP1, large eta": (lambda: sr_replayed_moves(**RATE, D1=D1, **SPACE), START + NOISE + SQUARE),
    "RP1, small eta": (
        lambda: sr_replayed_moves(T=T, eta=0.02, step_size=STEP, D1=D1, **SPACE),
        1.7**2 / (2 * 0.02 * 7) + 0.02 * 1.9**2 / 2 + LINEAR / 2,
    ),
    "RP1, small eta, sparse": (
        lambda: sr_replayed_moves(T=T, eta=0.02, step_size=STEP, D1=D1, **SPACE, G1=G1),
        1.7**2 / (2 * 0.02 * 7) + 0.02 * 1.9**2 / 2 + 0.11 * 2.6 / 2,
    ),
    "replayed at once": (lambda: replay_variance([0.3, -0.11], 0.5)[0], 0.25 * 0.38 * 0.62),
    "replayed one by one": (
        lambda: replay_variance([0.3, -0.11], 0.5)[1], 0.25 * (0.6 * 0.4 + 0.78 * 0.22)
    ),
    "D1": (
        lambda: stalling.dr_convex_constant(**RATE, D1=D1, D=9.0, **SPACE),
        START + NOISE + 3**0.5 * 0.11 * 9.0 / (2 * 0.3),
    ),
    "D1, trivial": (lambda: stalling.dr_convex_constant(T=T, eta=0.02, step_size=STEP, D1=D1, D=D, **SPACE), 1.9 * 2.3),
    "D2": (  # (2 c G/(sqrt(d) Delta))^2 = 35.8: no term is vacuous
        lambda: stalling.dr_convex_sqrt(T=T, c=ETA, step_size=STEP, D=9.0, **SPACE),
        min((81 / 0.6 + 0.3 * 1.9**2) / 7**0.5 + 9.0 * (3**0.5 * 0.11 / 0.6 * roots(7)) / 7, 1.9 * 9.0),
    ),
    "D2, some terms vacuous": (  # floor(14.3) = 14 of 40 terms
        lambda: stalling.dr_convex_sqrt(T=40, c=0.19, step_size=STEP, D=0.5, **SPACE),
        min(
            (0.25 / 0.38 + 0.19 * 1.9**2) / 40**0.5 + 0.5 * (3**0.5 * 0.11 / 0.38 * roots(14) + 26 * 1.9) / 40, 0.95
        ),
    ),
    "D2, long": (
        lambda: stalling.dr_convex_sqrt(T=900, c=2.0, step_size=0.001, D=9.0, G=G, dim=DIM),
        (81 / 4 + 2 * 1.9**2) / 30 + 9.0 * (3**0.5 * 0.001 / 4 * roots(900)) / 900,
    ),
    "D3, freeze": (lambda: float(stalling.dr_freeze_step(c=0.3, gradient_max=1.9, step_size=0.11)), 108.0),
    "D3, stall": (
        lambda: float(np.dot(stalling.dr_quadratic_stall(eta=ETA, curvature=0.4, step_size=STEP), [1.0, 10.0, 100.0])),
        (0.11 / 0.24 - 0.11) + 10 * 0.11 / 0.24 + 100 * 0.2 * (0.11 / 0.24) ** 2,
    ),
    "EF1": (lambda: bounds.dr_residual_constant(**RATE, D1=D1, **SPACE), START + NOISE + LINEAR / 2),
    "EF1b": (
        lambda: bounds.eco_constant(**RATE, keep=KEEP, D1=D1, G=G, g_max=1.4, dim=DIM),
        START + NOISE + DENSE * (0.11 / (2 * 0.4) + 0.3 * 0.6 * 1.4 / 0.4),
    ),
    "EF1D": (
        lambda: bounds.eco_noisy_quadratic(eta=ETA, keep=KEEP, curvature=0.4, sigma=0.7, step_size=STEP),
        (0.3 * 0.49 * 1.6 / 0.4 + 0.11**2 / (2 * 0.4)) / (2 * 1.6 - 0.4 * 0.3 * 0.4),
    ),
    "EF1D nearest": (
        lambda: bounds.eco_noisy_quadratic_nearest(eta=0.1, keep=0.2, curvature=0.4, sigma=0.7, step_size=STEP),
        (0.1 * 0.49 * 1.2 / (0.4 * (2 * 1.2 - 0.8 * 0.04))) ** 0.5 + 0.11 / ((1.2 - 0.8 * 0.04) ** 2 - 0.8) ** 0.5,
    ),
    "few bits": (
        lambda: bounds.word_bias_floor(eta=ETA, step_size=STEP, D=D, dim=DIM, random_bits=5),
        3**0.5 * 2.3 * 0.11 / 32 / 0.3,
    ),
    "A1B": (
        lambda: bounds.step_size_change_floor(
            eta=ETA, step_sizes=[0.11, 0.3], changes=[-0.02, 0.05], codes_1=[31.0, 12.0]
        ),
        (0.11 * 0.02 * 31 + 0.3 * 0.05 * 12) / (2 * 2 * 0.3),
    ),
    "RM1, a small change": (
        lambda: rowmax_regrid_variance(largest=1.4, moved=1.4007, codes=[3, -55, 20], q=127),
        1.4007 / 127 * 0.0007 * 78 / 127,
    ),
    "RM1, a large one": (
        lambda: rowmax_regrid_variance(largest=1.4, moved=2.9, codes=[3, -55, 20], q=127), 3 * (2.9 / 127) ** 2 / 4
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_what_is_printed(name: str) -> None:
    function, expected = FORMULAS[name]
    assert function() == pytest.approx(expected, rel=tolerances.FLOAT64, abs=0.0)


def test_the_bounds_of_stalling_take_ties_and_the_ends_of_the_grid_as_the_runs_do() -> None:
    from alpt_ref.theory.setting import Grid

    grid = Grid(0.5, 2)  # codes -2 .. 1
    codes, gradients = np.array([0, 0, 0, 0, -2, -2, 1, 1]), np.array([1.0, 1.25, -0.75, -1.0, 9.0, -1.0, -9.0, 1.25])
    fixed = stalling.dr_is_fixed(codes, gradients, 0.25, grid)
    assert fixed.tolist() == [True, False, True, False, True, False, True, False]
