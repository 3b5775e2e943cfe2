"""An experiment: methods beside each other on a problem of yours, over a sweep, with the bounds that apply.

Every cell (a method at a point of the sweep with a seed) is a simulation of `alpt_ref.theory`, on its one driver.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from alpt_ref._util.dispatch import Where
from alpt_ref._util.files import claim_folder, write_json
from alpt_ref._util.outputs import check_results_folder
from alpt_ref._util.progress import Progress
from alpt_ref._util.python_file import named_in
from alpt_ref.errors import InputError
from alpt_ref.studies import experiment_cells as cells
from alpt_ref.studies.experiment_cells import CellTask, Point
from alpt_ref.studies.experiment_file import read
from alpt_ref.studies.experiment_methods import Method, methods_of
from alpt_ref.studies.experiment_result import ExperimentResult, entry_of
from alpt_ref.theory import Grid, Noise, Schedule
from alpt_ref.theory.setting import RateFunction, schedule_of, whole
from alpt_ref.theory.simulation_arguments import checked_points, require_problem

__all__ = ["Experiment", "ExperimentResult", "Method"]

SWEPT = ("ratio", "rate", "step_size", "bits", "dim", "sigma")
"""What may be swept."""
MOST_SEEDS = 1 << 20
FOLDER, MARKER = "cells", "experiment.json"
"""Where cells lie in a folder, and the file that says whose it is."""


class Experiment:
    """Methods beside each other on one problem, over a sweep.

    Parameters
    ----------
    problem : Problem, LinearModel, Separable, or function
        What is minimised; where ``dim`` is swept, a function of d that returns it.
    methods : words, Methods or functions
        ``"sr"``, ``"dr"``, ``"full"``, ``"8-bit words"``, each also behind an update rule as in ``"momentum+sr"``;
        `Method` for more; a function ``fn(x, draw)`` is a rounding of your own (`alpt_ref.theory.simulate`).
    grid : Grid
        Step size and bits.
    sweep : mapping of str to numbers, optional
        ``ratio`` (the learning rate over the step size), ``rate``, ``step_size``, ``bits``, ``dim``, ``sigma`` (of the
        noise). Every combination is a point of the experiment; each method runs at each.
    schedule : Schedule, float, array or function, optional
        The learning rates. With ``ratio`` or ``rate`` swept it gives their course, by default a constant one.
    steps, runs : int
        Iterates of a run, the start included; independent runs for each seed.
    start : int, float or array (d,), optional
        Codes, or as floats weights off the grid; half the highest code if left out.
    noise : Noise, optional
        Of the gradient.
    batch : int
        Rows of a gradient (`LinearModel` only).
    checkpoints : ints, optional
        Iterates to record; if left out about twelve, spaced geometrically.
    thin : int
        As in `simulate` (`LinearModel` only).
    minimum_outside : bool
        As in `simulate`.

    Raises
    ------
    InputError
        An argument breaks its rule; no cell has run then.

    Examples
    --------
    >>> import alpt_ref
    >>> from alpt_ref.theory import Grid, absolute
    >>> problem, grid = absolute(1.0, 0.3), Grid(step_size=0.25, bits=4)
    >>> experiment = alpt_ref.Experiment(problem, ["sr", "dr"], grid, {"ratio": [0.1, 0.4]}, steps=100, runs=50)
    >>> result = experiment.run(seeds=[0])
    >>> [(row["method"], row["ratio"], row["bound"]) for row in result.rows if row["t"] == 100]
    [('sr', 0.1, 'S1 small moves'), ('sr', 0.4, 'S1 small moves'), ('dr', 0.1, 'D1'), ('dr', 0.4, 'D1')]
    """

    def __init__(
        self,
        problem: Any,
        methods: Iterable[str | Method | Callable[..., Any]] = ("sr", "dr", "full"),
        grid: Grid | None = None,
        sweep: Mapping[str, Sequence[Any]] | None = None,
        *,
        schedule: Schedule | ArrayLike | RateFunction | None = None,
        steps: int = 1000,
        runs: int = 64,
        start: ArrayLike | None = None,
        noise: Noise | None = None,
        batch: int = 1,
        checkpoints: Iterable[int] | None = None,
        thin: int = 1,
        minimum_outside: bool = False,
    ) -> None:
        self.methods = methods_of(methods)
        if not isinstance(grid, Grid):
            raise InputError(f"grid must be a Grid(step_size, bits), got {grid!r}")
        if noise is not None and not isinstance(noise, Noise):
            raise InputError(f"noise must be a Noise(kind, sigma), got {noise!r}")
        if not whole(runs) or runs < 1:
            raise InputError(f"runs must be a whole number of at least 1, got {runs!r}")
        self.sweep = _checked_sweep({} if sweep is None else sweep)
        if schedule is None and not {"ratio", "rate"} & set(self.sweep):
            raise InputError("the learning rate is missing: give schedule=, or sweep 'ratio' or 'rate'")
        points = checked_points(_spaced(steps) if checkpoints is None else checkpoints, steps)
        common = {"steps": steps, "batch": batch, "checkpoints": points.tolist()}
        common |= {"minimum_outside": True} if minimum_outside else {}
        self.runs, self.thin = int(runs), thin
        made = functools.cache(problem) if "dim" in self.sweep and inspect.isroutine(problem) else problem
        self.points = tuple(
            _point(method, dict(zip(self.sweep, values, strict=True)), made, grid, schedule, start, noise, common)
            for method in self.methods
            for values in itertools.product(*self.sweep.values())
        )
        for point in self.points:
            cells.require_point(point, self.runs, self.thin)

    def run(
        self,
        seeds: int | Iterable[int] = (0,),
        jobs: int = 1,
        scheduler: str | None = None,
        *,
        folder: str | Path | None = None,
        join: bool = False,
        progress: Progress | None = None,
        log: Callable[[str], None] = print,
    ) -> ExperimentResult:
        """Run the cells that are missing and return what all of them measured.

        Parameters
        ----------
        seeds : int or ints
            Each is a cell of `runs` independent runs for every method and point; one number n is ``0 .. n - 1``.
        jobs : int
            Processes. Functions of a notebook or of ``__main__`` keep all cells in this process, with a sentence.
        scheduler : str, optional
            Address of a Dask scheduler whose workers run cells (extra ``dist``); they must see `folder`.
        folder : folder, optional
            Where finished cells are kept, so that a call that was stopped resumes; without it they are kept in memory.
        join : bool
            Share the cells with other clients that work on `folder`.
        progress, log : optional
            Show what is done, by default a bar on a terminal and a line now and then elsewhere; take remarks.

        Returns
        -------
        ExperimentResult
            The same bytes for any jobs, and whether or not it was interrupted.

        Raises
        ------
        InputError
            Before anything runs; or a function of yours returned something of a wrong kind.
        TrainingError
            A worker process died; finished cells are kept.
        """
        chosen = _checked_seeds(seeds)
        if not whole(jobs) or jobs < 1:
            raise InputError(f"jobs must be a whole number of at least 1, got {jobs!r}")
        if folder is None and (scheduler or join):
            raise InputError("scheduler and join need folder=, where the cells are shared")
        place: Any = tempfile.TemporaryDirectory() if folder is None else nullcontext(_claimed(folder))
        with place as where_to, progress or Progress() as shown:
            kept = Path(where_to) / FOLDER
            kept.mkdir(parents=True, exist_ok=True)
            tasks = {
                (number, seed): CellTask(point, self.runs, seed, self.thin, kept / f"{name}.safetensors")
                for number, point in enumerate(self.points)
                for seed in chosen
                for name in [cells.key_of(point, self.runs, seed, self.thin)]
            }
            missing = list({task.file: task for task in tasks.values() if not task.file.exists()}.values())
            shown.begin(len(missing), f"experiment, {len(tasks)} cells", unit="cells")
            try:
                for _ in cells.measure(missing, Where(jobs, scheduler, join), kept, log):
                    shown.advance(1)
            except KeyboardInterrupt:
                done = sum(task.file.exists() for task in missing)
                kept_in = f"are kept in {folder}; the same call resumes"
                lost = "are lost; with run(folder=...) they would be kept, and the same call would resume"
                log(f"interrupted: {done} of {len(missing)} cells {lost if folder is None else kept_in}")
                raise
            entries = [
                entry_of(point, cells.joined([_measured(tasks[number, seed].file) for seed in chosen]))
                for number, point in enumerate(self.points)
            ]
        return ExperimentResult.of(entries, tuple(self.sweep), chosen, self.runs)


def _checked_sweep(sweep: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    if not isinstance(sweep, Mapping):
        raise InputError(f"sweep must map names to values, as in {{'ratio': [0.1, 1.0]}}, got {sweep!r}")
    found = {}
    for key, values in sweep.items():
        if key not in SWEPT:
            raise InputError(f"sweep can be over {', '.join(SWEPT)}, got {key!r}")
        try:
            numbers = np.asarray(list(values), dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"sweep of {key!r} must be numbers, got {values!r}; arrays and functions of t go to schedule="
            ) from None
        if numbers.ndim > 1:
            raise InputError(f"sweep of {key!r} must be numbers, got arrays; one of learning rates goes to schedule=")
        if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
            raise InputError(f"sweep of {key!r} must be at least one finite number, got {values!r}")
        if len(set(numbers.tolist())) < len(numbers):
            raise InputError(f"sweep of {key!r} must be different numbers, got {values!r}")
        if key in ("bits", "dim"):
            if (numbers != np.floor(numbers)).any():
                raise InputError(f"sweep of {key!r} must be whole numbers, got {values!r}")
            found[key] = [int(one) for one in numbers]
        else:
            found[key] = numbers.tolist()
    if {"ratio", "rate"} <= set(found):
        raise InputError("sweep 'ratio' or 'rate', not both: each sets the learning rate")
    return found


def _measured(file: Path) -> Mapping[str, Any]:
    """What a cell measured; a kept file that is damaged ends in the one sentence that helps."""
    try:
        return read(file)[1]
    except InputError as error:
        raise InputError(
            f"a kept cell cannot be read ({error}); delete {file}, and the same call runs it again"
        ) from None


def _claimed(folder: str | Path) -> Path:
    """The folder, if it is absent, empty of anything of ours, or of experiments."""
    path = claim_folder(check_results_folder(folder, option="folder"), MARKER, lambda marker: None, (FOLDER,))
    if not (path / MARKER).exists():
        write_json(path / MARKER, {"cells": FOLDER})
    return path


def _checked_seeds(seeds: Any) -> tuple[int, ...]:
    if whole(seeds) and seeds > MOST_SEEDS:
        raise InputError(f"seeds must be a number of seeds up to {MOST_SEEDS}, got {seeds}")
    chosen = tuple(range(seeds)) if whole(seeds) else tuple(seeds) if isinstance(seeds, Iterable) else ()
    if not chosen or not all(whole(one) and 0 <= one < 1 << 64 for one in chosen) or len(set(chosen)) < len(chosen):
        raise InputError(
            f"seeds must be a number of seeds, or different whole numbers from 0 to 2**64 - 1, got {seeds!r}"
        )
    return tuple(int(one) for one in chosen)


def _spaced(steps: Any) -> list[int]:
    """About twelve iterates from 1 to the last."""
    if not whole(steps) or not 1 <= steps < 1 << 50:  # the checks of `checked_points` say why
        return []
    return sorted({round(t) for t in np.geomspace(1, steps, 12)})


def _point(
    method: Method, swept: dict[str, Any], problem: Any, grid: Grid, schedule: Any, start: Any, noise: Noise | None,
    common: Mapping[str, Any],
) -> Point:  # fmt: skip
    """One method at one combination of swept values."""
    here = Grid(swept.get("step_size", grid.step_size), swept.get("bits", grid.bits))
    if "dim" in swept:
        if not hasattr(problem, "cache_info"):
            raise InputError("problem must be a function of d that returns the problem where 'dim' is swept")
        with named_in(f"problem({swept['dim']})"):
            problem = problem(swept["dim"])
    require_problem(problem)
    if problem.dim != swept.get("dim", problem.dim):
        raise InputError(f"problem(d) must have d coordinates, got {problem.dim} for d = {swept['dim']}")
    course = schedule_of(1.0 if schedule is None else schedule)
    if "ratio" in swept or "rate" in swept:
        rate = swept["rate"] if "rate" in swept else swept["ratio"] * here.step_size
        course = Schedule(course.kind if course.given is None else course.given, rate)
    own = {
        "start": here.high_code // 2 if start is None else start,
        "noise": cells.noise_of(noise, swept.get("sigma")),
    }
    return Point(method, swept, problem, here, course, {**common, **own})
