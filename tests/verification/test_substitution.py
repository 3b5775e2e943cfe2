"""Claims verified with a rounding of the user's: which take it, what is kept apart, what the report says."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import alpt_ref
from alpt_ref.cli import cli, main
from alpt_ref.errors import InputError
from alpt_ref.verification.substitution import QuantizerVerdicts

from .conftest import HEAD

Toys = Callable[..., Path]
TOY = HEAD + textwrap.dedent("""
    from dataclasses import replace

    def measure(cell, seed, *, broken=None, rounding=None):
        called(cell, broken)
        if rounding is None:
            return exact(0.5)
        x = rounding.values([[0, 1]]) + np.float32(cell["at"]) * np.float32(rounding.step_size)
        return exact(np.abs(rounding(x, seed % 1000) - x).max() / rounding.step_size)

    def of_quantizer(quantizer):
        if quantizer.bits == 16:
            raise ValueError("no cell is on 16 bits")
        cells = product(at=[0.25, 0.5], bits=[quantizer.bits])
        return replace(
            CLAIM, grid=lambda budget: cells, left_out="the cell on 3 bits",
            measure=lambda cell, seed, *, broken=None: measure(cell, seed, rounding=quantizer),
        )

    CLAIM = Claim(
        id="half", title="At most half a step", statement="x", kind="upper", grid=lambda budget: [{"at": 0.25}],
        bound=lambda cell, constants: 0.51, measure=measure, control=Control("a tenth", "less", shrink=0.1),
        of_quantizer=of_quantizer,
    )
""")
PLAIN = HEAD + textwrap.dedent("""
    CLAIM = Claim(
        id="plain", title="About something else", statement="x", kind="upper", grid=lambda budget: [{}],
        bound=lambda cell, constants: 1.0, measure=lambda cell, seed, *, broken=None: exact(0.5),
        control=Control("a tenth", "less", shrink=0.1),
    )
""")
FUNCTIONS = """
import numpy as np
STEP = np.float32(0.5)

def nearest(x, draw):
    return (np.clip(np.rint(x / STEP), -8, 7) * STEP).astype(np.float32)

def upwards(x, draw):
    return (np.clip(np.ceil(x / STEP), -8, 7) * STEP).astype(np.float32)

def nearest_but_at_halves(x, draw):
    if (x == 0.25).any() and draw > 1 and draw != 12345678:
        raise RuntimeError("halves are not ready")
    return nearest(x, draw)
"""


def nearest(x: Any, draw: int) -> Any:
    return (np.clip(np.rint(x / np.float32(0.5)), -8, 7) * np.float32(0.5)).astype(np.float32)


@pytest.fixture
def folder(toys: Toys) -> Path:
    return toys(half_toy=TOY, plain_toy=PLAIN)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FUNCTIONS)
    return path


def test_a_function_is_judged_and_what_takes_none_is_left_out(folder: Path, tmp_path: Path) -> None:
    verdicts = alpt_ref.verify(folder=folder, quantizer=nearest, bits=4, step_size=0.5, output=tmp_path / "out")
    assert isinstance(verdicts, QuantizerVerdicts)
    assert (verdicts.breaks, verdicts.keeps, verdicts.undecided) == ((), ("half",), ())
    assert verdicts.left_out == {
        "half": "the cell on 3 bits",
        "plain": "nothing in it is rounded by a function from outside",
    }
    page = (tmp_path / "out" / "report.md").read_text()
    assert "## With the quantiser nearest (4 bits, step size 0.5)\n\n```text\nbreaks: none\nkeeps: half\n" in page
    assert "left out: plain: nothing in it" in page
    assert "With the quantiser nearest" in (tmp_path / "out" / "report.html").read_text()
    assert json.loads((tmp_path / "out" / "report.json").read_text())["keeps"] == ["half"]


def test_what_is_broken_is_named_with_its_cell(folder: Path, file: Path) -> None:
    verdicts = alpt_ref.verify(folder=folder, quantizer=f"{file}:upwards", bits=4, step_size=0.5)
    assert verdicts["half"].outcome == "REFUTED"
    text = str(verdicts)
    assert "breaks: half\n  half At most half a step\n    measured 0.75, allowed ≤ 0.51 at at=0.25\nkeeps: none" in text
    assert text.endswith(f"alpt-ref check {file}:upwards --bits 4 --step-size 0.5")


def test_verdicts_of_two_quantisers_or_of_the_package_do_not_meet_in_one_folder(
    folder: Path, file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options: dict[str, Any] = {"folder": folder, "output": output, "bits": 4, "step_size": 0.5}
    alpt_ref.verify(quantizer=f"{file}:nearest", **options)
    said: list[str] = []
    alpt_ref.verify(quantizer=f"{file}:nearest", log=said.append, **options)
    assert said[-1].endswith(" cells reused, 0 measured")
    file.write_text(FUNCTIONS.replace("np.rint(x / STEP)", "np.floor(x / STEP)"))
    assert alpt_ref.verify(quantizer=f"{file}:nearest", **options)["half"].outcome == "SUPPORTED"
    with pytest.raises(InputError, match=r"holds a run with verdicts on the quantizer .*mine.py:nearest \(4 bits"):
        alpt_ref.verify(quantizer=f"{file}:upwards", **options)
    with pytest.raises(InputError, match="holds a run with verdicts on the quantizer"):
        alpt_ref.verify(folder=folder, output=output)
    alpt_ref.verify(folder=folder, output=tmp_path / "own")
    with pytest.raises(InputError, match="holds a run with verdicts on the package's own rounding"):
        alpt_ref.verify(quantizer=f"{file}:nearest", **{**options, "output": tmp_path / "own"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "device 'cuda' does not go with quantizer: a function in Python runs on the CPU"),
        ({"runs": "there"}, "runs 'there' does not go with quantizer"),
        ({"scheduler": "tcp://here:1"}, "scheduler 'tcp://here:1' does not go with quantizer"),
        ({"jobs": 2}, "jobs must be 1 where quantizer is a function itself, got 2"),
        ({"jobs": None}, "jobs must be 1 where quantizer is a function itself, got None"),
        ({"claims": "plain"}, "claim plain: nothing in it is rounded by a function from outside; leave it out"),
        ({"bits": 16}, "none of these claims takes a quantizer"),
        ({"bits": 16, "claims": "half"}, "claim half: ValueError: no cell is on 16 bits .* leave it out"),
        ({"quantizer": None}, "bits and step_size are the lattice of quantizer, which is not given"),
        ({"step_size": 0.3}, "must return values c \\* step_size of the lattice"),
    ],
)
def test_what_does_not_go_with_a_function_is_refused_before_anything_runs(
    options: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    given = {"quantizer": nearest, "bits": 4, "step_size": 0.5, "output": tmp_path / "out", "folder": folder}
    with pytest.raises(InputError, match=message):
        alpt_ref.verify(**{**given, **options})
    assert not (tmp_path / "out").exists()


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def test_the_command_prints_the_section_and_names_its_folder_after_the_function(
    folder: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lattice = ("--bits", "4", "--step-size", "0.5", "--claims", folder, "--quiet", "--jobs", "1")
    good = invoke("verify", "--quantizer", "mine.py:nearest", *lattice)
    assert (good.exit_code, good.output.splitlines()[2:5]) == (
        0,
        ["With the quantiser mine.py:nearest (4 bits, step size 0.5)", "breaks: none", "keeps: half"],
    )
    assert (tmp_path / "runs" / "verify-mine-nearest" / "report.md").exists()
    assert invoke("verify", "--quantizer", "mine.py:upwards", *lattice).exit_code == 1


def test_a_failure_in_the_middle_is_one_sentence_with_input_and_draw(
    folder: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lattice = ("--bits", "4", "--step-size", "0.5", "--claims", folder, "--quiet", "--jobs", "1")
    found = invoke("verify", "--quantizer", "mine.py:nearest_but_at_halves", *lattice)
    assert found.exit_code == 1
    (line,) = [line for line in found.output.splitlines() if line.startswith("half: mine.py")]
    assert "raised RuntimeError: halves are not ready (mine.py:13)" in line
    assert "x of shape (1, 2), from 0.25 to 0.75, and draw = " in line
    assert "undecided: half (ERROR)" in found.output


def test_the_command_refuses_a_lattice_without_a_function_and_a_function_without_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments, message in (
        (("--bits", "4"), "bits and step_size are the lattice of quantizer"),
        (("--quantizer", "math:floor"), "quantizer needs its lattice: give bits and step_size too"),
        (("--quantizer", "math", "--bits", "4", "--step-size", "1"), "must be named module:function or file.py:"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["verify", *arguments])
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
