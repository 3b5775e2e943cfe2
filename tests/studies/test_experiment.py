"""An experiment is what its simulations measured, in the same bytes however it was run, with the bounds that hold."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import Experiment, ExperimentResult
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.studies.experiment_key import digest
from alpt_ref.studies.experiment_methods import Method, method_of
from alpt_ref.theory import FewBits, Grid, Noise, Problem, Schedule, absolute, bounds_that_apply, quadratic, simulate
from tests.dask_processes import Processes

from . import experiment_functions as functions

GRID = Grid(0.25, 5)
SMALL: dict[str, Any] = {"steps": 30, "runs": 8, "noise": Noise("two-point", 0.3), "checkpoints": [3, 30]}


def small(*methods: Any, **changes: Any) -> Experiment:
    options = {**SMALL, **changes}
    sweep = options.pop("sweep", {"ratio": [0.1, 0.5]})
    return Experiment(options.pop("problem", absolute(1.0, 0.3)), methods or ("sr", "dr"), GRID, sweep, **options)


def saved(result: ExperimentResult, folder: Path) -> bytes:
    result.save(folder / "one.safetensors")
    return (folder / "one.safetensors").read_bytes()


def test_rows_are_the_means_of_the_simulations_and_their_bounds() -> None:
    result = small().run(seeds=[5, 9])
    assert result.methods == ["sr", "dr"]
    for method in ("sr", "dr"):
        for ratio in (0.1, 0.5):
            schedule, common = Schedule("constant", ratio * 0.25), {**SMALL, "start": GRID.high_code // 2}
            runs = [
                simulate(absolute(1.0, 0.3), GRID, schedule, rounding=method, averages=True, seed=seed, **common)
                for seed in (5, 9)
            ]
            common.pop("runs")
            bounds = bounds_that_apply(absolute(1.0, 0.3), GRID, schedule, rounding=method, **common)
            least = min(bound.values[1] for bound in bounds if bound.applies and bound.metric == "average_value")
            last = result.rows[[(r["method"], r["ratio"], r["t"]) for r in result.rows].index((method, ratio, 30))]
            measured = np.concatenate([run.average_value[1] for run in runs if run.average_value is not None])
            assert last["average_value"] == measured.mean()
            assert last["value"] == np.concatenate([run.value[1] for run in runs]).mean()
            assert (last["bound_value"], last["runs"], last["eta"]) == (least, 16, ratio * 0.25)
            assert last["measured_over_bound"] == pytest.approx(measured.mean() / least)
            if method == "sr":
                half = 2.1314495455597742 * measured.std(ddof=1) / 4.0  # t quantile of 15 degrees of freedom
                assert last["average_value_high"] - last["average_value"] == pytest.approx(half)


class Stops(Progress):
    """Ctrl-C after so many cells."""

    def __init__(self, after: int) -> None:
        super().__init__(enabled=False)
        self.left = after

    def advance(self, amount: int, note: str = "") -> None:
        self.left -= amount
        if not self.left:
            raise KeyboardInterrupt


def test_a_run_that_was_stopped_resumes_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole = small().run(seeds=2)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        small().run(seeds=2, folder=tmp_path / "kept", progress=Stops(3), log=said.append)
    assert said == [f"interrupted: 3 of 8 cells are kept in {tmp_path / 'kept'}; the same call resumes"]
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*.safetensors")}
    assert len(made) == 3
    again = small().run(seeds=2, folder=tmp_path / "kept")
    assert {file: file.stat().st_mtime_ns for file in made} == made
    (tmp_path / "a").mkdir()
    assert saved(again, tmp_path / "a") == saved(whole, tmp_path)
    assert small("dr", "sr", "full").run(folder=tmp_path / "kept").methods == ["dr", "sr", "full"]
    assert len(list((tmp_path / "kept").rglob("*.safetensors"))) == 10


def test_without_a_folder_an_interruption_says_how_to_keep_cells() -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        small("sr").run(progress=Stops(1), log=said.append)
    assert said == [
        "interrupted: 1 of 2 cells are lost; with run(folder=...) they would be kept, and the same call would resume"
    ]


def test_a_folder_of_something_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    with pytest.raises(InputError, match="cells of unknown origin"):
        small("sr").run(folder=tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["cells"]


def test_a_damaged_cell_is_told(tmp_path: Path) -> None:
    small("sr").run(folder=tmp_path)
    cell = sorted(tmp_path.rglob("*.safetensors"))[0]
    content = bytearray(cell.read_bytes())
    content[-1] ^= 1
    cell.write_bytes(content)
    with pytest.raises(InputError, match=r"does not have its checksum.*; delete .*, and the same call runs it again"):
        small("sr").run(folder=tmp_path)


@pytest.mark.nightly
def test_processes_change_no_byte(tmp_path: Path) -> None:
    problem = Problem(functions.value, functions.gradient, 2, convex=True, L=1.0, compiled=False)
    experiment = small(functions.add_and_floor, "sr", problem=problem)
    said: list[str] = []
    one = saved(experiment.run(seeds=2), tmp_path)
    assert saved(experiment.run(seeds=2, jobs=2, log=said.append), tmp_path) == one
    assert not said


@pytest.mark.nightly
def test_workers_of_a_cluster_change_no_byte(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    experiment, cluster = small(functions.add_and_floor, "sr"), Processes(tmp_path / "scheduler.json")
    try:
        cluster.scheduler()
        cluster.worker()
        there = experiment.run(seeds=2, scheduler=cluster.address, folder=tmp_path / "kept", join=True)
    finally:
        cluster.end()
    assert len(list((tmp_path / "kept").rglob("*.safetensors"))) == 8
    (tmp_path / "here").mkdir()
    assert saved(there, tmp_path) == saved(experiment.run(seeds=2), tmp_path / "here")


def test_functions_that_no_other_process_can_load_stay_in_this_one() -> None:
    notebook = types.FunctionType(functions.add_and_floor.__code__, vars(functions), "add_and_floor")
    notebook.__module__ = "__main__"
    said: list[str] = []
    result = small(notebook, sweep={"ratio": [0.5]}).run(jobs=2, seeds=2, log=said.append)
    assert said == [
        "add_and_floor was defined in __main__, which other processes cannot load: all cells run here; put it in a "
        "module to use more"
    ]
    assert result.entry("add_and_floor").tightest() is None
    assert "No theorem is about" not in result.summary()
    assert "nothing is known of a rounding of your own" in result.summary()


def test_a_rounding_of_ones_own_has_the_bounds_of_what_it_is_said_to_be() -> None:
    mine = Method("mine", rounding="tests.studies.experiment_functions:add_and_floor", rounding_is="sr")
    entry = small(mine, sweep={"ratio": [0.5]}).run().entry("mine", ratio=0.5)
    bound = entry.tightest()
    assert bound is not None
    assert bound.theorem.startswith("S1")


def test_a_result_is_loaded_as_it_was_saved_and_no_foreign_file_is_replaced(tmp_path: Path) -> None:
    result = small("sr", "momentum+sr", problem=quadratic([1.0, 0.5], 0.1)).run()
    content = saved(result, tmp_path)
    again = ExperimentResult.load(tmp_path / "one.safetensors")
    assert (again.rows, again.summary(), repr(again)) == (result.rows, result.summary(), repr(result))
    assert saved(again, tmp_path) == content
    for name, old in (("foreign.safetensors", b"mine"), ("notes.txt", b"mine")):
        (tmp_path / name).write_bytes(old)
        with pytest.raises(InputError):
            result.save(tmp_path / name)
        with pytest.raises(InputError, match="holds no experiment"):
            ExperimentResult.load(tmp_path / name)
        assert (tmp_path / name).read_bytes() == old
    for place in (len(content) // 2, len(content) - 1):
        damaged = bytearray(content)
        damaged[place] ^= 1
        (tmp_path / "damaged.safetensors").write_bytes(damaged)
        with pytest.raises(InputError):
            ExperimentResult.load(tmp_path / "damaged.safetensors")


def test_tables_and_figures_show_every_row_and_bound() -> None:
    result = small("sr", "dr", "momentum+sr", problem=quadratic(1.0, 0.3)).run()
    table = result.to_arrow()
    assert table.num_rows == len(result.rows) == 12
    assert table.column("average_value").to_pylist() == [row["average_value"] for row in result.rows]
    figure = result.plot()
    panels = [panel for panel in figure.axes if panel.get_title()]
    assert [panel.get_title() for panel in panels] == ["ratio=0.1", "ratio=0.5"]
    for panel, ratio in zip(panels, (0.1, 0.5), strict=True):
        dashed = [line for line in panel.get_lines() if line.get_linestyle() == "--" and len(line.get_xdata())]
        wanted = [result.entry(method, ratio=ratio).tightest("average_value") for method in ("sr", "dr")]
        assert [list(line.get_ydata()) for line in dashed] == [list(one.values) for one in wanted if one is not None]
    final = result.plot("final", "distance2").axes[0]
    assert list(final.get_lines()[0].get_xdata()) == [0.1, 0.5]
    for bad in ({"kind": "bars"}, {"metric": "loss"}):
        with pytest.raises(InputError):
            result.plot(**bad)


def test_a_summary_says_how_near_each_bound_is_and_why_others_say_nothing() -> None:
    text = small("sr", "momentum+sr", sweep={"rate": [0.05]}).run().summary()
    row = small("sr", sweep={"rate": [0.05]}).run().rows[-1]
    assert f"{row['bound']} bounds it by {row['bound_value']:.4g}" in text
    assert f"measured/bound {row['measured_over_bound']:.2g}" in text
    assert "S4 (sr): f is not strongly convex on the box" in text
    assert "No theorem is about momentum+sr." in text


def test_everything_that_may_be_swept_reaches_the_simulation() -> None:
    def problem(d: int) -> Any:
        return quadratic(np.ones(d), 0.1)

    sweep = {"dim": [1, 2], "bits": [4, 5], "step_size": [0.25, 0.5], "sigma": [0.0, 0.2], "rate": [0.1]}
    result = small("sr", problem=problem, sweep=sweep, steps=3, checkpoints=[3], runs=2).run()
    assert len(result.rows) == 16
    one = result.entry("sr", dim=2, bits=4, step_size=0.5, sigma=0.2, rate=0.1)
    wanted = simulate(
        quadratic(np.ones(2), 0.1), Grid(0.5, 4), 0.1, steps=3, runs=2, start=3, noise=Noise("two-point", 0.2)
    )
    np.testing.assert_array_equal(one.arrays["value"], wanted.value)
    falling = small("sr", schedule=Schedule("inverse-sqrt", 7.0), sweep={"ratio": [0.5]}).run().rows[0]
    assert falling["eta"] == 0.125


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sweep": {"ratio": []}}, "sweep of 'ratio' must be at least one finite number"),
        ({"sweep": {"ratios": [1.0]}}, "sweep can be over ratio, rate"),
        ({"sweep": {"ratio": [1.0, 1.0]}}, "must be different numbers"),
        ({"sweep": {"ratio": [1.0], "rate": [1.0]}}, "not both"),
        ({"sweep": {"bits": [4.5]}}, "must be whole numbers"),
        ({"sweep": {}}, "the learning rate is missing"),
        ({"sweep": {"dim": [2], "rate": [0.1]}}, "problem must be a function of d"),
        ({"sweep": {"dim": [2], "rate": [0.1]}, "problem": lambda d: quadratic(1.0, 0.1)}, "must have d coordinates"),
        ({"sweep": {"rate": [np.ones(9)]}}, "one of learning rates goes to schedule="),
        ({"sweep": {"rate": [lambda t: 1 / t]}}, "functions of t go to schedule="),
        ({"runs": 0}, "runs must be a whole number"),
        ({"runs": 10**12}, "the results of 10{12} runs .* bytes, more than this machine has"),
        ({"steps": 10**13}, "the learning rates of 10{13} steps need at least"),
        ({"steps": 10**400}, "the learning rates of 10{400} steps need at least"),
        ({"batch": 2}, "batch=2 goes with a LinearModel"),
        ({"thin": 2}, "thin=2 goes with averages=True and a LinearModel"),
        ({"steps": 2.5}, "steps must be at least 1"),
        ({"noise": 0.3}, "noise must be a Noise"),
        ({"start": 99}, "start"),
        ({"problem": "f"}, "problem"),
        ({"problem": quadratic(1.0, 77.0)}, "minimum"),
    ],
)
def test_what_breaks_a_rule_is_a_sentence_before_anything_runs(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        small(**changes)


@pytest.mark.parametrize("method", ["rtn", "momentum+rtn", "lion+sr", 3, FewBits, "nowhere:f"])
def test_what_is_no_method_is_a_sentence(method: Any) -> None:
    with pytest.raises(InputError):
        small(method)


@pytest.mark.parametrize(
    ("rounding", "said_to_be", "sentence"),
    [
        (lambda x, draw: x, "sr", "is taken for 'sr', but returns .* no neighbour on the grid of step size 0.25"),
        (lambda x, draw: np.rint(x).astype(np.int8), "dr", "is taken for 'dr', but returns"),
        (functions.add_and_floor, "nearest", "rounding_is of method 'mine' must be sr, dr or None, got 'nearest'"),
    ],
)
def test_a_rounding_is_no_more_than_what_it_is_said_to_be(rounding: Any, said_to_be: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        small(Method("mine", rounding=rounding, rounding_is=said_to_be))


def test_a_minimum_outside_the_box_can_be_asked_for() -> None:
    result = small("dr", problem=quadratic(1.0, 77.0), minimum_outside=True).run()
    assert all(row["bound"] is None for row in result.rows)


def test_methods_have_names_of_their_own() -> None:
    assert method_of("adam+6-bit words") == Method("adam+6-bit words", rounding=FewBits(6), update="adam")
    with pytest.raises(InputError, match="another name"):
        small("sr", Method("sr", rounding="dr"))


@pytest.mark.parametrize("bad", [{"seeds": []}, {"seeds": [1, 1]}, {"seeds": [-1]}, {"jobs": 0}, {"join": True}])
def test_what_a_run_is_told_is_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        small("sr").run(**bad)


def scaled(factor: float) -> Callable[[Any], Any]:
    table = np.full(3, factor)
    return lambda x: x * table


def test_a_digest_sees_what_a_function_refers_to() -> None:
    assert digest(scaled(2.0)) == digest(scaled(2.0))
    assert digest(scaled(2.0)) != digest(scaled(3.0))
    assert digest(functions.value) != digest(functions.gradient)
    assert digest(Method("a", update="adam")) != digest(Method("a", update="eco"))
    first, second = (Problem(lambda w: (w**2).sum(), lambda w: 2 * w, d, compiled=False, checks=False) for d in (1, 2))
    assert digest(first) != digest(second)
