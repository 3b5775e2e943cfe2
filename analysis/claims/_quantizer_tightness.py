"""T1 with a rounding of the user's in place of SR: where SR reaches a bound, so must it.

A rounding that falls short of them there has less noise than any unbiased rounding to the lattice can have, so it is
biased: nearest rounding, for one, stands still where SR pays the floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_cells import on

REACHED = 0.7
"""Part of a bound that runs must reach."""
MORE = 1.3
"""Part of the bounds that nothing reaches, for the control."""
NOISY: Cell = {"problem": "noisy bowls, d = 16", "reach": 0.1, "runs": 256}
CELLS: list[Cell] = [
    {"claim": "s1", "problem": "kink, d = 4", "reach": 0.01, "T": 10_000, "first": 10_000, "runs": 512},
    {"claim": "s2", "problem": "kink, d = 4", "reach": 1.0, "T": 10_000, "first": 10_000, "runs": 512},
    {"claim": "s3", "problem": "bent kink, d = 4", "T": 10_000, "first": 10_000, "runs": 512},
    {**NOISY, "claim": "s4", "T": 6_000, "first": 6_000},
    {**NOISY, "claim": "s5", "T": 12_000, "first": 12_000},
]
LEAST_BITS = 6
"""Of the noisy bowls: in a narrower box clipping takes part of the floor."""
FEW = "T1 without S4 and S5, whose bounds are reached on 6 bits or more"


def _kink(cell: Cell) -> bool:
    """Where the loss has a range narrow enough for a limit from above."""
    return "kink" in cell["problem"]


def tight(claim: Claim, modules: Mapping[str, ModuleType], quantizer: UserQuantizer) -> Claim:
    """T1 with the user's rounding; `modules` are those of S1 to S5 by id."""
    few = quantizer.bits < LEAST_BITS
    cells = on(quantizer, CELLS[:3] if few else CELLS)

    def part_of_bound(part: float) -> Any:
        def bound(cell: Cell, constants: Constants) -> Any:
            return part * np.array(modules[cell["claim"]].CLAIM.bound(cell, constants))

        return bound

    def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
        found: Measurement = modules[cell["claim"]].measure(cell, seed, rounding=quantizer)
        return found

    return replace(
        claim,
        title="The bounds of S1 to S5 are reached",
        statement=rf"$\mathrm{{measured}} \geq {REACHED:g}\ \mathrm{{bound}}$ where SR reaches the bound, for S1-S5",
        plain=f"for each of S1-S5: in a cell where SR reaches the bound, at least {REACHED:g} of it is measured",
        grid=lambda budget: cells if budget == "quick" else [{**cell, "runs": 4 * cell["runs"]} for cell in cells],
        constants=lambda cell: modules[cell["claim"]].CLAIM.constants(cell),
        bound=part_of_bound(REACHED),
        measure=measure,
        control=Control("more than all", f"{MORE:g} of the bound", bound=part_of_bound(MORE), where=_kink),
        assumptions=(),
        figure=None,
        of_quantizer=None,
        left_out=FEW if few else "",
    )
