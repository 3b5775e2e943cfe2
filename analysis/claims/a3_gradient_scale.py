r"""A3: which gradient scale keeps the step size's relative update comparable with the weights'.

Proof. With gradients that do not know the rounding errors, grad_step = sum_i grad_w_i r_i, r the derivative R5. Given the
lengths, the direction is uniform: E|grad_step| = |grad_w| |r| E|u_1|, E|u_1| ~ sqrt(2/(pi d)), |r| ~ sqrt(d) rho_m. So
(|grad_step|/step)/(|grad_w|/|w|) ~ sqrt(2 d/pi) rho_m sigma/step_m: it grows like sqrt(d), not with the batch b.

Hence 1/sqrt(d q_max) removes the growth with d; with the bits the ratio grows like q/sqrt(m) unscaled (rho_m stays near
1/sqrt(12), sigma/step_m like q/sqrt(m)) and the scale takes away its square root only. 1/sqrt(b d q_max) falls like
1/sqrt(b) where b samples share a row, because both gradients are sums over the same samples: it is a smaller learning
rate in disguise. Measured through `quantize` and `step_gradient` on random rows; slopes in log-log coordinates.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.quantizer import QuantSpec, step_gradient
from alpt_ref.theory.learned_step import best_step_size
from alpt_ref.verify import Cell, Claim, Constants, Control, Measurement, curve, product

AXES: dict[str, list[int]] = {"d": [4, 8, 16, 32, 64, 128], "b": [1, 4, 16, 64, 256], "q": [2, 4, 8, 16]}
DEFAULT = {"d": 16, "b": 16, "bits": 4}
SCALES = ("none", "dq", "bdq")
SLOPES = {
    "d": {"none": 0.5, "dq": 0.0, "bdq": 0.0},
    "b": {"none": 0.0, "dq": 0.0, "bdq": -0.5},
}
WIDTH = 0.04


def cells(budget: str) -> list[Cell]:
    return product(axis=["d", "b", "bits"], scale=list(SCALES), rows=[8192 if budget == "full" else 1024])


def scale_of(scale: str, d: int, b: int, bits: int) -> float:
    q = (1 << (bits - 1)) - 1
    return {"none": 1.0, "dq": 1.0 / math.sqrt(d * q), "bdq": 1.0 / math.sqrt(b * d * q)}[scale]


@functools.cache
def best(bits: int) -> float:
    """Best step size for standard normal weights."""
    return best_step_size(bits)


def ratios(rows: int, d: int, b: int, bits: int, scale: str, generator: np.random.Generator) -> NDArray[np.float64]:
    """``(|grad_step| g/step)/(|grad_w|/|w|)`` of each row: standard normal weights, gradients summed over b samples."""
    w = generator.standard_normal((rows, d), dtype=np.float32)
    # b independent standard normal gradients a row add up to one of variance b
    gradient = (math.sqrt(b) * generator.standard_normal((rows, d))).astype(np.float32)
    step = best(bits)
    by_step = step_gradient(w, gradient, step, QuantSpec(bits, "dr")).astype(np.float64)
    relative_w = np.linalg.norm(gradient, axis=1) / np.linalg.norm(w, axis=1)
    return np.asarray(scale_of(scale, d, b, bits) * np.abs(by_step) / step / relative_w)
