r"""C2: the floor of stochastic rounding against the dimension.

Proof. X3 for each coordinate: loss Delta E|g_j|/4, so d coordinates together have Delta E|g|_1/4.
Dense with |g|_2 fixed: E|g|_1 = sqrt(d) |g|_2: power 1/2, the largest possible (Cauchy and Schwarz).
Sparse, as in click data (a mean over samples, each of which touches one coordinate): E|g|_1 = sigma whatever d is:
power 0, which is what S1's sparse form says.

Exact: the coordinates are alike, so one chain times d. Sparse: f = (1/d) sum_j e_j^2/2; a step touches a given
coordinate with probability 1/d and then has the gradient e_j + noise there. E|g_j| is the noise's size as long as that
exceeds the slopes, which fails only five standard deviations out: the powers hold to a thousandth.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alpt_ref.theory import Chain, Grid, Noise, quadratic
from alpt_ref.theory.stationary import gth
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, curve, product

from ._instances import RELATIVE
from ._left_out import SEVERAL
from ._pictures import slopes

GRID, SIGMA, ETA = Grid(1.0 / 64.0, 8), 4.0, 1.0 / 1024.0
POWER = {"dense": 0.5, "sparse": 0.0}
WRONG = {"dense": 1.0, "sparse": 0.5}
"""Powers of controls: d as for a gradient of fixed size on every coordinate; sqrt(d) for sparse gradients too."""
WIDTH = 1e-3


def cells(budget: str) -> list[Cell]:
    return product(gradient=list(POWER), log2_d=[[2, 10 if budget == "full" else 8]])


def bound(cell: Cell, constants: Constants) -> Any:
    power = POWER[cell["gradient"]]
    return power - WIDTH, power + WIDTH


def wrong_power(cell: Cell, constants: Constants) -> Any:
    power = WRONG[cell["gradient"]]
    return power - WIDTH, power + WIDTH


def loss(gradient: str, d: int, sigma: float) -> float:
    """Stationary loss of all d coordinates."""
    one = quadratic(1.0, 0.0)
    values = one.values(GRID.values[:, None])[:, 0]
    chain = Chain(one, GRID, Noise("two-point", sigma))
    if gradient == "dense":
        return d * float(chain.stationary(ETA) @ values)
    touched = chain.transition_matrix(ETA).toarray()  # happens with probability 1/d; so does the loss weigh
    return float(gth((1 - 1 / d) * np.eye(len(values)) + touched / d) @ values)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    first, last = cell["log2_d"]
    dims, dense = [2**k for k in range(first, last + 1)], cell["gradient"] == "dense"
    sigmas = [1.0 if broken else SIGMA / math.sqrt(d) if dense else SIGMA for d in dims]
    losses = [loss(cell["gradient"], d, sigma) for d, sigma in zip(dims, sigmas, strict=True)]
    norm_1 = np.array([d * sigma if dense else sigma for d, sigma in zip(dims, sigmas, strict=True)])
    return curve(dims, losses, extra={"bound": 0.5 * GRID.step_size * norm_1})


CLAIM = Claim(
    id="c2",
    left_out=SEVERAL,
    title="Scaling: the floor of stochastic rounding against the dimension",
    statement=(
        r"$\lim_t E f(w_t) - f^* \propto d^{\,p}:\quad p = 1/2$  for dense gradients with $\|g\|_2$ fixed,"
        r"  $p = 0$  for sparse ones"
    ),
    plain=(
        "SR's floor as a power of d: 1/2 for dense gradients of fixed Euclidean length, 0 when each gradient touches"
        " one coordinate; declared window: d from 4 to 256 (quick) or 1,024"
    ),
    source=RELATIVE,
    kind="rate",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control(
            "growing-gradient",
            "noise of fixed size on every coordinate: the length grows with d",
            where=lambda cell: cell["gradient"] == "dense",
        ),
        Control("wrong-power", "power 1 for dense gradients, 1/2 for sparse ones", bound=wrong_power, removes=("p",)),
    ),
    figure=slopes("gradient", "dimension $d$", "stationary excess loss"),
)
