r"""D5: what gradient noise does to the bias of deterministic rounding, exactly.

Statement and proof: `alpt_ref.theory.dither.dither_bias_bound`.

"Noise of the order of a step or larger un-biases DR" is true only of noise that is *spread out*: with two-point noise
the bias never falls below a quarter of a step, however large the noise is. The statement here says which is which; one
control is the short form, the others take the three formulas apart. Measured as sums of probabilities over the rounding
thresholds, not through Fourier series.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Noise
from alpt_ref.theory.dither import dither_bias_bound
from alpt_ref.theory.setting import NoiseKind
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import DITHER
from ._noisy_chain import expected_rounding
from ._pictures import along

RESOLUTION = 1.0 / 4096.0
JUST = 1e-9


def cells(budget: str) -> list[Cell]:
    count = 200 if budget == "full" else 60
    sigmas = [float(f"{s:.4g}") for s in np.geomspace(0.02, 3.0, count)]
    return product(noise=["normal", "uniform", "two-point"], sigma=[*sigmas, 0.5, 1.0])


def noise_of(cell: Cell, kind: NoiseKind | None = None) -> Noise:
    return Noise(kind or cell["noise"], cell["sigma"])


def margin(cell: Cell, constants: Constants) -> float:
    """The supremum is taken over a grid of x."""
    return 2.0 * RESOLUTION


def bound(cell: Cell, constants: Constants) -> Any:
    peak = dither_bias_bound(noise_of(cell), 1.0, 1.0)
    low = 0.0 if cell["noise"] == "normal" else peak - margin(cell, constants)
    return low, peak + (JUST if cell["noise"] == "normal" else margin(cell, constants))


def parts_of(cell: Cell) -> tuple[float, float, float]:
    """r and W of uniform noise, q of two-point noise."""
    width = 2.0 * Noise("uniform", cell["sigma"]).largest
    return width - math.floor(width), width, math.modf(2.0 * cell["sigma"])[0]


def times(factor: Callable[[Cell], float]) -> Callable[[Cell, Constants], Any]:
    """The claimed interval with its peak multiplied."""

    def value(cell: Cell, constants: Constants) -> Any:
        low, high = bound(cell, constants)
        peak = dither_bias_bound(noise_of(cell), 1.0, 1.0)
        return (low - peak if low else 0.0) + factor(cell) * peak, high - peak + factor(cell) * peak

    return value


def is_at(noise: str, least: float, most: float, part: int | None = None) -> Callable[[Cell], bool]:
    """Whether this kind of noise, and its sigma, r (part 0) or q (part 2) lies between two numbers."""

    def holds(cell: Cell) -> bool:
        value = cell["sigma"] if part is None else parts_of(cell)[part]
        return bool(cell["noise"] == noise and cell["sigma"] < 1.0 and least <= value <= most)

    return holds


def as_if_normal(cell: Cell, constants: Constants) -> Any:
    return 0.0, dither_bias_bound(noise_of(cell, "normal"), 1.0, 1.0) + JUST


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    noise = noise_of(cell)
    jumps = np.array([0.5 - noise.sigma, 0.5 + noise.sigma])
    x = np.concatenate([np.arange(-0.5, 0.5, RESOLUTION), jumps - JUST, jumps + JUST])
    bias = expected_rounding(x, noise, reach=int(12 * noise.sigma) + 12) - x
    return exact(float(np.abs(bias).max()), rtol=1e-8, atol=1e-12)


THEOREM = theorem(dither_bias_bound)
CLAIM = Claim(
    id="d5",
    left_out=DITHER,
    title="Dither: which gradient noise removes the bias of deterministic rounding",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="identity",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control(
            "any-large-noise",
            "the short form, that any noise of a step or more un-biases DR: two-point noise as if normal",
            bound=as_if_normal,
            where=lambda cell: cell["noise"] == "two-point" and cell["sigma"] >= 1.0,
        ),
        Control(
            "half-normal",
            "half of the bound for normal noise",
            bound=times(lambda cell: 0.5),
            where=is_at("normal", 0.3, 0.6),
            removes=("(1/pi) sum_k exp(-2 pi^2 k^2 s^2)/k", "1/pi"),
        ),
        Control(
            "half-uniform",
            "r(1 - r)/(4 W)",
            bound=times(lambda cell: 0.5),
            where=is_at("uniform", 0.2, 0.8, 0),
            removes=("r(1 - r)/(2 W)", "2 W"),
        ),
        Control(
            "uniform-without-r",
            "(1 - r)/(2 W)",
            bound=times(lambda cell: 1.0 / parts_of(cell)[0]),
            where=is_at("uniform", 0.2, 0.8, 0),
            removes=("r",),
        ),
        Control(
            "uniform-without-1-r",
            "r/(2 W)",
            bound=times(lambda cell: 1.0 / (1.0 - parts_of(cell)[0])),
            where=is_at("uniform", 0.2, 0.8, 0),
            removes=("1 - r",),
        ),
        Control(
            "half-q", "q/4", bound=times(lambda cell: 0.5), where=is_at("two-point", 0.6, 1.0, 2), removes=("q/2",)
        ),
        Control(
            "half-1-q",
            "(1 - q)/4",
            bound=times(lambda cell: 0.5),
            where=is_at("two-point", 0.0, 0.4, 2),
            removes=("(1 - q)/2",),
        ),
    ),
    figure=along("sigma", "noise (steps)", "largest bias of DR (steps)", "noise"),
)
