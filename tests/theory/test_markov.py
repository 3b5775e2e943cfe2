"""The exact engine: kernel against sparse matrices, closed forms X1 to X3 to ten digits, time to stall."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory import crossover, dither, quadratic_laws, stalling
from alpt_ref.theory.markov import Chain, ExactRounding, evolve_separable
from alpt_ref.theory.problems import absolute, quadratic
from alpt_ref.theory.setting import Grid, Noise, Schedule
from alpt_ref.theory.stationary import closed_classes, gth
from tests import tolerances
from tests.strategies import Case, cases


@given(case=cases(max_dim=1), rounding=st.sampled_from(["sr", "dr"]), bits=st.none() | st.integers(1, 32))
def test_the_loop_equals_products_of_transition_matrices(case: Case, rounding: ExactRounding, bits: int | None) -> None:
    chain = Chain(case.problem, case.grid, case.noise, rounding, bits)
    rates = Schedule("inverse-sqrt", case.eta).rates(case.T)
    run = chain.evolve(int(case.start[0]), rates)
    law = chain.start_law(int(case.start[0]))
    values = case.problem.value(case.grid.values[:, None])
    for t in range(case.T):
        assert run.value[t] == pytest.approx(float(law @ values), rel=1e-12, abs=1e-12 * values.max())
        if t + 1 < case.T:
            matrix = chain.transition_matrix(float(rates[t]))
            np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-14)
            law = law @ matrix
    np.testing.assert_allclose(run.laws[0], law, atol=1e-13)


@given(case=cases(("quadratic",), reach=(-2.0, 0.0)))
def test_x1_the_mean_follows_full_precision(case: Case) -> None:
    rates = Schedule("inverse-sqrt", case.eta).rates(case.T)
    run = case.evolve(rates)
    assume(run.clipped.sum() == 0.0)
    errors = case.start * case.grid.step_size - case.problem.minimum
    wanted = sum(
        quadratic_laws.mean_error(error=float(e), rates=rates, curvature=float(a))
        for e, a in zip(errors, case.problem.curvature, strict=True)
    )
    np.testing.assert_allclose(
        run.error, wanted, atol=tolerances.TEN_DIGITS * (np.abs(errors).sum() + case.grid.step_size)
    )


@given(
    bits=st.integers(2, 6), place=st.floats(0.0, 1.0), rate=st.floats(0.01, 1.0), step=st.floats(0.01, 3.0),
    curvature=st.floats(0.05, 4.0),
)  # fmt: skip
def test_x2_without_noise_the_stationary_law_is_that_of_rounding_the_minimum(
    bits: int, place: float, rate: float, step: float, curvature: float
) -> None:
    grid = Grid(step, bits)
    minimum = min(max(grid.low + place * (grid.high - grid.low), grid.low), grid.high)
    wanted, second = quadratic_laws.quadratic_stationary(minimum, grid)
    theta = wanted[wanted > 0]
    assume(theta.min() > 1e-6)  # a vanishing share needs exact arithmetic, not ten digits
    chain = Chain(quadratic(curvature, minimum), grid, Noise())
    law = chain.stationary(rate / curvature)
    np.testing.assert_allclose(law, wanted, atol=tolerances.TEN_DIGITS)
    assert float(law @ (grid.values - minimum) ** 2) == pytest.approx(second, rel=1e-9, abs=1e-12 * step**2)


@pytest.mark.parametrize("eta", [0.001, 0.01, 0.1])
@pytest.mark.parametrize("minimum", [0.0, 0.3, -1.77])
def test_x3_noisy_second_moment_to_ten_digits(eta: float, minimum: float) -> None:
    """sigma <= lambda * distance to either end keeps every update inside: no clipping at all."""
    grid, noise, curvature = Grid(1.0, 5), Noise("two-point", 3.0), 0.4
    problem = quadratic(curvature, minimum)
    assert eta * problem.constants(grid, noise).g_max <= grid.step_size
    chain = Chain(problem, grid, noise)
    law = chain.stationary(eta)
    run = chain.evolve(law, [eta, eta])
    assert run.clipped[0] == 0.0
    wanted = quadratic_laws.noisy_quadratic_second_moment(
        mean_abs_gradient=float(run.gradient1[0]), curvature=curvature, step_size=grid.step_size
    )
    assert run.distance2[0] == pytest.approx(wanted, rel=tolerances.TEN_DIGITS)
    assert run.value[0] == pytest.approx(grid.step_size * run.gradient1[0] / 4, rel=tolerances.TEN_DIGITS)


def test_x3_becomes_an_upper_bound_when_the_range_clips() -> None:
    grid, noise = Grid(1.0, 3), Noise("two-point", 9.0)
    chain = Chain(quadratic(0.4, 0.3), grid, noise)
    run = chain.evolve(chain.stationary(0.05), [0.05, 0.05])
    assert run.clipped[0] > 0.01
    assert run.distance2[0] < 0.999 * run.gradient1[0] / (2 * 0.4)


@given(case=cases(max_dim=1))
def test_d3_fixed_codes_are_the_codes_that_nearest_rounding_keeps(case: Case) -> None:
    chain = Chain(case.problem, case.grid, Noise(), "dr")
    gradient = case.problem.gradient(case.grid.values[:, None])[:, 0]
    fixed = stalling.dr_is_fixed(case.grid.codes, gradient, case.eta, case.grid)
    np.testing.assert_array_equal(fixed, chain.transition_matrix(case.eta).diagonal() == 1.0)
    if fixed.all():
        assert chain.evolve(int(case.start[0]), np.full(9, case.eta)).distance2[-1] == pytest.approx(case.D1**2)


def test_d3_ties_go_up() -> None:
    """eta |g| of exactly half a step: stays when it points down, moves when it points up; ends are free outwards."""
    grid = Grid(0.5, 3)
    np.testing.assert_array_equal(
        stalling.dr_is_fixed([1, -1, 3, -4, 3, -4], [1.0, -1.0, -9.0, 9.0, 9.0, -9.0], 0.25, grid),
        [True, False, True, True, False, False],
    )
    above = Chain(quadratic(1.0, 0.0), grid, Noise(), "dr").evolve(1, [0.5, 0.5])  # eta g = 0.25 = half a step
    below = Chain(quadratic(1.0, 0.0), grid, Noise(), "dr").evolve(-1, [0.5, 0.5])
    assert (above.error[1], below.error[1]) == (0.5, 0.0)


@given(rate=st.floats(0.01, 0.5), place=st.floats(-0.5, 0.5), start=st.integers(-128, 127))
def test_d3_a_quadratic_stalls_in_the_stated_ring(rate: float, place: float, start: int) -> None:
    grid, eta = Grid(1.0, 8), rate / 2.0
    inner, radius, loss = stalling.dr_quadratic_stall(eta=eta, curvature=2.0, step_size=1.0)
    run = Chain(quadratic(2.0, place), grid, Noise(), "dr").evolve(start, np.full(3000, eta))
    last = math.sqrt(run.distance2[-1])
    assert last <= radius * (1 + 1e-12)
    assert run.value[-1] <= loss * (1 + 1e-12)
    if abs(start - place) > radius:
        assert last >= inner * (1 - 1e-12)


def test_d3_a_falling_rate_freezes_the_iterate_at_the_stated_step() -> None:
    """Slope 1, c = 4, step 1: freezes at the first t > 64; at t = 64 the move is a tie, which only goes up."""
    freeze = stalling.dr_freeze_step(c=4.0, gradient_max=1.0, step_size=1.0)
    assert freeze == 65
    rates = Schedule("inverse-sqrt", 4.0).rates(80)
    up = Chain(absolute(1.0, 0.0), Grid(1.0, 9), Noise(), "dr").evolve(-250, rates).error
    assert np.flatnonzero(np.diff(up))[-1] + 1 == 64
    down = Chain(absolute(1.0, 0.0), Grid(1.0, 9), Noise(), "dr").evolve(250, rates).error
    assert np.flatnonzero(np.diff(down))[-1] + 1 == 63


def test_d4_nearest_rounding_keeps_the_gap_and_stochastic_does_not() -> None:
    gap, level = crossover.separation(slope=2.0, code=7, eta=0.2, step_size=1.0)
    problem, grid, T = absolute(2.0, 0.0), Grid(1.0, 5), 40_000
    assert evolve_separable(problem, grid, 7, np.full(T, 0.2), rounding="dr").value.min() == gap == 14.0
    stochastic = evolve_separable(problem, grid, 7, np.full(T, 0.2)).average_value
    assert stochastic <= level + 49.0 / (2 * 0.2 * T)
    assert stochastic == pytest.approx(level, rel=0.01)


def test_d5_wide_enough_uniform_noise_makes_dr_unbiased_and_two_point_noise_never_does() -> None:
    x = np.linspace(-2.0, 2.0, 8001)
    whole = 1 / math.sqrt(12)  # sigma of a uniform noise exactly one step wide
    noises = [Noise(), Noise("uniform", 0.2), Noise("uniform", whole)]
    noises += [Noise("normal", s) for s in (0.15, 0.3, 0.6)] + [Noise("two-point", s) for s in (0.25, 7.3)]
    for noise in noises:
        bias = dither.dither_bias(x, noise, 1.0, 1.0)
        bound = dither.dither_bias_bound(noise, 1.0, 1.0)
        assert np.abs(bias).max() <= bound + 1e-12
        assert np.abs(bias).max() >= 0.85 * bound - 1e-12
    assert dither.dither_bias_bound(Noise("uniform", 1 / math.sqrt(12)), 1.0, 1.0) < 1e-15
    assert dither.dither_bias_bound(Noise("two-point", 7.3), 1.0, 1.0) > 0.25 - 1e-12
    low = dither.dither_bias(x, Noise("normal", 0.2), 1.0, 1.0)
    np.testing.assert_allclose(low, dither.dither_bias(x, Noise("normal", 0.2 + 1e-12), 1.0, 1.0), atol=1e-9)


def test_time_to_stall_counts_the_updates() -> None:
    """Moves of exactly one code a step: the time is the distance; a chain that can escape for ever says infinity."""
    chain = Chain(absolute(1.0, 0.0), Grid(1.0, 4), Noise(), "dr")
    times = chain.expected_time_to_stall(1.0)
    assert np.isinf(times).all()  # +1 at the kink: it hops between 0 and -1 for ever
    bowl = Chain(quadratic(1.0, 0.0), Grid(1.0, 5), Noise(), "dr").expected_time_to_stall(0.1)
    np.testing.assert_array_equal(bowl[16:24], [0, 0, 0, 0, 0, 0, 1, 2])
    assert bowl[11] == 1.0  # code -5: the tie goes up
    assert bowl[12] == 0.0
    noisy = Chain(quadratic(1.0, 0.0), Grid(1.0, 5), Noise("two-point", 1.0), "sr").expected_time_to_stall(0.1)
    assert np.isinf(noisy).all()


def test_time_to_stall_is_geometric_for_one_stochastic_escape() -> None:
    """SR on |w| of codes -2..1 moves from -2 with probability 1/4 a step; nothing stalls unless w* absorbs."""
    chain = Chain(quadratic(1.0, 0.0), Grid(1.0, 2), Noise())
    times = chain.expected_time_to_stall(0.25)
    np.testing.assert_allclose(times, [1 / 0.5 + 1 / 0.25, 1 / 0.25, 0.0, 1 / 0.25], rtol=1e-12)


def test_several_stalled_codes_need_a_start_and_share_by_absorption() -> None:
    chain = Chain(quadratic(1.0, 0.0), Grid(1.0, 5), Noise(), "dr")
    with pytest.raises(InputError, match="closed classes"):
        chain.stationary(0.1)
    law = chain.stationary(0.1, start=9)
    assert law[16 + 5] == pytest.approx(1.0)
    assert len(closed_classes(chain.transition_matrix(0.1))) == 10  # codes -4..5: the tie at -5 moves up


def test_gth_keeps_tiny_probabilities() -> None:
    up, n = 1e-3, 40
    matrix = np.zeros((n, n))
    for i in range(n):
        matrix[i, min(i + 1, n - 1)] += up
        matrix[i, max(i - 1, 0)] += 1 - up
    law = gth(matrix)
    np.testing.assert_allclose(law[1:] / law[:-1], up / (1 - up), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Chain(quadratic([1.0, 1.0], 0.0), Grid(1.0, 3), Noise()), "one coordinate"),
        (lambda: Chain(quadratic(1.0, 0.0), Grid(1.0, 3), Noise()).evolve(7, [0.1]), "start must be a code"),
        (lambda: Grid(0.0, 3), "step_size must be"),
        (lambda: Grid(1.0, 0), "bits must be"),
        (lambda: Noise("none", 1.0), "goes with sigma=0"),
        (lambda: Schedule("constant", -1.0), "scale of the learning rate"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_gth_survives_a_peak_far_likelier_than_the_first_state() -> None:
    # Birth and death with odds 9 towards the middle: the first state is 10**-572 times as likely, below any float64.
    n, peak = 1201, 600
    matrix = np.zeros((n, n))
    for k in range(n - 1):
        matrix[k, k + 1] = 0.9 if k < peak else 0.1
        matrix[k + 1, k] = 0.1 if k + 1 <= peak else 0.9
    matrix[np.arange(n), np.arange(n)] = 1.0 - matrix.sum(axis=1)
    law = gth(matrix)
    assert law.sum() == pytest.approx(1.0, rel=tolerances.TEN_DIGITS)
    np.testing.assert_allclose(
        law[peak - 5 : peak + 6], 0.8 * 9.0 ** -np.abs(np.arange(-5.0, 6.0)), rtol=tolerances.TEN_DIGITS
    )


def test_an_update_that_ends_at_the_end_of_the_range_is_not_clipped() -> None:
    chain = Chain(absolute(1.0, 0.0), Grid(1.0, 3), Noise())  # codes -4 .. 3; the slope at 0 is +1
    assert chain.evolve(0, [4.0, 4.0]).clipped.tolist() == [0.0, 0.0]
    assert chain.evolve(-1, [4.0, 4.0]).clipped.tolist() == [0.0, 0.0]
    assert chain.evolve(0, [4.5, 4.5]).clipped.tolist() == [1.0, 0.0]
    assert chain.evolve(-1, [4.5, 4.5]).clipped.tolist() == [1.0, 0.0]
