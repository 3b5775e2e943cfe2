r"""EF1c: carried residuals and ECO set nearest rounding free after a dead time that is known.

Proof: `alpt_ref.theory.bounds.residual.first_residual_move`. Measured: the first update that moves a code, under a
constant gradient that plain nearest rounding never follows.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.theory import bounds
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import CARRIED
from ._residual import STEP_SIZE, Carried, Eco

SIGNS = (-1.0, 1.0)


def cells(budget: str) -> list[Cell]:
    """Learning rates below half a step; where everything is dyadic (1/b too) they meet the tie exactly."""
    full = budget == "full"
    ties = product(b=[0.0, 0.5], eta=[2.0**-k for k in range(2, 11 if full else 7)])
    return ties + product(b=[0.0, 0.5, 0.75, 0.9], eta=[0.3, 0.07, 0.011] if full else [0.3, 0.011])


def first(cell: Cell, sign: float, keep: float) -> int:
    return bounds.first_residual_move(eta=float(cell["eta"]), gradient=sign, step_size=STEP_SIZE, keep=keep)


def bound(cell: Cell, constants: Constants) -> list[float]:
    return [float(first(cell, sign, float(cell["b"]))) for sign in SIGNS]


def without_momentum(cell: Cell, constants: Constants) -> list[float]:
    """The dead time of EF1."""
    return [float(first(cell, sign, 0.0)) for sign in SIGNS]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Updates until the first move, upwards and downwards; 0 where there is none in four times the dead time."""
    found = []
    for sign in SIGNS:
        eta, b, lost = float(cell["eta"]), float(cell["b"]), broken == "error dropped"
        update = Eco(eta, 1, b, lost=lost) if b else Carried(eta, 1, lost=lost)
        w, moved = np.zeros(1), 0
        for t in range(1, 4 * first(cell, sign, b)):
            after = update(w, np.array([sign]))
            if after[0] != 0.0:
                moved = t
                break
        found.append(float(moved))
    return exact(found, rtol=0.0, labels=["upwards, where a tie moves", "downwards, where a tie stays"])


CLAIM = Claim(
    id="ef1c",
    left_out=CARRIED,
    title="dead time of nearest rounding with carried residual and of ECO",
    statement=(
        r"$|g|$ constant, $\eta|g| < \Delta/2$: the first move is update"
        r" $\left\lceil \frac{\Delta}{2\eta(1-b)|g|} \right\rceil$"
        "\n"
        r"($b = 0$: carried residual; one more for a tie on the way down)"
    ),
    plain=(
        "under a constant gradient with eta |g| < Delta/2 the first code moves at update ceil(Delta/(2 eta (1-b) |g|)),"
        " one later for a tie on the way down; b = 0 is the carried residual, b > 0 is ECO"
    ),
    source="ours; the method: ECO (arXiv 2601.22101)",
    kind="identity",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control("error dropped", "plain DR, which never moves"),
        Control(
            "without 1/(1-b)",
            "the dead time of EF1",
            bound=without_momentum,
            where=lambda c: c["b"] >= 0.5,
        ),
    ),
)
