"""Elements whose rounding up is a fair bit, and sums of fair bits against the binomial law."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.quantizer.counts import Counts, lower_tail, upper_tail
from alpt_ref.testing.quantizer.probe import Placed, Probe


def add_sums(
    counts: Counts, what: str, sums: NDArray[np.int64], size: int, share: float, resolution: float = 0.0
) -> None:
    """Count sums of `size` bits that lie as far from the mean as a share of about `share` of them should.

    The bits are fair to `resolution`; how many more sums that may put there is no defect.
    """
    distance, chance = _distance(size, share)
    out = int((np.abs(2 * sums - size) >= distance).sum())
    least, p = -(-(size + distance) // 2), min(1.0, 0.5 + resolution)
    slack = max(0.0, upper_tail(least, size, p) + lower_tail(size - least, size, p) - chance)
    counts.add(f"{what} is {distance / 2:g} or more off the mean", out, len(sums), chance, slack)


def _distance(size: int, share: float) -> tuple[int, float]:
    """A distance t, and the probability of ``|2 X - size| >= t`` for X of ``Bin(size, 1/2)``, about `share`."""
    distances = range(1, min(size, int(6 * np.sqrt(size)) + 2) + 1)
    chances = [min(1.0, 2 * upper_tail(-(-(size + one) // 2), size, 0.5)) for one in distances]
    best = min(range(len(chances)), key=lambda place: abs(chances[place] - share))
    return distances[best], chances[best]


def half_block(probe: Probe, elements: int, columns: int = 64) -> Placed | None:
    """Numbers exactly in the middle of a cell, in many cells; None where no middle is a float32 number."""
    random, shape = probe.random("half"), probe.shape(elements, columns)
    placed = probe.place(probe.cells(random, shape), np.full(shape, 0.5))
    good, take = placed.p == 0.5, np.arange(placed.p.size).reshape(shape)
    for row in range(shape[0]):
        fill = take[row][good[row]]
        if not len(fill):
            return None
        take[row, ~good[row]] = np.resize(fill, int((~good[row]).sum()))
    return placed.take(take)
