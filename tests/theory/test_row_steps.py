"""S1D against exact runs on a grid for each coordinate; A1C by enumeration of every path under step sizes that move."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory import Chain, Grid, Noise, absolute, quadratic
from alpt_ref.theory.bounds import sr_convex_constant, sr_convex_learned_steps, sr_convex_row_steps
from tests import tolerances
from tests.strategies import log_uniform

Compare = Callable[[str, float, float, object], None]


@given(
    steps=st.lists(log_uniform(-1.0, 1.0), min_size=1, max_size=3), kink=st.booleans(), bits=st.integers(1, 4),
    place=st.floats(0.0, 1.0), sigma=st.sampled_from([0.0, 0.5, 2.0]), reach=log_uniform(-2.0, 1.0),
    T=st.integers(1, 60),
)  # fmt: skip
def test_s1d_on_a_grid_for_each_coordinate(
    compare: Compare, steps: list[float], kink: bool, bits: int, place: float, sigma: float, reach: float, T: int
) -> None:
    grids = [Grid(step, bits) for step in steps]
    noise = Noise("two-point", sigma) if sigma else Noise()
    eta = reach * min(steps) / 2.0
    gap = D1 = square = 0.0
    norms = []
    for grid in grids:
        minimum = grid.low + place * (grid.high - grid.low)
        problem = absolute(1.0, minimum) if kink else quadratic(1.0 / (grid.high - grid.low + 1.0), minimum)
        k = problem.constants(grid, noise)
        gap += Chain(problem, grid, noise).evolve(grid.low_code, np.full(T, eta)).average_value
        D1 += (grid.low - minimum) ** 2
        square += k.G**2
        norms.append(k.G1)
    known = {"T": T, "eta": eta, "D1": math.sqrt(D1), "G": math.sqrt(square)}
    bound = sr_convex_row_steps(**known, step_sizes=steps, G1=norms)  # type: ignore[arg-type]
    compare("S1D", gap, bound, (steps, kink, bits, place, sigma, reach, T))


def test_s1d_with_one_step_size_is_the_sparse_form_of_s1() -> None:
    """Where the rounding term is the smaller branch of S1."""
    known = {"T": 70, "eta": 1e-3, "D1": 2.0, "G": 3.0}
    rows = sr_convex_row_steps(**known, step_sizes=[0.5] * 4, G1=[0.25, 0.5, 0.75, 1.0])  # type: ignore[arg-type]
    assert rows == pytest.approx(sr_convex_constant(**known, step_size=0.5, dim=4, G1=2.5), rel=1e-14)  # type: ignore[arg-type]


Row = tuple[int, tuple[int, ...]]


@given(
    kink=st.booleans(), bits=st.integers(1, 2), ratio=st.sampled_from([1.01, 1.3, 2.0]), minima=st.lists(
        st.sampled_from([0.0, -0.2, -0.7]), min_size=1, max_size=2), sigma=st.sampled_from([0.0, 0.8, 2.5]),
    eta=log_uniform(-2.0, 0.5), T=st.integers(1, 4), secret=st.integers(0, 1 << 20), end=st.booleans(),
)  # fmt: skip
def test_a1c_over_all_paths(
    compare: Compare, kink: bool, bits: int, ratio: float, minima: list[float], sigma: float, eta: float, T: int,
    secret: int, end: bool,
) -> None:  # fmt: skip
    """The step size of a row moves by a rule that was drawn at random and sees time, codes, gradient and a coin."""
    d, steps = len(minima), (1.0, ratio, ratio**2)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    problem = (absolute if kink else quadratic)(np.ones(d), minima)
    states: dict[Row, float] = {(0, ((low if end else 0),) * d): 1.0}
    D1 = float(problem.distance(np.array(next(iter(states))[1]) * steps[0]))
    gap = gradients = changes = capped = square = 0.0
    for t in range(T):
        new: defaultdict[Row, float] = defaultdict(float)
        for (place, codes), chance in states.items():
            w = np.array(codes) * steps[place]
            gap += chance * float(problem.value(w))
            square = max(square, float((problem.gradient(w) ** 2).sum()) + d * sigma**2)
            for noise, coin in itertools.product((-sigma, sigma), (0, 1)):
                g = problem.gradient(w) + noise
                to = hash((secret, t, place, codes, noise > 0, coin)) % 3
                share, delta = chance / 4.0, abs(steps[to] - steps[place])
                away = eta * np.abs(g) + np.abs(codes) * delta
                gradients += share * steps[to] * float(np.abs(g).sum())
                changes += share * steps[to] * delta * float(np.abs(codes).sum())
                capped += share * float(np.minimum(steps[to] * away, steps[to] ** 2 / 4.0).sum())
                x = np.clip((w - eta * g) / steps[to], low, high)
                down = np.floor(x)
                for ups in itertools.product((0, 1), repeat=d):
                    weight = share * float(np.prod(np.where(ups, x - down, 1.0 - (x - down))))
                    if weight > 0.0:
                        new[to, tuple(int(k) for k in down + ups)] += weight
        states = dict(new)
    known = {"T": T, "eta": eta, "D1": D1, "G": math.sqrt(square), "gradient_sum": gradients, "change_sum": changes}
    case = (kink, bits, ratio, minima, sigma, eta, T, secret, end)
    compare("A1C", gap / T, sr_convex_learned_steps(**known), case)  # type: ignore[arg-type]
    compare("A1C capped", gap / T, sr_convex_learned_steps(**known, capped_sum=capped), case)  # type: ignore[arg-type]


def test_a1c_without_changes_is_s1d() -> None:
    known = {"T": 70, "eta": 0.01, "D1": 2.0, "G": 3.0}
    fixed = sr_convex_row_steps(**known, step_sizes=[0.5, 0.25], G1=[1.0, 2.0])  # type: ignore[arg-type]
    learned = sr_convex_learned_steps(**known, gradient_sum=70.0, change_sum=0.0)  # type: ignore[arg-type]
    assert learned == pytest.approx(fixed, rel=tolerances.TEN_DIGITS)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"step_sizes": [1.0, 1.0]}, "one shape"), ({"step_sizes": 0.0}, "must be above 0"), ({"T": 0}, "T must be")],
)
def test_bad_arguments_of_s1d_are_named(change: dict[str, object], message: str) -> None:
    known = {"T": 9, "eta": 0.5, "D1": 1.0, "G": 1.0, "step_sizes": 0.5, "G1": 1.0, **change}
    with pytest.raises(InputError, match=message):
        sr_convex_row_steps(**known)  # type: ignore[arg-type]


def test_bad_arguments_of_a1c_are_named() -> None:
    known = {"T": 9, "eta": 0.5, "D1": 1.0, "G": 1.0, "gradient_sum": 1.0, "change_sum": -1.0}
    with pytest.raises(InputError, match="must not be negative"):
        sr_convex_learned_steps(**known)  # type: ignore[arg-type]
