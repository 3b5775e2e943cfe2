"""Which step size belongs to a row: its own, its field's, or the table's.

The rows that share a step size are a *unit*. Units are given by `offsets` and their number, as the tables' kernels of
both targets take them; a number of units below zero says that each row has its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.types import Int


@scalar
def unit_of(row: Int, offsets: NDArray[np.int64], units: Int) -> Int:
    """Index of the step size of a table row: the row itself if `units` < 0, else its field, by bisection."""
    if units < 0:
        return row
    low = 0
    high = int(units)
    while high - low > 1:
        middle = (low + high) // 2
        if offsets[middle] <= row:
            low = middle
        else:
            high = middle
    return low
