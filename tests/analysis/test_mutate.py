"""The mutation run, on a tiny package of its own: what is caught and by whom, what survives, what is run again."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from alpt_ref.errors import InputError
from analysis.mutate import __main__ as command
from analysis.mutate.generic import UNREACHED, Generic
from analysis.mutate.imports import Modules
from analysis.mutate.named import Edit, Mutant, Named, prepare, read
from analysis.mutate.report import Explained, page, unexplained
from analysis.mutate.run import Result, Run, meaning
from analysis.mutate.sandbox import Project, Sandbox
from analysis.mutate.syntax import mutants as generic_mutants

ROOT = Path(__file__).resolve().parents[2]
MATHS = '''"""Two functions."""


def square(x: float) -> float:
    """x times x."""
    return x * x


def half(x: float) -> float:
    # a comment
    return 0.5 * x


def unseen(x: float) -> float:
    return x + 1.0


def clipped(x: float) -> float:
    return min(x, 3.0)
'''
CLAIM = '''"""A claim."""

from tiny.maths import square

from alpt_ref.verification import Claim, Control, exact

CLAIM = Claim(
    id="q1", title="square", statement="$x^2$", kind="identity", grid=lambda budget: [{"x": 3.0}, {"x": 5.0}],
    bound=lambda cell, constants: cell["x"] ** 2,
    measure=lambda cell, seed, *, broken=None: exact(square(cell["x"]) + (broken is not None)),
    control=Control("plus one", "one more"),
)
'''
TEST = """from tiny.maths import clipped, half


def test_half():
    assert half(4.0) == 2.0


def test_clipped():
    assert clipped(2.0) == 2.0
    assert clipped(5.0) == 3.0
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    root = tmp_path / "tiny checkout"
    write(root, {"tiny/__init__.py": "from tiny.maths import square as square\n", "tiny/maths.py": MATHS})
    write(root, {"tiny/other.py": "def other():\n    return 1\n", "claims/q1_square.py": CLAIM})
    write(root, {"tests/test_maths.py": TEST, "tests/test_other.py": "from tiny.other import other\n"})
    before = state(root)
    yield Project(root, "tiny", "claims", ("tests/test_*.py",), ("tiny/*.py",))
    assert state(root) == before, set(state(root)) ^ set(before)  # the user's sources are never touched


def state(root: Path) -> dict[str, tuple[str, int]]:
    files = [file for file in root.rglob("*") if file.is_file()]
    return {str(file): (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns) for file in files}


def patch(old: str, new: str, inside: str = "", file: str = "tiny/maths.py") -> Named:
    return Named(f"{inside or 'module'} {new}", "wrong on purpose", ["q1"], [Edit(file, old, new, inside)])


def test_who_catches_what_and_nothing_is_run_twice(project: Project, tmp_path: Path) -> None:
    named = [
        patch("x * x", "x + x", "square"),
        patch("0.5 * x", "0.25 * x", "half"),
        patch("x + 1.0", "x + 2.0", "unseen"),
        patch("def square", "def squared", "square"),
    ]
    mutants = prepare(project.root, project.package, named)
    log: list[str] = []
    output = tmp_path / "out"
    output.mkdir()
    results, baseline = Run(project, output, log=log.append).run(mutants, hours=1.0, jobs=2)
    assert [(one.status, one.by) for one in results] == [
        ("claim", "q1"),
        ("test", "tests/test_maths.py::test_half"),
        ("survived", ""),
        ("claim", "q1"),
    ]
    assert (results[0].cell, results[0].outcome) == ("x=3.0", "REFUTED")
    assert "ImportError" in results[3].cell
    assert list(baseline.claims) == ["q1"]
    assert sum("without any mutant" in line for line in log) == 1

    log.clear()
    again, _ = Run(project, output, log=log.append).run(mutants, hours=0.0, jobs=1)  # no time: all is remembered
    assert again == results
    assert not any("without any mutant" in line for line in log)

    with (output / "mutants.jsonl").open("a") as stream:
        stream.write('{"key": "cut o')  # as a killed run leaves it
    more = [*mutants, *prepare(project.root, project.package, [patch("0.5 * x", "2.0 * x", "half")])]
    late, _ = Run(project, output).run(more, hours=0.0, jobs=1)
    assert late[:4] == results
    assert late[4].status == "not run"

    text = page(more, late, baseline, [Explained("tiny/maths.py:unseen", "x + 1.0", "x + 2.0", "nobody calls it")])
    assert "2 of 5 turn a claim red" in text
    assert "| half 0.25 * x | wrong on purpose | **none** (tests/test_maths.py::test_half) |  |  |" in text
    assert "nobody calls it" in text
    explained = [Explained("tiny/maths.py:unseen", "*", "", "nobody calls it")]
    assert [one.id for one in unexplained(more, late, explained)] == ["half 0.25 * x"]


def test_a_claim_that_is_red_without_a_mutant_catches_nothing(project: Project, tmp_path: Path) -> None:
    root = tmp_path / "other checkout"
    write(root, {"tiny/__init__.py": "", "tiny/maths.py": MATHS, "tests/test_maths.py": TEST})
    write(root, {"claims/q1_square.py": CLAIM.replace('cell["x"] ** 2', '0.0 * cell["x"]')})
    broken = Project(root, "tiny", "claims", ("tests/test_*.py",), ("tiny/*.py",))
    (mutant,) = prepare(root, "tiny", [patch("x * x", "x + x", "square")])
    (result,), baseline = Run(broken, tmp_path, tests=False).run([mutant], hours=1.0, jobs=1)
    assert result.status == "survived"
    assert baseline.red == {"q1": "REFUTED"}

    two = patch("x * x", "x + x", "square")
    two.least = 2  # claims that must see it; there is one
    (result,), _ = Run(project, tmp_path, tests=False).run(prepare(root, "tiny", [two]), hours=1.0, jobs=1)
    assert result.status == "survived"


def test_a_process_that_is_ended_from_outside_says_nothing_about_its_mutant(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(sandbox: Sandbox, *arguments: object, **options: object) -> str:
        sandbox.stop()
        return sandbox.tests(["tests/test_maths.py"], [], 60.0)  # nothing begins any more

    monkeypatch.setattr(Sandbox, "claims", ended)
    (result,), _ = Run(project, tmp_path).run(
        prepare(project.root, "tiny", [patch("x * x", "x + x", "square")]), hours=1.0, jobs=1
    )
    assert result.status == "not run"
    assert not (tmp_path / "mutants.jsonl").exists()


def test_a_change_of_meaning_is_run_again_and_a_comment_is_not(project: Project, tmp_path: Path) -> None:
    (mutant,) = prepare(project.root, "tiny", [patch("x * x", "x + x", "square")])
    key = Run(project, tmp_path).key(mutant, ["q1"], ["tests/test_maths.py"])
    for text, same in ((CLAIM.replace("A claim", "Words"), True), (CLAIM.replace("5.0", "6.0"), False)):
        other = replace(project, root=tmp_path / f"copy {same}")
        write(other.root, {"tiny/__init__.py": "from tiny.maths import square as square\n", "tiny/maths.py": MATHS})
        write(other.root, {"claims/q1_square.py": text, "tests/test_maths.py": TEST})
        assert (Run(other, tmp_path).key(mutant, ["q1"], ["tests/test_maths.py"]) == key) is same


def test_code_that_is_gone_is_an_error_that_names_every_such_mutant(project: Project) -> None:
    gone = [patch("x ** 2", "x", "square"), patch("x * x", "x", "cube"), patch("x * x", "x + x", "square")]
    with pytest.raises(InputError, match=r"2 named mutant\(s\) do not fit.*square x: .*cube x: "):
        prepare(project.root, "tiny", gone)
    with pytest.raises(InputError, match="mean the same"):
        prepare(project.root, "tiny", [patch("x * x", "(x * x)", "square")])
    with pytest.raises(InputError, match="not be Python"):
        prepare(project.root, "tiny", [patch("x * x", "x *", "square")])
    with pytest.raises(InputError, match="stands 4 times"):
        prepare(project.root, "tiny", [patch("(x: float)", "(y: float)")])


def test_code_is_found_by_its_words_wherever_it_has_moved(project: Project) -> None:
    moved = "tiny/deeper/moved.py"
    write(project.root, {moved: "def cube(x):\n    return (  # a product\n        x\n        * x * x\n    )\n"})
    (mutant,) = prepare(project.root, "tiny", [patch("x * x * x", "x", "cube")])
    (project.root / moved).unlink()
    (project.root / moved).parent.rmdir()
    assert {name: text.split() for name, text in mutant.sources.items()} == {
        moved: ["def", "cube(x):", "return", "(", "#", "a", "product", "x", ")"]
    }


def test_generic_mutants_break_each_rule_and_leave_the_rest_alone() -> None:
    source = '''"""Module 3."""
LEVEL = 3


def f(x: float = 2.0, *, n: int = 1) -> float:
    """Docstring 4."""
    if x < 0:
        raise ValueError("x must be at least 0")
    for i in range(n):
        x = g(x, i) if not x >= 1.5 else math.sqrt(x) - min(x, -n)
    return x
'''
    found = {(one.old, one.new) for one in generic_mutants("a.py", source)}
    assert found == {
        ("3", "4"), ("2.0", "4.0"), ("1", "2"), ("range(n)", "range(n - 1)"), ("g(x, i)", "g(i, x)"),
        ("not x >= 1.5", "x >= 1.5"), ("x >= 1.5", "x > 1.5"), ("1.5", "3.0"), ("math.sqrt(x)", "x"),
        ("math.sqrt(x) - min(x, -n)", "math.sqrt(x) + min(x, -n)"), ("math.sqrt(x) - min(x, -n)", "math.sqrt(x)"),
        ("min(x, -n)", "max(x, -n)"), ("-n", "n"),
    }  # fmt: skip
    ids = [one.id for one in generic_mutants("a.py", source)]
    assert len(set(ids)) == len(ids)
    moved = generic_mutants("a.py", "# a line more\n" + source)
    assert [one.id for one in moved] == ids


def test_a_mutant_knows_the_lines_of_its_statement() -> None:
    source = "A = 1\ndef f(x=2):\n    for i in range(\n        x\n    ):\n        y = (\n            i * 3\n        )\n"
    lines = {one.old: one.lines for one in generic_mutants("a.py", source)}
    assert lines["1"] == lines["2"] == (0, 0)  # at import
    assert lines["range( x )"] == (3, 5)
    assert lines["i * 3"] == lines["3"] == (6, 8)


@pytest.mark.nightly
def test_mutants_by_rule_meet_what_runs_their_lines(project: Project, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()

    def run(hours: float = 1.0) -> tuple[dict[str, Result], list[str]]:
        log: list[str] = []
        generic = Generic(project, output, jobs=2, libraries=("pytest", "hypothesis", "numba"), log=log.append)
        mutants = [one for one in generic.mutants(0) if one.what != "constant" and "other.py" not in one.where]
        results = generic.run(mutants, hours=hours)
        return {f"{one.where.partition(':')[2]}: {one.new}": it for one, it in zip(mutants, results, strict=True)}, log

    found, _ = run()
    caught = found["square: x / x"]
    assert (caught.status, caught.by, caught.cell, caught.outcome) == ("claim", "q1", "x=3.0", "REFUTED")
    assert found["half: 0.5 / x"].by == "tests/test_maths.py::test_half"
    assert found["clipped: max(x, 3.0)"].by == "tests/test_maths.py::test_clipped"
    assert (found["unseen: x - 1.0"].status, found["unseen: x - 1.0"].cell) == ("survived", UNREACHED)

    again, log = run()
    assert (again, log) == (found, [])  # nothing is run twice

    text = (project.root / "tests/test_maths.py").read_text(encoding="utf-8")
    state_of_file = (project.root / "tests/test_maths.py").stat()
    write(project.root, {"tests/test_maths.py": text.replace("clipped(5.0) == 3.0", "clipped(1.0) == 1.0")})
    _, log = run()
    assert {line.split()[3].split(":")[1] for line in log if "/" in line.split()[0]} == {"clipped"}  # that test changed
    write(project.root, {"tests/test_maths.py": text})
    os.utime(project.root / "tests/test_maths.py", ns=(state_of_file.st_atime_ns, state_of_file.st_mtime_ns))


def test_imports_are_followed_name_by_name(tmp_path: Path) -> None:
    write(tmp_path, {"p/__init__.py": "from p.a import f as f\nfrom p.b import g as g\n", "p/a.py": "", "p/b.py": ""})
    write(tmp_path, {"p/c.py": "def h():\n    from .a import f\n", "q/t.py": "from p import g\n"})
    modules = Modules(tmp_path, ("p", "q"))
    assert modules.behind("q.t") == {"q.t", "p.b"}
    assert modules.behind("p.c") == {"p.c", "p.a"}
    assert modules.users({"p.a"}) == {"p", "p.a", "p.c"}


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
    mutants = Generic(project, ROOT, jobs=1).mutants(0)
    files = {file for one in mutants for file in one.sources}
    assert {"alpt_ref/scalar/rounding.py", "alpt_ref/theory/bounds/lemma.py", "alpt_ref/verification/judge.py"} <= files
    assert not any(re.search("cuda|theorem", file) for file in files)
    assert all(isinstance(one, Mutant) for one in mutants)


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
