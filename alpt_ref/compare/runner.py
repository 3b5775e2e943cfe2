"""Independent cells in spawned processes: no state is inherited, and a run's numbers do not depend on its process.

Ctrl-C goes to the parent alone (workers ignore it) and ends the workers; a worker whose parent is gone ends itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from ..errors import TrainingError
from .cell import Outcome, Task, run_cell


def run_tasks(tasks: Sequence[Task], *, jobs: int) -> Iterator[Outcome]:
    """Run the tasks in `jobs` processes and yield outcomes as they come.

    With one job the tasks run here, in order. Raises `TrainingError` if a worker process dies.
    """
    if jobs == 1 or len(tasks) <= 1:
        for task in tasks:
            yield run_cell(task)
        return
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        min(jobs, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    complete = False
    try:
        for future in as_completed([executor.submit(run_cell, task) for task in tasks]):
            yield future.result()
        complete = True
    except BrokenProcessPool:
        raise TrainingError(
            f"a worker process died (out of memory?); finished runs are kept in {tasks[0].file.parent}, "
            "start again with a smaller --jobs"
        ) from None
    finally:
        executor.shutdown(wait=complete, cancel_futures=True)
        if not complete:
            _end(set(multiprocessing.active_children()) - others, tasks[0].file.parent)


def _end(workers: Collection[BaseProcess], folder: Path) -> None:
    """End the workers and take away what they were writing."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()
        for part in folder.glob(f".*.{worker.pid}.part"):
            part.unlink(missing_ok=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Leave as soon as the parent is gone: nobody would read the results."""
    wait([sentinel])
    os._exit(1)
