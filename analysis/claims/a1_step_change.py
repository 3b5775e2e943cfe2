r"""A1: what one change of the step size costs, element by element.

Proof. The code k stood for k Delta; on the new grid Delta' = Delta + delta it lies at k Delta = k Delta' - k delta.
So its distance to the grid point k Delta' is |k delta|, whatever else is nearer; clipped values cost nothing (eps = 0).
R2: E eps^2 = Delta'^2 p(1-p) <= Delta' times the distance to the grid <= Delta' |k| |delta|.

Hence changes of the step size must stay far below delta ~ eta |g|/|k|: the *relative* change of the step size below the
relative update of the weight (A3 measures these). Measured exactly for every code; the control forgets the factor |k|.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.theory import Grid
from alpt_ref.theory.identities import sr_variance
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

STEP_SIZE = 0.5


def cells(budget: str) -> list[Cell]:
    changes = [1e-4, 1e-3, 0.01, 0.1] if budget == "quick" else np.geomspace(1e-5, 0.5, 16).round(8).tolist()
    return product(bits=[2, 4, 8], change=[sign * change for change in changes for sign in (-1, 1)])


def codes(cell: Cell) -> list[int]:
    """All codes of up to four bits, else some of each size."""
    grid = Grid(STEP_SIZE, cell["bits"])
    wanted = grid.codes if cell["bits"] <= 4 else np.unique(np.linspace(grid.low_code, grid.high_code, 24).astype(int))
    return [int(code) for code in wanted]


def bound(cell: Cell, constants: Constants) -> list[float]:
    delta = cell["change"] * STEP_SIZE
    return [(STEP_SIZE + delta) * abs(code) * abs(delta) for code in codes(cell)]


def without_code(cell: Cell, constants: Constants) -> list[float]:
    delta = cell["change"] * STEP_SIZE
    return [(STEP_SIZE + delta) * abs(delta) for _ in codes(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    grid = Grid(STEP_SIZE * (1.0 + cell["change"]), cell["bits"])
    value = np.clip(np.array(codes(cell)) * STEP_SIZE, grid.low, grid.high)
    variance = grid.step_size**2 * sr_variance(value / grid.step_size)
    return exact(variance, atol=1e-15, labels=[f"code {code}" for code in codes(cell)])


CLAIM = Claim(
    id="a1",
    title="A change of the step size adds rounding variance in proportion to the code",
    statement=r"$\Delta' = \Delta + \delta:\quad E\,(SR_{\Delta'}(k\Delta) - k\Delta)^2 \leq \Delta'\,|k|\,|\delta|$",
    plain=(
        "Old codes k lie off the grid of the new step size Delta' = Delta + delta: rounding them again has variance at"
        " most Delta' |k| |delta| (clipped values have none)"
    ),
    kind="upper",
    grid=cells,
    bound=bound,
    measure=measure,
    control=Control("no-code", "the same without the factor |k|", bound=without_code, where=lambda c: c["bits"] == 8),
)
