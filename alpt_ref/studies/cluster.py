"""The same cells on a Dask cluster: workers train, this process alone writes the files.

A task carries everything its numbers depend on, so a cell of a worker that is lost is computed again by another one
with the same result. Workers need the same version of the package, and must see the dataset's folder under the same
path (a shared file system). A machine that is to run several cells at a time gets several workers (``--nworkers``): the
threads of one process take turns.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from alpt_ref._version import install_hint
from alpt_ref.errors import AlptError, InputError, TrainingError
from alpt_ref.studies.cell import Outcome, Task, code_hash, keep_cell, measure_cell

CONNECT_S = 10
_TURN = threading.Lock()


def measure_remotely(task: Task, code: str) -> tuple[dict[str, Any] | None, str]:
    """What a worker runs: `measure_cell`, one at a time in a process, with the caller's version of the package only."""
    if code_hash() != code:
        raise InputError("a worker of the cluster has another version of alpt_ref; install the same on all of them")
    if not (task.store / "manifest.json").exists():
        raise InputError(f"a worker of the cluster does not see {task.store}; put --output on a file system all share")
    with _TURN:
        return measure_cell(task)


def run_on_cluster(tasks: Sequence[Task], scheduler: str) -> Iterator[Outcome]:
    """Run the tasks on the cluster whose scheduler listens at `scheduler`; yield outcomes as they come.

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
        waiting = {client.submit(measure_remotely, task, code, pure=False): task for task in tasks}
        try:
            with client.as_current():
                done = distributed.as_completed(list(waiting), raise_errors=False)
            for future in done:
                if future.status != "finished":
                    raise _reason(future)
                plain, failure = future.result()
                yield keep_cell(waiting.pop(future), plain, failure)
        finally:
            if waiting:
                client.cancel(list(waiting))


def _reason(future: Any) -> BaseException:
    """Why a cell did not come back, as an error of this package where it has a known cause."""
    if future.status != "error":
        return TrainingError("the connection to the cluster was lost; finished runs are kept, start again")
    error: BaseException = future.exception()
    if isinstance(error, AlptError) or type(error).__name__ != "KilledWorker":
        return error
    return TrainingError(
        "a run took several workers of the cluster down with it (out of memory?); finished runs are kept"
    )
