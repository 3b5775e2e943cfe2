"""The mutation run and this checkout: meanings, its lists of mutants, targets and tests, and bad input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.mutate import __main__ as command
from analysis.mutate.imports import matching
from analysis.mutate.journal import meaning
from analysis.mutate.named import Mutant, prepare, read
from analysis.mutate.project import Project
from analysis.mutate.run import Run

ROOT = Path(__file__).resolve().parents[2]


def test_meaning_is_code_without_comments_and_docstrings() -> None:
    assert meaning('"""A."""\nx = 1  # one\n') == meaning('"""B."""\n\nx = 1\n')
    assert meaning("x = 1\n") != meaning("x = 2\n")


def test_every_named_mutant_fits_the_code_and_expects_claims_that_there_are() -> None:
    named = read(command.NAMED)
    mutants = prepare(ROOT, "alpt_ref", named)
    assert len(mutants) == len(named)
    claims = {file.stem.partition("_")[0] for file in (ROOT / "analysis" / "claims").glob("[!_]*.py")}
    assert {name for one in mutants for name in one.expected} <= claims


def test_every_target_gives_mutants() -> None:
    project = Project(ROOT, "alpt_ref", "analysis/claims", command.TESTS, command.TARGETS, command.LEFT_OUT)
    mutants = Run(project, ROOT, jobs=1).by_rule(0)
    files = {file for one in mutants for file in one.sources}
    assert {"alpt_ref/scalar/rounding.py", "alpt_ref/theory/bounds/lemma.py", "alpt_ref/verification/judge.py"} <= files
    assert not any(re.search("cuda|theorem", file) for file in files)
    assert all(isinstance(one, Mutant) for one in mutants)


def test_every_test_of_a_target_is_asked() -> None:
    """Those in its room, ``tests/theory/bounds/test_smooth.py`` of ``theory/bounds/smooth.py``, and beside them."""
    asked, left_out = (set(matching(ROOT, some)) for some in (command.TESTS, command.LEFT_OUT))
    for target in set(matching(ROOT, command.TARGETS)) - left_out:
        _, room, *_, name = target.split("/")
        own = {f"tests/{room}/**/test_{Path(name).stem}{end}.py" for end in ("", "_values")}
        assert set(matching(ROOT, tuple(own))) <= asked, target


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--root", "{empty}"], "has no alpt_ref/theory: mutants need the sources with their claims and tests"),
        (["--mutant", "no-such-mutant"], "no mutant 'no-such-mutant'"),
        (["--file", "alpt_ref/none.py"], "is no file of"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], sentence: str, tmp_path: Path) -> None:
    words = [word.format(empty=tmp_path) for word in words]
    done = CliRunner().invoke(command.main, [*words, "--output", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert sentence in done.output
    assert "Traceback" not in done.output
