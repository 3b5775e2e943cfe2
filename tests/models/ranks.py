"""Several ranks as threads of one process: `SliceSums` without torch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from alpt_ref.models.slices import Array, SliceSums, owned_slices

Result = TypeVar("Result")


class ThreadSums(SliceSums):
    """One of several ranks that are threads; `board` has a place for each."""

    def __init__(self, slices: int, rank: int, board: list[Any], barrier: threading.Barrier) -> None:
        super().__init__(slices, owned_slices(slices, rank, len(board)))
        self.rank, self.board, self.barrier = rank, board, barrier

    def gather(self, parts: Array) -> Array:
        """See `SliceSums.gather`."""
        self.board[self.rank] = parts.copy()
        self.barrier.wait(20)
        whole = np.concatenate(self.board)
        self.barrier.wait(20)
        return whole


def on_ranks(slices: int, ranks: int, work: Callable[[SliceSums], Result]) -> list[Result]:
    """What `work` returns on each rank."""
    board: list[Any] = [None] * ranks
    barrier = threading.Barrier(ranks)

    def one(rank: int) -> Result:
        try:
            return work(ThreadSums(slices, rank, board, barrier))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(ranks) as pool:
        return list(pool.map(one, range(ranks)))
