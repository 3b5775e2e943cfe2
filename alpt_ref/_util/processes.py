"""Independent tasks in spawned processes: no state is inherited, and a task's numbers do not depend on its process.

Ctrl-C goes to the parent alone (workers ignore it) and ends the workers; a worker whose parent is gone ends itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from alpt_ref._util.files import remove_parts
from alpt_ref._util.signals import Stopped, terminated
from alpt_ref.errors import InputError, TrainingError

T = TypeVar("T")
R = TypeVar("R")


def available_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def run_in_processes(
    function: Callable[[T], R],
    tasks: Sequence[T],
    *,
    jobs: int,
    folder: Path | None = None,
    writes_in: Collection[Path] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[R]:
    """Call a function with every task in `jobs` spawned processes and yield what it returns, as it comes.

    Parameters
    ----------
    function : a module's function
        It and the tasks are pickled.
    jobs : number of processes, at most one per task
    folder : where the tasks write, if they do, as messages name it
    writes_in : folders in which temporary files of a worker that had to be ended are taken away; default: `folder`
    environment : variables that each process sets before it loads anything of the package

    Raises
    ------
    InputError
        Processes cannot be started here at all.
    TrainingError
        A worker process died.
    """
    others = set(multiprocessing.active_children())
    executor = _pool(min(jobs, len(tasks)), dict(environment or {}))
    complete = False
    try:
        for future in as_completed([executor.submit(function, task) for task in tasks]):
            yield future.result()
        complete = True
    except BrokenProcessPool:
        if terminated():  # the signal went to the whole process group
            raise Stopped from None
        kept = f" in {folder}" if folder is not None else ""
        raise TrainingError(
            f"a worker process died (out of memory?); what was finished is kept{kept}, "
            "start again with a smaller --jobs"
        ) from None
    finally:
        executor.shutdown(wait=complete, cancel_futures=True)
        if not complete:
            places = writes_in or ([] if folder is None else [folder])
            _end(set(multiprocessing.active_children()) - others, places)


class _Process(SpawnProcess):
    """A spawned process that does not run the user's script again: our tasks need nothing of it.

    ``multiprocessing`` loads the parent's main module into every child. A script without ``if __name__ == "__main__"``
    would start its own work there, and what comes from standard input cannot be loaded at all.
    """

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802 - the name is multiprocessing's
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            return SpawnProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    """The spawn method with these processes."""

    Process = _Process


def _pool(size: int, environment: dict[str, str]) -> ProcessPoolExecutor:
    try:
        return ProcessPoolExecutor(size, mp_context=_Context(), initializer=_start_worker, initargs=(environment,))
    except (OSError, NotImplementedError, ImportError) as error:  # no semaphores: a container without /dev/shm
        raise InputError(
            f"processes cannot be started here ({error}; is /dev/shm missing, full or read-only?); use --jobs 1"
        ) from None


def _end(workers: Collection[BaseProcess], places: Collection[Path]) -> None:
    """End the workers and take away what they were writing."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()
        remove_parts(*places, pid=worker.pid)


def _start_worker(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Leave as soon as the parent is gone: nobody would read the results."""
    wait([sentinel])
    os._exit(1)
