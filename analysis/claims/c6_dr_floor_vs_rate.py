r"""C6: the floor of deterministic rounding on a quadratic grows like 1/eta^2 as the learning rate shrinks.

Proof. D3: from outside DR stops in (R - Delta, R], R = Delta/(2 eta lambda), so the loss lambda/2 e^2 is within
lambda/2 (R - Delta)^2 and lambda/2 R^2 = Delta^2/(8 eta^2 lambda): power -2 while R is many steps.
(From inside R it does not move at all: the power is that of starts from outside.) The interval of the slope is what
these two limits leave on the window. Controls: SR, and power -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Grid, Noise, quadratic
from alpt_ref.theory.stalling import dr_quadratic_stall
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, curve, product

from ._instances import RELATIVE, Instance
from ._left_out import DETERMINISTIC
from ._pictures import slopes
from ._slopes import slope_between

STEP_SIZE = 1.0 / 32.0


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(curvature=[1.0, 0.5] if full else [1.0], bits=[11 if full else 9], count=[60 if full else 30])


def bound(cell: Cell, constants: Constants) -> Any:
    eta = rates(cell)
    ends = [dr_quadratic_stall(eta=float(r), curvature=cell["curvature"], step_size=STEP_SIZE)[:2] for r in eta]
    nearest, farthest = np.array(ends).T
    return slope_between(eta, nearest**2, farthest**2)


def rates(cell: Cell) -> Any:
    """Declared window: stalled radius from 10 steps to 80 % of the box."""
    farthest = 0.8 * Grid(STEP_SIZE, cell["bits"]).high_code
    return np.geomspace(0.5 / farthest, 0.05, cell["count"]) / cell["curvature"]


def power_1(cell: Cell, constants: Constants) -> Any:
    low, high = bound(cell, constants)
    return low + 1.0, high + 1.0


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    grid = Grid(STEP_SIZE, cell["bits"])
    made = Instance(quadratic(cell["curvature"], 0.3 * STEP_SIZE), grid, Noise(), grid.low_code)
    eta = rates(cell)
    losses = [made.stationary_loss(float(rate), "sr" if broken else "dr")[0] for rate in eta]
    stall = [dr_quadratic_stall(eta=float(r), curvature=cell["curvature"], step_size=STEP_SIZE)[2] for r in eta]
    return curve(eta, losses, extra={"bound": np.array(stall)})


CLAIM = Claim(
    id="c6",
    left_out=DETERMINISTIC,
    title="Scaling: the floor of deterministic rounding against the learning rate",
    statement=r"$f = \frac{\lambda}{2}(w - w^*)^2$, DR from outside:  $\;\lim_t f(w_t) - f^* \propto \eta^{-2}$",
    plain=(
        "DR on a quadratic from far away: the loss at which it stops as a power of the learning rate: -2 (window:"
        " stalled radius from 10 steps to 80 % of the box)"
    ),
    source=RELATIVE,
    kind="rate",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control("stochastic", "SR in place of DR: power 0"),
        Control("power 1", "power -1 in place of -2", bound=power_1, removes=("eta^(-2)",)),
    ),
    figure=slopes("curvature", r"learning rate $\eta$", "loss at which DR stops"),
)
