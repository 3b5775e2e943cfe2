"""A function called with every task on a Dask cluster; what it writes, the workers write.

A task carries everything its result depends on, so one of a worker that is lost is computed again by another one with
the same result. Workers need the same version of the package, and must see the files of a task under the same path (a
shared file system): a client that is lost then loses nothing that a worker has finished. A machine that is to run
several tasks at a time gets several workers (``--nworkers``): the threads of one process take turns.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alpt_ref._version import install_hint
from alpt_ref.errors import AlptError, InputError, TrainingError

T = TypeVar("T")
R = TypeVar("R")
CONNECT_S = 10
"""For the scheduler to answer, and then for its first worker."""
WATCH_S = 10
"""Between two looks at whether any worker is left."""
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
                f"a worker of the cluster does not see {file}; put it and --output on a file system that all of them "
                "share, under the same path"
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
    log: Callable[[str], None] = lambda text: None,
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
    log : takes remarks, such as that no worker is left

    Raises
    ------
    InputError
        ``distributed`` is not installed, the scheduler cannot be reached or has no worker, or a worker cannot run the
        tasks.
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
    with client, _watched(client, scheduler, log):
        _wait_for_a_worker(client, scheduler)
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


def _wait_for_a_worker(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except TimeoutError:
        raise InputError(
            f"the scheduler at --scheduler {scheduler} has no workers; start some: dask worker {scheduler}"
        ) from None


@contextmanager
def _watched(client: Any, scheduler: str, log: Callable[[str], None]) -> Iterator[None]:
    """Say so, once each time, where the last worker goes away inside the block."""
    ended = threading.Event()

    def watch() -> None:
        had = False
        while not ended.wait(WATCH_S):
            try:
                has = bool(client.scheduler_info(n_workers=1)["workers"])
            except Exception:  # the connection is lost, which the tasks will say; nothing here may end the thread
                continue
            if had and not has:
                log(f"the scheduler at {scheduler} has no workers left; waiting for one (dask worker {scheduler})")
            had = has

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(WATCH_S)


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
