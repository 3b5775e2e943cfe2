"""Groups of equal ids by a bitmap of all rows: which rows a batch has, ascending, and where each occurs.

Three short loops over the batch, whose tables (a bit a row, a count a unique row) stay in the cache: mark each id's
bit, count the occurrences of its rank (the bits before its own), put its position behind those of the same rank. Each
thread has its own part of the batch, its own bits and its own counts; positions of a row ascend, however many threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.bits import count_ones, lowest_one
from alpt_ref.kernels.cpu.prefetch import prefetch
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers

# Indices are unsigned, or each is asked whether it is below zero and counts from the end.
_ONE = np.uint64(1)
_LOW = np.uint64(63)
BLOCK = 512
"""Positions whose places are found, and asked for, before they are stored."""


@kernel
def mark_ids(lo: Int, hi: Int, bounds: NDArray[np.int64], ids: Integers, marks: NDArray[np.uint64]) -> None:
    """Set bit ``ids[i]`` of ``marks[part]`` for the positions of each part, up from ``bounds[part]``."""
    for part in range(lo, hi):
        for i in range(bounds[part], bounds[part + 1]):
            row = np.uint64(ids[i])
            word = row >> np.uint64(6)
            marks[part, word] = marks[part, word] | (_ONE << (row & _LOW))


@kernel
def list_rows(marks: NDArray[np.uint64], before: NDArray[np.int32], rows: NDArray[np.int64]) -> int:
    """Rows whose bit is set in any part, ascending, into `rows`; ``before[word]`` is how many lie before a word.

    All bits are gathered in ``marks[0]``. Returns the number of rows.
    """
    found = 0
    parts = marks.shape[0]
    for word in range(marks.shape[1]):
        here = marks[0, word]
        for part in range(1, parts):
            here = here | marks[part, word]
        marks[0, word] = here
        before[word] = found
        while here != np.uint64(0):
            rows[found] = word * 64 + lowest_one(here)
            here = here & (here - _ONE)
            found += 1
    return found


@kernel
def count_ranks(
    lo: Int, hi: Int, bounds: NDArray[np.int64], ids: Integers, marks: NDArray[np.uint64], before: NDArray[np.int32],
    ranks: NDArray[np.int32], counts: NDArray[np.int32],
) -> None:  # fmt: skip
    """The rank of each id among the rows of the batch, and how often each occurs in a part, (parts, u)."""
    for part in range(lo, hi):
        for i in range(bounds[part], bounds[part + 1]):
            row = np.uint64(ids[i])
            word = row >> np.uint64(6)
            lower = marks[0, word] & ((_ONE << (row & _LOW)) - _ONE)
            rank = np.uint64(before[word] + count_ones(lower))
            ranks[i] = np.int32(rank)
            counts[part, rank] += np.int32(1)


@kernel
def begin_ranks(counts: NDArray[np.int32], starts: NDArray[np.int64]) -> None:
    """First positions of the rows in the order, into `starts`; `counts` become those of each part's occurrences."""
    total = 0
    for rank in range(counts.shape[1]):
        starts[rank] = total
        for part in range(counts.shape[0]):
            here = counts[part, rank]
            counts[part, rank] = np.int32(total)
            total += here
    starts[counts.shape[1]] = total


@kernel
def order_ranks(
    lo: Int, hi: Int, bounds: NDArray[np.int64], ranks: NDArray[np.int32], places: NDArray[np.int32],
    order: NDArray[np.int64],
) -> None:  # fmt: skip
    """Positions of each rank, ascending, into `order`; `places` are the results of `begin_ranks`."""
    found = np.empty(BLOCK, np.uint64)
    for part in range(lo, hi):
        for begin in range(bounds[part], bounds[part + 1], BLOCK):
            end = min(begin + BLOCK, bounds[part + 1])
            for i in range(begin, end):
                rank = np.uint64(ranks[i])
                to = places[part, rank]
                places[part, rank] = np.int32(to + np.int32(1))
                found[np.uint64(i - begin)] = np.uint64(to)
                prefetch(order, to)
            for i in range(begin, end):
                order[found[np.uint64(i - begin)]] = i
