"""`alpt_ref.verify`: the same verdicts as the command, from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import alpt_ref
from alpt_ref.errors import InputError

from .conftest import calls


def test_verdicts_by_id_and_nothing_left_behind(toys: Callable[..., Path], tmp_path: Path) -> None:
    folder = toys("good_mean", "wrong_mean")
    before = sorted(tmp_path.rglob("*"))
    verdicts = alpt_ref.verify(["wrong", "good"], folder=folder)
    assert {name: one.outcome for name, one in verdicts.items()} == {"good": "SUPPORTED", "wrong": "REFUTED"}
    assert set(tmp_path.rglob("*")) - set(before) == {folder / "calls.txt"}


def test_with_an_output_folder_nothing_is_measured_twice(toys: Callable[..., Path], tmp_path: Path) -> None:
    folder, output = toys("good_mean"), tmp_path / "out"
    said: list[str] = []
    first = alpt_ref.verify("good", folder=folder, output=output)
    measured = len(calls(folder))
    second = alpt_ref.verify("good", folder=folder, output=output, log=said.append)
    assert len(calls(folder)) == measured > 0
    assert said == [f"{measured} cells reused, 0 measured"]
    assert [one.value for one in second["good"].points] == [one.value for one in first["good"].points]
    assert (output / "report.html").exists()
    assert alpt_ref.verify("good", folder=folder, seed=1)["good"].points != first["good"].points


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"claims": []}, "claims must name at least one claim, got none"),
        ({"claims": "godo"}, "no claim 'godo'; nearest: good"),
        ({"claims": "good", "budget": "huge"}, "budget must be quick or full, got 'huge'"),
        ({"claims": "good", "seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"claims": "good", "jobs": 0}, "jobs must be a whole number of at least 1, got 0"),
        ({"claims": "good", "device": "tpu"}, "device"),
        ({"claims": "good", "folder": "nowhere"}, "nowhere is not a folder"),
    ],
)
def test_bad_input_measures_nothing(
    options: dict[str, object], message: str, toys: Callable[..., Path], tmp_path: Path
) -> None:
    folder = toys("good_mean")
    with pytest.raises(InputError, match=message):
        alpt_ref.verify(**{"folder": folder, "output": tmp_path / "out", **options})
    assert calls(folder) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["_toy_helper.py", "_toy_helper/__init__.py"])
def test_a_helper_that_changes_between_two_runs_of_one_process_is_loaded_again(
    form: str, toys: Callable[..., Path], tmp_path: Path
) -> None:
    folder = toys("good_mean")
    (folder / form).parent.mkdir(exist_ok=True)
    claim = folder / "good_mean.py"
    text = claim.read_text().replace('400, cell["mean"]', '400, SHIFT + cell["mean"]')
    claim.write_text(f"from ._toy_helper import SHIFT\n{text}")
    outcomes = []
    for shift in ("0.0", "9.0", "0.0"):  # same size, perhaps the same second: compiled files would be stale
        (folder / form).write_text(f"SHIFT = {shift}\n")
        verdicts = alpt_ref.verify("good", folder=folder, output=tmp_path / "out")
        outcomes.append(verdicts["good"].outcome)
    assert outcomes == ["SUPPORTED", "REFUTED", "SUPPORTED"]
    assert len(calls(folder)) == 12
