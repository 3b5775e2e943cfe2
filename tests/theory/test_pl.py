"""S7 against its recursion, and against exact runs of problems with the PL inequality, convex or not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise, bounds, evolve_separable, quadratic
from tests import tolerances
from tests.strategies import Case, cases

Compare = Callable[[str, float, float, object], None]


@given(t=st.integers(1, 50), rate=st.floats(0.001, 0.5), gap=st.floats(0.0, 10.0), d=st.integers(1, 16))
def test_it_is_its_recursion(t: int, rate: float, gap: float, d: int) -> None:
    mu, L, G, step_size = 0.5, 3.0, 2.0, 0.25
    eta, value = rate / mu, gap
    for _ in range(t):
        value = (1.0 - 2.0 * eta * mu) * value + L * eta / 2.0 * (eta * G**2 + step_size * math.sqrt(d) * G)
    found = bounds.sr_pl_constant(t=t, mu=mu, L=L, eta=eta, step_size=step_size, gap=gap, G=G, dim=d)
    assert found == pytest.approx(value, rel=tolerances.FLOAT64, abs=1e-14)


@given(case=cases(("quadratic", "saturating"), reach=(-2.0, 0.5)))
def test_no_exact_run_exceeds_it(case: Case, compare: Compare) -> None:
    known, problem = case.constants, case.problem
    far = np.maximum(np.abs(case.grid.low - problem.minimum), np.abs(case.grid.high - problem.minimum))
    mu = float((problem.curvature / (1.0 + far**2 * (problem.kind == "saturating")) ** 3).min())
    assume(2.0 * case.eta * mu <= 1.0)
    run = case.evolve(np.full(case.T + 1, case.eta))
    assume(run.clipped[:-1].sum() == 0.0)
    shared = {"mu": mu, "L": known.L, "eta": case.eta, "step_size": case.grid.step_size, "G": known.G, "dim": known.dim}
    gap = float(problem.value(case.start * case.grid.step_size))
    pairs = [
        (float(run.value[t]), bounds.sr_pl_constant(t=t, gap=gap, G1=G1, **shared))  # type: ignore[arg-type]
        for t in range(1, case.T + 1)
        for G1 in (None, known.G1)
    ]
    measured, bound = max(pairs, key=lambda pair: pair[0] / max(pair[1], 1e-300))
    compare("S7", measured, bound, case)


def test_it_is_reached() -> None:
    noise, grid, eta = Noise("two-point", 4.0), Grid(1.0, 8), 1e-4
    run = evolve_separable(quadratic(1.0, 0.0), grid, 0, np.full(2, eta), noise=noise)
    bound = bounds.sr_pl_constant(t=1, mu=1.0, L=1.0, eta=eta, step_size=1.0, gap=0.0, G=4.0, dim=1)
    assert 0.999 < run.value[1] / bound <= 1.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"L": math.inf}, "S7 needs a smooth problem"),
        ({"eta": 0.6}, "S7 needs eta <= 1/\\(2 mu\\)"),
        ({"mu": 0.0}, "mu"),
    ],
)
def test_what_it_refuses(changed: dict[str, float], message: str) -> None:
    given_ = {"t": 3, "mu": 1.0, "L": 1.0, "eta": 0.1, "step_size": 0.1, "gap": 1.0, "G": 1.0, "dim": 1}
    with pytest.raises(InputError, match=message):
        bounds.sr_pl_constant(**{**given_, **changed})  # type: ignore[arg-type]
