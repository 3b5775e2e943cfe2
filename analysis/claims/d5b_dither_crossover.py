r"""D5: where "SR beats DR" stops. The ratio of their squared errors on a quadratic, against the gradient noise.

Proof, quiet side: with |n| <= a < 1/2 (steps) nothing moves within R = (1/2 - a)/(eta lambda), and D3's argument ends a
start from outside at R - 1 or farther; SR's squared error is at most its transient and (s^2 + 1/4)/(1 - q^2), with
q = 1 - eta lambda. Loud side, normal noise, m_t^2 = E e_t^2: DR has |m'^2 - q^2 m^2 - s^2 - 1/12| <= V + 2 q B m (B its
bias, V its Fourier terms, `fourier`), SR the same with 1/6, no B and its own V; both recursions grow in m, so they keep
a start above the fixed point above it and forget it like (q^2 + q B/m)^t.

So SR wins while the noise is below about a fifth of a step, and from a third of a step on **DR is the better of the
two**: its error variance is 1/12 of a squared step where SR's averages 1/6. Ratio (s^2 + 1/12)/(s^2 + 1/6), towards 1.
Measured exactly, with the dense chain of `_noisy_chain`; between the two sides nothing is claimed, only drawn.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alpt_ref.theory import Noise
from alpt_ref.theory.setting import NoiseKind
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._instances import RELATIVE
from ._noisy_chain import NoisyQuadratic, fourier
from ._pictures import along

START, MINIMUM = -60, 0.3
KINDS: tuple[NoiseKind, ...] = ("normal", "uniform", "two-point")
TIME_CONSTANTS = 12
"""A run makes this many times ``1/(eta lambda)`` updates."""


def cells(budget: str) -> list[Cell]:
    rates = [0.02, 0.05, 0.1] if budget == "full" else [0.05, 0.1]
    quiet = product(side=["quiet"], rate=rates, sigma=[0.0, 0.05, 0.1, 0.15])
    loud = product(side=["loud"], rate=rates, sigma=[0.5, 0.6, 0.8, 1.0, 1.5, 2.0])
    return [*quiet, *loud]


def updates(cell: Cell) -> int:
    return math.ceil(TIME_CONSTANTS / float(cell["rate"]))


def of(cell: Cell, kind: NoiseKind, sigma: float) -> NoisyQuadratic:
    bits = 7 if cell["rate"] >= 0.05 else 8  # wide enough that clipping is below 1e-9
    return NoisyQuadratic(cell["rate"], Noise(kind if sigma else "none", sigma), MINIMUM, bits)


def side_noise(cell: Cell) -> NoiseKind:
    return "uniform" if cell["side"] == "quiet" else "normal"


def quiet_bound(cell: Cell) -> tuple[float, float]:
    rate, sigma = cell["rate"], cell["sigma"]
    q2 = (1.0 - rate) ** 2
    nearest = (0.5 - math.sqrt(3.0) * sigma) / rate - 1.0
    stochastic = q2 ** updates(cell) * (START - MINIMUM) ** 2 + (sigma**2 + 0.25) / (1.0 - q2)
    return max(nearest, 0.0) ** 2 / stochastic, math.inf


def loud_bound(cell: Cell) -> tuple[float, float]:
    """Ends of DR's squared error over the other ends of SR's."""
    q = 1.0 - float(cell["rate"])
    kept, sigma2, start2 = 1.0 - q * q, float(cell["sigma"]) ** 2, (START - MINIMUM) ** 2
    bias, wave, variance = fourier(cell["sigma"])

    def root(level: float, drift: float) -> float:  # the m > 0 with kept m^2 - 2 drift m - level = 0
        return (drift + math.sqrt(drift**2 + kept * level)) / kept

    nearest, farthest = (
        root(sigma2 + 1 / 12 - wave, -q * bias),
        root(sigma2 + 1 / 12 + wave, q * bias),
    )
    forgotten = (q * q + q * bias / farthest) ** updates(cell) * start2
    low, high = (sigma2 + 1 / 6 - variance) / kept, (sigma2 + 1 / 6 + variance) / kept
    return nearest**2 / (high + q ** (2 * updates(cell)) * start2), (farthest**2 + forgotten) / low


def bound(cell: Cell, constants: Constants) -> Any:
    return quiet_bound(cell) if cell["side"] == "quiet" else loud_bound(cell)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    other = "sr" if broken == "stochastic" else "dr"
    errors: dict[str, list[float]] = {}
    for kind in KINDS:
        run = of(cell, kind, cell["sigma"])
        errors[kind] = [run.error_after(rounding, START, updates(cell)) for rounding in (other, "sr")]
    ratio = {kind: values[0] / values[1] for kind, values in errors.items()}
    extra = {"DR": {kind: values[0] for kind, values in errors.items()}, "ratio": ratio, **sweep(cell)}
    return exact(ratio[side_noise(cell)], rtol=1e-6, extra=extra)


def sweep(cell: Cell) -> dict[str, Any]:
    """Of one cell of each rate, the ratios over the whole range of noise, for the figure."""
    if cell["side"] != "quiet" or cell["sigma"] != 0.0:
        return {}
    sigmas = np.geomspace(0.02, 2.0, 40)
    kinds: tuple[NoiseKind, ...] = ("normal", "two-point")
    ratios: dict[str, Any] = {"sweep": sigmas}
    for kind in kinds:
        runs = [of(cell, kind, float(sigma)) for sigma in sigmas]
        both = [[run.error_after(rounding, START, updates(cell)) for rounding in ("dr", "sr")] for run in runs]
        ratios[f"sweep {kind}"] = np.array([deterministic / stochastic for deterministic, stochastic in both])
    return ratios


CLAIM = Claim(
    id="d5b",
    title="Where “SR beats DR” stops: ratio of their squared errors against the gradient noise",
    statement=(
        r"$\frac{E|w^{DR} - w^*|^2}{E|w^{SR} - w^*|^2} \;\geq\;"
        r" \frac{((1/2 - a)/(\eta\lambda) - 1)^2\,(1 - (1-\eta\lambda)^2)}{s^2 + 1/4}$"
        r"  for $|n| \leq a < 1/2$ (steps)"
        "\n"
        r"$\approx \frac{s^2 + 1/12}{s^2 + 1/6} < 1$  for normal noise of $s \geq 1/2$ steps"
    ),
    plain=(
        "Quadratic, update noise n of standard deviation s in steps. If |n| <= a < 1/2: E|w_DR - w*|^2/E|w_SR - w*|^2"
        " >= ((1/2 - a)/(eta lambda) - 1)^2 (1 - (1 - eta lambda)^2)/(s^2 + 1/4), far above 1. Normal noise with s >="
        " 1/2: (s^2 + 1/12)/(s^2 + 1/6) up to terms of order exp(-2 pi^2 s^2), below 1: there DR is the better"
    ),
    source=RELATIVE,
    kind="identity",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control("stochastic", "SR in place of DR: the ratio is 1, outside both ranges"),
        Control(
            "sr-always-wins",
            "the short form: SR's error is never larger",
            bound=lambda cell, constants: (1.0, math.inf),
            where=lambda cell: cell["side"] == "loud",
        ),
    ),
    figure=along("sigma", "noise (steps)", "squared error, DR over SR", "rate"),
)
