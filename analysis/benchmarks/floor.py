"""How fast this machine moves the bytes of a table's step: a floor that the table's part is measured against.

An 8-bit LPT step with lazy Adam on ``len`` ids with ``u`` unique rows, d = 16, cannot move less than

* in order: gradients in, ``64 len`` bytes, and looked-up values out, ``64 len`` bytes;
* at random, in ascending order of the unique rows, in and out: codes (16 bytes), both moments (2 x 64), count (4).

Ids, their order, the sums and whatever is read twice are not counted: they are the method's own. Both parts are timed
alone, on all threads, by loops that do nothing else: a copy in order, and a touch of each row (one is added in place).
A row is one instruction of its width, and the rows to come are fetched ahead into the second-level cache, as in the
table's own kernels, so that it is the memory that is timed. Of 16 or 4 bytes at random the machine moves a whole cache
line of 64, which is its business; no row lies on two lines.

The method also reads the gradients row by row, at random, and the codes of each id: what that costs is timed beside
the floor, and not part of it. What the arithmetic of the step takes is in `arithmetic`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.vectors import add_row, move_row
from alpt_ref.kernels.jit import kernel, run_rows
from alpt_ref.kernels.memory import aligned_empty, aligned_zeros

GRAIN = 1024
ROOMS = 4
"""Arrays copied in turn, so that none waits in the cache."""
_ZERO = np.float32(0.0)
Floats = NDArray[np.float32]


@kernel
def _copy(lo: int, hi: int, source: Floats, out: Floats) -> None:
    d = out.shape[1]
    for i in range(lo, hi):
        move_row(out, i * d, source, i * d, _ZERO, d)


@kernel
def _touch_codes(lo: int, hi: int, rows: NDArray[np.int64], codes: Floats, ones: Floats) -> None:
    words = codes.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(codes, rows[i + AHEAD] * words)
        add_row(codes, rows[i] * words, ones, 0, _ZERO, words)


@kernel
def _touch_all(
    lo: int, hi: int, rows: NDArray[np.int64], codes: Floats, first: Floats, second: Floats, count: Floats, ones: Floats
) -> None:
    words, d = codes.shape[1], first.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            ahead = rows[i + AHEAD]
            prefetch(codes, ahead * words)
            prefetch(first, ahead * d)
            prefetch(second, ahead * d)
            prefetch(count, ahead)
        row = rows[i]
        count[row] += np.float32(1.0)
        add_row(codes, row * words, ones, 0, _ZERO, words)
        add_row(first, row * d, ones, 0, _ZERO, d)
        add_row(second, row * d, ones, 0, _ZERO, d)


@kernel
def _gather(lo: int, hi: int, order: NDArray[np.int64], source: Floats) -> float:
    d, total = source.shape[1], _ZERO
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(source, order[i + AHEAD] * d)
        total += source[order[i], 0]
    return float(total)


class Floor:
    """Arrays of a table's sizes, and the loops over them."""

    def __init__(self, n: int, d: int, positions: int) -> None:
        self.codes = aligned_zeros((n, d // 4), np.float32)
        self.first, self.second = (aligned_zeros((n, d), np.float32) for _ in range(2))
        self.count = np.zeros(n, np.float32)
        self.ones: Floats = np.ones(d, np.float32)
        self.rooms = [aligned_empty((positions, d), np.float32) for _ in range(2 * ROOMS)]
        for room in self.rooms:
            room[...] = 0.0
        self.turn = 0

    def in_order(self) -> None:
        """Gradients in, values out."""
        self.turn = (self.turn + 1) % ROOMS
        source, out = self.rooms[2 * self.turn : 2 * self.turn + 2]
        run_rows(_copy, len(out), source, out, grain=GRAIN)

    def at_random(self, rows: NDArray[np.int64]) -> None:
        """Codes, moments and counts of the unique `rows`."""
        arrays = (self.codes, self.first, self.second, self.count, self.ones)
        run_rows(_touch_all, len(rows), rows, *arrays, grain=GRAIN)

    def codes_at_random(self, rows: NDArray[np.int64]) -> None:
        """The codes alone, as a step without optimiser state has them."""
        run_rows(_touch_codes, len(rows), rows, self.codes, self.ones, grain=GRAIN)

    def gathers(self, ids: NDArray[np.int64], order: NDArray[np.int64]) -> None:
        """The codes of each id, and a gradient for each position in the `order` of the groups: not in the floor."""
        self.turn = (self.turn + 1) % ROOMS
        run_rows(_gather, len(ids), ids, self.codes, grain=GRAIN)
        run_rows(_gather, len(order), order, self.rooms[2 * self.turn], grain=GRAIN)

    def figures(self, seconds: dict[str, float], unique: float) -> dict[str, Any]:
        """The floors of a step in milliseconds, and the speeds that they come from."""
        positions, d = self.rooms[0].shape
        order, moments, codes = seconds["in order"], seconds["at random"], seconds["codes at random"]
        return {
            "milliseconds": {
                "8-bit LPT lazy Adam": (order + moments) * 1e3,
                "8-bit LPT SGD": (order + codes) * 1e3,
            },
            "milliseconds_of_gathers_besides": seconds["gathers"] * 1e3,
            "gigabytes_per_second_in_order": 2.0 * positions * d * 4 / order / 1e9,
            "gigabytes_per_second_at_random": 2.0 * unique * (d + 8 * d + 4) / moments / 1e9,
            "million_rows_per_second_at_random": unique / moments / 1e6,
        }
