"""Step sizes that belong to fields or to the table: gradients of a unit's rows added up, and the units moved.

Between `learned.step_gradients`, which makes the gradient of each row, and `pending.round_pending`.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.learned import step_size_update
from alpt_ref.kernels.cuda.sums import EXPONENT, magnitude
from alpt_ref.kernels.cuda.target import cuda, kernel
from alpt_ref.kernels.cuda.team import Layout
from alpt_ref.kernels.cuda.unique import unique_rows
from alpt_ref.kernels.cuda.update import FLOOR_HITS
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.fixed_point import fixed_scale, fixed_unit
from alpt_ref.scalar.units import unit_of


@kernel
def sum_units(
    guard: Any, totals: Any, records: Any, number_at: int, gradient: Any, offsets: Any, units: int, peak: Any,
    count: Any, total: Any,
) -> None:  # fmt: skip
    """Add each row's step-size gradient to its unit as an integer, so that the order cannot matter.

    A row's number in the whole table is the word `number_at` of its record.
    """
    if guard[0] != 0 or guard[1] != 0:
        return
    unique = unique_rows(totals)
    for u in range(cuda.grid(1), unique, cuda.gridsize(1)):
        unit = np.int64(unit_of(np.int64(np.uint32(records[4 * u + number_at])), offsets, units))
        cuda.atomic.add(total, unit, np.int64(np.float64(gradient[u]) * fixed_scale(peak[unit], count[unit])))


@functools.cache
def move_units(optimizer: str, log_domain: bool) -> Any:
    """Kernel: new step size of every touched unit; `old_step_size` keeps the one before; clears the unit sums."""
    state, move = step_size_update(optimizer, log_domain, Layout(per_row=False))

    @kernel
    def run(
        guard,
        units,
        peak,
        count,
        total,
        step_size,
        old_step_size,
        first,
        second,
        seen,
        corrections,
        rates,
        learns,
        stats,
    ):
        if guard[0] != 0 or guard[1] != 0:
            return
        for k in range(cuda.grid(1), units, cuda.gridsize(1)):
            before = step_size[k]
            old_step_size[k] = before
            if count[k] > 0:
                g = np.float32(np.float64(total[k]) * fixed_unit(peak[k], count[k]))
                if log_domain:
                    g = np.float32(mul(g, before))
                if magnitude(g) >= EXPONENT:
                    guard[1] = 2
                else:
                    m, v, t = state(k, first, second, seen)
                    new, held = move(k, True, g, before, m, v, t, first, second, seen, corrections, rates, learns)
                    step_size[k] = new
                    if held != 0:
                        cuda.atomic.add(stats, FLOOR_HITS, np.int64(1))
            peak[k] = np.int32(0)
            count[k] = np.int64(0)
            total[k] = np.int64(0)

    return run
