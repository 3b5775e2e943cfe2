"""Every bound against exact expectations: random problems try to falsify it, and explicit instances reach it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.markov import Chain, evolve_separable
from alpt_ref.theory.problems import absolute, quadratic
from alpt_ref.theory.setting import Grid, Noise, Schedule
from alpt_ref.theory.tightness import TightInstance, tightness_instances
from tests import tolerances
from tests.strategies import Case, cases

Compare = Callable[[str, float, float, object], None]


@given(case=cases())
def test_s1_convex_constant_rate(compare: Compare, case: Case) -> None:
    k = case.constants
    gap = case.evolve(np.full(case.T, case.eta)).average_value
    common = {"T": case.T, "eta": case.eta, "step_size": case.grid.step_size, "D1": case.D1, "G": k.G, "dim": k.dim}
    compare("S1", gap, bounds.sr_convex_constant(**common), case)
    compare("S1 sparse", gap, bounds.sr_convex_constant(**common, G1=k.G1), case)


@given(case=cases(reach=(-2.0, 0.0)))
def test_s1_when_updates_stay_below_one_step(compare: Compare, case: Case) -> None:
    k = case.constants
    gap = case.evolve(np.full(case.T, case.eta)).average_value
    bound = bounds.sr_convex_constant_small_updates(
        T=case.T, eta=case.eta, step_size=case.grid.step_size, D1=case.D1, G1=k.G1, g_max=k.g_max
    )
    compare("S1 small moves", gap, bound, case)


@given(case=cases())
def test_s2_convex_falling_rate(compare: Compare, case: Case) -> None:
    k = case.constants
    rates = Schedule("inverse-sqrt", case.eta).rates(case.T)
    gap = case.evolve(rates).average_value
    common = {"step_size": case.grid.step_size, "D": k.D, "G": k.G, "dim": k.dim}
    usual = bounds.sr_convex_sqrt(T=case.T, c=case.eta, **common)
    exact_sums = bounds.sr_convex_schedule(rates=rates, **common)
    compare("S2", gap, usual, case)
    compare("S2 sparse", gap, bounds.sr_convex_sqrt(T=case.T, c=case.eta, **common, G1=k.G1), case)
    compare("S2 schedule", gap, exact_sums, case)
    compare("S2 schedule sparse", gap, bounds.sr_convex_schedule(rates=rates, **common, G1=k.G1), case)
    assert exact_sums <= usual * (1 + 1e-12)


@given(case=cases(("quadratic", "elastic")))
def test_s3_strongly_convex_falling_rate(compare: Compare, case: Case) -> None:
    k = case.constants
    gap = case.evolve(Schedule("inverse", 1.0 / k.mu).rates(case.T)).average_value
    common = {"T": case.T, "mu": k.mu, "step_size": case.grid.step_size, "G": k.G, "dim": k.dim}
    compare("S3", gap, bounds.sr_strongly_convex_inverse(**common), case)
    compare("S3 sparse", gap, bounds.sr_strongly_convex_inverse(**common, G1=k.G1), case)


@given(case=cases(("quadratic", "elastic"), reach=(-2.0, 0.7)))
def test_s4_strongly_convex_constant_rate(compare: Compare, case: Case) -> None:
    k = case.constants
    eta = min(case.eta, 0.5 / k.mu)
    distances = case.evolve(np.full(case.T, eta)).distance2
    common = {"mu": k.mu, "eta": eta, "step_size": case.grid.step_size, "D1": case.D1}
    assert distances[0] == pytest.approx(bounds.sr_strongly_convex_constant(t=1, G=k.G, dim=k.dim, **common))
    for t, suffix in ((2, " after one update"), (case.T, "")):
        if case.T < 3:
            continue
        here = float(distances[t - 1])
        compare("S4" + suffix, here, bounds.sr_strongly_convex_constant(t=t, G=k.G, dim=k.dim, **common), case)
        sparse = bounds.sr_strongly_convex_constant(t=t, G=k.G, dim=k.dim, G1=k.G1, **common)
        compare("S4 sparse" + suffix, here, sparse, case)
        if eta * k.g_max <= case.grid.step_size:
            sharp = bounds.sr_strongly_convex_constant_small_updates(t=t, G1=k.G1, g_max=k.g_max, **common)
            compare("S4 small moves" + suffix, here, sharp, case)


@given(case=cases(("quadratic", "huber", "saturating"), reach=(-2.0, 0.5)))
def test_s5_smooth(compare: Compare, case: Case) -> None:
    k = case.constants
    run = case.evolve(np.full(case.T, case.eta))
    assume(run.clipped.sum() == 0.0)
    gap = float(case.problem.value(case.start * case.grid.step_size))
    common = {"T": case.T, "eta": case.eta, "L": k.L, "step_size": case.grid.step_size, "gap": gap, "G": k.G}
    compare("S5", run.average_gradient2, bounds.sr_smooth(dim=k.dim, **common), case)
    compare("S5 sparse", run.average_gradient2, bounds.sr_smooth(dim=k.dim, G1=k.G1, **common), case)


@given(case=cases())
def test_d1_deterministic_constant_rate(compare: Compare, case: Case) -> None:
    k = case.constants
    gap = case.evolve(np.full(case.T, case.eta), "dr").average_value
    bound = stalling.dr_convex_constant(
        T=case.T, eta=case.eta, step_size=case.grid.step_size, D1=case.D1, D=k.D, G=k.G, dim=k.dim
    )
    compare("D1", gap, bound, case)


@given(case=cases())
def test_d2_deterministic_falling_rate(compare: Compare, case: Case) -> None:
    k = case.constants
    gap = case.evolve(Schedule("inverse-sqrt", case.eta).rates(case.T), "dr").average_value
    bound = stalling.dr_convex_sqrt(T=case.T, c=case.eta, step_size=case.grid.step_size, D=k.D, G=k.G, dim=k.dim)
    compare("D2", gap, bound, case)


def test_d2_sum_in_closed_parts_equals_the_plain_sum() -> None:
    t = np.arange(1, 201)
    found = {}
    for c in (0.01, 0.3, 0.5, 2.0, 50.0):
        growing = np.minimum(math.sqrt(2) * 0.1 * np.sqrt(t) / (2 * c), 3.0).sum()
        plain = (4.0 / (2 * c) + c * 9.0) / math.sqrt(200) + 2.0 / 200 * growing
        found[c] = stalling.dr_convex_sqrt(T=200, c=c, step_size=0.1, D=2.0, G=3.0, dim=2)
        assert found[c] == pytest.approx(min(plain, 3.0 * 2.0), rel=1e-12)
    assert [c for c, bound in found.items() if bound < 6.0] == [0.3, 0.5, 2.0]


def test_d1_and_d2_are_never_above_what_holds_for_every_method() -> None:
    """Before 0.3.0 both said more than G D where nearest rounding stalls, that is nothing."""
    for eta in (1e-6, 0.1, 100.0):
        assert stalling.dr_convex_constant(T=5, eta=eta, step_size=0.5, D1=3.0, D=4.0, G=2.0, dim=3) <= 8.0
        assert stalling.dr_convex_sqrt(T=5, c=eta, step_size=0.5, D=4.0, G=2.0, dim=3) <= 8.0


@pytest.fixture(scope="module")
def instances() -> list[TightInstance]:
    return tightness_instances()


def test_every_bound_is_reached_to_a_tenth_and_a_shrunk_bound_is_refuted(instances: list[TightInstance]) -> None:
    for instance in instances:
        print(f"{instance.theorem:16s} {instance.ratio:.5f}  {instance.description}")
    assert {"S1", "S2", "S3", "S4", "S5", "D1", "D2"} <= {i.theorem for i in instances}
    assert all(0.9 < i.ratio <= 1.0 + tolerances.EXACT_BOUND for i in instances)
    assert all(i.measured > 0.9 * i.bound for i in instances)


def test_the_instances_are_those_that_their_sentences_name(instances: list[TightInstance]) -> None:
    """Numbers from the sentences alone: slope 1, step size 1, T as stated; f' of `0.005 w^2 + |w|` at -2 is -1.02."""
    found = {one.theorem: one for one in instances}
    T, root = 200_000, math.sqrt(200_000)
    falling = 1.0 / np.sqrt(np.arange(1, T + 1))
    schedule = (2.0 / falling[-1] + 0.5 * (falling + np.minimum(1.0, 0.25 / falling)).sum()) / T
    noisy = 400.0**2 + 128.0**2  # two-point noise and the largest slope of w^2/2 on -128 .. 127
    kept = (1.0 - 4e-5) ** (T - 1)
    wanted = {
        "S1": 0.005 + 0.5,
        "S1 small moves": 0.5,
        "S2": 3.0 / root + 0.5,
        "S2 schedule": schedule,
        "S3": (1.0 + math.log(T)) * 1.02**2 / (0.02 * T) + 0.51,
        "S4": (1.0 - kept) * 0.5 * (2e-5 * noisy + math.sqrt(noisy)),
        "S4 small moves": (1.0 - kept) * 0.5 * 400.0,
        "S5": 0.5 * 100.0**2 + 0.5 * 100.0**2 + 0.125,
        "S5 floor": 0.5e-4 * noisy + 0.5 * math.sqrt(noisy),
        "D1": 32.0,
        "D2": 32.0,
    }
    assert {name: one.bound for name, one in found.items()} == pytest.approx(wanted, rel=tolerances.TEN_DIGITS)
    away = 0.5 - (1.0 - 0.98**T) / (0.04 * T)  # |w| from 0: to -1 and back with probability 0.01
    bowl = 200.0 * (1.0 - (1.0 - (1.0 - 2e-4) ** (2 * T)) / (2e-4 * 2 * T))  # E e^2 = 200 (1 - (1 - 2 eta)^(t-1))
    measured = {
        "S1": away,
        "S1 small moves": away,
        "S2": _kink(falling),
        "S2 schedule": _kink(falling),
        "S3": _bent_kink(T),
        "S4": 200.0 * (1.0 - kept),
        "S4 small moves": 200.0 * (1.0 - kept),
        "S5": 100.0**2,
        "S5 floor": bowl,
        "D1": 32.0,
        "D2": 32.0,
    }
    assert {name: one.measured for name, one in found.items()} == pytest.approx(measured, rel=tolerances.TEN_DIGITS)


def _kink(rates: np.ndarray) -> float:
    """Average of ``|w|`` from 0: at 0 or at -1, and from either to the other with probability eta."""
    away, total = 0.0, 0.0
    for eta in rates.tolist():
        total += away
        away += (1.0 - 2.0 * away) * eta
    return total / len(rates)


def _bent_kink(T: int) -> float:
    """Average of ``0.005 w^2 + |w|`` from 0 at rates 100/t, codes -2 .. 1; from t = 200 a move is one code at most."""
    slopes, law, total = (-1.02, -1.01, 1.0, 1.01), [0.0, 0.0, 1.0, 0.0], 0.0
    for t in range(1, 200):
        total += 2.02 * law[0] + 1.005 * (law[1] + law[3])
        new = [0.0, 0.0, 0.0, 0.0]
        for code, slope, p in zip((-2, -1, 0, 1), slopes, law, strict=True):
            v = min(max(code - 100.0 / t * slope, -2.0), 1.0)
            low = math.floor(v)
            new[low + 2] += p * (low + 1.0 - v)
            if v > low:
                new[low + 3] += p * (v - low)
        law = new
    a, b, c, d = law
    for t in range(200, T + 1):
        total += 2.02 * a + 1.005 * (b + d)
        eta = 100.0 / t
        from_b, from_c = 1.01 * eta * b, eta * c
        b += 1.02 * eta * a - from_b + from_c
        c += from_b - from_c + 1.01 * eta * d
        a, d = a * (1.0 - 1.02 * eta), d * (1.0 - 1.01 * eta)
    return total / T


def test_nearest_rounding_breaks_every_bound_of_stochastic_rounding() -> None:
    """The control: the same check on DR must be refuted."""
    grid, problem, start, T = Grid(1.0, 6), absolute(1.0, 0.0), 20, 20_000
    k = problem.constants(grid)
    fixed = evolve_separable(problem, grid, start, np.full(T, 0.1), rounding="dr").average_value
    assert fixed > bounds.sr_convex_constant(T=T, eta=0.1, step_size=1.0, D1=20.0, G=k.G, dim=1)
    falling = evolve_separable(problem, grid, start, Schedule("inverse-sqrt", 0.4).rates(T), rounding="dr")
    assert falling.average_value > bounds.sr_convex_sqrt(T=T, c=0.4, step_size=1.0, D=k.D, G=k.G, dim=1)
    bowl = quadratic(1.0, 0.0)
    q = bowl.constants(grid)
    stalled = evolve_separable(bowl, grid, start, np.full(T, 0.01), rounding="dr")
    assert stalled.distance2[-1] > bounds.sr_strongly_convex_constant(
        t=T, mu=1.0, eta=0.01, step_size=1.0, D1=20.0, G=q.G, dim=1
    )
    assert stalled.average_gradient2 > bounds.sr_smooth(T=T, eta=0.01, L=1.0, step_size=1.0, gap=200.0, G=q.G, dim=1)


def test_a_start_off_the_grid_is_outside_the_theorems() -> None:
    """Why w_1 must be a grid point: half-way between two points the first rounding alone costs step^2/4."""
    eta = 1e-4
    allowed = bounds.rounding_rate(eta, 1.0, 1.0, 1) * eta
    assert allowed < 0.25


@given(case=cases(), bits=st.integers(1, 10))
def test_few_random_bits_add_at_most_the_word_bias_floor(compare: Compare, case: Case, bits: int) -> None:
    k, step = case.constants, case.grid.step_size
    gap = case.evolve(np.full(case.T, case.eta), random_bits=bits).average_value
    ideal = bounds.sr_convex_constant(T=case.T, eta=case.eta, step_size=step, D1=case.D1, G=k.G, dim=k.dim)
    extra = bounds.word_bias_floor(eta=case.eta, step_size=step, D=k.D, dim=k.dim, random_bits=bits)
    compare("S1 few random bits", gap, ideal + extra, case)


def test_a_rounding_word_of_eight_bits_breaks_s1() -> None:
    """The second control: moves below 2^-8 of a step never happen, as with nearest rounding."""
    grid, problem, eta, T = Grid(1.0, 6), absolute(1.0, 0.0), 1 / 300, 200_000
    bound = bounds.sr_convex_constant(T=T, eta=eta, step_size=1.0, D1=20.0, G=1.0, dim=1)
    gaps = {
        bits: evolve_separable(problem, grid, 20, np.full(T, eta), random_bits=bits).average_value
        for bits in (8, 32, None)
    }
    assert gaps[8] == 20.0 > bound
    assert max(gaps[32], gaps[None]) <= bound
    assert abs(gaps[32] - gaps[None]) < bounds.word_bias_floor(eta=eta, step_size=1.0, D=32.0, dim=1)


def test_word_bias_and_step_changes_follow_their_formulas() -> None:
    wanted = 2 * 8.0 * 0.25 / 256 / 0.5
    assert bounds.word_bias_floor(eta=0.5, step_size=0.25, D=8.0, dim=4, random_bits=8) == pytest.approx(wanted)
    assert bounds.step_size_change_floor(eta=0.5, step_sizes=[1.0, 2.0], changes=[0.0, -0.5], codes_1=[9.0, 3.0]) == 1.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounds.sr_convex_constant(T=0, eta=1, step_size=1, D1=1, G=1, dim=1), "T must be"),
        (lambda: bounds.sr_convex_constant(T=1, eta=0, step_size=1, D1=1, G=1, dim=1), "eta must be"),
        (lambda: bounds.sr_strongly_convex_constant(t=2, mu=1, eta=0.6, step_size=1, D1=1, G=1, dim=1), "eta <= 1"),
        (lambda: bounds.sr_convex_constant_small_updates(T=2, eta=1, step_size=1, D1=1, G1=1, g_max=2), "g_max"),
        (lambda: bounds.sr_smooth(T=2, eta=1, L=math.inf, step_size=1, gap=1, G=1, dim=1), "smooth"),
        (lambda: bounds.sr_convex_schedule(rates=[1, 2], step_size=1, D=1, G=1, dim=1), "must not grow"),
        (lambda: quadratic(1.0, 9.0).constants(Grid(1.0, 4)), "must lie in the box"),
        (lambda: Chain(quadratic(1.0, 0.0), Grid(1.0, 4), Noise("normal", 1.0)), "finitely many outcomes"),
    ],
)
def test_assumptions_are_enforced(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
