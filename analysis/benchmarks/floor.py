"""How fast this machine moves the bytes of a table's step: the floor that the table's part is measured against.

An 8-bit LPT step with lazy Adam on ``len`` ids with ``u`` unique rows, d = 16, cannot move less than

* in order: gradients in, ``64 len`` bytes, and looked-up values out, ``64 len`` bytes;
* at random, in ascending order of the unique rows, in and out: codes (16 bytes), both moments (2 x 64), count (4).

Ids, their order, the sums and whatever is read twice are not counted: they are the method's own. Both parts are timed
alone, by loops that do nothing else: a copy in order, and a touch of each row (one is added in place) with the rows
to come fetched ahead. Of 16 or 4 bytes at random the machine moves a whole cache line of 64, which is its business.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.jit import kernel, run_rows
from alpt_ref.kernels.memory import aligned_empty, aligned_zeros

GRAIN = 1024
ROOMS = 4
"""Arrays copied in turn, so that none waits in the cache."""


@kernel
def _copy(lo: int, hi: int, source: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    for i in range(lo, hi):
        for j in range(source.shape[1]):
            out[i, j] = source[i, j]


@kernel
def _touch_codes(lo: int, hi: int, rows: NDArray[np.int64], codes: NDArray[np.int32]) -> None:
    words = codes.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(codes, rows[i + AHEAD] * words)
        for j in range(words):
            codes[rows[i], j] += 1


@kernel
def _touch_all(
    lo: int, hi: int, rows: NDArray[np.int64], codes: NDArray[np.int32], first: NDArray[np.float32],
    second: NDArray[np.float32], count: NDArray[np.int32],
) -> None:  # fmt: skip
    words, d = codes.shape[1], first.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            ahead = rows[i + AHEAD]
            prefetch(codes, ahead * words)
            prefetch(first, ahead * d)
            prefetch(second, ahead * d)
            prefetch(count, ahead)
        row = rows[i]
        count[row] += 1
        for j in range(words):
            codes[row, j] += 1
        for j in range(d):
            first[row, j] += np.float32(1.0)
            second[row, j] += np.float32(1.0)


class Floor:
    """Arrays of a table's sizes, and the loops over them."""

    def __init__(self, n: int, d: int, positions: int) -> None:
        self.codes = aligned_zeros((n, d // 4), np.int32)
        self.first, self.second = (aligned_zeros((n, d), np.float32) for _ in range(2))
        self.count = np.zeros(n, np.int32)
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
        run_rows(_touch_all, len(rows), rows, self.codes, self.first, self.second, self.count, grain=GRAIN)

    def codes_at_random(self, rows: NDArray[np.int64]) -> None:
        """The codes alone, as a step without optimiser state has them."""
        run_rows(_touch_codes, len(rows), rows, self.codes, grain=GRAIN)

    def figures(self, seconds: dict[str, float], unique: float) -> dict[str, Any]:
        """The floors of a step in milliseconds, and the speeds that they come from."""
        positions, d = self.rooms[0].shape
        order, moments, codes = seconds["in order"], seconds["at random"], seconds["codes at random"]
        return {
            "milliseconds": {
                "8-bit LPT lazy Adam": (order + moments) * 1e3,
                "8-bit LPT SGD": (order + codes) * 1e3,
            },
            "gigabytes_per_second_in_order": 2.0 * positions * d * 4 / order / 1e9,
            "gigabytes_per_second_at_random": 2.0 * unique * (d + 8 * d + 4) / moments / 1e9,
            "million_rows_per_second_at_random": unique / moments / 1e6,
        }
