r"""C5: the average gap of stochastic rounding falls like ln(T)/T, strongly convex, learning rate 1/(mu t).

Proof. Upper: S3. Quadratic with noise sigma: w_{t+1} - w* = (1 - 1/t)(w_t - w*) - noise_t/(mu t) + eps_t, so without
rounding w_{t+1} - w* is minus the mean of t noises over mu: E f(w_{t+1}) = sigma^2/(2 mu t), whose average is
sigma^2 (1 + ln T)/(2 mu T) up to the start. Rounding adds at most Delta E|g|_1/2: the window ends well above it.

The claimed quantity is the average gap over 1 + ln T: slope -1. The interval runs from -1, the limit, to what the same
recursion gives on this window with a rounding error of 0 to Delta^2/4 a step: 1 + 1/2 + .. + 1/(T-1) is not yet
1 + ln T, which takes 0.02 off the slope. Controls: the logarithm left out, and power -1/2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Chain, Grid, Noise, Schedule, bounds, quadratic
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, curve, product

from ._instances import RELATIVE
from ._left_out import FITTED
from ._pictures import slopes
from ._slopes import ROUNDING, slope_between

FIRST, MINIMUM = 10, 0.1
"""Where the window begins; w*, from a start at 0."""


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(mu=[1.0, 2.0] if full else [1.0], bits=[16 if full else 14], longest=[1_000 if full else 300])


def bound(cell: Cell, constants: Constants) -> Any:
    T = window(cell)
    ends = [gaps(cell, of_step)[T - 1] / (1.0 + np.log(T)) for of_step in (0.0, 0.25)]
    return -1.0 - ROUNDING, slope_between(T, *ends)[1] + ROUNDING


def grid_of(cell: Cell) -> Grid:
    return Grid(8.0 / 2 ** cell["bits"], cell["bits"])


def horizons(cell: Cell) -> Any:
    """Where the average is looked at: int64, spaced evenly on a logarithmic scale."""
    return np.unique(np.geomspace(1, cell["longest"], 40).astype(np.int64))


def window(cell: Cell) -> Any:
    T = horizons(cell)
    return T[T >= FIRST]


def gaps(cell: Cell, variance: float) -> Any:
    """Average gap over 1..T for every T when each rounding adds `variance` squared steps: float64 (longest,)."""
    mu, last = cell["mu"], cell["longest"]
    moment, moments = MINIMUM**2, []
    for t in range(1, last + 1):
        moments.append(moment)
        moment = (1.0 - 1.0 / t) ** 2 * moment + 1.0 / (mu * t) ** 2 + variance * grid_of(cell).step_size ** 2
    return 0.5 * mu * np.cumsum(moments) / np.arange(1, last + 1)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    mu, last = cell["mu"], cell["longest"]
    grid, noise, problem = grid_of(cell), Noise("two-point", 1.0), quadratic(mu, MINIMUM)
    run = Chain(problem, grid, noise).evolve(0, Schedule("inverse", 1.0 / mu).rates(last))
    averages = np.cumsum(run.value) / np.arange(1, last + 1)
    T = horizons(cell)
    known = problem.constants(grid, noise)
    s3 = {"mu": mu, "step_size": grid.step_size, "G": known.G, "dim": 1}
    bound_at = np.array([bounds.sr_strongly_convex_inverse(T=int(t), **s3) for t in T])
    extra = {"T": T, "average": averages[T - 1], "bound": bound_at, "floor": 0.25 * grid.step_size}
    divisor = np.ones(len(T)) if broken else 1.0 + np.log(T)
    return curve(T, averages[T - 1] / divisor, window=(FIRST, last), extra=extra)


CLAIM = Claim(
    id="c5",
    left_out=FITTED,
    title="Scaling: stochastic rounding, strongly convex: ln(T)/T until the floor",
    statement=(
        r"$\eta_t = 1/(\mu t):\quad \frac{1}{T}\sum_{t=1}^{T} E f(w_t) - f^* \propto \frac{1 + \ln T}{T}$"
        "  above the floor"
    ),
    plain=(
        "SR on a noisy quadratic, learning rate 1/(mu t): the average gap over 1 + ln T falls like 1/T (window T = 10"
        " to 300, quick, or 1,000, well above the floor)"
    ),
    source=RELATIVE,
    kind="rate",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control("no-logarithm", "the average gap itself held to 1/T", removes=("1 + ln T",)),
        Control(
            "half-power",
            "power -1/2, as without strong convexity",
            bound=lambda cell, constants: (-0.55, -0.45),
            removes=("1/T",),
        ),
    ),
    figure=slopes("mu", "$T$", r"average gap / $(1 + \ln T)$"),
)
