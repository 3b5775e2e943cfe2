"""The cell of a weight without a division, or the one below it: for random and for the hardest quotients."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]


def hardest(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pairs ``w, step`` whose quotient lies as near to a whole number as any that is not whole can.

    With odd S of 24 bits and ``k < 2**15``, ``W = k S +- 1`` in units of the last place of the step, or of half of it
    where that is a float32 number, misses k by ``1 / S``.
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    weights: list[float] = []
    steps: list[int] = []
    while len(weights) < count:
        s = int(generator.integers(1 << 22, 1 << 23)) * 2 + 1
        w = int(generator.integers(1, 1 << 15)) * s
        near = np.nextafter(np.float32(w), np.float32(generator.choice([-np.inf, np.inf])), dtype=np.float32)
        weights.append(float(near if generator.random() < 0.7 else np.float32(w)))
        steps.append(s)
    return np.array(weights, np.float32), np.array(steps, np.float32)


def right(cell: float, w: float, step: float) -> bool:
    """The k of ``fl(k step) <= w < fl((k + 1) step)``, or one less."""

    def value(k: int) -> float:
        return float(np.float32(np.float32(k) * np.float32(step)))

    k = int(cell)
    return value(k) <= w < value(k + 2)


SCRIPT = """
import sys, warnings
from fractions import Fraction
import numpy as np
warnings.simplefilter("ignore")
from alpt_ref.kernels.cuda import division
from alpt_ref.kernels.cuda.division import cell, fma, fma_rz, known_step_size, reciprocal

def nearest(x):
    # float32 nearest to a Fraction, ties to even: float64 rounds first, so decide among the neighbours exactly
    guess = np.float32(float(x))
    near = [np.nextafter(guess, np.float32(s), dtype=np.float32) for s in (-np.inf, np.inf)] + [guess]
    return min(near, key=lambda y: (abs(Fraction(float(y)) - x), int(np.float32(y).view(np.uint32)) & 1))

generator = np.random.Generator(np.random.Philox(key=1))
wrong = 0
for _ in range(2000):
    a, b, c = (np.float32(v) for v in generator.standard_normal(3))
    c = np.float32(-a * b) if generator.random() < 0.5 else c
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    wrong += fma(a, b, c) != nearest(exact)
    down = fma_rz(a, b, c)
    beyond = np.nextafter(down, np.float32(np.inf if exact > 0 else -np.inf), dtype=np.float32)
    wrong += not abs(Fraction(float(down))) <= abs(exact) or (exact != 0 and abs(Fraction(float(beyond))) <= abs(exact))
assert wrong == 0, wrong

from tests.kernels.test_division import hardest, right
steps = [np.float32(s) for s in (1.0, 3.0, 1.9999999, 1.0000001, 0.01, 7e-9, 2.0**-60, 2.0**60)]
steps += [np.float32(2.0**e) for e in generator.uniform(-60, 60, 200)]
for step in steps:
    given, below = known_step_size(step)
    assert given == step and Fraction(float(below)) * Fraction(float(step)) <= 1
    after = np.nextafter(below, np.float32(np.inf), dtype=np.float32)
    assert Fraction(float(after)) * Fraction(float(step)) > 1
    weights = (generator.uniform(0, 1, 60) * 2.0 ** generator.uniform(-90, 15, 60) * float(step)).astype(np.float32)
    grid = (np.arange(0, 32768) * float(step)).astype(np.float32)  # quotients at and beside whole numbers
    for w in (*weights, *grid[generator.integers(0, len(grid), 40)]):
        for near in (w, *(np.nextafter(w, np.float32(end), dtype=np.float32) for end in (0, np.inf))):
            assert right(float(cell(near, below)), float(near), float(step)), (near, step)
            assert float(cell(w, below)) <= 2.0**15
for units in (-2, -1, 0, 1, 2):  # a reciprocal that the device finds may be wrong by this much
    division.one_over = lambda x: (np.float32(np.float32(1) / x).view(np.int32) + np.int32(units)).view(np.float32)
    for w, step in [*zip(*hardest(1000, 3)), *((np.float32(k * float(s)), s) for s in steps for k in (1, 2, 32767))]:
        for power in (np.float32(1.0), np.float32(2.0**-20)):
            below = reciprocal(np.float32(step * power)) if step * power >= 2.0**-60 else reciprocal(step)
            scaled, size = (step * power, w * power) if step * power >= 2.0**-60 else (step, w)
            assert right(float(cell(np.float32(size), below)), float(size), float(scaled)), (w, step, units)
assert known_step_size(np.float32(2.0**-61)) is None and known_step_size(np.float32(2.0**61)) is None
print("same")
"""


def test_the_whole_part_is_that_of_the_exact_quotient() -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


@pytest.mark.gpu
@pytest.mark.parametrize("step", [0.01, 3.0, 1.9999999, 7e-9])
def test_every_tie_and_every_neighbour_of_a_tie_on_the_gpu(step: float) -> None:
    from alpt_ref import QuantSpec, quantize

    centre = (np.arange(-200, 200, 0.5) * step).astype(np.float32).view(np.int32)
    w = (centre[:, None] + np.arange(-32, 32, dtype=np.int32)).view(np.float32)
    w = w[np.isfinite(w).all(axis=1)]  # the neighbours of zero's bits on one side are NaN
    for rounding in ("dr", "sr"):
        spec = QuantSpec(8, rounding)  # type: ignore[arg-type]
        assert np.array_equal(quantize(w, step, spec, device="cuda"), quantize(w, step, spec))


@pytest.mark.gpu
def test_the_hardest_quotients_on_the_gpu() -> None:
    from alpt_ref import QuantSpec, quantize

    w, step = hardest(20_000, 3)
    for rounding in ("dr", "sr"):
        spec = QuantSpec(16, rounding)  # type: ignore[arg-type]
        assert np.array_equal(quantize(w[:, None], step, spec, device="cuda"), quantize(w[:, None], step, spec))
