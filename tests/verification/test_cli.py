"""``alpt-ref verify`` and ``alpt-ref figures`` at the command line: exit statuses, sentences, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alpt_ref.cli import cli, main

from .conftest import calls

Toys = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]

STUCK = """
import time
from pathlib import Path
from alpt_ref.verification import Claim, Control, exact, product
CALLS = Path(__file__).parent / "calls.txt"
def measure(cell, seed, *, broken=None):
    if cell["a"] >= 4 and not (CALLS.parent / "go").exists():
        time.sleep(600)  # until killed
    with CALLS.open("a") as stream:
        stream.write(f"{cell['a']}\\n")
    return exact(0.5 + seed / 2**65)
CLAIM = Claim("stuck", "t", "s", "upper", lambda budget: product(a=list(range(8))), lambda c, k: 1.0, measure,
              Control("a", "b", shrink=0.1))
"""


def toys_of(folder: str | Path) -> list[str]:
    """Options that add the claims of a folder and leave out the package's own."""
    ids = sorted(file.name.partition("_")[0] for file in Path(folder).glob("[!_]*.py"))
    return ["--claims", str(folder), *(word for name in ids for word in ("--claim", name))]


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def start(*args: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "alpt_ref", *map(str, args)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("toy", "status"),
    [
        ("good_mean", 0),
        ("open_mean", 0),
        ("na_domain", 0),
        ("lost_domain", 1),
        ("wrong_mean", 1),
        ("blunt_control", 1),
        ("bad_raises", 1),
    ],
)
def test_exit_status(toys: Toys, tmp_path: Path, toy: str, status: int) -> None:
    done = invoke("verify", *toys_of(toys(toy)), "--output", tmp_path / "out", "--jobs", 1)
    assert done.exit_code == status, done.output
    assert (tmp_path / "out" / "report.html").exists()


def test_bad_input_is_one_sentence_and_status_2(toys: Toys, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(toys("good_mean", x_bad="import nothing_of_that_name"))
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "report.html").write_text("mine")
    clean = str(toys("good_mean").rename(tmp_path / "clean"))
    (tmp_path / "clean" / "x_bad.py").rename(tmp_path / "x_bad.py")
    cases = [
        ([clean, "--claim", "godo"], "Error: no claim 'godo'; nearest: good"),
        ([str(tmp_path / "none")], "is not a folder"),
        ([clean, "--budget", "huge"], "--budget"),
        ([clean, "--jobs", "0"], "--jobs"),
        ([clean, "--claim", "good", "--output", str(tmp_path / "foreign")], "holds a report.html of unknown origin"),
    ]
    for arguments, message in cases:
        with pytest.raises(SystemExit) as ended:
            main(["verify", "--output", str(tmp_path / "out"), "--claims", *arguments])
        error = capsys.readouterr().err
        assert ended.value.code == 2
        assert message in error
        assert error.startswith("Error: ")
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "x_bad.py").rename(tmp_path / "clean" / "x_bad.py")
    with pytest.raises(SystemExit):
        main(["verify", "--claims", clean])
    assert "x_bad.py cannot be loaded: ModuleNotFoundError" in capsys.readouterr().err
    assert not Path(folder).exists()


def test_list_and_show(toys: Toys) -> None:
    folder = toys("good_mean", "na_domain")
    listed = invoke("verify", "list", "--claims", folder).stdout.splitlines()
    assert [" ".join(line.split()) for line in listed[-2:]] == ["good upper A mean", "na upper Never applies"]
    assert listed[0].split()[0] == "a1"  # the package's own come first
    shown = invoke("verify", "--claims", folder, "show", "good").output
    for part in (
        "mean of x ≤ 1",
        "assumption (executed): mean below 5",
        "control shifted: two is added",
        "3 quick, 4 full",
    ):
        assert part in shown
    assert calls(folder) == []


def test_a_folder_without_names_is_verified_alone(toys: Toys, tmp_path: Path) -> None:
    folder = toys("good_mean", "na_domain")
    done = invoke("verify", "--claims", folder, "--output", tmp_path / "out", "--jobs", 1, "--quiet")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:3]] == ["good", "na"]
    mixed = invoke(
        "verify", "--claims", folder, "--output", tmp_path / "mixed", "--claim=r2", "--claim=good", "--jobs=1"
    )
    assert [line.split()[0] for line in mixed.stdout.splitlines()[1:3]] == ["r2", "good"]
    (folder / "good_mean.py").rename(folder / "good.py")
    unnamed = invoke("verify", "--claims", folder, "--output", tmp_path / "none")
    assert "good.py: the file of claim 'good' must be named" in str(unnamed.exception)
    assert sorted(file.name for file in (tmp_path / "out" / "claims").iterdir()) == ["good.json", "na.json"]


def test_only_the_named_claims_run_and_other_verdicts_stay(toys: Toys, tmp_path: Path) -> None:
    folder, output = toys("good_mean", "open_mean"), tmp_path / "out"
    both = invoke("verify", *toys_of(folder), "--output", output, "--jobs", 1, "--quiet")
    one = invoke("verify", "--claims", folder, "--output", output, "--claim", "open", "--jobs", 1)
    assert [line.split()[:2] for line in both.stdout.splitlines()[1:]] == [
        ["good", "SUPPORTED"],
        ["open", "INCONCLUSIVE"],
    ]
    assert both.stderr == ""
    assert "good" not in one.stdout
    assert sorted(file.name for file in (output / "claims").iterdir()) == ["good.json", "open.json"]


def test_figures(toys: Toys, tmp_path: Path) -> None:
    from .test_figures import GOOD, figures

    output = tmp_path / "out"
    invoke("verify", *toys_of(toys("good_mean")), "--output", output, "--jobs", 1)
    folder = figures(tmp_path / "figs", means=GOOD)
    drawn = invoke(
        "figures", "--results", output, "--figures", folder, "--only", "means", "--output", tmp_path / "figures"
    )
    assert (drawn.exit_code, drawn.stdout) == (0, "means\n")
    assert (tmp_path / "figures" / "INDEX.md").exists()


def test_figures_without_options_take_the_usual_results(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from .test_figures import GOOD, figures

    monkeypatch.chdir(tmp_path)
    command = ["figures", "--figures", str(figures(tmp_path / "figs", means=GOOD)), "--only", "means"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "Error: no stored results in runs/verify or runs/reproduce/verify; run `alpt-ref verify` first, "
        "or name them with --results\n"
    )
    assert not (tmp_path / "figures").exists()
    verify = ["verify", *toys_of(toys("good_mean")), "--jobs", 1]
    for where, seed in (("runs/reproduce/verify", 5), ("runs/verify", 7)):  # the second one is preferred
        assert invoke(*verify, "--output", where, "--seed", seed).exit_code == 0
        assert invoke(*command).exit_code == 0
        assert f"seed {seed}," in (tmp_path / "figures" / "INDEX.md").read_text()


def test_importing_the_command_line_loads_no_heavy_module() -> None:
    heavy = "{'numba', 'scipy', 'matplotlib', 'pyarrow', 'jinja2', 'torch'}"
    code = f"import sys, alpt_ref.cli; sys.exit(repr({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def wait_for(output: Path, cells: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(output.glob("cells/stuck/*.json"))) < cells and time.monotonic() < deadline:
        time.sleep(0.02)


def test_killed_half_way_it_goes_on_and_measures_no_cell_twice(toys: Toys, tmp_path: Path) -> None:
    folder, output = toys(stuck_cells=STUCK), tmp_path / "out"
    process = start("verify", *toys_of(folder), "--output", output, "--jobs", 2)
    wait_for(output, 4)
    process.kill()
    process.communicate(timeout=60)
    kept = {file.name: file.read_bytes() for file in output.glob("cells/stuck/*.json")}
    assert len(kept) == len(calls(folder)) == 4
    assert not (output / "report.html").exists()
    (folder / "go").touch()
    finished = invoke("verify", *toys_of(folder), "--output", output, "--jobs", 1)
    assert finished.exit_code == 0
    assert sorted(calls(folder)) == [str(a) for a in range(8)]
    assert {name: (output / "cells" / "stuck" / name).read_bytes() for name in kept} == kept
    fresh = invoke("verify", *toys_of(folder), "--output", tmp_path / "fresh", "--jobs", 1)
    assert fresh.stdout == finished.stdout


def test_ctrl_c_leaves_whole_files_and_says_how_to_go_on(toys: Toys, tmp_path: Path) -> None:
    folder, output = toys(stuck_cells=STUCK), tmp_path / "out"
    process = start("verify", *toys_of(folder), "--output", output, "--jobs", 2)
    wait_for(output, 4)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-1] == (
        f"Error: interrupted; finished cells are in {output}, the same command resumes from there"
    )
    assert "Traceback" not in error
    assert not list(output.rglob("*.part"))
    (folder / "go").touch()
    assert invoke("verify", *toys_of(folder), "--output", output, "--jobs", 1).exit_code == 0
    assert len(calls(folder)) == 8


def test_a_dying_worker_is_one_sentence(toys: Toys, tmp_path: Path) -> None:
    source = STUCK.replace("time.sleep(600)", "__import__('os')._exit(9)")
    process = start("verify", *toys_of(toys(stuck_cells=source)), "--output", tmp_path / "out", "--jobs", 2)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.splitlines()[-1].startswith("Error: a worker process died")
    assert "Traceback" not in error
