"""How fast this machine does the arithmetic of a table's step with all rows in the cache: its other floor.

The table's own kernels, on as many ids and unique rows as a batch has and equally often repeated, but on `HOT` rows of
a small table and gradients and results of `BLOCK` rows, over and over: what is left is looking up (decoding), adding up
duplicates, and the step on the unique rows (lazy Adam, Philox, rounding, packing). Grouping of the ids, whose tables
are in the cache as it is, is timed on the batch itself. Memory could at best hide behind this, or this behind memory:
the larger of this and of `floor` is what a step with the same bits cannot go below here without other arithmetic.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_table, num_threads
from alpt_ref.kernels.arguments import RowUpdates
from alpt_ref.kernels.cpu import lowbit_step, table, unique
from alpt_ref.kernels.jit import kernel, run_rows
from alpt_ref.kernels.memory import aligned_zeros
from alpt_ref.tables.unique_rows import UniqueRows, unique_rows

HOT = 256
"""Rows of the table: its codes and moments are 38 kB."""
BLOCK = 512
"""Rows of the gradients and results that are worked on at a time, 64 kB together."""
PARTS = ("grouping ids", "lookup", "sums of duplicates", "optimiser and rounding")


class Groups(NamedTuple):
    """Unique rows of a batch in blocks, and where each row occurs among the first `HOT` gradients.

    Attributes
    ----------
    order : int64 array (len,)
    first : int64 array (blocks + 1,)
        Where each block's positions begin in `order`.
    starts : int64 array (blocks, BLOCK + 1)
        Of the rows within their block's positions; a last block that is not full ends in rows without any.
    rows : int64 array (blocks,)
        How many rows each has.
    """

    order: NDArray[np.int64]
    first: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]


def hot_groups(groups: UniqueRows) -> Groups:
    """The unique rows of a batch in blocks, on hot gradients."""
    edges = np.append(np.arange(0, len(groups), BLOCK), len(groups))
    first = groups.starts[edges]
    starts = np.repeat(np.diff(first)[:, None], BLOCK + 1, axis=1)
    for block, (low, high) in enumerate(itertools.pairwise(edges)):
        starts[block, : high - low + 1] = groups.starts[low : high + 1] - first[block]
    return Groups(groups.order % HOT, first, starts, np.diff(edges))


@kernel
def _lookups(lo: int, hi: int, ids: NDArray[np.int64], codes: Any, step_size: Any, out: NDArray[np.float32]) -> None:
    for _ in range(lo, hi):
        table.lookup_codes(0, out.shape[0], ids, codes, step_size, out)


@kernel
def _sums(lo: int, hi: int, groups: Groups, grads: NDArray[np.float32], out: NDArray[np.float32]) -> int:
    bad = 0
    for block in range(lo, hi):
        order, starts, rows = groups.order[groups.first[block] :], groups.starts[block], groups.rows[block]
        bad += int(unique.sum_duplicates(0, rows, grads, grads.view(np.int32), order, starts, out))
    return bad


@kernel
def _steps(
    lo: int, hi: int, rows: NDArray[np.int64], of: Any, optimizer: Any, codes: Any, step_size: Any, rounding: Any
) -> int:
    moved = 0
    for _ in range(lo, hi):
        moved += lowbit_step.step_codes(0, rows.shape[0], rows, of, optimizer, codes, step_size, rounding)[0]
    return moved


class Room:
    """A thread's own arrays."""

    def __init__(self, d: int, bits: int, optimizer: str) -> None:
        self.table: Any = make_table("lpt", n=HOT, d=d, bits=bits, optimizer=optimizer)
        self.rows = np.arange(BLOCK, dtype=np.int64) % HOT
        self.grads, self.out = (aligned_zeros((BLOCK, d), np.float32) for _ in range(2))
        self.grads[...] = np.random.default_rng(0).standard_normal(self.grads.shape) * 1e-3


class Arithmetic:
    """The parts of a step on hot rows; each spreads its blocks over the threads, as the table does."""

    def __init__(self, n: int, d: int, bits: int = 8, optimizer: str = "adam") -> None:
        self.n = n
        self.rooms = [Room(d, bits, optimizer) for _ in range(num_threads())]

    def grouping(self, ids: NDArray[np.int64]) -> None:
        """Unique rows of the batch."""
        unique_rows(ids, self.n)

    def _spread(self, blocks: int, work: Callable[[Room, int, int], Any]) -> None:
        """``work(room, lo, hi)`` of each thread's share of the blocks, one call of a kernel."""
        threads = len(self.rooms)

        def part(lo: int, hi: int) -> None:
            for thread in range(lo, hi):
                work(self.rooms[thread], blocks * thread // threads, blocks * (thread + 1) // threads)

        run_rows(part, threads, grain=1)

    def lookup(self, positions: int) -> None:
        """Rows decoded."""

        def work(room: Room, lo: int, hi: int) -> None:
            _lookups(lo, hi, room.rows, room.table._codes, room.table._of_units, room.out)

        self._spread(round(positions / BLOCK), work)

    def sums(self, groups: Groups) -> None:
        """Gradients added up."""
        self._spread(len(groups.rows), lambda room, lo, hi: _sums(lo, hi, groups, room.grads, room.out))

    def step(self, rows: int) -> None:
        """Optimiser and rounding; the gradients change, which does not matter."""

        def work(room: Room, lo: int, hi: int) -> None:
            own, of = room.table, RowUpdates(room.rows, room.grads, np.float32(0.0))
            _steps(lo, hi, room.rows, of, own._optimizer.step(1e-3), own._codes, own._of_units, own._rounding())

        self._spread(round(rows / BLOCK), work)

    @staticmethod
    def figures(seconds: dict[str, float], unique_count: float) -> dict[str, Any]:
        """Milliseconds of the parts and of all, and nanoseconds of a unique row and thread."""
        parts = {name: seconds[name] * 1e3 for name in PARTS}
        total = sum(parts.values())
        return {
            "milliseconds": {**parts, "all": total},
            "nanoseconds_per_unique_row_and_thread": {
                name: value * 1e6 * num_threads() / unique_count for name, value in {**parts, "all": total}.items()
            },
        }
