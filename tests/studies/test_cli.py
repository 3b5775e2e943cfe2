"""The command: tables, figures, verdicts, one report; killed at any moment, it goes on; bad input is one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alpt_ref import cli
from alpt_ref.cli.reproduce import make_study
from alpt_ref.errors import InputError
from alpt_ref.studies.reproduce import preset
from tests.data.files import random_criteo

ROOT = Path(__file__).resolve().parents[2] / "analysis"
TINY = [
    "--set=data.rows=600", "--set=data.fields=3", "--set=data.features=30", "--set=model.hidden=[4]",
    "--set=model.dim=4", "--set=model.cross_layers=1", "--set=train.batch_size=100", "--set=train.epochs=2",
    "--set=train.milestones=[1]",
]  # fmt: skip
CLAIMS = '''
"""Some claim."""
from alpt_ref.verification import Claim, Control, exact

CLAIM = Claim(
    id="c0", title="some", statement="$1 \\\\leq 2$", kind="upper", grid=lambda budget: [{}], bound=lambda c, k: 2.0,
    measure=lambda cell, seed, broken=None: exact(3.0 if broken else {measured}), control=Control("three", "three"),
)
'''


def command(output: Path, *more: str) -> list[str]:
    return ["reproduce", "--quick", *TINY, "--seeds=2", "--jobs=1", f"--output={output}", "--quiet", *more]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    captured = capsys.readouterr()
    return int(caught.value.code or 0), captured.out, captured.err


def claims(folder: Path, measured: float) -> list[str]:
    """Options for one claim that is true or not, without the package's own."""
    folder.mkdir()
    (folder / "c0_some.py").write_text(CLAIMS.replace("{measured}", str(measured)))
    return [f"--claims={folder}", "--claim=c0"]


def test_tables_figures_verdicts_and_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--only=schedule", "--only=time_and_memory"]
    arguments = command(tmp_path / "out", *claims(tmp_path / "claims", 1.0), *only)
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "### Learned against fixed step size under both schedules" in out
    assert out.rstrip().endswith("1 claims: 1 SUPPORTED.")
    produced = {path.name for path in (tmp_path / "out").iterdir()}
    assert produced == {"cells", "data", "figures", "report.html", "reproduce.json", "runs.json", "tables", "verify"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<table>") == 2
    assert "data:image/webp;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    assert str(tmp_path) not in page
    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "tables").iterdir()}
    for path in (tmp_path / "out" / "tables").iterdir():
        path.unlink()
    status, _, _ = run(capsys, *arguments, "--redraw")
    assert status == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "tables").iterdir()} == before


def test_the_first_command_answers_and_verifies_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [one for one in command(tmp_path / "out") if one != "--quiet"]
    status, out, err = run(capsys, *arguments)
    assert status == 0
    assert len(out.splitlines()) <= 20
    assert [line[:3] for line in out.splitlines() if line.startswith("(")] == ["(a)", "(b)", "(c)", "(d)"]
    assert "Not told by runs of this size" in out
    lines = err.splitlines()
    assert lines[0].startswith("alpt-ref ")
    assert lines[-1] == "next, to verify every claim: alpt-ref verify"
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"answers.json", "report.html", "figures"} <= made
    assert "verify" not in made
    assert {path.name.partition(".")[0] for path in (tmp_path / "out" / "tables").iterdir()} == {"answers"}


def test_a_refuted_claim_makes_the_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = command(tmp_path / "out", *claims(tmp_path / "claims", 2.5), "--only=schedule", "--seeds=1")
    status, out, _ = run(capsys, *arguments)
    assert status == 1
    assert out.rstrip().endswith("1 claims: 1 REFUTED (c0).")


@pytest.mark.slow
@pytest.mark.parametrize("moments", [(9,), pytest.param((0, 1, 9, 20), marks=pytest.mark.nightly)])
def test_killed_at_any_moment_it_ends_in_the_same_bytes(
    moments: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--no-verify", "--only=bits"]
    assert run(capsys, *command(tmp_path / "whole", *more))[0] == 0
    cells = tmp_path / "parts" / "cells"
    for finished in moments:
        call = [sys.executable, "-m", "alpt_ref", *command(tmp_path / "parts", *more, "--jobs=2")]
        process = subprocess.Popen(call, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(cells.glob("*.json"))) < finished:
            time.sleep(0.01)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run(capsys, *command(tmp_path / "parts", *more))[0] == 0
    whole, parts = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "tables").iterdir() if "times" not in path.name}
        for name in ("whole", "parts")
    )
    assert len(whole) == 4, sorted(whole)
    assert parts == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--preset=criteo"], "--quick belongs to the small study, got --preset criteo"),
        (["--full"], "--full belongs to --quick"),
        (["--preset=avazu"], "--preset avazu needs --data STORE, the encoded full set; `alpt-ref data encode --avazu"),
        (["--preset=small", "--libfm={here}/file"], "--preset small draws its own data"),
        (["--only=nothing"], "--only must be among "),
        (["--seeds=0"], "--seeds must be at least 1, got 0"),
        (["--tables={here}/none"], "--tables {here}/none is not a folder"),
        (["--set=table.bits=3"], "table.bits must be 2, 4, 8 or 16, got 3"),
        (["--libfm={here}/none"], "--libfm {here}/none does not exist"),
        (["--redraw"], "holds no runs of a study"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("1 1:1\n")
    given = [one.format(here=tmp_path) for one in arguments]
    status, out, err = run(capsys, "reproduce", f"--output={tmp_path / 'out'}", *given)
    assert (status, out) == (2, "")
    assert message.format(here=tmp_path) in err
    assert err.count("\n") == 1


def options(**changes: object) -> dict[str, object]:
    names = ("preset", "config_file", "seeds", "few", "threads", "data", "criteo", "avazu", "libfm", "dataset",
             "on_bad_row", "min_count")  # fmt: skip
    return {**dict.fromkeys(names), "quick": False, "overrides": (), **changes}


def test_the_study_that_options_describe(tmp_path: Path) -> None:
    study, jobs = make_study(options(threads=4), None)
    assert (study.name, jobs, study.base.train.threads) == ("small", 4, 1)
    assert study.base.data == preset("small").base.data
    study, jobs = make_study(options(threads=4, seeds="5", few=9), 2)
    assert (study.seeds, study.few, study.base.train.threads) == ((0, 1, 2, 3, 4), 5, 2)
    file = tmp_path / "clicks"
    file.touch()
    study, _ = make_study(options(libfm=str(file), overrides=("train.batch_size=500",)), 1)
    assert (study.name, study.base.data.source, study.base.train.batch_size) == ("custom", "libfm", 500)
    assert study.base.model.hidden == (1024, 512, 256)
    assert (study.seeds, study.few) == (tuple(range(10)), 5)
    study, _ = make_study(options(libfm=str(file), folds=7), 1)
    assert (study.seeds, study.few) == (tuple(range(7)), 5)
    study, jobs = make_study(options(preset="criteo", data=str(tmp_path), threads=8), None)
    assert (study.name, study.base.data.path, jobs, study.base.train.threads) == ("criteo", str(tmp_path), 1, 8)
    assert study.base.train.epochs == 15


def test_a_study_over_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clicks").write_text("\n".join(random_criteo(120)) + "\n")
    given = ["--criteo", str(tmp_path / "clicks"), "--folds=3", "--min-count=2", "--only=schedule", "--no-verify"]
    small = [option for option in TINY if "data." not in option]
    folders = [f"--{kind}={ROOT / kind}" for kind in ("tables", "figures")]
    arguments = ["reproduce", *given, *small, "--jobs=1", *folders, f"--output={tmp_path / 'out'}", "--quiet"]
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "3 seeds, 3-fold cross-validation: every row is a test row once." in out
    assert len(list((tmp_path / "out" / "data").iterdir())) == 3
    status, out, err = run(capsys, *arguments[:-2], f"--output={tmp_path / 'new'}", "--seeds=1,4")
    assert (status, out) == (2, "")
    assert "seeds 1 and 4 both test on fold 1" in err
    status, out, err = run(capsys, "reproduce", "--folds=3", "--quick", f"--output={tmp_path / 'new'}")
    assert (status, out) == (2, "")
    assert "data.folds must be 0 for data.source 'synthetic', which is drawn anew" in err
    assert not (tmp_path / "new").exists()


def test_a_study_that_cannot_be() -> None:
    with pytest.raises(InputError, match="preset must be among small, quick, criteo, avazu, got 'tiny'"):
        preset("tiny")
