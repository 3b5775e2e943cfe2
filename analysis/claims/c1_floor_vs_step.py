r"""C1: the floor of stochastic rounding against the step size.

Proof. Noise with |eta g| <= Delta: excess loss Delta E|g|/4 (X3), E|g| = sigma where sigma exceeds the slopes: power 1.
|w| from a grid point at its minimum: half the time one step away (`tightness`), loss slope Delta/2: power 1.
Smooth and without noise the law is SR(w*) (X2): lambda/2 Delta^2 theta(1-theta), power **2**.

So "the floor is proportional to the step size" needs gradients that do not vanish at the minimum (noise, or a kink); a
smooth problem without noise does better. Exact stationary laws over a fixed box; w* = 1/3 keeps theta(1-theta) = 2/9.

The powers are exact for |w| and the smooth problem. With noise the box's end cuts the law off: at the coarsest step it
lies four standard deviations away, which is what the interval around the slope leaves room for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, curve, product

from ._instances import POWERS, RELATIVE, floor, grid_of
from ._left_out import SEVERAL
from ._pictures import slopes
from ._slopes import ROUNDING

WIDTH = {"noisy": 1e-3, "kink": ROUNDING, "smooth": ROUNDING}
"""Half widths of the intervals that the slopes have to lie in."""


def cells(budget: str) -> list[Cell]:
    return product(problem=list(POWERS), bits=[[5, 10 if budget == "full" else 9]])


def rate(bits: int) -> float:
    """One learning rate for all step sizes: no update exceeds the smallest of them."""
    return grid_of(bits).step_size / 8.0


def bound(cell: Cell, constants: Constants) -> Any:
    power, width = POWERS[cell["problem"]], WIDTH[cell["problem"]]
    return power - width, power + width


def exchanged(cell: Cell, constants: Constants) -> Any:
    """The other of the two powers."""
    power, width = 3.0 - POWERS[cell["problem"]], WIDTH[cell["problem"]]
    return power - width, power + width


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    eta, (first, last) = rate(cell["bits"][1]), cell["bits"]
    made = [floor(cell["problem"], grid_of(bits)) for bits in range(first, last + 1)]
    losses = [one.stationary_loss(eta, "dr" if broken else "sr")[0] for one in made]
    step_sizes = [one.grid.step_size for one in made]
    extra = {"bound": np.array([one.floor_bound(eta) for one in made]), "eta": eta}
    return curve(step_sizes, losses, extra=extra)


CLAIM = Claim(
    id="c1",
    left_out=SEVERAL,
    title="Scaling: the floor of stochastic rounding against the step size",
    statement=(
        r"$\lim_t E f(w_t) - f^* \propto \Delta^p:\quad p = 1$  with gradient noise or a kink,"
        r"  $p = 2$  smooth and without noise"
    ),
    plain=(
        "SR's floor as a power of the step size: 1 where gradients do not vanish at the minimum (noise, kink), 2 for a"
        " smooth problem without noise; declared window: steps from 1/8 to 1/128 (quick) or 1/256 (full), box -2 to 2"
    ),
    source=RELATIVE,
    kind="rate",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control(
            "deterministic",
            "DR in place of SR: it does not leave its start, whatever the step",
            where=lambda cell: cell["problem"] != "smooth",
        ),
        Control("exchanged", "power 2 with noise or a kink, power 1 without", bound=exchanged, removes=("p",)),
    ),
    figure=slopes("problem", r"step size $\Delta$", "stationary excess loss"),
)
