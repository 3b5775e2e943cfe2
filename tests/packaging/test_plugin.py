"""A package outside the project, built as a wheel and installed: its parts are found by name, nothing is patched."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import alpt_ref

SETTINGS = (
    "table.method=half", "table.limit=0.5", "table.lr=1.0", "model.kind=pooled", "model.scale=2", "model.dim=4",
    "train.epochs=2", "train.batch_size=100",
)  # fmt: skip
SET = tuple(word for setting in SETTINGS for word in ("--set", setting))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the plug-in's wheel is installed in."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(Path(__file__).parent / "plugin", folder / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [
        "wheel",
        "--no-index",
        "--no-build-isolation",
        "--no-deps",
        "-q",
        "-w",
        str(folder),
        str(folder / "source"),
    ]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    install = ["install", "--no-index", "--no-deps", "-q", "--target", str(target), str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    return target


@pytest.fixture
def alpt(installed: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run Python in an empty folder with the plug-in installed; returns what it printed."""
    path = os.pathsep.join([str(Path(alpt_ref.__file__).parents[1]), str(installed)])

    def run(*arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return run


CALLS = """
import contextlib, io, json, sys
from alpt_ref.cli import main

for arguments in json.loads(sys.argv[1]):
    out, err, status = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, out.getvalue() + err.getvalue()]))
"""


def calls(alpt: Callable[..., str], *arguments: tuple[str, ...]) -> list[tuple[int, str]]:
    """Several calls of the command line in one process: of each the status and what it printed."""
    printed = alpt("-c", CALLS, json.dumps(arguments)).splitlines()
    assert len(printed) == len(arguments)
    return [tuple(json.loads(line)) for line in printed]


@pytest.fixture
def clicks(tmp_path: Path) -> str:
    """A file of the plug-in's text format."""
    draw = random.Random(0)
    rows = []
    for _ in range(2000):
        hour = draw.randrange(24)
        click = "yes" if draw.random() < 0.2 + 0.03 * hour else "no"
        rows.append(f"{click}|site{draw.randrange(5)}|app{draw.randrange(9)}|{hour:02d}\n")
    (tmp_path / "clicks.txt").write_text("".join(rows))
    return "clicks.txt"


def test_train_and_what_follows_it_run_the_parts_by_name(alpt, clicks: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = alpt("-m", "alpt_ref", "train", "--format", "pipe", clicks, *SET, "--output", "run", "--quiet")
    assert text.startswith("half pooled, seed 0, state after epoch 2: test AUC 0.")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["training_bytes"] == result["serving_bytes"]
    assert 'method = "half"' in (tmp_path / "run" / "config.toml").read_text()

    encoded, scored, exported = calls(
        alpt,
        ("data", "encode", "--format", "pipe", clicks, "--output", "store", "--quiet"),
        ("predict", "run", "--data", "store", "--output", "scores.csv"),
        ("export", "run", "--to", "safetensors", "--output", "out"),
    )
    assert encoded[0] == 0
    assert "source" in json.loads((tmp_path / "store" / "manifest.json").read_text())["info"]
    assert scored[0] == 0
    assert "2,000 rows, 0.00 % of ids out of vocabulary; AUC 0." in scored[1]
    assert exported[0] == 0
    assert "41 rows of 4, float32" in exported[1]


def test_compare_runs_the_method_in_worker_processes(alpt, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    options = ("--dataset", "weekdays", "--methods", "fp32,half", "--seeds", "2", "--output", "out")
    text = alpt("-m", "alpt_ref", "compare", *options, "--jobs", "2", *SET, "--quiet")
    assert [line.split()[0] for line in text.splitlines()[2:4]] == ["fp32", "half"]
    assert (tmp_path / "out" / "figure.png").exists()
    varied = ("--vary", "table.limit=0.5,1", "--vary", "train.batch_size=100,200", "--output", "varied")
    text = alpt("-m", "alpt_ref", "compare", *options, "--jobs", "1", *SET, *varied, "--quiet")
    assert [line.split()[:3] for line in text.splitlines()[2:6]] == [
        ["fp32", "32", "100"], ["fp32", "32", "200"], ["half", "32", "0.5"], ["half", "32", "0.5"],
    ]  # fmt: skip


def test_verify_runs_the_claim_by_name_and_refutes_its_control(alpt) -> None:  # type: ignore[no-untyped-def]
    verify = ("verify", "--claim", "half-exact", "--jobs", "1", "--quiet", "--output", "out")
    listed, verified = calls(alpt, ("verify", "list"), verify)
    assert "half-exact" in listed[1]
    assert verified[0] == 0
    assert "half-exact" in verified[1]
    assert "SUPPORTED" in verified[1]


def test_the_parts_keep_what_the_package_promises(alpt) -> None:  # type: ignore[no-untyped-def]
    alpt(
        "-c",
        "from alpt_ref.testing import check_model, check_table\n"
        "check_table('half', limit=0.5)\ncheck_model('pooled')\ncheck_model('pooled', scale=2.0)\n",
    )


WRONG = (
    (("--set", "table.method=hafl"), "eco, rowmax, half or module:Class, got 'hafl'; did you mean 'half'?"),
    (("--set", "model.kind=pool"), "dcn, pooled or module:Class, got 'pool'; did you mean 'pooled'?"),
    (("--format", "pipes", "clicks.txt"), "movielens, pipe or module:Class, got 'pipes'; did you mean 'pipe'?"),
    (("--dataset", "weekday"), "weekdays or module:Class, got 'weekday'; did you mean 'weekdays'?"),
    (("--set", "table.method=half", "--set", "table.limit=0"),
     "table.limit must be a finite number above 0 and at most 100, got 0"),
    (("--set", "table.method=half", "--set", "table.limt=1"),
     "unknown setting 'table.limt' in --set; did you mean 'limit'?"),
    (("--set", "table.method=half", "--set", "train.device=cuda"),
     "table.method 'half' runs on --device cpu; on cuda there are fp32, lpt, alpt"),
)  # fmt: skip


def test_what_is_wrong_is_one_sentence(alpt, clicks: str) -> None:  # type: ignore[no-untyped-def]
    found = calls(alpt, *(("train", *arguments) for arguments, _ in WRONG))
    for (arguments, message), (status, text) in zip(WRONG, found, strict=True):
        assert status == 2, arguments
        assert text.startswith("Error: ")
        assert text.rstrip().endswith(message)
        assert text.count("\n") == 1
