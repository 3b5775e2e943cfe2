"""Before anything changes, all ranks learn whether all of them can go on: one small exchange at the head of a call.

A rank that was given something wrong does not raise at once, or the others would wait for it: it says so, and all ranks
raise together. What must be the same on all ranks is compared there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed.group import Group
from alpt_ref.errors import AlptError, InputError, TrainingError

CALLS = (
    "ShardedTable", "lookup", "apply_gradients", "begin_update", "lookup_pending", "finish_update", "gather_state",
    "load_shards", "load_state", "statistics", "counters", "load_counters", "settle", "rest", "the rest of an update",
)  # fmt: skip
"""Calls that ranks must make together, by number."""
_CALL, _STATUS, _RATE, _BATCH, _UPDATES, _FREE = range(6)
FREE = 4
_TEXT = 1024


@dataclass(frozen=True)
class Said:
    """What the ranks said: `numbers` int64 (ranks, 4) and `counts` int64 (ranks, ranks), row by row theirs."""

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]


def agree(
    group: Group,
    call: str,
    problem: Exception | None = None,
    *,
    rate: float = 0.0,
    batch: int = -1,
    updates: int = 0,
    numbers: tuple[int, ...] = (),
    counts: NDArray[np.int64] | None = None,
) -> Said:
    """Tell all ranks that this one is ready to go on with `call`, or what its problem is, and hear the same of them.

    Parameters
    ----------
    group : Group
    call : str
        One of `CALLS`.
    problem : Exception, optional
        What this rank would raise, on purpose or not.
    rate, batch, updates
        Must be the same on all ranks.
    numbers : int
        At most four, for the others to know.
    counts : int64 array (ranks,), optional
        Rows for each rank.

    Raises
    ------
    InputError, TrainingError
        On all ranks: `problem` itself where it came up, on others the same with the rank (a `TrainingError` where it is
        none of this package's); or they make different calls.
    """
    said = np.zeros(_FREE + FREE + group.ranks, np.int64)
    status = 0 if problem is None else 1 if isinstance(problem, InputError) else 2
    said[:_FREE] = CALLS.index(call), status, np.float64(rate).view(np.int64), batch, updates
    said[_FREE : _FREE + len(numbers)] = numbers
    if counts is not None:
        said[_FREE + FREE :] = counts
    heard = group.share(said)
    calls = heard[:, _CALL]
    if (calls != calls[0]).any():
        named = ", ".join(f"rank {rank} {CALLS[number]}" for rank, number in enumerate(calls.tolist()))
        raise InputError(f"all ranks must make the same call, got {named}")
    if heard[:, _STATUS].any():
        _raise_together(group, heard[:, _STATUS], problem)
    for name, column in (("lr", _RATE), ("batch_size", _BATCH), ("the number of updates", _UPDATES)):
        values = heard[:, column]
        if (values != values[0]).any():
            shown = values.view(np.float64) if column == _RATE else values
            raise InputError(f"{name} must be the same on all ranks, got {', '.join(map(str, shown.tolist()))} by rank")
    return Said(heard[:, _FREE : _FREE + FREE], heard[:, _FREE + FREE :])


def _raise_together(group: Group, status: NDArray[np.int64], problem: Exception | None) -> None:
    text = np.zeros(_TEXT, np.uint8)
    words = np.frombuffer(_in_words(problem).encode()[: _TEXT - 1], np.uint8)
    text[: len(words)] = words
    texts = group.share(text)
    if problem is not None:
        raise problem
    first = int(np.flatnonzero(status)[0])
    sentence = texts[first].tobytes().rstrip(b"\0").decode(errors="ignore")
    kind: Any = InputError if status[first] == 1 else TrainingError
    raise kind(f"rank {first} refused, so that nothing has changed on any: {sentence}")


def _in_words(problem: Exception | None) -> str:
    """One line; of an error of another package its class too."""
    if problem is None:
        return ""
    text = str(problem)
    return text if isinstance(problem, AlptError) else f"{type(problem).__name__}: {' '.join(text.split())}"
