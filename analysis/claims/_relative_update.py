"""Relative updates of a row's step size and of its weights, through the package's own `step_gradient`.

A weight beyond the range has the derivative q and not one of at most 1/2: at 8 bits one in 10,000, at 10 bits one in
150,000, and these few make a third of the mean. Where they are rare, rows with 0, 1, 2 ... of them are therefore drawn
separately and weighed by their probabilities (stratified sampling), so that no run depends on whether one occurs.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from alpt_ref.quantizer import QuantSpec, lsq_step_size, step_gradient
from alpt_ref.scalar.code_range import code_range, highest_code
from alpt_ref.theory.learned_step_size import best_step_size

SCALES = ("none", "dq", "bdq")
KERNEL_BITS = (2, 4, 8, 16)
"""Widths that the package's kernels have."""
RARE = 0.5
"""Expected number of weights beyond the range in a row, below which rows are drawn by that number."""
LEFT_OUT = 1e-9
"""Probability of the rows with more of them than are drawn."""
Floats32 = NDArray[np.float32]


def scale_of(scale: str, d: int, b: int, bits: int) -> float:
    """The factor on the step size's gradient."""
    q = highest_code(bits)
    return {"none": 1.0, "dq": 1.0 / math.sqrt(d * q), "bdq": 1.0 / math.sqrt(b * d * q)}[scale]


@functools.cache
def best(bits: int) -> float:
    """Step size of least squared error for standard normal weights."""
    return best_step_size(bits)


def initial(bits: int) -> float:
    """The step size that tables start with where nothing else is said: ``2 E|w| / sqrt(q)``, standard normal w."""
    return lsq_step_size(math.sqrt(2.0 / math.pi), highest_code(bits))


def step_gradients(w: Floats32, gradient: Floats32, step_size: float, bits: int) -> NDArray[np.float64]:
    """The step size's gradient of each row: the package's where it has the width, else R5 written out."""
    if bits in KERNEL_BITS:
        return step_gradient(w, gradient, step_size, QuantSpec(bits, "dr")).astype(np.float64)
    x = w.astype(np.float64) / step_size
    low, high = code_range(bits)
    derivative = np.where(x < low, low, np.where(x > high, high, np.floor(x + 0.5) - x))
    return np.asarray((derivative * gradient).sum(axis=1))


def rows_beyond(rows: int, d: int, beyond: int, ends: tuple[float, float], generator: np.random.Generator) -> Floats32:
    """Standard normal rows of which the first `beyond` elements lie beyond the ends of the range and no other does."""
    below, above = special.ndtr(ends[0]), special.ndtr(-ends[1])
    u = generator.random((rows, d))
    probability = below + u * (1.0 - below - above)  # inside
    tail = u[:, :beyond] * (below + above)
    outside = np.where(tail < below, special.ndtri(tail), -special.ndtri(tail - below))
    return np.concatenate([outside, special.ndtri(probability[:, beyond:])], axis=1).astype(np.float32)


def ratios(
    rows: int, d: int, b: int, bits: int, generator: np.random.Generator, step_size: float | None = None
) -> NDArray[np.float64]:
    """``(|grad_Delta|/Delta)/(|grad_w|/|w|)`` of each row, unscaled: both gradients are sums over the row's b samples.

    Weights and sample gradients are standard normal; the sum over samples is really taken. `step_size` is the best one
    where it is left out. Where few weights lie beyond the range each value is the mean over the rows that have 0, 1 ...
    such weights, weighed by the probability of this number.
    """
    step = best(bits) if step_size is None else step_size
    ends = code_range(bits)[0] * step, code_range(bits)[1] * step
    outside = float(special.ndtr(ends[0]) + special.ndtr(-ends[1]))
    if d * outside >= RARE:
        return _unscaled(generator.standard_normal((rows, d), dtype=np.float32), b, bits, step, generator)
    number = stats.binom(d, outside)
    total = np.zeros(rows)
    for beyond in range(d + 1):
        weights = rows_beyond(rows, d, beyond, ends, generator)
        total += number.pmf(beyond) * _unscaled(weights, b, bits, step, generator)
        if number.sf(beyond) < LEFT_OUT:
            break
    return total


def _unscaled(w: Floats32, b: int, bits: int, step: float, generator: np.random.Generator) -> NDArray[np.float64]:
    gradient = np.zeros(w.shape, np.float32)
    for _ in range(b):
        gradient += generator.standard_normal(w.shape, dtype=np.float32)
    relative = np.linalg.norm(gradient, axis=1) / np.linalg.norm(w, axis=1)
    return np.asarray(np.abs(step_gradients(w, gradient, step, bits)) / step / relative)
