"""What an experiment found: rows, the bounds beside them, a figure, a summary, a file."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import path_of
from alpt_ref._util.notebook import html_table
from alpt_ref._util.outputs import check_output_file
from alpt_ref.errors import InputError
from alpt_ref.studies import experiment_file
from alpt_ref.studies.experiment_cells import MEASURED, Point, as_run
from alpt_ref.studies.experiment_rows import rows_of
from alpt_ref.theory import bounds_that_apply

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Bound:
    """One theorem beside one method at one point.

    Attributes
    ----------
    theorem, title : str
    metric : str
        What it bounds, on average over the runs.
    holds : bool
        Whether it says something about these runs.
    why : str
        The constants that it rests on, or what is missing.
    values : float64 array (c,)
        At each checkpoint; NaN where it does not hold.
    """

    theorem: str
    title: str
    metric: str
    holds: bool
    why: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Entry:
    """One method at one point of the sweep, the runs of all seeds together.

    Attributes
    ----------
    method : str
    swept : dict of str to number
    facts : dict
        ``eta`` (the first learning rate), ``step_size``, ``bits``, ``dim``.
    arrays : dict of str to array
        ``checkpoints`` (c,), and what was measured: (c, runs), or (runs,).
    bounds : tuple of Bound
    """

    method: str
    swept: Mapping[str, Any]
    facts: Mapping[str, Any]
    arrays: Arrays
    bounds: tuple[Bound, ...]

    @property
    def place(self) -> str:
        """``ratio=0.1 bits=4``; nothing without a sweep."""
        return " ".join(f"{key}={value:g}" for key, value in self.swept.items())

    @property
    def name(self) -> str:
        """``sr ratio=0.1``."""
        return f"{self.method} {self.place}".strip()

    def tightest(self, metric: str | None = None) -> Bound | None:
        """The bound that is least at the last checkpoint, of `metric` or else of the first measure that has one."""
        for one in (metric,) if metric else ("average_value", "value", "average_gradient2", "distance2"):
            found = [bound for bound in self.bounds if bound.holds and bound.metric == one]
            if found:
                return min(found, key=lambda bound: float(bound.values[-1]))
        return None


def entry_of(point: Point, arrays: Arrays) -> Entry:
    """The entry of a point from what its cells measured: which theorems hold is asked here."""
    run, method = as_run(arrays), point.method
    arguments = {name: value for name, value in point.arguments().items() if name != "minimum_outside"}
    found = bounds_that_apply(point.problem, point.grid, point.schedule, rounding_is=method.rounding_is, **arguments)
    bounds = []
    for one in found:
        missing = one.missing(run)
        values = np.full(len(one.values), np.nan) if missing else np.asarray(one.values, dtype=np.float64)
        bounds.append(Bound(one.theorem, one.title, str(one.metric), not missing, missing or one.why, values))
    facts = {
        "eta": float(point.schedule.rates(int(point.common["steps"]))[0]),
        "step_size": point.grid.step_size,
        "bits": point.grid.bits,
        "dim": int(point.problem.dim),
    }
    return Entry(method.name, dict(point.swept), facts, dict(arrays), tuple(bounds))


class ExperimentResult:
    """The result of `alpt_ref.Experiment.run`.

    Attributes
    ----------
    entries : tuple of Entry
        Every method at every point of the sweep, with all that was measured of each run.
    sweep : tuple of str
        What was swept.
    seeds : tuple of int
    runs : int
        For each seed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import alpt_ref
    >>> from alpt_ref.theory import Grid, absolute
    >>> result = alpt_ref.Experiment(absolute(1.0, 0.3), ["sr"], Grid(0.25, 4), schedule=0.1, steps=50, runs=20).run()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result.save(Path(folder) / "sr.safetensors")
    ...     again = alpt_ref.ExperimentResult.load(Path(folder) / "sr.safetensors")
    >>> again.rows == result.rows, again
    (True, ExperimentResult(methods=['sr'], points=1, seeds=1, runs=20))
    """

    def __init__(self, entries: Sequence[Entry], sweep: Sequence[str], seeds: Sequence[int], runs: int) -> None:
        self.entries, self.sweep, self.seeds, self.runs = tuple(entries), tuple(sweep), tuple(seeds), runs

    @classmethod
    def of(cls, entries: Sequence[Entry], sweep: Sequence[str], seeds: Sequence[int], runs: int) -> ExperimentResult:
        """From its parts."""
        return cls(entries, sweep, seeds, runs)

    def __repr__(self) -> str:
        """Methods, points and seeds."""
        points = len({entry.place for entry in self.entries})
        return f"ExperimentResult(methods={self.methods}, points={points}, seeds={len(self.seeds)}, runs={self.runs})"

    def _repr_html_(self) -> str:
        """The last checkpoint of every method and point, for notebooks."""
        last: dict[tuple[str, str], dict[str, Any]] = {}
        for entry in self.entries:
            last[entry.method, entry.place] = rows_of(entry, self.sweep)[-1]
        names = ("t", "value", "average_value", "bound", "bound_value")
        texts = [(*key, *map(_shown, (row[name] for name in names))) for key, row in last.items()]
        return html_table(("method", "point", *names), texts, caption=repr(self))

    @property
    def methods(self) -> list[str]:
        """Names in their order."""
        return list(dict.fromkeys(entry.method for entry in self.entries))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One for each method, point and checkpoint: means over all runs with 95 % intervals, and the tightest bound.

        ``value``, ``value_low`` and ``value_high``, likewise for the other measures; ``clipped`` is the part of the
        runs that left the range; ``measured_over_bound`` is of ``bound_of`` at ``t``. None where there is nothing.
        """
        return [row for entry in self.entries for row in rows_of(entry, self.sweep)]

    def to_arrow(self) -> Any:
        """`rows` as a ``pyarrow.Table``."""
        import pyarrow

        return pyarrow.Table.from_pylist(self.rows)

    def to_frame(self) -> Any:
        """`rows` as a pandas DataFrame where pandas is installed, else as `to_arrow` gives them."""
        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            return self.to_arrow()
        return pandas.DataFrame(self.rows)

    def entry(self, method: str, **swept: Any) -> Entry:
        """That of a method at a point; InputError where there is none, or more than one."""
        found = [
            one
            for one in self.entries
            if one.method == method and all(one.swept.get(key) == value for key, value in swept.items())
        ]
        if len(found) != 1:
            names = ", ".join(one.name for one in self.entries)
            raise InputError(f"{len(found)} entries are {method!r} with {swept}; there are: {names}")
        return found[0]

    def plot(self, kind: str | None = None, metric: str | None = None) -> Any:
        """A Matplotlib figure, bounds drawn dashed where one holds.

        Parameters
        ----------
        kind : {"curves", "final"}, optional
            Curves over the iterates, one panel for each point of the sweep; or the last checkpoint over the first
            swept quantity. ``final`` if left out where there are more than six points, else ``curves``.
        metric : str, optional
            A measure of `rows`; ``average_value`` if left out, or ``value`` where that is not measured.

        Raises
        ------
        InputError
            For a kind or metric that there is not.
        """
        from alpt_ref.studies.experiment_figure import draw

        return draw(self, kind, metric)

    def summary(self) -> str:
        """Which theorem holds for which runs and how near they come; which do not apply, and why."""
        from alpt_ref.studies.experiment_text import summary

        return summary(self)

    def save(self, path: str | Path) -> None:
        """Write everything into one file, whole or absent; equal results give equal bytes.

        Raises
        ------
        InputError
            There is a file of that name that holds no experiment, or the place cannot be written to.
        """
        target = check_output_file(path, endings=(".safetensors",), option="path")
        if target.exists() and not experiment_file.is_ours(target):
            raise InputError(f"path {target} is a file that holds no experiment; choose another name")
        experiment_file.write(target, *self._parts())

    def _parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        arrays: dict[str, NDArray[Any]] = {}
        entries = []
        for number, entry in enumerate(self.entries):
            arrays |= {f"{number}/{name}": np.asarray(value) for name, value in entry.arrays.items()}
            arrays |= {f"{number}/bound/{place}": bound.values for place, bound in enumerate(entry.bounds)}
            bounds = [[one.theorem, one.title, one.metric, one.holds, one.why] for one in entry.bounds]
            of_entry = {"method": entry.method, "swept": dict(entry.swept), "facts": dict(entry.facts)}
            entries.append({**of_entry, "bounds": bounds})
        facts = {"entries": entries, "sweep": list(self.sweep), "seeds": list(self.seeds), "runs": self.runs}
        return facts, arrays

    @classmethod
    def load(cls, path: str | Path) -> ExperimentResult:
        """A result that `save` wrote.

        Raises
        ------
        InputError
            There is no such file, it holds something else, or it was altered.
        """
        facts, arrays = experiment_file.read(path_of(path, "path"))
        if "entries" not in facts:
            raise InputError(
                f"{path} is one cell of an experiment, not its result; run the experiment again to get that"
            )
        entries = []
        for number, one in enumerate(facts["entries"]):
            own = {name.split("/", 1)[1]: value for name, value in arrays.items() if name.startswith(f"{number}/")}
            bounds = tuple(
                Bound(theorem, title, metric, holds, why, own[f"bound/{place}"])
                for place, (theorem, title, metric, holds, why) in enumerate(one["bounds"])
            )
            measured = {name: value for name, value in own.items() if not name.startswith("bound/")}
            entries.append(Entry(one["method"], one["swept"], one["facts"], measured, bounds))
        return cls(entries, facts["sweep"], facts["seeds"], facts["runs"])


def metrics_of(result: ExperimentResult) -> list[str]:
    """Measures that every entry has."""
    return [name for name in MEASURED if all(name in entry.arrays for entry in result.entries)]


def _shown(value: Any) -> str:
    """A cell: four digits of a number, nothing for None."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
