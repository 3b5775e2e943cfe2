"""A lattice: the float32 numbers that a quantiser may return, and where a number lies between them.

A table of decoded values, in order of their code: one row of it for all rows of an array, or one for each. The kinds of
lattices are in `alpt_ref.quantizer.lattices` and `alpt_ref.quantizer.float_formats`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError

__all__ = ["Floats", "Lattice", "require_lattice"]

Floats = NDArray[np.float32]


class Lattice:
    """Decoded values in order, what all lattices have in common.

    Parameters
    ----------
    table : float32 array (1, K) or (n, K)
        Values in order of their code, never decreasing along a row: one row for all rows of an array, or one for each.
    lowest : int
        Code of the first column.
    name : str
        How a report names the lattice.
    overflow : {"saturate", "inf"}
        What a number far beyond the ends may become: the value at the end, or also infinity.
    """

    def __init__(self, table: Floats, lowest: int, name: str, overflow: str = "saturate") -> None:
        if not np.isfinite(table).all():
            raise InputError(f"{name}: every value must be finite in float32; take a smaller step size")
        if not (table[:, :1] < table[:, -1:]).all():
            raise InputError(f"{name}: the values of a row must be two at least that differ in float32")
        with np.errstate(over="ignore"):
            if not np.isfinite(np.diff(table, axis=1)).all():
                raise InputError(f"{name}: the distance of two values must be finite in float32; put one between them")
        self.table = table
        self.table.setflags(write=False)
        self.lowest = lowest
        self.name = name
        self.overflow = overflow

    def __repr__(self) -> str:
        """The name."""
        return self.name

    @property
    def rows(self) -> int | None:
        """How many rows an array on this lattice has; None if any number."""
        return None if len(self.table) == 1 else len(self.table)

    @property
    def size(self) -> int:
        """Codes."""
        return int(self.table.shape[1])

    @property
    def highest(self) -> int:
        """Largest code."""
        return self.lowest + self.size - 1

    @property
    def low(self) -> Floats:
        """Lowest value, (1, 1) or (n, 1)."""
        return self.table[:, :1]

    @property
    def high(self) -> Floats:
        """Highest value, (1, 1) or (n, 1)."""
        return self.table[:, -1:]

    @property
    def zero(self) -> int:
        """Column of the code that powers of two and parity are counted from: that of the value 0, else the first."""
        at = int(np.searchsorted(self.table[0], np.float32(0)))
        return at if at < self.size and self.table[0, at] == 0 else 0

    def take(self, columns: NDArray[np.integer[Any]]) -> Floats:
        """Values of columns of the table: any shape on one row of it, else (n, d)."""
        if self.rows is None:
            return np.asarray(self.table[0][columns])
        return np.asarray(np.take_along_axis(self.table, columns, axis=1))

    def decode(self, codes: Any) -> Floats:
        """Values of codes.

        Parameters
        ----------
        codes : integer array (n, d)
            From `lowest` to `highest`.

        Raises
        ------
        InputError
            A code is out of range or no whole number.

        Examples
        --------
        >>> from alpt_ref.quantizer.lattices import Uniform
        >>> Uniform(0.5, 4).decode(np.array([[1, -8]]))
        array([[ 0.5, -4. ]], dtype=float32)
        """
        array = np.asarray(codes)
        whole = array if array.dtype.kind in "iu" else array.astype(np.int64)
        if array.dtype.kind not in "iu" and not np.array_equal(whole, array):
            raise InputError(f"codes must be whole numbers, got {array.dtype} with fractions")
        if whole.size and (whole.min() < self.lowest or whole.max() > self.highest):
            raise InputError(
                f"codes must be from {self.lowest} to {self.highest}, got {int(whole.min())} to {int(whole.max())}"
            )
        return self.take(whole.astype(np.int64) - self.lowest)

    def below(self, x: Floats) -> NDArray[np.int64]:
        """Column of the largest value that is not above each element, -1 where there is none; NaN: the last."""
        if self.rows is None:
            return np.searchsorted(self.table[0], x, side="right") - 1
        found = [np.searchsorted(row, some, side="right") - 1 for row, some in zip(self.table, x, strict=True)]
        return np.array(found, np.int64).reshape(x.shape)

    def neighbours(self, x: Floats) -> tuple[Floats, Floats]:
        """The values next to each element, from below and from above.

        Both are the element where it is a value, and both are the end of the range where it lies beyond.

        Parameters
        ----------
        x : float32 array (n, d)

        Returns
        -------
        float32 array (n, d), float32 array (n, d)

        Examples
        --------
        >>> from alpt_ref.quantizer.lattices import Uniform
        >>> Uniform(0.5, 4).neighbours(np.array([[0.3, 0.5, 9.0]], np.float32))
        (array([[0. , 0.5, 3.5]], dtype=float32), array([[0.5, 0.5, 3.5]], dtype=float32))
        """
        column = self.below(x)
        lower = self.take(np.maximum(column, 0))
        upper = self.take(np.minimum(column + 1, self.size - 1))
        return lower, np.where((lower == x) | (column < 0), lower, upper)

    def contains(self, values: Floats) -> NDArray[np.bool_]:
        """Which elements are values of the lattice (-0 is 0)."""
        return np.asarray(self.take(np.maximum(self.below(values), 0)) == values)

    def up_probability(self, x: Floats) -> NDArray[np.float64]:
        """Probability with which unbiased rounding goes to the upper neighbour; 0 on a value and beyond the ends."""
        lower, upper = (one.astype(np.float64) for one in self.neighbours(x))
        inside = upper > lower
        return np.where(inside, (x.astype(np.float64) - lower) / np.where(inside, upper - lower, 1.0), 0.0)

    def special(self) -> NDArray[np.int64]:
        """Columns of the codes at which rounding goes wrong first: 0, ±1, the ends, powers of two."""
        distances = [0, *(1 << power for power in range(17))]
        columns = {self.zero + sign * distance for distance in distances for sign in (1, -1)} | {0, self.size - 1}
        return np.array(sorted(one for one in columns if 0 <= one < self.size), np.int64)


def require_lattice(lattice: Any) -> Lattice:
    """The lattice; InputError if it is none."""
    if not isinstance(lattice, Lattice):
        raise InputError(f"lattice must be a lattice, for example Uniform(0.1, 8), got {type(lattice).__name__}")
    return lattice
