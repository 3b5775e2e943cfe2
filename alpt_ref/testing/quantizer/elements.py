"""Elements as the checks see them: what went in, what came out, and what is known about them beforehand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.quantizer.lattice import Lattice

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Broken(Exception):  # noqa: N818  # becomes the text of a failed property
    """The quantiser raised, or returned something that is no array of x's shape."""


class Seen(NamedTuple):
    """Elements and what they got; all of x's shape."""

    x: Floats
    draw: int
    result: Floats
    lower: Floats
    upper: Floats


class Placed(NamedTuple):
    """Elements that were put into cells: what is known about them without a search; all of x's shape.

    `inside` is False for an element that became a value itself; its p is 0.
    """

    x: Floats
    lower: Floats
    upper: Floats
    p: NDArray[np.float64]
    inside: Mask

    def take(self, places: NDArray[np.int64]) -> Placed:
        """The elements at these places, counted row by row."""
        x, lower, upper = (np.ascontiguousarray(one.reshape(-1)[places]) for one in (self.x, self.lower, self.upper))
        return Placed(x, lower, upper, self.p.reshape(-1)[places], self.inside.reshape(-1)[places])

    def off_values(self, above: Mask) -> Placed:
        """Elements that became a value, moved by one float32 number: above the lower or below the upper neighbour."""
        beside = np.where(
            above,
            np.nextafter(self.lower, self.upper),
            np.nextafter(self.upper, self.lower),
        )
        x = np.where(self.inside, self.x, beside)
        inside = (x > self.lower) & (x < self.upper)
        low, gap = self.lower.astype(np.float64), self.upper.astype(np.float64) - self.lower
        p = np.divide(x - low, gap, out=np.zeros(x.shape), where=inside)
        return Placed(x, self.lower, self.upper, p, inside)


def usable_cells(lattice: Lattice) -> NDArray[np.int64]:
    """Columns of cells in which float32 numbers are normal ones, so that `subnormal` alone is about the others."""
    least = 2.0**-126
    size = np.abs(lattice.table.astype(np.float64))
    gap = np.diff(lattice.table.astype(np.float64), axis=1)
    fine = (gap > 0) & ((gap >= least) | (np.minimum(size[:, 1:], size[:, :-1]) >= least))
    usable = np.flatnonzero(fine.all(axis=0))
    return usable if len(usable) else np.arange(lattice.size - 1)
