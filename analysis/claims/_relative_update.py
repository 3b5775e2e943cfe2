"""Relative updates of a row's step size and of its weights, through the package's own `step_gradient`."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.quantizer import QuantSpec, step_gradient
from alpt_ref.scalar.code_range import highest_code
from alpt_ref.theory.learned_step_size import best_step_size

SCALES = ("none", "dq", "bdq")


def scale_of(scale: str, d: int, b: int, bits: int) -> float:
    """The factor on the step size's gradient."""
    q = highest_code(bits)
    return {"none": 1.0, "dq": 1.0 / math.sqrt(d * q), "bdq": 1.0 / math.sqrt(b * d * q)}[scale]


@functools.cache
def best(bits: int) -> float:
    """Best step size for standard normal weights."""
    return best_step_size(bits)


def ratios(rows: int, d: int, b: int, bits: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """``(|grad_Delta|/Delta)/(|grad_w|/|w|)`` of each row, unscaled: both gradients are sums over the row's b samples.

    Weights and sample gradients are standard normal; the sum over samples is really taken.
    """
    w = generator.standard_normal((rows, d), dtype=np.float32)
    gradient = np.zeros((rows, d), np.float32)
    for _ in range(b):
        gradient += generator.standard_normal((rows, d), dtype=np.float32)
    step_size = best(bits)
    by_step = step_gradient(w, gradient, step_size, QuantSpec(bits, "dr")).astype(np.float64)
    relative = np.linalg.norm(gradient, axis=1) / np.linalg.norm(w, axis=1)
    return np.asarray(np.abs(by_step) / step_size / relative)
