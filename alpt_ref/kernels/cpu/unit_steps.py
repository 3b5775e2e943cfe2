"""Sums of the gradients of shared step sizes, and the step sizes' moves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel
from alpt_ref.scalar.fixed_point import fixed_scale, fixed_unit
from alpt_ref.scalar.update import moved_step_size


class UnitSums(NamedTuple):
    """Scratch and result of `sum_units`, one entry per unit.

    Attributes
    ----------
    peaks, counts, totals : int32, int64 and int64 arrays (units,)
        Begin at zero; afterwards `counts` is the number of rows of each unit.
    out : float32 array (units,)
        The sums.
    """

    peaks: NDArray[np.int32]
    counts: NDArray[np.int64]
    totals: NDArray[np.int64]
    out: NDArray[np.float32]


def new_unit_sums(units: int) -> UnitSums:
    """Room for the sums of `units` units."""
    zeros, out = np.zeros(units, np.int64), np.empty(units, np.float32)
    return UnitSums(np.zeros(units, np.int32), zeros, zeros.copy(), out)


@kernel
def sum_units(gradient: NDArray[np.float32], unit: NDArray[np.int64], sums: UnitSums) -> None:
    """Sum of the step-size gradients of the rows of each unit, the same for every order of the rows."""
    peak, count, total, out = sums
    for i in range(gradient.shape[0]):
        k = unit[i]
        peak[k] = max(peak[k], np.int32(np.float32(gradient[i]).view(np.int32) & np.int32(0x7FFFFFFF)))
        count[k] += 1
    for i in range(gradient.shape[0]):
        k = unit[i]
        total[k] += np.int64(np.float64(gradient[i]) * fixed_scale(peak[k], count[k]))
    for k in range(out.shape[0]):
        out[k] = np.float32(np.float64(total[k]) * fixed_unit(peak[k], count[k]))


@kernel
def move_step_sizes(
    units: NDArray[np.int64],
    updates: NDArray[np.float32],
    log_domain: bool,
    floor: np.float32,
    step_size: NDArray[np.float32],
) -> int:
    """New step sizes of the touched `units`, kept at or above `floor`; returns how many were held there."""
    hits = 0
    for i in range(units.shape[0]):
        u = units[i]
        new, held = moved_step_size(step_size[u], updates[i], log_domain, floor)
        step_size[u] = new
        hits += int(held)
    return hits
