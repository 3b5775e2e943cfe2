"""Sums of the rows' gradients over ranks as float32, added in the order of the ranks, in room of a fixed size.

What `shard_static` does exactly, whatever the number of ranks, in one exchange in place of four with half the bytes:
each rank's float32 sum of a row goes to its owner, who adds the ranks' sums in their order. So the bits depend on the
ranks.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.shard_static import BAD_SUM, EMPTY
from alpt_ref.kernels.cuda.sums import magnitude, row_gradient
from alpt_ref.kernels.cuda.target import cuda, kernel, load4
from alpt_ref.kernels.cuda.team import float_access, team_of
from alpt_ref.kernels.cuda.unique import unique_rows
from alpt_ref.scalar.fixed_point import TOO_LARGE


@kernel
def list_slots(wire, size, capacity, ranks, index, lists):
    """``lists[u * ranks + r]`` = 1 + the slot in which rank r asks for owned row u; `lists` begin at zero."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        if np.uint32(wire[2 * e]) != EMPTY:
            lists[np.int64(index[e]) * ranks + np.int64(e // capacity)] = np.int32(e + 1)


@functools.cache
def sum_into_slots(d: int) -> Any:
    """Kernel: sums of the gradients of this rank's unique rows into the slots of their owners, (slots, d)."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    gradient = row_gradient(d)
    _, store = float_access(d)

    @kernel
    def run(totals, records, order, peaks, sums, summed, grads, slot_of, out):
        thread = cuda.grid(1)
        lane = thread % size
        if lane < lanes:
            for u in range(thread // size, unique_rows(totals), cuda.gridsize(1) // size):
                _, at, number, among = load4(records, 4 * u)
                a, b, c, e = gradient(4 * lane, at, number, among, order, peaks, sums, summed, grads)
                store(out, np.int64(slot_of[u]) * d, 4 * lane, a, b, c, e)

    return run


@kernel
def add_ranks(totals, ranks, d, lists, parts, out, flags):
    """Sums of the owned rows; ``flags[BAD_SUM]`` where one is not finite or too large."""
    unique = np.int64(unique_rows(totals))
    for at in range(cuda.grid(1), unique * d, cuda.gridsize(1)):
        u = np.int64(at // d)
        j = np.int64(at - u * d)
        value = np.float32(0.0)
        for r in range(ranks):
            e = np.int64(lists[u * ranks + r])
            if e > 0:
                value = np.float32(value + parts[(e - 1) * d + j])
        if magnitude(value) >= TOO_LARGE:
            flags[BAD_SUM] = np.int32(1)
        out[at] = value
