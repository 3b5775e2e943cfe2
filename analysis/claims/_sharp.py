"""The instances that reach the bounds: each term of S1 to S5, D1 and D2 has one in which half of it is too little.

``kink, d``: |w|_1/sqrt(d) on the codes -2..1 from its minimum: every coordinate is half its time one step away.
``corner ...``: started in the corner of a box of 256 codes, updates of whole steps: no rounding at all.
``wide ...``: large updates around the minimum: the loss of the learning rate alone.
``noisy bowls, d``: a quadratic with noise far above its slopes, so that E|g| and G agree.
``steep and flat``: one coordinate moves, so that the learning rate is small for the others, which stand still.
``half way``: the minimum in the middle between two codes: no code is nearer than half a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from alpt_ref.theory import Grid, Noise, absolute, elastic, quadratic

from ._instance import Instance

DIMENSIONS = (1, 4, 16)
BEND = 0.01
MU = 1.0 / 2560
"""Curvature of the wide bent kink: its first update, slope/mu, is 20 times as long as the box."""
STEEP = 4.0
"""Updates of the steep coordinate in steps, while the flat ones move by just less than half a step."""


def _kink(d: int) -> Instance:
    return Instance(absolute(1 / math.sqrt(d), np.zeros(d)), Grid(1.0, 2), Noise(), 0)


def _bent_kink(d: int) -> Instance:
    slope = 1 / math.sqrt(d)
    return Instance(elastic(BEND * slope, slope, np.zeros(d)), Grid(1.0, 2), Noise(), 0)


def _noisy_bowls(d: int) -> Instance:
    return Instance(quadratic(np.ones(d), 0.0), Grid(1.0, 8), Noise("two-point", 400.0), 0)


def _stalled(d: int) -> Instance:
    return Instance(absolute(1 / math.sqrt(d), np.zeros(d)), Grid(1.0, 4), Noise(), -8)


def _steep_and_flat(d: int) -> Instance:
    slopes = np.r_[1.0, np.full(d - 1, 0.499 / STEEP)]
    return Instance(absolute(slopes, np.zeros(d)), Grid(1.0, 6), Noise(), -32)


def _half_way(d: int) -> Instance:
    return Instance(absolute(1 / math.sqrt(d), np.full(d, -0.5)), Grid(1.0, 1), Noise(), 0)


_FAMILIES: dict[str, Callable[[int], Instance]] = {
    "kink": _kink,
    "bent kink": _bent_kink,
    "noisy bowls": _noisy_bowls,
    "stalled": _stalled,
    "steep and flat": _steep_and_flat,
    "half way": _half_way,
}
SHARP: dict[str, Callable[[], Instance]] = {
    **{
        f"{name}, d = {d}": lambda make=make, d=d: make(d)  # type: ignore[misc]
        for name, make in _FAMILIES.items()
        for d in DIMENSIONS
    },
    "corner kink": lambda: Instance(absolute(1.0, 0.0), Grid(1.0, 8), Noise(), -128),
    "wide kink": lambda: Instance(absolute(1.0, 0.0), Grid(1.0, 8), Noise(), 0),
    "wider kink": lambda: Instance(absolute(1.0, 0.0), Grid(1.0, 12), Noise(), 0),
    "wide bent kink": lambda: Instance(elastic(MU, 1.0, 0.0), Grid(1.0, 8), Noise(), 0),
    "corner bowl": lambda: Instance(quadratic(1.0, 0.0), Grid(1.0, 8), Noise(), -128),
    "two bowls": lambda: Instance(quadratic([1.0, 0.01], 0.0), Grid(1.0, 8), Noise(), -128),
}


def each(name: str) -> list[str]:
    """The names of a family in its dimensions 1, 4 and 16."""
    return [f"{name}, d = {d}" for d in DIMENSIONS]
