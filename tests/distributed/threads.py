"""Ranks as threads of this process, which take turns: what several ranks do, without torch and without processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed.group import Group

PATIENCE = 100.0


class Meeting:
    """What threads share: one runs at a time, and they meet to exchange."""

    def __init__(self, ranks: int) -> None:
        self.turn, self.barrier = threading.Lock(), threading.Barrier(ranks)
        self.given: list[Any] = [None] * ranks


class ThreadGroup(Group):
    """The group as one thread sees it."""

    def __init__(self, meeting: Meeting, rank: int, ranks: int) -> None:
        self._meeting, self.rank, self.ranks = meeting, rank, ranks

    def _meet(self, mine: Any) -> list[Any]:
        """What all ranks give; they go on together."""
        meeting = self._meeting
        meeting.given[self.rank] = mine
        meeting.turn.release()
        try:
            meeting.barrier.wait(PATIENCE)
            given = list(meeting.given)
            meeting.barrier.wait(PATIENCE)  # before anybody gives something new
        finally:
            meeting.turn.acquire()
        return given

    def share(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """See `Group.share`."""
        return np.stack(self._meet(np.array(numbers)))

    def exchange(self, array: Any, counts_out: NDArray[np.int64], counts_in: NDArray[np.int64]) -> Any:
        """See `Group.exchange`."""
        self.sent += int(array[:1].nbytes) * int(counts_out.sum() - counts_out[self.rank])
        parts = [part[self.rank] for part in self._meet(np.split(array.copy(), np.cumsum(counts_out)[:-1]))]
        assert [len(part) for part in parts] == counts_in.tolist()
        return np.concatenate(parts)

    def swap(self, array: Any, into: Any) -> None:
        """See `Group.swap`."""
        into[...] = np.concatenate([part[self.rank] for part in self._meet(np.split(array.copy(), self.ranks))])

    def raised(self, flags: Any) -> None:
        """See `Group.raised`."""
        self.largest(flags)

    def gathered(self, array: Any, into: Any) -> None:
        """See `Group.gathered`."""
        into[...] = np.concatenate(self._meet(array.copy())).reshape(into.shape)

    def summed(self, floats: Any) -> None:
        """See `Group.summed`."""
        self.total(floats)

    def total(self, array: Any) -> None:
        """See `Group.total`."""
        array[...] = np.sum(self._meet(array.copy()), axis=0)

    def largest(self, array: Any) -> None:
        """See `Group.largest`."""
        array[...] = np.max(self._meet(array.copy()), axis=0)


def run_threads(function: Callable[..., Any], ranks: int, *arguments: Any) -> list[Any]:
    """``function(group, rank, ranks, *arguments)`` on each rank; what each returned."""
    meeting = Meeting(ranks)
    answers: list[Any] = [None] * ranks

    def work(rank: int) -> None:
        with meeting.turn:
            try:
                answers[rank] = (True, function(ThreadGroup(meeting, rank, ranks), rank, ranks, *arguments))
            except BaseException as error:
                answers[rank] = (False, error)
                meeting.barrier.abort()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for fine, answer in answers:
        if not fine and not isinstance(answer, threading.BrokenBarrierError):
            raise answer
    return [answer for _, answer in answers]
