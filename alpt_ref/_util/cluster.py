"""A function called with every task on a Dask cluster: workers compute, this process alone writes files.

A task carries everything its result depends on, so one of a worker that is lost is computed again by another one with
the same result. Workers need the same version of the package, and must see the files of a task under the same path (a
shared file system). A machine that is to run several tasks at a time gets several workers (``--nworkers``): the threads
of one process take turns.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from alpt_ref._version import install_hint
from alpt_ref.errors import AlptError, InputError, TrainingError

T = TypeVar("T")
R = TypeVar("R")
CONNECT_S = 10
_TURN = threading.Lock()


def call_on_worker(
    function: Callable[[T], R], task: T, code_hash: Callable[[], str], code: str, files: Sequence[Path]
) -> R:
    """What a worker runs: `function`, one at a time in a process, with the caller's version of the package only."""
    if code_hash() != code:
        raise InputError(
            "a worker of the cluster has another version of alpt_ref, NumPy, SciPy or Numba, or another kernel of "
            "matrix products, so that its bits may differ; install the same on all of them, on processors of one kind"
        )
    for file in files:
        if not file.exists():
            raise InputError(
                f"a worker of the cluster does not see {file}; put --output on a file system that all of them share"
            )
    with _TURN:
        return function(task)


def run_on_cluster(
    function: Callable[[T], R],
    tasks: Sequence[T],
    scheduler: str,
    *,
    code_hash: Callable[[], str],
    files: Callable[[T], Sequence[Path]] = lambda task: (),
) -> Iterator[tuple[T, R]]:
    """Call `function` with every task on a cluster; yield each task with its result, as they come.

    Parameters
    ----------
    function : a module's function
        It, the tasks and the results are pickled.
    tasks : sequence
    scheduler : address at which the cluster's scheduler listens
    code_hash : a module's function
        Hash of the sources that the results depend on; called here and on every worker, where it must be the same.
    files : function
        ``files(task)`` -> paths that a worker must see.

    Raises
    ------
    InputError
        ``distributed`` is not installed, the scheduler cannot be reached, or a worker cannot run the tasks.
    TrainingError
        The scheduler was lost, or one task took several workers down with it.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise InputError(f"--scheduler needs the package distributed: {install_hint('dist')}") from None
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"no Dask scheduler answers at --scheduler {scheduler} ({reason})") from None
    with client:
        code = code_hash()
        waiting = {
            client.submit(call_on_worker, function, task, code_hash, code, tuple(files(task)), pure=False): task
            for task in tasks
        }
        try:
            with client.as_current():
                done = distributed.as_completed(list(waiting), raise_errors=False)
            for future in done:
                if future.status != "finished":
                    raise _reason(future)
                result = future.result()
                yield waiting.pop(future), result
        finally:
            if waiting:
                client.cancel(list(waiting))


def _reason(future: Any) -> BaseException:
    """Why a task did not come back, as an error of this package where it has a known cause."""
    if future.status != "error":
        return TrainingError("the connection to the cluster was lost; finished runs are kept, start again")
    error: BaseException = future.exception()
    if isinstance(error, AlptError) or type(error).__name__ != "KilledWorker":
        return error
    return TrainingError(
        "a run took several workers of the cluster down with it (out of memory?); finished runs are kept"
    )
