r"""C7: one more bit halves the floor of stochastic rounding, over a fixed range.

Proof. A fixed range beta and m bits have the step beta/2^(m-1); with noise the floor is Delta E|g|/4 (X3, C1).
So the floor is beta E|g| 2^-(m+1): power -1 of 2^m, half the loss a bit. (Without noise, smooth: a quarter a bit, C1.)
The control keeps the step and lets the range grow: more bits then change nothing.

Measured by the Monte Carlo kernel with normal noise, as its average over the second half of many runs, where nothing is
two-point or separable by luck; the exact chain gives the figure's line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Grid, Noise, Schedule, quadratic, simulate
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, Test, curve, product

from ._instances import RELATIVE, floor, grid_of
from ._left_out import SEVERAL
from ._pictures import slopes

SIGMA, RATE, STEPS = 2.0, 1.0 / 1024.0, 8192
WIDTH = 0.08
"""Half width of the interval of the slope: eight standard errors of the quick budget."""


def cells(budget: str) -> list[Cell]:
    return product(bits=[[4, 9]], runs=[1024 if budget == "full" else 512])


def bound(cell: Cell, constants: Constants) -> Any:
    return -1.0 - WIDTH, -1.0 + WIDTH


def second_half(grid: Grid, runs: int, seed: int) -> Any:
    """Average loss of iterates ``STEPS/2 .. STEPS`` of each run, started at the minimum's code."""
    problem, start = quadratic(1.0, 0.3), round(0.3 / grid.step_size)
    done = simulate(
        problem, grid, Schedule("constant", RATE), steps=STEPS, runs=runs, start=start, seed=seed,
        noise=Noise("normal", SIGMA), checkpoints=[STEPS // 2], averages=True,
    )  # fmt: skip
    assert done.average_value is not None
    return 2.0 * done.average_value[1] - done.average_value[0]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    first, last = cell["bits"]
    bits = list(range(first, last + 1))
    grids = [Grid(grid_of(7).step_size, b + 3) if broken else grid_of(b) for b in bits]
    columns = [second_half(grid, cell["runs"], seed + k) for k, grid in enumerate(grids)]
    exact = [floor("noisy", grid).stationary_loss(RATE)[0] for grid in grids]
    bound_at = [floor("noisy", grid).floor_bound(RATE) for grid in grids]
    extra = {"bits": np.array(bits), "exact": np.array(exact), "bound": np.array(bound_at)}
    return curve([2.0**b for b in bits], np.stack(columns, axis=1), extra=extra)


CLAIM = Claim(
    id="c7",
    left_out=SEVERAL,
    title="Scaling: one more bit halves the floor of stochastic rounding",
    statement=r"$\Delta = \beta/2^{m-1}:\quad \lim_t E f(w_t) - f^* \propto (2^m)^{-1}$  (with gradient noise)",
    plain=(
        "SR at m bits over a fixed range beta, noisy quadratic: the floor as a power of 2^m is -1 (window: 4 to 9 bits)"
    ),
    source=RELATIVE,
    kind="rate",
    grid=cells,
    bound=bound,
    measure=measure,
    test=Test(
        normal=(
            "a slope is a weighted sum of logarithms of means over at least 512 independent runs, each of which is"
            " itself an average over 4,096 iterates, four relaxation times"
        )
    ),
    control=(
        Control("growing-range", "the step kept, the range doubled with every bit"),
        Control(
            "quarter-a-bit",
            "a quarter of the loss a bit, as without noise",
            bound=lambda cell, constants: (-2.0 - WIDTH, -2.0 + WIDTH),
            removes=("(2^m)^(-1)",),
        ),
    ),
    figure=slopes("", "$2^m$", "stationary excess loss"),
)
