"""The mutation run, on a tiny package of its own: what is caught and by whom, what survives, what is run again."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.errors import AlptError, InputError
from analysis.mutate.attempts import Attempt
from analysis.mutate.baseline import Seen, Unit
from analysis.mutate.imports import Modules
from analysis.mutate.journal import Result
from analysis.mutate.named import Edit, Named, prepare
from analysis.mutate.project import Project
from analysis.mutate.report import Explained, page, unexplained
from analysis.mutate.run import QUICKLY, UNREACHED, Run
from analysis.mutate.servers import COMPILED, SERVER, Server, Stopped

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


def run_of(project: Project, output: Path, log: list[str] | None = None) -> Run:
    output.mkdir(exist_ok=True)
    libraries = ("pytest", "hypothesis", "numba")
    return Run(project, output, jobs=2, libraries=libraries, log=(log if log is not None else []).append)


@pytest.mark.nightly
def test_a_mutant_with_a_name_must_turn_its_claims_red(project: Project, tmp_path: Path) -> None:
    named = [
        patch("x * x", "x + x", "square"),
        patch("0.5 * x", "0.25 * x", "half"),  # a test sees it, which does not count
        patch("def square", "def squared", "square"),
    ]
    mutants = prepare(project.root, project.package, named)
    log: list[str] = []
    results = run_of(project, tmp_path / "out", log).run(mutants, hours=1.0)
    assert [(one.status, one.by) for one in results] == [("claim", "q1"), ("survived", ""), ("claim", "q1")]
    assert (results[0].cell, results[0].outcome) == ("x=3.0", "REFUTED")
    assert "ImportError" in results[2].cell
    assert results[2].cell.startswith("claims/q1_square.py")  # relative to the checkout
    assert sum("without any mutant, compiled" in line for line in log) == 1

    log.clear()
    assert run_of(project, tmp_path / "out", log).run(mutants, hours=0.0) == results  # no time: all is remembered
    assert log == []

    with (tmp_path / "out" / "mutants.jsonl").open("a") as stream:
        stream.write('{"key": "cut o')  # as a killed run leaves it
    more = [*mutants, *prepare(project.root, project.package, [patch("0.5 * x", "2.0 * x", "half")])]
    late = run_of(project, tmp_path / "out").run(more, hours=0.0)
    assert late[:3] == results
    assert late[3].status == "not run"

    text = page(more, late, [], [Explained("tiny/maths.py:h?lf", "a reason", "0.5 * x", "0.25 * x")])
    assert "2 of 4 turn a claim red" in text
    assert "| half 0.25 * x | wrong on purpose | **none** |  | a reason |" in text
    assert unexplained(more, late, [Explained("tiny/*", "a reason")]) == []

    broken = replace(project, root=tmp_path / "other checkout")  # its claim is red without a mutant: it catches nothing
    write(broken.root, {"tiny/__init__.py": "", "tiny/maths.py": MATHS, "tests/test_maths.py": TEST})
    write(broken.root, {"claims/q1_square.py": CLAIM.replace('cell["x"] ** 2', '0.0 * cell["x"]')})
    run = run_of(broken, tmp_path / "red")
    with pytest.raises(AlptError, match=r"none of the claims that .* expects is green without it"):
        run.run(prepare(broken.root, "tiny", named[:1]), hours=1.0)
    assert run.red == ["q1"]

    two = patch("x * x", "x + x", "square")
    two.least = 2  # claims that must see it; there is one
    (result,) = run_of(project, tmp_path / "two").run(prepare(project.root, "tiny", [two]), hours=1.0)
    assert result.status == "survived"


def test_a_server_that_is_ended_from_outside_tells_nothing_about_the_mutant(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(project, tmp_path)

    def measured(*about: object) -> bool:
        run.units = {COMPILED: {Unit("claim", "q1"): Seen(0.1, True, {})}}
        return True

    def ended(server: Server, *arguments: object, **options: object) -> None:
        server.stop()
        raise Stopped

    monkeypatch.setattr(run, "_measure", measured)
    monkeypatch.setattr(Server, "ask", ended)
    (result,) = run.run(prepare(project.root, "tiny", [patch("x * x", "x + x", "square")]), hours=1.0)
    assert result.status == "not run"
    assert not (tmp_path / "mutants.jsonl").exists()


def test_a_parent_with_much_address_space_leaves_its_children_as_much_as_any() -> None:
    """Where libraries for GPUs were loaded a child died of its first large array, and the mutant counted as caught."""
    use = (
        "lambda size: serve(9.0, Path(sys.argv[1]), "
        "lambda tell: tell({'red': False, 'size': len(bytearray(size << 20))}))"
    )
    code = (
        f"import mmap, sys; sys.path[:0] = [{str(SERVER.parent)!r}]; import server; from server import *\n"
        f"server.MEMORY = 64 << 20; room = mmap.mmap(-1, 1 << 30); ask = {use}\n"
        "print(ask(32)['parts'], ask(128)['ended'], sep='|')"
    )
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run([sys.executable, "-c", code, place], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[{{'red': False, 'size': {32 << 20}}}]|MemoryError"


def test_a_signal_that_ends_a_child_is_no_lasting_result(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(project, tmp_path)
    (mutant,) = prepare(project.root, "tiny", [patch("x * x", "x + x", "square")])
    unit = Unit("test", "tests/test_maths.py::test_half")
    run.journal.write(mutant, Result(mutant.id, "test", unit.name, "signal 6"), [unit])
    assert run.journal.results([mutant]) == {}
    run.journal.write(mutant, Result(mutant.id, "test", unit.name), [unit])
    assert run.journal.results([mutant])[mutant.id].by == unit.name

    collected = Server(project, COMPILED, tmp_path, tmp_path, ())
    monkeypatch.setattr(collected, "ask", lambda *about, **options: {"parts": [], "ended": "signal 6"})
    by_rule = replace(mutant, named=False)
    assert run._quickly(by_rule, {QUICKLY[COMPILED]: collected}, COMPILED, [], 9.0) is None  # asked again elsewhere


def test_a_change_of_meaning_is_run_again_and_a_comment_is_not(project: Project, tmp_path: Path) -> None:
    (mutant,) = prepare(project.root, "tiny", [patch("x * x", "x + x", "square")])
    against = [Unit("claim", "q1"), Unit("test", "tests/test_maths.py::test_half")]
    key = run_of(project, tmp_path).journal.key(mutant, against)
    changes = [
        (CLAIM.replace("A claim", "Words"), TEST, True),
        (CLAIM.replace("5.0", "6.0"), TEST, False),
        (CLAIM, TEST.replace("clipped(5.0)", "clipped(6.0)"), True),  # another test
        (CLAIM, TEST.replace("half(4.0)", "half(2.0 + 2.0)"), False),
    ]
    for i, (claim, test, same) in enumerate(changes):
        other = replace(project, root=tmp_path / f"copy {i}")
        write(other.root, {"tiny/__init__.py": "from tiny.maths import square as square\n", "tiny/maths.py": MATHS})
        write(other.root, {"claims/q1_square.py": claim, "tests/test_maths.py": test})
        assert (run_of(other, tmp_path).journal.key(mutant, against) == key) is same


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


@pytest.mark.parametrize("module", ["alpt_ref.theory.identities", "alpt_ref.theory.lattice", "alpt_ref.scalar.philox"])
def test_a_module_gets_the_other_source_whatever_finds_it(module: str) -> None:
    words = f"replace({{{module!r}: 'mutant = 7'}}); import {module} as it; print(it.mutant, it.__file__)"
    code = f"import sys; sys.path[:0] = {[str(SERVER.parent), str(ROOT)]!r}; from server import replace; {words}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "7"
    assert done.stdout.split()[1].endswith(f"{module.rpartition('.')[2]}.py")


def ran(log: list[str]) -> set[str]:
    """Functions whose mutants were run."""
    return {line.split()[3].split(":")[1] for line in log if "/" in line.split()[0]}


class Asked:
    """A server that finds nothing and counts."""

    def __init__(self) -> None:
        self.times = 0

    def ask(self, steps: Any, limit: float, **about: Any) -> dict[str, Any]:
        self.times += 1
        return {"ended": "", "parts": []}


@pytest.mark.parametrize("met", [True, False])
def test_an_open_mutant_meets_the_quick_tests_that_are_new(
    met: bool, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this, unit, asked = run_of(project, tmp_path / "out"), Unit("test", "tests/test_maths.py::test_half"), Asked()
    mutant = this.by_rule(0)[0]
    first = Attempt(COMPILED, [["tests", unit.name]], 20.0, [unit])
    monkeypatch.setattr(this, "_attempts", lambda one: [first])
    this.journal.against[mutant.id] = {unit} if met else set()
    servers: Any = {COMPILED: asked, QUICKLY[COMPILED]: asked}
    found = this._one(mutant, servers, math.inf, quick=False)
    assert found is not None
    assert (found[0].status, found[1], asked.times) == ("survived", [unit], int(not met))


@pytest.mark.nightly
def test_mutants_by_rule_meet_what_runs_their_lines(project: Project, tmp_path: Path) -> None:
    def run() -> tuple[dict[str, Result], list[str]]:
        log: list[str] = []
        this = run_of(project, tmp_path / "out", log)
        mutants = [one for one in this.by_rule(0) if one.what != "constant"]
        results = this.run(mutants, hours=1.0)
        return {f"{one.where.partition(':')[2]}: {one.new}": it for one, it in zip(mutants, results, strict=True)}, log

    found, _ = run()
    caught = found["square: x / x"]
    assert (caught.status, caught.by, caught.cell, caught.outcome) == ("claim", "q1", "x=3.0", "REFUTED")
    assert found["half: 0.5 / x"].by == "tests/test_maths.py::test_half"
    assert found["clipped: max(x, 3.0)"].by == "tests/test_maths.py::test_clipped"
    assert (found["unseen: x - 1.0"].status, found["unseen: x - 1.0"].cell) == ("survived", UNREACHED)

    again, log = run()
    assert (again, ran(log)) == (found, set())  # nothing is run twice

    text = (project.root / "tests/test_maths.py").read_text(encoding="utf-8")
    state_of_file = (project.root / "tests/test_maths.py").stat()
    write(project.root, {"tests/test_maths.py": text.replace("clipped(5.0) == 3.0", "clipped(1.0) == 1.0")})
    new = "from tiny.maths import unseen\n\n\ndef test_it():\n    assert unseen(2.0) == 3.0\n"
    write(project.root, {"tests/test_unseen.py": new})
    found, log = run()
    assert found["unseen: x - 1.0"].by == "tests/test_unseen.py::test_it"  # a survivor meets a new test
    (project.root / "tests/test_unseen.py").unlink()
    assert ran(log) == {"clipped", "unseen"}  # and that test of the former changed
    write(project.root, {"tests/test_maths.py": text})
    os.utime(project.root / "tests/test_maths.py", ns=(state_of_file.st_atime_ns, state_of_file.st_mtime_ns))


def test_imports_are_followed_name_by_name(tmp_path: Path) -> None:
    write(tmp_path, {"p/__init__.py": "from p.a import f as f\nfrom p.b import g as g\n", "p/a.py": "", "p/b.py": ""})
    write(tmp_path, {"p/c.py": "def h():\n    from .a import f\n", "q/t.py": "from p import g\n"})
    modules = Modules(tmp_path, ("p", "q"))
    assert modules.behind("q.t") == {"q.t", "p.b"}
    assert modules.behind("p.c") == {"p.c", "p.a"}
    assert modules.users({"p.a"}) == {"p", "p.a", "p.c"}
