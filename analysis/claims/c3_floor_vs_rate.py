r"""C3: the floor of stochastic rounding does not depend on the learning rate once updates are below a step.

Proof. For |eta g| <= Delta the second moment obeys E(w'-w*)^2 = E(w-w*)^2 - 2 eta E[g e] + Delta eta E|g| exactly (R3).
In the stationary law the first two cancel: E[g e] = Delta E|g|/2, an equation without eta (X2, X3 are its solutions).
Deterministic rounding in its place stops at Delta/(2 eta lambda): its loss grows like 1/eta^2 (claim c6, the control).

Exact stationary laws, kept for the figure of laws. The equation has no eta in it: the slope is 0 up to float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Noise
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, curve, product

from ._instances import POWERS, RANGE, RELATIVE, SIGMA, floor, grid_of
from ._left_out import FITTED
from ._pictures import slopes
from ._slopes import ROUNDING

BITS = 7
LAWS = 4
"""The law is kept at every this many learning rates."""


def cells(budget: str) -> list[Cell]:
    return product(problem=list(POWERS), count=[41 if budget == "full" else 13])


def rates(count: int) -> list[float]:
    """Declared window: updates of a hundredth to a whole step."""
    largest = grid_of(BITS).step_size / (SIGMA + 1.2 * RANGE)
    return [float(rate) for rate in np.geomspace(largest / 100, largest, count)]


def bound(cell: Cell, constants: Constants) -> Any:
    return -ROUNDING, ROUNDING


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    grid, eta = grid_of(BITS), rates(cell["count"])
    made = floor(cell["problem"], grid, Noise() if broken else None)  # DR stalls for good only without noise
    if broken:
        eta = [20.0 * rate for rate in eta]  # down to where its stalled region fills the box
    both = [made.stationary_loss(rate, "dr" if broken else "sr") for rate in eta]
    extra = {"bound": np.array([made.floor_bound(rate) for rate in eta]), "grid": grid.values}
    extra["laws"] = np.stack([law for _, law in both[::LAWS]])
    extra["law_rates"] = np.array(eta[::LAWS])
    return curve(eta, [loss for loss, _ in both], extra=extra)


CLAIM = Claim(
    id="c3",
    left_out=FITTED,
    title="Scaling: the floor of stochastic rounding does not depend on the learning rate",
    statement=r"$\eta\,|g_i| \leq \Delta:\quad \lim_t E f(w_t) - f^* \propto \eta^{\,0}$",
    plain=(
        "SR's floor as a power of the learning rate: 0, over the declared window of updates of a hundredth to a whole"
        " step; noisy quadratic, |w|, quadratic without noise"
    ),
    source=RELATIVE,
    kind="rate",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control(
            "deterministic",
            "DR in place of SR: its loss falls as the learning rate grows",
            where=lambda cell: cell["problem"] == "smooth",
        ),
        Control(
            "proportional",
            "power 1, as for full precision with gradient noise",
            bound=lambda cell, constants: (1.0 - ROUNDING, 1.0 + ROUNDING),
            removes=("eta^0",),
        ),
    ),
    figure=slopes("problem", r"learning rate $\eta$", "stationary excess loss"),
)
