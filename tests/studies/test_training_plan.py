"""Shared runs are trained once, finished ones never again, and any interruption ends in the same tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.studies import cell as cell_module
from alpt_ref.studies.reproduce import Row, Stored, Study, Table, choose, draw, open_folder, train_missing, with_seeds
from alpt_ref.studies.study import Registered
from alpt_ref.studies.training_plan import prepare
from alpt_ref.training.config import RunConfig
from tests.studies.fabricated import STUDY, fabricate

LABELS = ("fp32", "lpt-sr", "alpt-sr")


def table(name: str, labels: tuple[str, ...] = LABELS, **changes: Any) -> Table:
    def runs(study: Study) -> Mapping[str, RunConfig]:
        return {label: study.run(label, 8) for label in labels}

    return Table(
        id=name,
        title=name,
        label_columns=("method",),
        runs=runs,
        rows=lambda study: [Row((label,), label, labels[0]) for label in labels],
        **changes,
    )


TABLES = (table("one", seeds="all"), table("two", ("fp32", "lpt-sr")))


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that were really trained."""
    trained: list[str] = []
    original = cell_module.__dict__["train"]

    def counting(config: RunConfig, *rest: Any, **options: Any) -> Any:
        trained.append(f"{config.table.label} {config.train.seed}")
        return original(config, *rest, **options)

    monkeypatch.setattr(cell_module, "train", counting)
    return trained


def reproduce(folder: Path, study: Study = STUDY, log: Callable[[str], None] = lambda text: None) -> Mapping[str, str]:
    chosen = choose(TABLES, ())
    failures = train_missing(study, chosen, open_folder(folder), jobs=1, log=log)
    draw(folder, chosen)
    return failures


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "tables").iterdir())}


def test_a_run_that_two_tables_name_is_trained_once(tmp_path: Path, count: list[str]) -> None:
    said: list[str] = []
    reproduce(tmp_path / "out", log=said.append)
    assert sorted(count) == sorted(f"{label} {seed}" for label in LABELS for seed in (0, 1, 2))
    assert "2 tables and figures need 9 runs" in said
    before = contents(tmp_path / "out")
    assert set(before) == {
        f"{name}.{suffix}" for name in ("one", "two") for suffix in ("md", "csv", "tex", "notes.tex")
    }
    reproduce(tmp_path / "out", log=said.append)
    assert len(count) == 9
    assert "9 runs finished before, 0 to go, 1 at a time" in said
    assert contents(tmp_path / "out") == before


def test_an_interrupted_study_ends_in_the_same_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: list[str]
) -> None:
    reproduce(tmp_path / "whole")
    count.clear()
    counting = cell_module.__dict__["train"]
    for stop in (2, 5):

        def stopping(*args: Any, stop: int = stop, **options: Any) -> Any:
            if len(count) == stop:
                raise KeyboardInterrupt
            return counting(*args, **options)

        monkeypatch.setattr(cell_module, "train", stopping)
        with pytest.raises(KeyboardInterrupt):
            reproduce(tmp_path / "parts")
        assert len(list((tmp_path / "parts" / "cells").iterdir())) == stop
        assert not (tmp_path / "parts" / "tables").exists()
    monkeypatch.setattr(cell_module, "train", counting)
    reproduce(tmp_path / "parts")
    assert len(count) == 9
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_spawned_processes_give_the_same_tables(tmp_path: Path) -> None:
    reproduce(tmp_path / "here")
    chosen = choose(TABLES, ())
    train_missing(STUDY, chosen, open_folder(tmp_path / "spawned"), jobs=2)
    draw(tmp_path / "spawned", chosen)
    assert contents(tmp_path / "spawned") == contents(tmp_path / "here")


def test_a_diverged_run_is_named_and_missing_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: list[str]
) -> None:
    counting = cell_module.__dict__["train"]

    def failing(config: RunConfig, *rest: Any, **options: Any) -> Any:
        if config.table.label == "alpt-sr" and config.train.seed == 1:
            raise TrainingError("training diverged at step 7 (epoch 1)")
        return counting(config, *rest, **options)

    monkeypatch.setattr(cell_module, "train", failing)
    assert reproduce(tmp_path) == {"one: alpt-sr, seed 1": "training diverged at step 7 (epoch 1)"}
    assert "1 runs are missing" in (tmp_path / "tables" / "one.md").read_text()
    monkeypatch.setattr(cell_module, "train", counting)
    count.clear()
    assert reproduce(tmp_path) == {}
    assert count == ["alpt-sr 1"]


def test_every_seed_has_data_of_its_own_and_the_index_describes_them(tmp_path: Path) -> None:
    prepare(STUDY, TABLES, tmp_path, Progress(enabled=False))
    index = Stored(tmp_path).index
    assert index.study == msgspec.structs.replace(STUDY, registered=Registered((0, 1, 2), 2))
    assert len({one.fingerprint for one in index.data.values()}) == 3
    assert index.data[0].parts == (320, 40, 40)
    assert set(index.data[0].bayes) == {"auc", "logloss"}
    assert index.plans["two"].seeds == (0, 1)
    assert set(index.plans["one"].runs) == set(LABELS)


def test_a_plan_keeps_to_the_studys_data(tmp_path: Path) -> None:
    stray = Table(
        id="stray", title="", label_columns=(), runs=lambda study: {"x": study.base.replace("data", rows=10**9)},
        rows=lambda study: [],
    )  # fmt: skip
    plan = prepare(STUDY, [stray], tmp_path, Progress(enabled=False))
    assert {task.config.data.rows for task in plan.tasks} == {400}


def test_what_a_killed_process_left_is_taken_away(tmp_path: Path) -> None:
    import os

    folder = open_folder(tmp_path)
    (folder / "cells").mkdir()
    old, new = folder / "cells" / ".a.json.1.part", folder / "cells" / ".b.json.2.part"
    for part in (old, new):
        part.touch()
    os.utime(old, (0, 0))
    prepare(STUDY, TABLES, folder, Progress(enabled=False))
    assert not old.exists()
    assert new.exists()  # perhaps of a process at work


def test_a_stored_study_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no runs of a study; `alpt-ref reproduce` makes them"):
        Stored(tmp_path)
    prepare(STUDY, TABLES, tmp_path, Progress(enabled=False))
    with pytest.raises(InputError, match="holds no runs of 'three'"):
        Stored(tmp_path).plan("three")
    assert Stored(tmp_path).plan("two").missing == 4
    (tmp_path / "runs.json").write_text("{}")
    with pytest.raises(InputError, match=r"runs.json cannot be used"):
        Stored(tmp_path)


def test_the_digest_follows_the_runs(tmp_path: Path) -> None:
    digests = set()
    for name, study, skip in (("a", STUDY, 0), ("b", STUDY, 1), ("c", with_seeds(STUDY, (0, 1)), 0)):
        stored = fabricate(tmp_path / name, TABLES, study=study, skip=skip)
        digests.add(stored.digest("one"))
    assert len(digests) == 3
    assert fabricate(tmp_path / "d", TABLES).digest("one") in digests


def test_tables_without_stored_runs_are_named_and_left_as_they_were(tmp_path: Path) -> None:
    said: list[str] = []
    fabricate(tmp_path, TABLES[:1])
    assert [part.id for part in draw(tmp_path, choose(TABLES, ()), said.append)] == ["one"]
    assert said == ["table two was not written: no stored runs"]


def test_unknown_names_and_shared_ids_are_refused() -> None:
    with pytest.raises(InputError, match="--only must be among one, two, got 'three'"):
        choose(TABLES, (), ["three"])
    assert [one.id for one in choose(TABLES, (), ["two"]).needs] == ["two"]
    with pytest.raises(InputError, match="a table and a figure share the id 'one'"):
        choose((*TABLES, table("one")), ())
