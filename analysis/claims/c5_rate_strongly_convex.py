r"""C5: the average gap of stochastic rounding falls like ln(T)/T, strongly convex, learning rate 1/(mu t).

Proof. Upper: S3. Quadratic with noise sigma: w_{t+1} - w* = (1 - 1/t)(w_t - w*) - noise_t/(mu t) + eps_t, so without
rounding w_{t+1} - w* is minus the mean of t noises over mu: E f(w_{t+1}) = sigma^2/(2 mu t), whose average is
sigma^2 (1 + ln T)/(2 mu T) up to the start. Rounding adds at most Delta E|g|_1/2: the window ends well above it.

The claimed quantity is the average gap over 1 + ln T: slope -1. The control leaves the logarithm out of account.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Chain, Grid, Noise, Schedule, bounds, quadratic
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, curve, product

from ._instances import EXACT_WIDTH, RELATIVE
from ._pictures import slopes


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(mu=[1.0, 2.0] if full else [1.0], bits=[16 if full else 14], longest=[1_000 if full else 300])


def bound(cell: Cell, constants: Constants) -> Any:
    return -1.0 - EXACT_WIDTH, -1.0 + EXACT_WIDTH


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    mu, last = cell["mu"], cell["longest"]
    grid, noise, problem = Grid(8.0 / 2 ** cell["bits"], cell["bits"]), Noise("two-point", 1.0), quadratic(mu, 0.1)
    run = Chain(problem, grid, noise).evolve(0, Schedule("inverse", 1.0 / mu).rates(last))
    averages = np.cumsum(run.value) / np.arange(1, last + 1)
    T = np.unique(np.geomspace(1, last, 40).astype(np.int64))
    known = problem.constants(grid, noise)
    s3 = {"mu": mu, "step_size": grid.step_size, "G": known.G, "dim": 1}
    bound_at = np.array([bounds.sr_strongly_convex_inverse(T=int(t), **s3) for t in T])
    extra = {"T": T, "average": averages[T - 1], "bound": bound_at, "floor": 0.25 * grid.step_size}
    divisor = np.ones(len(T)) if broken else 1.0 + np.log(T)
    return curve(T, averages[T - 1] / divisor, window=(10, last), extra=extra)


CLAIM = Claim(
    id="c5",
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
    control=Control("no-logarithm", "the average gap itself held to 1/T"),
    figure=slopes("mu", "$T$", r"average gap / $(1 + \ln T)$"),
)
