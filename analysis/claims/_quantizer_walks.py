"""S1 to S5 and T1 with a rounding of the user's in place of SR: problems and cells on its lattice.

Everything is in steps: slopes, noise and learning rates are multiples of what Delta and the box give, so that the cells
are the same runs for every step size. The box B of the theorems, to which an update is clipped before it is rounded, is
a small one around the minimum, at most the range of the function: so the constants, and the verdicts, hardly depend on
the width. Nothing that SR guarantees along a run is asked for as an assumption, since a function may break it.

``slow bowl``: updates of less than 1/200 of a step from the corner of a box of 4 bits: what is rounded to nothing, or
with a bias of a few thousandths of a step, never comes near the minimum.
``sagging kink``: SR comes within a fifth of the bound, so that too much noise exceeds it.
``kink``, ``bent kink``, ``noisy bowls``: those of `_sharp`, where SR reaches the bound, for T1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise, absolute, elastic, quadratic
from alpt_ref.verification import Cell, Claim, Control
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._instance import Instance
from ._quantizer_cells import on
from ._sharp import BEND

OFF_GRID = 0.3
"""Where between two codes the minimum of a bowl lies."""
SAG = 0.1
"""Curvature of the sagging kink over its slope, a step: the bound, for the far corner, has 20 % to spare."""
LOUD = 3.125
"""Noise of the noisy bowls over half the length of their box."""
SLOW_BOWL: Cell = {"problem": "slow bowl", "reach": 0.005, "T": 10_000, "first": 10_000, "runs": 512}
FAST_BOWL: Cell = {"problem": "fast bowl", "reach": 0.4, "T": 2_000, "first": 1_000, "runs": 512}
SAGGING: Cell = {"problem": "sagging kink, d = 4", "T": 5_000, "first": 5_000, "runs": 1024}
WALKS: dict[str, list[Cell]] = {
    "s1": [SLOW_BOWL, {**SAGGING, "reach": 0.1}],
    "s2": [
        {"problem": "cliff", "reach": 0.4, "T": 10_000, "first": 1_000, "runs": 512},
        {**SAGGING, "reach": 1.0},
    ],
    "s3": [{"problem": "far elastic", "T": 20_000, "first": 10_000, "runs": 1024}, SAGGING],
    "s4": [SLOW_BOWL, FAST_BOWL],
    "s5": [SLOW_BOWL, FAST_BOWL],
}
"""Cells of each claim, without the lattice; `first`: earlier the bound says nothing or is too near for so few runs."""
REMAINS = {"s1": 0.5, "s2": 0.5, "s3": 0.5, "s4": 0.02, "s5": 0.2}
"""Part of each bound that SR exceeds in the cells of `REACHES`."""
REACHES = ("sagging kink, d = 4", "slow bowl")


@functools.cache
def on_lattice(name: str, bits: int, step_size: float) -> Instance:
    """An instance by name; its grid, the box B, is the lattice or the inner part of it."""
    kind, _, dimension = name.partition(", d = ")
    d = int(dimension or 1)
    slope = 1 / math.sqrt(d)
    if kind == "kink":
        return Instance(absolute(slope, np.zeros(d)), Grid(step_size, 2), Noise(), 0)
    if kind in ("bent kink", "sagging kink"):
        bend = (BEND if kind == "bent kink" else SAG) * slope / step_size
        return Instance(elastic(bend, slope, np.zeros(d)), Grid(step_size, 2), Noise(), 0)
    grid = Grid(step_size, min(bits, 4))
    if kind in ("slow bowl", "fast bowl"):
        return Instance(quadratic(1.0, OFF_GRID * step_size), grid, Noise(), grid.low_code)
    if kind == "cliff":
        return Instance(absolute(1.0, 0.0), grid, Noise(), grid.low_code)
    if kind == "far elastic":
        return Instance(elastic(0.05 / step_size, 1.0, 0.0), grid, Noise(), grid.low_code)
    if kind == "noisy bowls":
        grid = Grid(step_size, min(bits, 6))
        return Instance(quadratic(np.ones(d), 0.0), grid, Noise("two-point", -LOUD * grid.low), 0)
    raise InputError(f"no instance {name!r} on a lattice")


def walking(claim: Claim, measure: Callable[..., Any], quantizer: UserQuantizer) -> Claim:
    """One of S1 to S5 with the user's rounding in place of SR.

    Of the controls those stay that change the bound and have a cell here; those that swap the rounding, the learning
    rate or the words do not. "less" is added: a part of the bound that SR exceeds.
    """
    cells, part = on(quantizer, WALKS[claim.id]), REMAINS[claim.id]
    tight = [cell["problem"] for cell in cells if cell["problem"] in REACHES][-1:]
    less = Control(
        "less", f"{part:g} of the bound, which SR exceeds", part, where=lambda cell: cell["problem"] in tight
    )
    kept = [one for one in claim.controls if one.bound is not None and one.where and any(map(one.where, cells))]
    return replace(
        claim,
        title=claim.title,
        grid=lambda budget: cells if budget == "quick" else [{**cell, "runs": 4 * cell["runs"]} for cell in cells],
        measure=functools.partial(measure, rounding=quantizer),
        assumptions=tuple(one for one in claim.assumptions if not one.along_run),
        control=(less, *kept),
        figure=None,
        of_quantizer=None,
        left_out="",
    )
