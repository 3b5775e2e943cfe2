r"""A2: the step size that the straight-through gradient (R5) learns, against the best one.

Proof of what can be expected. The true derivative of E(Q - w)^2 is 2 E(Q - w) R(x), codes frozen; R5 takes R(x) - x in
place of R(x) inside the range, a difference of 2 E(Q - w) x. Over cells where the density is straight the two agree
(both are Delta/6); its curvature over one step, of order Delta^2 ~ 4^-m, is what is left.

So "reaches the optimum" is not exact: the learned step is larger than the best one, by 5 % at 2 bits and 0.5 % at 4
(normal), and costs 0.5 % and 0.02 % of squared error. The claim states this as a bound that falls like 2^-m (step) and
4^-m (error). Learned by gradient descent through the package's own `quantize` and `step_gradient`, the expectation
taken by quadrature over a fine grid of weights; the optimum by brute force on the exact expectation (SciPy).
Printed table: the report's and `figures/learned_step.csv`.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.quantizer import QuantSpec, dequantize, quantize, step_gradient
from alpt_ref.theory.learned_step_size import (
    Distribution,
    best_step_size,
    squared_error,
    straight_through_slope,
    straight_through_step_size,
)
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

REACH = {"normal": 9.0, "laplace": 25.0}
ROWS, COLUMNS = 64, 1024
UPDATES, RATE = 200, 0.35
KERNEL_BITS = (2, 4, 8)
"""Widths that the kernels have; the others descend on the exact expectation."""
LABELS = ("squared error / least - 1", "|step / best - 1|", "|step / predicted rest - 1|")


def cells(budget: str) -> list[Cell]:
    starts = [0.4, 3.0] if budget == "full" else [3.0]
    return product(distribution=["normal", "laplace"], bits=list(range(2, 9)), start=starts)


@functools.cache
def optimum(bits: int, distribution: Distribution) -> tuple[float, float]:
    """Best step size and its squared error."""
    best = best_step_size(bits, distribution)
    return best, squared_error(best, bits, distribution)


def bound(cell: Cell, constants: Constants) -> list[float]:
    return [0.1 * 4.0 ** -cell["bits"], 0.25 * 2.0 ** -cell["bits"], 2e-3]


def weights(distribution: Distribution) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Equally spaced weights (rows, columns) and their probabilities."""
    count, reach = ROWS * COLUMNS, REACH[distribution]
    w = (np.arange(count) + 0.5) * (2 * reach / count) - reach
    density = np.exp(-0.5 * w * w) if distribution == "normal" else np.exp(-np.abs(w))
    shape = (ROWS, COLUMNS)
    return w.reshape(shape).astype(np.float32), (density / density.sum()).reshape(shape)


def slope(step_size: float, cell: Cell, rule: str) -> float:
    """Expected straight-through gradient of the squared error by the step size."""
    bits, distribution = int(cell["bits"]), cell["distribution"]
    if bits not in KERNEL_BITS and rule == "dr":
        return straight_through_slope(step_size, bits, distribution)
    spec = QuantSpec(bits if bits in KERNEL_BITS else 4, "dr")
    w, probability = weights(distribution)
    value = dequantize(quantize(w, step_size, spec), step_size)
    loss_gradient = (2.0 * (value - w) * probability * 1e6).astype(np.float32)
    if rule == "sr":  # inside the range the expected derivative is zero (R6)
        outside = (w < spec.q_min * step_size) | (w > spec.q_max * step_size)
        loss_gradient = np.where(outside, loss_gradient, np.float32(0.0))
    return float(step_gradient(w, loss_gradient, step_size, spec).sum(dtype=np.float64)) / 1e6


def learned(cell: Cell, rule: str) -> tuple[float, list[float]]:
    """Gradient descent from `start` times the best step: relative moves of ``-rate * slope * step / error``."""
    bits, distribution = int(cell["bits"]), cell["distribution"]
    step_size = cell["start"] * optimum(bits, distribution)[0]
    path = [step_size]
    for _ in range(UPDATES):
        move = RATE * slope(step_size, cell, rule) * step_size / squared_error(step_size, bits, distribution) / bits
        step_size *= math.exp(-min(max(move, -0.5), 0.5))
        path.append(step_size)
    return step_size, path


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    bits, distribution = int(cell["bits"]), cell["distribution"]
    best, least = optimum(bits, distribution)
    rest = straight_through_step_size(bits, distribution)
    step_size, path = learned(cell, "sr" if broken else "dr")
    error = squared_error(step_size, bits, distribution)
    values = [error / least - 1.0, abs(step_size / best - 1.0), abs(step_size / rest - 1.0)]
    extra = {"learned": step_size, "best": best, "rest": rest, "error": error, "least": least, "path": np.array(path)}
    return exact(values, rtol=0.0, atol=1e-9, labels=LABELS, extra=extra)


CLAIM = Claim(
    id="a2",
    title="The learned step size is near the optimal one, and how near",
    statement=(
        r"$E(Q_{\hat\Delta}(w) - w)^2 \leq (1 + 0.1 \cdot 4^{-m})\,\min_\Delta E(Q_\Delta(w) - w)^2,\quad"
        r" |\hat\Delta/\Delta^* - 1| \leq 2^{-m}/4$"
        "\n"
        r"$\hat\Delta$: where gradient descent with the straight-through derivative rests"
    ),
    plain=(
        "Gradient descent on the squared quantisation error with the straight-through derivative of the step size"
        " (normal and Laplace weights, m = 2..8 bits) ends within 2^-m/4 of the best step size (relative) and within"
        " a factor 1 + 0.1 * 4^-m of the least error; not at the optimum exactly"
    ),
    source="ours; the derivative: Esser et al., Learned step size quantization, ICLR 2020",
    kind="upper",
    grid=cells,
    bound=bound,
    measure=measure,
    control=Control(
        "stochastic",
        "the expected derivative of SR in place of DR's (zero inside the range, R6)",
        where=lambda cell: cell["bits"] in KERNEL_BITS,
    ),
)
