"""Groups of runs of the Monte Carlo driver, in plain Python, where a buffer that is too small is an error."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from alpt_ref.kernels import oracle
from alpt_ref.kernels.cpu import montecarlo
from alpt_ref.kernels.cpu.montecarlo_types import (
    ELASTIC,
    MEAN_VALUE,
    NOISE_NONE,
    PURPOSE_ROUNDING,
    SGD,
    STOCHASTIC,
    VALUE,
    Method,
    Problem,
    Results,
    Watch,
)
from tests.plain import plain

F32 = np.float32
A, B, TARGET = [0.5, 1.0, 0.25, 2.0, 0.75], [1.0, 0.5, 0.25, 0.0, 1.5], [0.5, -0.25, 0.125, 0.75, -0.5]
START, LOW, HIGH, KEY = [5, -6, 2, 0, 7], -8, 7, (2024, 77)
RATES = [0.125, 0.375, 0.25, 0.5]


def walk(run: int, sizes: list[float]) -> list[list[float]]:
    """The iterates of one run, by fractions."""
    codes, iterates = list(START), []
    for t in range(1, len(RATES) + 1):
        w = [code * Fraction(size) for code, size in zip(codes, sizes, strict=True)]
        iterates.append([float(one) for one in w])
        for j in range(5):
            e = run * 5 + j
            word = oracle.philox4x32((e // 4, 0, t - 1, PURPOSE_ROUNDING), KEY)[e % 4]
            distance = w[j] - Fraction(TARGET[j])
            g = Fraction(A[j]) * distance + (1 if distance >= 0 else -1) * Fraction(B[j])
            moved = codes[j] + oracle.sr(-Fraction(RATES[t - 1]) / Fraction(sizes[j]) * g, word)
            codes[j] = min(max(moved, LOW), HIGH)
    return iterates


def value(w: list[float]) -> float:
    terms = zip(w, A, B, TARGET, strict=True)
    return sum(a / 2 * (x - m) ** 2 + b * abs(x - m) for x, a, b, m in terms)


@pytest.mark.parametrize("sizes", [[0.25] * 5, [0.25, 0.5, 0.125, 1.0, 0.25]])
def test_groups_of_runs_walk_as_one_run_after_the_other(sizes: list[float]) -> None:
    """Seven runs in two groups of four, five coordinates each; checkpoints at iterates 2 and 4, of four."""
    runs, group, d, points = 7, 4, 5, [2, 4]
    none, flat = np.empty((0, 0), F32), np.empty(0, F32)
    tiles = np.empty((0, 0, 0), F32)
    own = np.array(A, F32), np.array(B, F32), np.array(TARGET, F32)
    problem = Problem(
        ELASTIC, own[0], own[1], own[2], none, flat, none, flat, tiles, tiles, False, 0.0, F32(0.0), F32(0.0), 0
    )
    method = Method(
        SGD, STOCHASTIC, NOISE_NONE, np.array(START, np.int32), np.array(sizes), np.int32(LOW), np.int32(HIGH),
        F32(0.0), np.array(RATES), np.uint32(KEY[0]), np.uint32(KEY[1]),
    )  # fmt: skip
    results = Results(np.full((2, runs, 5), -1.0), np.zeros((runs, 4)), np.full((2, runs, d), -99.0, F32))
    watch = Watch(np.array(points, np.int64), True, False, 1)
    with np.errstate(over="ignore"):
        plain(montecarlo.simulate_groups)(0, 2, group, runs, problem, method, watch, results)
    for r in range(runs):
        iterates = walk(r, sizes)
        for at, t in enumerate(points):
            assert results.iterates[at, r].tolist() == iterates[t - 1]
            assert results.records[at, r, VALUE] == pytest.approx(value(iterates[t - 1]), rel=1e-6)
            mean = sum(value(one) for one in iterates[:t]) / t
            assert results.records[at, r, MEAN_VALUE] == pytest.approx(mean, rel=1e-6)
