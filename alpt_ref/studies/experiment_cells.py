"""A cell of an experiment: one method at one point of the sweep with one seed; its key, its run, its file.

A finished cell is one file named by the hash of everything that its numbers depend on (`experiment_key`): the same call
resumes, and more methods, values or seeds of the same experiment are added.
"""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.dispatch import Cells, Where, run_cells
from alpt_ref._util.processes import available_cores
from alpt_ref.studies import experiment_file
from alpt_ref.studies.experiment_key import code, digest
from alpt_ref.studies.experiment_methods import Method, require_neighbours
from alpt_ref.theory import Grid, LearnedSteps, Noise, Schedule, simulate
from alpt_ref.theory.simulation_arguments import checked_points, require_numbers
from alpt_ref.theory.simulation_result import SimulationResult

MEASURED = ("value", "distance2", "gradient2", "average_value", "average_gradient2")
"""Fields (c, runs) of a `SimulationResult` that a cell keeps where the run has them."""
OF_RUNS = ("exceeded", "max_sampled_gradient2", "max_gradient2", "max_distance2")
"""Fields (runs,)."""


class Point(NamedTuple):
    """One method at one point of the sweep: what `simulate` and `bounds_that_apply` both take.

    Attributes
    ----------
    method : Method
    swept : dict of str to number
        The values of this point.
    problem, grid, schedule
    common : dict
        ``steps``, ``start``, ``noise``, ``batch`` and ``checkpoints``.
    """

    method: Method
    swept: Mapping[str, Any]
    problem: Any
    grid: Grid
    schedule: Schedule
    common: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``sr ratio=0.1``."""
        return " ".join([self.method.name, *(f"{key}={value:g}" for key, value in self.swept.items())])

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments that both functions take."""
        method = self.method
        own = {"update": method.update, "rounding": method.rounding, "step_sizes": method.step_sizes}
        return {**self.common, **own, "clip": method.clip}


class CellTask(NamedTuple):
    """What a worker gets."""

    point: Point
    runs: int
    seed: int
    thin: int
    file: Path


def key_of(point: Point, runs: int, seed: int, thin: int) -> str:
    """Name of a cell's file: 32 hexadecimal digits."""
    method = {**vars(point.method), "name": ""}  # another name changes no number
    about = (method, point.problem, point.grid, point.schedule, dict(point.common), runs, seed, thin, code())
    return digest(about)[:32]


def run_cell(task: CellTask) -> str:
    """Simulate one cell and write its file; its name."""
    point = task.point
    run = simulate(
        point.problem, point.grid, point.schedule, runs=task.runs, seed=task.seed, averages=True, check=True,
        thin=task.thin, **point.arguments(),
    )  # fmt: skip
    experiment_file.write(task.file, {"cell": point.name, "seed": task.seed}, arrays_of(run))
    return task.file.name


def arrays_of(run: SimulationResult) -> dict[str, NDArray[Any]]:
    """What a cell keeps of a run."""
    kept = {name: getattr(run, name) for name in MEASURED if getattr(run, name) is not None}
    kept |= {name: getattr(run, name) for name in OF_RUNS} | {"checkpoints": run.checkpoints}
    if run.step_sizes is not None:
        kept["mean_step_size"] = np.asarray(run.step_sizes, dtype=np.float64).mean(axis=1)
    if run.f_star is not None:
        kept["f_star"] = np.array([run.f_star])
    return kept


def joined(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The arrays of several seeds as those of one run of all their runs."""
    first = parts[0]
    found = {name: np.concatenate([one[name] for one in parts], axis=-1) for name in (*MEASURED, *OF_RUNS)
             if name in first}  # fmt: skip
    if "mean_step_size" in first:
        found["mean_step_size"] = np.concatenate([one["mean_step_size"] for one in parts])
    return {**found, **{name: first[name] for name in ("checkpoints", "f_star") if name in first}}


def as_run(arrays: Mapping[str, NDArray[Any]]) -> SimulationResult:
    """What a bound asks of a run, from a cell's arrays; the last iterates are not kept."""
    runs = arrays["value"].shape[1]
    f_star = arrays.get("f_star")
    return SimulationResult(
        checkpoints=arrays["checkpoints"],
        checked=True,
        final=np.zeros((runs, 0), np.float32),
        f_star=None if f_star is None else float(f_star[0]),
        **{name: arrays.get(name) for name in MEASURED},  # type: ignore[arg-type]
        **{name: arrays[name] for name in OF_RUNS},
    )


def measure(tasks: Sequence[CellTask], where: Where, folder: Path, log: Callable[[str], None]) -> Iterator[str]:
    """Run the cells that have no file yet, wherever `where` says; the one place where cells are dispatched."""
    jobs = where.jobs
    if (jobs > 1 or where.scheduler) and tasks:
        bound = unloadable(tasks[0]) or next((found for one in tasks if (found := unloadable(one))), "")
        if bound:
            log(f"{bound}, which other processes cannot load: all cells run here; put it in a module to use more")
            where = where._replace(jobs=1, scheduler=None)
            jobs = 1
    threads = {"NUMBA_NUM_THREADS": str(max(1, available_cores() // max(jobs, 1)))}
    cells = Cells(run_cell, _file_of, _name_of_file, code, _seen, folder)
    yield from run_cells(cells, tasks, where, environment=threads if jobs > 1 else None, log=log)


def _file_of(task: CellTask) -> Path:
    return task.file


def _name_of_file(task: CellTask) -> str:
    return task.file.name


def _seen(task: CellTask) -> tuple[Path, ...]:
    return (task.file.parent,)


def unloadable(task: CellTask) -> str:
    """What of a task another process could not load, in words; empty where it can load all of it."""
    try:
        _Probe().dump(task)
    except _BoundError as bound:
        return str(bound)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        return f"a function or object of the experiment cannot be sent ({' '.join(str(error).split())})"
    return ""


class _BoundError(Exception):
    """Something belongs to this process."""


class _Probe(pickle.Pickler):
    """Pickles to nowhere, and notices functions and classes of a notebook or of ``__main__``."""

    def __init__(self) -> None:
        super().__init__(_Nowhere())

    def reducer_override(self, value: Any) -> Any:
        """Raise where a function or class is of no module that could be imported again."""
        if isinstance(value, (types.FunctionType, type)):
            module = sys.modules.get(value.__module__ or "__main__")
            if value.__module__ == "__main__" or getattr(module, "__spec__", None) is None:
                raise _BoundError(f"{value.__qualname__} was defined in {value.__module__ or 'no module'}")
            if "<" in value.__qualname__:
                raise _BoundError(f"{value.__qualname__} of {value.__module__} has no name of its module")
        return NotImplemented


class _Nowhere:
    def write(self, data: Any) -> int:
        return len(data)


def require_point(point: Point, runs: int, thin: int) -> None:
    """InputError where `simulate` would refuse this point, before anything is measured: one iterate of one run."""
    points = checked_points(point.common["checkpoints"], point.common["steps"])
    require_numbers(point.problem, runs, 0, point.common["batch"], points)
    common = {**point.common, "steps": 1, "checkpoints": None, "averages": True, "thin": thin}
    schedule = point.schedule
    if schedule.kind == "array":
        schedule.rates(int(point.common["steps"]))  # too short?
        schedule = Schedule("constant", 1.0)
    learned = point.method.step_sizes if isinstance(point.method.step_sizes, LearnedSteps) else None
    given = {**point.arguments(), **common, "step_sizes": learned or point.method.step_sizes}
    simulate(point.problem, point.grid, schedule, runs=1, device=None, **given)
    if point.method.rounding_is is not None and callable(point.method.rounding) and point.method.step_sizes is None:
        require_neighbours(point.method, point.grid)


def noise_of(noise: Noise | None, sigma: float | None) -> Noise | None:
    """The noise at a swept `sigma`: of the kind given, else normal."""
    if sigma is None:
        return noise
    kind = "normal" if noise is None or noise.kind == "none" else noise.kind
    return Noise(kind, sigma) if sigma else Noise()
