"""The shipped studies: found wherever the package lies, whole by one option, and their former paths are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.cli.reproduce import make_study, reproduce_command
from alpt_ref.errors import InputError
from alpt_ref.studies.shipped import FOLDER, read_study, require_current_path, shipped_studies
from alpt_ref.studies.study import Study
from alpt_ref.training.config import RunConfig


def study_of(*words: str) -> Study:
    options = reproduce_command.make_context("reproduce", list(words)).params
    return make_study(options, options.pop("jobs"))[0]


def test_every_file_is_a_study() -> None:
    assert shipped_studies() == ("criteo", "frappe")
    assert read_study("frappe", RunConfig()).config.train.batch_size == 500
    with pytest.raises(InputError, match="--study must be among criteo, frappe, got 'avazu'"):
        read_study("avazu", RunConfig())


def test_a_study_is_whole_by_its_name(tmp_path: Path) -> None:
    clicks = tmp_path / "clicks"
    clicks.write_text("", encoding="utf-8")
    frappe = study_of("--study=frappe", f"--libfm={clicks}")
    assert (frappe.base.data.source, frappe.base.model.hidden, frappe.seeds) == ("libfm", (256, 128), tuple(range(10)))
    assert (frappe.few, frappe.base.data.folds) == (5, 0)
    criteo = study_of("--study=criteo", f"--criteo={clicks}")
    assert (criteo.few, criteo.base.data.folds, criteo.seeds) == (10, 10, tuple(range(10)))
    assert study_of("--study=criteo", f"--criteo={clicks}", "--few=3", "--set=train.epochs=2").few == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--study=frappe"], "--study frappe needs your copy of the data: --libfm FILE"),
        (["--study=criteo", "--quick"], "--study criteo and --quick are two studies"),
        (["--study=frappe", "--preset=small"], "--study frappe and --preset are two studies"),
    ],
)
def test_options_that_contradict_each_other_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        study_of(*words)


def test_the_former_path_is_named_with_what_took_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    former = "analysis/experiments/frappe.toml"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=rf"--config {former} is gone: .* `alpt-ref reproduce --study frappe`; .*{FOLDER}"
    ):
        study_of("--config", former)
    own = tmp_path / "experiments" / "frappe.toml"
    own.parent.mkdir()
    own.touch()
    require_current_path(own)  # somebody's own file of that name is theirs
    require_current_path("experiments/other.toml")
