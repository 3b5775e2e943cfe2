r"""R6: under stochastic rounding the step size gets no signal from inside the range.

Proof. By R1 ``E Q(w; Delta) = Delta E SR(w/Delta) = w`` for every step size with w in its range: the derivative is 0.
So is the expected straight-through signal, ``E SR(s) - s = 0``. Nearest rounding gives ``DR(s) - s`` (R5), which is not
zero: the step size's pass of adaptive training must round deterministically.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import LEARNED
from ._rounding import WORD_BIAS, WORD_BITS, count_values, generator_of, nearest

POINTS = 64
CHANGE = 0.125
"""Relative change of the step size over which the expectation is compared."""


def grid(budget: str) -> list[Cell]:
    """Bits and step sizes."""
    quick = budget == "quick"
    return product(bits=[2, 4, 8] if quick else [2, 4, 8, 16], step_size=[0.01] if quick else [1e-4, 0.01, 1.0])


def _weights(cell: Cell, seed: int) -> Any:
    """Weights inside the range of both step sizes, in units of the smaller step: float32."""
    half = -lowest_code(cell["bits"])
    return generator_of(seed).uniform(-half, half - 1, POINTS).astype(np.float32)


def bound(cell: Cell, constants: Constants) -> Any:
    """Zero, up to the resolution of the word (R1) and the float32 spacing of ``w/Delta``."""
    resolution = 2.0**-WORD_BITS + 2.0**-23 * -lowest_code(cell["bits"])
    slope = (2.0 + CHANGE) / CHANGE * resolution
    return np.array([-slope, -slope, -resolution, -resolution]), np.array([slope, slope, resolution, resolution])


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Over all words of 16 bits: the secant slope of ``E Q`` by the step size, and the mean of ``SR(s) - s``."""
    x, step_size, bits = _weights(cell, seed), cell["step_size"], cell["bits"]
    wider = (x / np.float32(1.0 + CHANGE)).astype(np.float32)

    def bias(s: Any) -> Any:
        if broken == "nearest rounding":
            return nearest(s) - s.astype(np.float64)
        return count_values(s, bits, WORD_BITS, less=WORD_BIAS if broken == "biased words" else 0)[0]

    here, there = bias(x), bias(wider)
    value = [step_size * (x.astype(np.float64) + here), step_size * (1.0 + CHANGE) * (wider.astype(np.float64) + there)]
    slope = (value[1] - value[0]) / (step_size * CHANGE)
    labels = ["lowest slope of E Q", "highest slope of E Q", "lowest E SR(s) - s", "highest E SR(s) - s"]
    numbers = [slope.min(), slope.max(), here.min(), here.max()]
    return exact(numbers, rtol=0.0, atol=1e-12, labels=labels, extra={"x": x, "slope": slope, "signal": here})


def figure(axes: Any, result: Any) -> None:
    """The expected signal under SR, and under DR."""
    for label, cell, style in (("SR", result.cells[0], "o"), ("DR", result.controls[0].cells[0], "x")):
        extra = cell.measurement.extra
        order = np.argsort(extra["x"])
        axes.plot(extra["x"][order], extra["signal"][order], style, markersize=4, label=label)
    axes.set(xlabel=r"$w/\Delta$", ylabel=r"expected signal $E\,R(s) - s$")
    axes.legend(fontsize=8)


CLAIM = Claim(
    id="r6",
    left_out=LEARNED,
    title="stochastic rounding hides the step size from its gradient",
    statement=r"$\frac{d}{d\Delta} E\,Q(w;\Delta) = 0$ under SR inside the range, and $E\,SR(s) - s = 0$",
    plain="Under SR d E[Q]/dDelta = 0 inside the range, and the expected straight-through signal E SR(s) - s is 0: "
    "the step-size pass has to use DR.",
    source="ours",
    kind="identity",
    grid=grid,
    bound=bound,
    measure=measure,
    control=(
        Control("nearest rounding", "DR in both passes: it has a signal"),
        Control(
            "biased words",
            "every word is 2^-8 too small (at 16 bits float32's spacing of w/Delta allows as much)",
            where=lambda cell: cell["bits"] < 16,
        ),
    ),
    figure=figure,
)
