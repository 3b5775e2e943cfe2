"""How fast this machine does the arithmetic of a table's step with all rows in the cache: its other floor.

The table's own kernels, on as many ids and unique rows as a batch has and equally often repeated, but on `HOT` rows of
a small table and gradients and results of `BLOCK` rows, over and over: what is left is looking up (decoding), adding up
duplicates, and the step on the unique rows (lazy Adam, Philox, rounding, packing). Grouping of the ids, whose tables
are in the cache as it is, is timed on the batch itself. Memory could at best hide behind this, or this behind memory:
the larger of this and of `floor` is what a step with the same bits cannot go below here without other arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_table, num_threads
from alpt_ref.kernels.arguments import RowUpdates
from alpt_ref.kernels.cpu import lowbit_step, table, unique
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_zeros
from alpt_ref.tables.unique_rows import UniqueRows, unique_rows

HOT = 256
"""Rows of the table: its codes and moments are 38 kB."""
BLOCK = 2048
"""Rows of the gradients and results that a call works on."""
PARTS = ("grouping ids", "lookup", "sums of duplicates", "optimiser and rounding")


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

    def _blocks(self, count: int, work: Any) -> None:
        """``work(room, block)`` for `count` blocks."""
        per_thread = -(-count // len(self.rooms))

        def part(lo: int, hi: int) -> None:
            for thread in range(lo, hi):
                for block in range(thread * per_thread, min(count, (thread + 1) * per_thread)):
                    work(self.rooms[thread], block)

        run_rows(part, len(self.rooms), grain=1)

    def lookup(self, positions: int) -> None:
        """Rows decoded."""

        def work(room: Room, block: int) -> None:
            size = min(BLOCK, positions - block * BLOCK)
            table.lookup_codes(0, size, room.rows, room.table._codes, room.table._of_units, room.out)

        self._blocks(-(-positions // BLOCK), work)

    def sums(self, groups: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> None:
        """Gradients added up, by `hot_groups`."""

        def work(room: Room, block: int) -> None:
            order, starts = groups[block]
            bits = room.grads.view(np.int32)
            unique.sum_duplicates(0, len(starts) - 1, room.grads, bits, order, starts, room.out)

        self._blocks(len(groups), work)

    def step(self, rows: int) -> None:
        """Optimiser and rounding; the gradients change, which does not matter."""

        def work(room: Room, block: int) -> None:
            own, size = room.table, min(BLOCK, rows - block * BLOCK)
            of = RowUpdates(room.rows, room.grads, np.float32(0.0))
            optimizer = own._optimizer.step(1e-3)
            lowbit_step.step_codes(
                0, size, room.rows, of, optimizer, own._codes, own._of_units, own._rounding()
            )  # fmt: skip

        self._blocks(-(-rows // BLOCK), work)

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


def hot_groups(groups: UniqueRows) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Positions and starts of each block of unique rows, the positions folded into the first `HOT`."""
    found = []
    for first in range(0, len(groups), BLOCK):
        starts = groups.starts[first : first + BLOCK + 1]
        found.append((groups.order[starts[0] : starts[-1]] % HOT, starts - starts[0]))
    return found
