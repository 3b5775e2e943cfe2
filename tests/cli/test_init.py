"""``alpt-ref init``: each template works as written, its test passes, and nothing of the user's is written over."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.calls import TINY, Caller

SHORT = {
    "claim": (), "method": TINY, "quantizer": ("--effort", "0.001"),
    "table": ("--set", "data.rows=1000", "--set", "model.dim=2", "--set", "model.hidden=[4]"),
}  # fmt: skip
"""What makes the next command, which is run as it is printed, a matter of a second."""


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules and paths of the templates go away again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("half_table", "mine"):
            del sys.modules[name]


def run_the_tests_of(folder: Path, tmp_path: Path) -> int:
    """Run the template's tests as pytest would; how many there were."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    found = 0
    for file in sorted(folder.glob("test_*.py")):
        for name, test in runpy.run_path(str(file)).items():
            if name.startswith("test_"):
                found += 1
                test(**({"tmp_path": tmp_path} if "tmp_path" in inspect.signature(test).parameters else {}))
    return found


@pytest.mark.parametrize("kind", ["claim", "method", "quantizer"])
@pytest.mark.usefixtures("apart")
def test_a_template_works_as_it_is_written(kind: str, run: Caller, tmp_path: Path) -> None:
    done = run("init", kind, "my own")
    assert done.status == 0
    written = re.findall(r"^wrote (.+)$", done.out, re.MULTILINE)
    assert sorted(written) == sorted(f"{file.relative_to(tmp_path)}" for file in (tmp_path / "my own").rglob("*.*"))
    assert not any(word in Path(file).read_text() for file in written for word in ("NAME", "CLASS", "PACKAGE"))
    assert run_the_tests_of(tmp_path / "my own", tmp_path) > 0
    words = shlex.split(done.err.strip().splitlines()[-1].partition(": ")[2])
    assert words[0] == "alpt-ref" or words.pop(0) == "PYTHONPATH=my own"  # which `run_the_tests_of` has set
    tried = run(*words[1:], *SHORT[kind])
    assert tried.status == 0, tried.err


@pytest.mark.nightly
@pytest.mark.usefixtures("apart")
def test_the_table_works_as_it_is_written(run: Caller, tmp_path: Path) -> None:
    done = run("init", "table", "mine")
    assert run_the_tests_of(tmp_path / "mine", tmp_path) == 1
    words = shlex.split(done.err.strip().splitlines()[-1].partition(": ")[2])
    tried = run(*words[1:], *SHORT["table"])
    assert tried.status == 0, tried.err
    assert "ALPT-SR" in (tmp_path / "mine" / "runs" / "tables" / "mine.md").read_text()


@pytest.mark.usefixtures("apart")
def test_the_table_has_runs_for_its_rows(run: Caller, tmp_path: Path) -> None:
    assert run("init", "table", "mine", "--quiet").err == ""
    assert run_the_tests_of(tmp_path / "mine", tmp_path) == 1


def test_what_is_there_is_not_written_over(run: Caller, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for folder, reason in (("full", "is not empty"), (".", "is the current folder"), ("full/mine.txt", "is a file")):
        done = run("init", "claim", folder)
        assert (done.status, done.out) == (2, "")
        assert reason in done.err
    assert [file.name for file in tmp_path.rglob("*")] == ["full", "mine.txt"]


@pytest.mark.parametrize("name", ["Mine", "my-own", "1st", "a_b", ""])
def test_names_that_are_none_are_refused(name: str, run: Caller, tmp_path: Path) -> None:
    done = run("init", "method", "new", "--name", name)
    assert done.status == 2
    assert "--name" in done.err
    assert not (tmp_path / "new").exists()


def test_a_name_of_ones_own(run: Caller, tmp_path: Path) -> None:
    assert run("init", "method", "new", "--name", "third", "--quiet").status == 0
    assert "class ThirdTable" in (tmp_path / "new" / "third_table" / "__init__.py").read_text()
    assert 'third = "third_table:ThirdTable"' in (tmp_path / "new" / "pyproject.toml").read_text()
