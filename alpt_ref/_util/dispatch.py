"""Cells that are files, made once: in spawned processes, on a Dask cluster, and by several clients at a time.

Whoever measures a cell writes its file, a worker of a cluster too, so that a client that is lost loses nothing. With
``join`` a cell is measured under a lock beside its file (`folders.claim_file`): clients that work on one folder, on
one machine or several, share the cells among them, and a killed one leaves its cells to the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from alpt_ref._util.cluster import run_on_cluster
from alpt_ref._util.folders import claim_file
from alpt_ref._util.processes import run_in_processes

T = TypeVar("T")
R = TypeVar("R")
WAIT_S = 0.5
"""Between two looks at cells that other clients are measuring."""


class Where(NamedTuple):
    """Where cells are measured: in `jobs` processes here or on a cluster, alone or together with other clients."""

    jobs: int = 1
    scheduler: str | None = None
    join: bool = False


@dataclass(frozen=True)
class Cells(Generic[T, R]):
    """What a kind of cell is.

    Attributes
    ----------
    run : a module's function (or a partial of one)
        Measures a cell and writes its file; returns what the caller wants to know of it. Pickled, as tasks are.
    file_of : a module's function
        The file that a task makes.
    read : function
        What `run` would have returned, from the file of a cell that somebody else measured.
    code_hash : a module's function
        Hash of what the results depend on; every worker of a cluster must have the same.
    seen : a module's function
        The files of a task that a worker of a cluster must see.
    folder : the output folder, as messages name it
    whole : a module's function, optional
        Whether the file of a task is what `run` writes; without it, whether there is one.
    """

    run: Callable[[T], R]
    file_of: Callable[[T], Path]
    read: Callable[[T], R]
    code_hash: Callable[[], str]
    seen: Callable[[T], Sequence[Path]]
    folder: Path
    whole: Callable[[T], bool] | None = None


class _Turn(NamedTuple, Generic[T, R]):
    """What a process gets for one task of clients that work together."""

    run: Callable[[T], R]
    file_of: Callable[[T], Path]
    whole: Callable[[T], bool] | None
    number: int
    task: T


def run_cells(
    cells: Cells[T, R],
    tasks: Sequence[T],
    where: Where,
    *,
    environment: Mapping[str, str] | None = None,
    spawn: bool = False,
    log: Callable[[str], None] = lambda text: None,
) -> Iterator[R]:
    """Measure every cell and yield what `Cells.run` returns of it, in any order.

    Parameters
    ----------
    environment : variables that a spawned process sets before it loads anything of the package
    spawn : use another process even where one job or one task would run here
    log : takes remarks

    Raises
    ------
    InputError
        The cluster cannot be used.
    TrainingError
        A worker process, or the connection to the cluster, died; finished cells are kept.
    """
    if not where.join:
        yield from _run(cells.run, cells, tasks, where, environment, spawn, log, lambda task: task)
        return
    left, said = dict(enumerate(tasks)), False
    while left:
        turns = [_Turn(cells.run, cells.file_of, cells.whole, number, task) for number, task in left.items()]
        busy = True
        for number, taken, result in _run(_run_once, cells, turns, where, environment, spawn, log, _task_of):
            if taken:
                continue
            busy = False
            task = left.pop(number)
            yield cells.read(task) if result is None else result
        if left and busy:
            if not said:
                log(f"{len(left)} cells are being measured by other clients; waiting for them")
                said = True
            time.sleep(WAIT_S)
            done = [number for number, task in left.items() if _is_made(cells, task)]
            for number in done:
                yield cells.read(left.pop(number))


def _task_of(turn: _Turn[T, R]) -> T:
    return turn.task


def _is_made(cell: Cells[T, Any] | _Turn[T, Any], task: T) -> bool:
    return cell.file_of(task).exists() and (cell.whole is None or cell.whole(task))


def _run_once(turn: _Turn[T, R]) -> tuple[int, bool, R | None]:
    """Measure a cell unless it is there (then without a result) or another client is at it (then with True)."""
    with claim_file(turn.file_of(turn.task)) as ours:
        if _is_made(turn, turn.task):
            return turn.number, False, None
        return turn.number, not ours, turn.run(turn.task) if ours else None


def _run(
    function: Callable[[T], R],
    cells: Cells[Any, Any],
    tasks: Sequence[T],
    where: Where,
    environment: Mapping[str, str] | None,
    spawn: bool,
    log: Callable[[str], None],
    task_of: Callable[[T], Any],
) -> Iterator[R]:
    if not tasks:
        return
    if where.scheduler:
        found = run_on_cluster(
            function, tasks, where.scheduler, code_hash=cells.code_hash, files=lambda one: cells.seen(task_of(one)),
            log=log,
        )  # fmt: skip
        for _, result in found:
            yield result
    elif (where.jobs == 1 or len(tasks) <= 1) and not spawn:
        yield from map(function, tasks)
    else:
        places = list(dict.fromkeys(cells.file_of(task_of(task)).parent for task in tasks))
        yield from run_in_processes(
            function, tasks, jobs=where.jobs, folder=cells.folder, writes_in=places, environment=environment
        )
