"""Outcomes of the toy claims, what is stored, and what a second start does."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref._util.files import STALE_S
from alpt_ref.verification.results import ClaimResult, Results, failing, save_results
from alpt_ref.verification.runner import choose, load_claims, plan, verify
from alpt_ref.verification.store import Store, cell_seed

from .conftest import calls

Toys = Callable[..., Path]


def run(folder: Path, output: Path, *ids: str, **options: Any) -> dict[str, ClaimResult]:
    output.mkdir(exist_ok=True)
    found = verify(choose(load_claims(folder), ids), output, **{"jobs": 1, **options})
    return {result.id: result for result in found}


@pytest.mark.parametrize(
    ("toy", "outcome", "cells"),
    [
        ("good_mean", "SUPPORTED", ["SUPPORTED"] * 3),
        ("wrong_mean", "REFUTED", ["SUPPORTED", "REFUTED"]),
        ("open_mean", "INCONCLUSIVE", ["INCONCLUSIVE"]),
        ("na_domain", "NOT_APPLICABLE", ["NOT_APPLICABLE"] * 2),
        ("lost_domain", "ERROR", ["SUPPORTED", "ERROR", "NOT_APPLICABLE"]),
        ("blunt_control", "CONTROL_FAILED", ["SUPPORTED"]),
        ("bad_raises", "ERROR", ["SUPPORTED", "ERROR"]),
    ],
)
def test_outcomes(toys: Toys, tmp_path: Path, toy: str, outcome: str, cells: list[str]) -> None:
    (result,) = run(toys(toy), tmp_path / "out").values()
    assert result.outcome == outcome
    assert [cell.outcome for cell in result.cells] == cells
    assert failing([result]) == (outcome in ("REFUTED", "CONTROL_FAILED", "ERROR"))


def test_outcomes_agree_with_the_limits_shown(toys: Toys, tmp_path: Path) -> None:
    for result in run(toys("good_mean", "wrong_mean", "open_mean"), tmp_path / "out").values():
        for point in result.points:
            shown = (
                "REFUTED" if point.lower > point.high else "SUPPORTED" if point.upper <= point.high else "INCONCLUSIVE"
            )
            assert point.outcome == shown


def test_a_failed_assumption_is_named_and_where_it_can_be_it_is_checked_before_measuring(
    toys: Toys, tmp_path: Path
) -> None:
    folder = toys("na_domain")
    result = run(folder, tmp_path / "out")["na"]
    assert [cell.reason for cell in result.cells] == [
        "does not hold: reach ≤ 5 along the run",
        "does not hold: lr < 1",
    ]
    assert [line for line in calls(folder) if "9.0" in line] == []


def test_the_control_sees_the_same_seed_and_the_bound_control_needs_no_run(toys: Toys) -> None:
    loaded = load_claims(toys("good_mean", "wrong_mean"))
    good, wrong = plan(loaded["good"], "quick", 0), plan(loaded["wrong"], "quick", 0)
    own = [task for _, tasks in good.own for task in tasks]
    broken = [task for _, tasks in good.controls[0] for task in tasks]
    assert [task.seed for task in own] == [task.seed for task in broken]
    assert not {task.key for task in own} & {task.key for task in broken}
    assert wrong.controls[0] == wrong.own
    assert (len(good.tasks), len(wrong.tasks)) == (6, 2)


def test_seeds_depend_on_seed_claim_cell_and_replicate_alone() -> None:
    seeds = {
        cell_seed(seed, claim, {"a": a}, replicate)
        for seed in (0, 1) for claim in ("s1", "s2") for a in (0, 1) for replicate in (0, 1)
    }  # fmt: skip
    assert len(seeds) == 16
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert cell_seed(0, "s1", {"a": 1, "b": 2}, 0) == cell_seed(0, "s1", {"b": 2, "a": 1}, 0)


def test_a_second_start_measures_nothing_and_ends_alike(toys: Toys, tmp_path: Path) -> None:
    folder = toys("good_mean")
    first = run(folder, tmp_path / "out")
    measured = len(calls(folder))
    second = run(folder, tmp_path / "out")
    assert measured == 6
    assert len(calls(folder)) == measured
    assert first["good"].points == second["good"].points


def test_a_larger_budget_measures_only_its_new_cells(toys: Toys, tmp_path: Path) -> None:
    folder = toys("good_mean")
    run(folder, tmp_path / "out")
    result = run(folder, tmp_path / "out", budget="full")
    assert len(result["good"].cells) == 4
    assert len(calls(folder)) == 6 + 2


def test_processes_change_nothing(toys: Toys, tmp_path: Path) -> None:
    folder = toys("good_mean", "bad_raises")
    one, two = run(folder, tmp_path / "one"), run(folder, tmp_path / "two", jobs=2)
    for name in ("good", "bad"):
        assert one[name].points == two[name].points
        assert [cell.reason for cell in one[name].cells] == [cell.reason for cell in two[name].cells]


def test_processes_learn_of_the_gpu_before_they_load_a_claim(toys: Toys, tmp_path: Path) -> None:
    folder = toys("good_mean")
    source = (folder / "good_mean.py").read_text()
    source = source.replace("    called(cell, broken)", "    called(default_device(), broken)")
    (folder / "good_mean.py").write_text("from alpt_ref.kernels.device import default_device\n" + source)
    (result,) = run(folder, tmp_path / "gpu", jobs=1, device="cuda").values()
    assert result.outcome == "SUPPORTED"
    assert {line.split()[0] for line in calls(folder)} == {"cuda"}
    run(folder, tmp_path / "gpu", jobs=1)  # what was stored counts for the CPU too
    assert {line.split()[0] for line in calls(folder)} == {"cuda"}


def test_an_edited_claim_is_measured_again(toys: Toys, tmp_path: Path) -> None:
    folder = toys("good_mean")
    run(folder, tmp_path / "out")
    with (folder / "good_mean.py").open("a") as stream:
        stream.write("# a comment\n")
    run(folder, tmp_path / "out")
    assert len(calls(folder)) == 6
    with (folder / "good_mean.py").open("a") as stream:
        stream.write("EDITED = True\n")
    run(folder, tmp_path / "out")
    assert len(calls(folder)) == 12


def test_a_failure_is_named_not_cached_and_tried_again(toys: Toys, tmp_path: Path) -> None:
    folder, output = toys("bad_raises"), tmp_path / "out"
    result = run(folder, output)["bad"]
    assert result.cells[1].reason.startswith("ZeroDivisionError: no such quantity (bad_raises.py:")
    assert len(list((output / "cells" / "bad").iterdir())) == 2  # the good cell and its control
    (folder / "repaired").touch()
    repaired = run(folder, output)["bad"]
    assert repaired.outcome == "SUPPORTED"
    assert len(calls(folder)) == 3 + 1


@pytest.mark.parametrize("join", [False, True])
def test_a_damaged_file_is_found_and_measured_again(toys: Toys, tmp_path: Path, join: bool) -> None:
    folder, output = toys("good_mean"), tmp_path / "out"
    before = run(folder, output)["good"]
    files = sorted((output / "cells" / "good").glob("*.json"))
    files[0].write_bytes(files[0].read_bytes()[:-40])  # cut off
    content = json.loads(files[1].read_text())
    content["record"]["constants"]["one"] = 7.0  # well-formed, but not what was written
    files[1].write_text(json.dumps(content))
    files[2].write_bytes(files[3].read_bytes())  # another cell under this name
    said: list[str] = []
    after = run(folder, output, log=said.append, join=join)["good"]
    assert len(calls(folder)) == 6 + 3
    assert sum("is damaged and is computed again" in text for text in said) == 3
    assert before.points == after.points


def test_temporary_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "cells" / "a" / ".k.json.1.part", tmp_path / "cells" / "a" / ".k.json.2.part"
    old.parent.mkdir(parents=True)
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 2 * STALE_S,) * 2)
    Store(tmp_path).clean()
    assert (old.exists(), new.exists()) == (False, True)


def test_stored_verdicts_come_back_with_their_arrays(toys: Toys, tmp_path: Path) -> None:
    output = tmp_path / "out"
    results = run(toys("good_mean", "na_domain"), output)
    save_results(output, list(results.values()))
    stored = Results(output)
    assert sorted(stored) == ["good", "na"]
    for name, result in results.items():
        again = stored[name]
        assert again.points == result.points
        assert (again.outcome, again.controls[0].refuted) == (result.outcome, result.controls[0].refuted)
    kept, found = results["good"].cells[0].measurement, stored["good"].cells[0].measurement
    assert kept is not None
    assert found is not None
    assert np.array_equal(kept.values, found.values)


def test_replicates_are_measured_with_their_own_seeds_and_pooled(toys: Toys, tmp_path: Path) -> None:
    folder = toys(
        pairs_three="""
        from alpt_ref.verification import Claim, Control, Test, sampled
        def measure(cell, seed, *, broken=None):
            return sampled([seed / 2**63])
        CLAIM = Claim(id="pairs", title="t", statement="x", kind="separation", grid=lambda budget: [{"a": 1}],
                      bound=lambda cell, constants: 0.0, measure=measure, replicates=lambda budget: 4,
                      test=Test(alpha=0.2), control=Control("high", "far too high", bound=lambda cell, constants: 9.0))
        """
    )
    (cell,) = run(folder, tmp_path / "out")["pairs"].cells
    assert cell.runs == len(cell.keys) == 4
    assert cell.measurement is not None
    assert len(np.unique(cell.measurement.values)) == 4
