"""S6 by enumeration: every path of rounding and noise of small runs, one accumulator an element or a row."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Separable, absolute, huber, quadratic
from alpt_ref.theory.bounds import sr_adagrad, sr_adagrad_rows
from tests.strategies import log_uniform

Compare = Callable[[str, float, float, object], None]


def make(kind: str, slopes: NDArray[np.float64], centre: float) -> Separable:
    if kind == "huber":
        return huber(slopes, 0.5, centre)
    return (absolute if kind == "kink" else quadratic)(slopes, centre)


def enumerate_runs(
    problem: Separable, grid: Grid, sigma: float, c: float, eps: float, T: int, start: tuple[int, ...], form: str
) -> tuple[float, list[float], float]:
    """Average gap, ``E sqrt`` of each accumulator and ``sum E|g|_1``, from all paths; noise +-sigma."""
    d = problem.dim
    states = {(start, (0.0,) * d): 1.0}
    gap = norm_1 = 0.0
    for _ in range(T):
        new: defaultdict[tuple[tuple[int, ...], tuple[float, ...]], float] = defaultdict(float)
        for (codes, sums), chance in states.items():
            w = np.array(codes) * grid.step_size
            gap += chance * float(problem.value(w))
            for noise in (-sigma, sigma) if sigma else (0.0,):
                g = problem.gradient(w) + noise
                share = chance * (0.5 if sigma else 1.0)
                norm_1 += share * float(np.abs(g).sum())
                add = {"element": g * g, "mean": np.full(d, (g * g).mean()), "sum": np.full(d, (g * g).sum())}[form]
                now = tuple(round(float(x), 12) for x in np.array(sums) + add)
                rate = [c / (math.sqrt(x) + eps) if x > 0.0 else 0.0 for x in now]
                ways = []
                for i in range(d):
                    y = -rate[i] * g[i] / grid.step_size
                    down = math.floor(y)
                    ways.append([(codes[i] + down, 1.0 - (y - down)), (codes[i] + down + 1, y - down)])
                for way in itertools.product(*ways):
                    p = math.prod(one[1] for one in way)
                    if p > 0.0:
                        to = tuple(min(max(one[0], grid.low_code), grid.high_code) for one in way)
                        new[to, now] += share * p
        states = dict(new)
    roots = [sum(p * math.sqrt(sums[i]) for (_, sums), p in states.items()) for i in range(d)]
    return gap / T, roots, norm_1


@given(
    kind=st.sampled_from(["kink", "bowl", "huber"]), form=st.sampled_from(["element", "mean", "sum"]),
    d=st.integers(1, 2), bits=st.sampled_from([2, 3]),
    centre=st.sampled_from([0.0, -0.4, 0.9]), sigma=st.sampled_from([0.0, 0.7, 2.0]),
    c=log_uniform(-1.0, 1.0), eps=st.sampled_from([0.0, 0.5]), T=st.integers(1, 4), end=st.booleans(),
)  # fmt: skip
def test_s6_over_all_paths(
    compare: Compare, kind: str, form: str, d: int, bits: int, centre: float, sigma: float, c: float, eps: float,
    T: int, end: bool,
) -> None:  # fmt: skip
    grid = Grid(1.0, bits)
    problem = make(kind, np.linspace(1.0, 0.6, d), centre)
    start = ((grid.low_code if end else 0),) * d
    gap, roots, norm_1 = enumerate_runs(problem, grid, sigma, c, eps, T, start, form)
    distance = np.abs(np.array([[grid.low], [grid.high]]) - problem.minimum).max(axis=0)
    known = {"T": T, "c": c, "step_size": 1.0, "norm_1": norm_1, "eps": eps}
    if form == "element":
        bound = sr_adagrad(**known, D=distance, root=roots)
    else:
        row = {"D": float(np.sqrt((distance**2).sum())), "root": roots[0], "row_dim": d}
        bound = sr_adagrad_rows(**known, **row, accumulator=form)  # type: ignore[arg-type]
    compare(f"S6 {form}", gap, bound, (kind, d, bits, centre, sigma, c, eps, T, end))


def test_the_form_of_the_sum_is_the_form_of_the_mean_with_another_rate() -> None:
    """``c/sqrt(sum)`` is ``(c/sqrt(d))/sqrt(mean)``: both bounds speak of one method and must agree."""
    known = {"T": 50, "step_size": 0.25, "D": 3.0, "norm_1": 70.0, "row_dim": 4}
    by_sum = sr_adagrad_rows(**known, c=2.0, root=10.0, accumulator="sum")  # type: ignore[arg-type]
    by_mean = sr_adagrad_rows(**known, c=1.0, root=5.0, accumulator="mean")  # type: ignore[arg-type]
    assert by_sum == pytest.approx(by_mean, rel=1e-14)


def test_one_row_of_one_element_is_an_element() -> None:
    known = {"T": 9, "c": 0.5, "step_size": 0.25, "D": 3.0, "root": 2.0, "norm_1": 4.0, "eps": 0.125}
    assert sr_adagrad(**known) == sr_adagrad_rows(**known, row_dim=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"T": 0}, "T must be a whole number"),
        ({"c": 0.0}, "c must be"),
        ({"D": [1.0, 2.0]}, "one shape"),
        ({"root": -1.0}, "must not be negative"),
        ({"accumulator": "max"}, "accumulator must be 'mean' or 'sum', got 'max'"),
        ({"row_dim": 0}, "row_dim must be a whole number"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], message: str) -> None:
    known = {"T": 9, "c": 0.5, "step_size": 0.25, "D": 3.0, "root": 2.0, "norm_1": 4.0, "row_dim": 4, **change}
    with pytest.raises(InputError, match=message):
        sr_adagrad_rows(**known)  # type: ignore[arg-type]


def test_eps_is_zero_unless_it_is_given() -> None:
    about = {"T": 7, "c": 0.3, "step_size": 0.11, "D": [2.3, 0.7], "root": [1.3, 2.1], "norm_1": 4.4}
    assert sr_adagrad(**about) == sr_adagrad(**about, eps=0.0) < sr_adagrad(**about, eps=0.09)  # type: ignore[arg-type]
    rows = {**about, "row_dim": 4}
    assert sr_adagrad_rows(**rows) == sr_adagrad_rows(**rows, eps=0.0) < sr_adagrad_rows(**rows, eps=0.09)  # type: ignore[arg-type]
