"""Work on a stream in several threads: results in the order of the items, memory bounded by a few of them.

Threads suffice because nearly all the time goes to code that releases the GIL: Arrow, NumPy, hashing, inflating, files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from alpt_ref._util import check as _check
from alpt_ref._util.processes import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_WORKERS = 8
"""More would only wait for the one thread that reads and hashes the file."""


def worker_count(workers: int | None) -> int:
    """`workers`, by default one for each core that this process may use."""
    if workers is None:
        cores = available_cores()
        return min(MAX_WORKERS, cores)
    return _check.whole_number("workers", workers, 1)


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    """``function(item)`` for every item, in order, at most ``workers + 1`` items being under way.

    An exception, of `function` or of `items`, is raised at its turn: the first in the stream wins, whatever was faster.
    Closing the generator waits for what is under way and drops it.
    """
    waiting: deque[Future[Result]] = deque()
    failure: Exception | None = None
    with ThreadPoolExecutor(workers, thread_name_prefix="alpt_ref_data") as pool:
        try:
            iterator = iter(items)
            while True:
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                except Exception as error:
                    failure = error
                    break
                waiting.append(pool.submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
            if failure is not None:
                raise failure
        finally:
            for future in waiting:
                future.cancel()
