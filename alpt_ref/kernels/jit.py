"""How Python becomes machine code here: a decorator for loops and the launcher that spreads them over threads.

``kernel``  compiles a loop over rows ``lo..hi`` that releases the GIL; `run_rows` splits the rows over threads.

Threads are Python threads around GIL-free kernels rather than ``parallel=True``: the code compiles several times
faster, may be called from many threads at once, survives ``fork``, and no second thread pool spins against the one
that runs the matrix products. A kernel may write only to rows ``lo..hi`` of its outputs, so that the split cannot
change a bit of the result.
Fastmath is never used. Compiled kernels are kept on disk (`cache`); functions of numbers are compiled by `scalar.jit`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple

import numba as _numba
import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cache import cache_directory, protect

F = TypeVar("F", bound=Callable[..., Any])
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

numba: Any = _numba  # its decorators are typed differently from version to version; ours are typed below

MIN_ROWS_PER_THREAD = 64
"""Below this many rows a thread costs more than it saves."""


def kernel(function: F) -> F:
    """Compile a loop for the CPU: GIL released, IEEE arithmetic, cached on disk under `cache_directory`."""
    directory = cache_directory()
    compile_ = numba.njit(nogil=True, error_model="numpy", cache=directory is not None)
    if directory is None:
        return compile_(function)  # type: ignore[no-any-return]
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(directory)  # read once, while the decorator runs
    try:
        return protect(compile_(function))  # type: ignore[no-any-return]
    finally:
        numba.config.CACHE_DIR = before


def _available_threads() -> int:
    limit = os.environ.get("NUMBA_NUM_THREADS")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(cores, int(limit)) if limit and limit.isdigit() else cores)


_threads = _available_threads()
_pool: tuple[int, int, ThreadPoolExecutor] | None = None  # (process id, size, pool)


def num_threads() -> int:
    """Threads that kernels and matrix products of this process use; results do not depend on it.

    Returns
    -------
    int
        By default the cores that the process may use, at most ``NUMBA_NUM_THREADS``.

    Examples
    --------
    >>> num_threads() >= 1
    True
    """
    return _threads


def set_num_threads(threads: int) -> None:
    """Set the number of threads for kernels and matrix products of this process.

    Parameters
    ----------
    threads : int
        At least 1.

    Raises
    ------
    InputError
        If `threads` is no whole number of at least 1.

    Examples
    --------
    >>> set_num_threads(2)
    >>> num_threads()
    2
    """
    global _threads
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise InputError(f"threads must be a whole number of at least 1, got {threads!r}")
    _threads = int(threads)


def thread_pool() -> ThreadPoolExecutor:
    """The process's pool of `num_threads` threads (made anew after a fork or a change of size).

    A pool that is replaced is not shut down, because another Python thread may be about to use it; its threads end
    when the last reference to it goes.
    """
    global _pool
    pool, size = _pool, _threads
    if pool is None or pool[0] != os.getpid() or pool[1] != size:
        pool = _pool = (os.getpid(), size, ThreadPoolExecutor(size, thread_name_prefix="alpt_ref"))
    return pool[2]


def run_rows(
    function: Callable[[int, int, *Arguments], Result],
    rows: int,
    *args: *Arguments,
    grain: int = MIN_ROWS_PER_THREAD,
    weight: NDArray[np.int64] | None = None,
) -> list[Result]:
    """Call ``function(lo, hi, *args)`` over a split of ``range(rows)``, one contiguous part per thread.

    Parameters
    ----------
    function : kernel
        Writes only to what belongs to rows ``lo..hi-1``.
    rows : int
    grain : int
        Least number of rows worth a thread. The first part runs in the calling thread.
    weight : int64 array (rows + 1,), optional
        Cumulated work before each row: the parts then get equal work instead of equal numbers of rows.

    Returns
    -------
    list
        What the parts returned, in row order. Their number depends on the threads: combine only exact values.
    """
    parts = min(_threads, rows // max(grain, 1))
    if parts <= 1:
        return [function(0, rows, *args)] if rows > 0 else []
    if weight is None:
        bounds = [rows * part // parts for part in range(parts + 1)]
    else:
        targets = [int(weight[rows]) * part // parts for part in range(1, parts)]
        bounds = [0, *(int(cut) for cut in np.searchsorted(weight[: rows + 1], targets)), rows]
    pool = thread_pool()
    spans = [(lo, hi) for lo, hi in itertools.pairwise(bounds) if lo < hi]
    others = [pool.submit(function, lo, hi, *args) for lo, hi in spans[1:]]
    results = [function(*spans[0], *args)]
    results += [other.result() for other in others]
    return results
