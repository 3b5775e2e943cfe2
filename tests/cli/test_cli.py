"""The command line: light to start, one sentence for every mistake, the right exit status."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import alpt_ref
from alpt_ref import __version__
from alpt_ref.data import synthetic_clicks
from tests.cli.calls import SMALL, TINY, Caller
from tests.data.files import random_criteo


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["compare", "--help"], ["train", "-h"], ["data", "--help"]]
)
def test_help_and_version_load_nothing_heavy(args: Sequence[str]) -> None:
    code = (
        "import sys\nfrom alpt_ref.cli import main\n"
        f"try:\n    main({list(args)!r})\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = {'numba', 'numpy', 'scipy', 'pyarrow', 'matplotlib', 'torch', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("Usage: alpt-ref" in done.stdout) or (done.stdout == f"alpt-ref {__version__}\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["train", "--set", "table.bits=3"], "table.bits must be 2, 4, 8 or 16, got 3"),
        (["train", "--set", "table.bit=8"], "unknown setting 'table.bit' in --set; did you mean 'bits'?"),
        (["train", "--set", "bits=8"], "--set must look like section.key=value, got 'bits=8'"),
        (["train", "--device", "tpu"], "device must be 'cpu' or 'cuda', got 'tpu'"),
        (["train", "--criteo", "absent.txt"], "--criteo absent.txt does not exist"),
        (["train", "--criteo", "a", "--avazu", "b"], "give only one of --criteo, --avazu"),
        (["train", "--config", "absent.toml"], "absent.toml: No such file or directory"),
        (["train", "--data", "."], "is no store"),
        (["train", "--optput", "x"], "No such option"),
        (["train", "--threads", "0"], "Invalid value for '--threads'"),
        (["train", "--seed", "-1"], "Invalid value for '--seed'"),
        (["train", *TINY, "--output", "occupied"], "output folder occupied is a file; choose another with --output"),
        (["compare", "--methods", "sgd"], "methods must be among fp32, lpt-dr, lpt-sr, alpt-dr, alpt-sr, hashing, "),
        (["compare", "--bits", "3"], "table.bits must be 2, 4, 8 or 16, got 3"),
        (["compare", "--bits", "eight"], "--bits must be a comma-separated list of whole numbers, got 'eight'"),
        (["compare", "--bits", ","], "--bits must name at least one value, got ','"),
        (["compare", "--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["compare", "--seeds", "-1,2"], "train.seed must be a whole number of at least 0, got -1"),
        (["compare", *TINY, "--output", "occupied"], "output folder occupied is a file"),
        (["data", "info", "absent"], "absent"),
        (["data", "encode", "--output", "store"], "nothing to encode, give FILE and --schema, --criteo, "),
        (["data", "encode", "--libfm", "occupied", "--output", "store"], "occupied"),
        (
            ["data", "synth", "--rows", "5", "--output", "store"],
            "data.rows must be a whole number of at least 10, got 5",
        ),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    args: list[str], message: str, run: Caller, tmp_path: Path
) -> None:
    (tmp_path / "occupied").write_text("mine\n")
    done = run(*args)
    assert done.status == 2, done.err
    said = done.err.strip().splitlines()
    assert message in said[-1]
    assert said[-1].startswith("Error: ")
    assert (
        len([line for line in said if not line.startswith(("synthetic: ", "note: "))]) == 1
    )  # remarks may come before
    assert "Traceback" not in done.err
    assert done.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["occupied"]
    assert (tmp_path / "occupied").read_text() == "mine\n"


def test_train_prints_epochs_and_result_and_keeps_the_run(run: Caller, tmp_path: Path) -> None:
    done = run("train", *TINY, "--set", "table.bits=4", "--seed", "3", "--output", "run")
    assert done.status == 0, done.err
    assert done.err.startswith("synthetic: 2,000 rows (1,600 train, 200 valid, 200 test), 3 fields, 60 features\n")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "1", "2", "alpt-sr", "test", "Bayes"]
    assert "alpt-sr 4-bit dcn, seed 3, state after epoch" in lines[3]
    stored = json.loads((tmp_path / "run" / "result.json").read_text())
    assert f"test AUC {stored['test_auc']:.5f}" in lines[3]
    again = run("train", *TINY, "--set", "table.bits=4", "--seed", "3", "--output", "run")
    assert again.out == done.out  # speeds included: nothing was trained again
    other = run("train", *TINY, "--set", "table.bits=2", "--seed", "3", "--output", "run")
    assert other.status == 2
    assert "holds a run with another configuration" in other.err
    resumed = run("train", "--config", "run/config.toml", "--output", "run", "--quiet")
    assert resumed.status == 0, resumed.err
    assert resumed.out.splitlines() == lines[3:]


def test_a_diverging_run_ends_with_status_one(run: Caller, tmp_path: Path) -> None:
    done = run("train", *TINY, "--set", "table.lr=1e38", "--set", "table.method=fp32", "--output", "run")
    assert done.status == 1
    assert "Error: training diverged at step " in done.err
    assert "Traceback" not in done.err
    assert (tmp_path / "run" / "last_good" / "checkpoint.json").exists()


def test_data_verbs_and_training_from_a_store(run: Caller, tmp_path: Path) -> None:
    done = run("data", "synth", "--rows", "2000", "--fields", "3", "--features", "60", "--output", "store")
    assert done.status == 0, done.err
    assert done.out.splitlines()[0].startswith("synthetic: 2,000 rows, 3 fields")
    assert run("data", "info", "store", "--verify").status == 0
    described = json.loads(run("data", "info", "store", "--json").out)
    assert described["fingerprint"] == synthetic_clicks(rows=2000, fields=3, features=60).fingerprint
    from_store = run("train", "--data", "store", *SMALL, "--quiet")
    direct = run("train", *TINY, "--quiet")
    assert from_store.status == 0, from_store.err
    assert from_store.out == direct.out


@pytest.mark.parametrize("kind", ["libfm"])
def test_a_raw_file_is_encoded_or_trained_on_directly(kind: str, run: Caller, tmp_path: Path) -> None:
    lines = [f"{(row * 7) % 3 % 2} {row % 5}:1 {5 + row % 11}:1" for row in range(400)]
    (tmp_path / "clicks.txt").write_text("\n".join(lines) + "\n")
    assert run("data", "encode", f"--{kind}", "clicks.txt", "--output", "store").status == 0
    direct = run("train", f"--{kind}", "clicks.txt", *SMALL, "--quiet")
    assert direct.status == 0, direct.err
    assert run("train", "--data", "store", *SMALL, "--quiet").out == direct.out
    (tmp_path / "bad.txt").write_text("\n".join(["2 1:1 7:1", *lines]) + "\n")
    bad = run("train", f"--{kind}", "bad.txt", *SMALL)
    assert bad.status == 2
    assert "line 1" in bad.err
    skipped = run("train", f"--{kind}", "bad.txt", "--on-bad-row", "skip", *SMALL)
    assert skipped.status == 0, skipped.err
    assert "note: train.batch_size 400 makes 1 step an epoch of 320 rows; --set train.batch_size=16" in skipped.err
    assert "left out 1 bad row" in skipped.err


def test_folds_of_a_raw_file(run: Caller, tmp_path: Path) -> None:
    """Seed s tests on part s mod K; a comparison runs a seed a fold; what cannot be is one sentence."""
    (tmp_path / "clicks.txt").write_text("\n".join(random_criteo(120)) + "\n")
    given = ["--criteo", "clicks.txt", "--min-count", "2", *SMALL]
    first, same, other = (
        run("train", *given, "--folds", "4", "--seed", seed, "--output", f"run{seed}") for seed in ("1", "5", "2")
    )
    assert (first.status, same.status, other.status) == (0, 0, 0), first.err
    assert "120 rows (60 train, 30 valid, 30 test)" in first.err
    prints = [json.loads((tmp_path / f"run{seed}" / "result.json").read_text())["fingerprint"] for seed in (1, 5, 2)]
    assert prints[0] == prints[1] != prints[2]
    resumed = run("train", "--config", "run1/config.toml", "--output", "run1", "--quiet")
    assert (resumed.status, resumed.err) == (0, "")
    (tmp_path / "folds.toml").write_text("[data]\nfolds = 4\n")
    compared = run("compare", *given, "--config", "folds.toml", "--methods", "fp32", "--jobs", "1", "--output", "c")
    assert compared.status == 0, compared.err
    assert "over 4 seeds" in compared.out
    assert "4-fold cross-validation: every row is a test row once" in compared.out
    stored = json.loads((tmp_path / "c" / "results.json").read_text())
    assert [one["fingerprint"] for one in stored["runs"]][1:3] == prints[1:]
    for arguments, message in (
        (
            ["train", *given, "--folds", "2"],
            "data.folds must be 0 (random splits) or a whole number of at least 3, got 2",
        ),
        (["train", *given, "--folds", "121"], "folds must be at most the number of rows, 120, got 121"),
        (["train", *TINY, "--folds", "4"], "data.folds must be 0 for data.source 'synthetic'"),
        (["compare", *given, "--folds", "4", "--seeds", "5"], "seeds 0 and 4 both test on fold 0"),
    ):
        refused = run(*arguments, "--output", "new")
        assert (refused.status, refused.out) == (2, "")
        assert message in refused.err
        assert refused.err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_compare_prints_a_table_and_writes_results(run: Caller, tmp_path: Path) -> None:
    args = ("compare", *TINY, "--methods", "lpt-dr,alpt-sr", "--bits", "8,2", "--seeds", "2", "--jobs", "1")
    done = run(*args, "--quiet")
    assert done.status == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()[2:7]] == ["fp32", *["lpt-dr"] * 2, *["alpt-sr"] * 2]
    assert "settings differ from FP32 in test AUC" in done.out
    folder = tmp_path / "runs" / "compare-synthetic"
    with (folder / "results.csv").open() as stream:
        assert [row["bits"] for row in csv.DictReader(stream)] == ["32", "8", "2", "8", "2"]
    again = run(*args)
    assert again.out == done.out
    assert "10 runs finished before, 0 to go" in again.err


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_keeps_finished_runs_and_says_how_to_go_on(run: Caller, tmp_path: Path) -> None:
    args = ["compare", *TINY[:-1], "--set=train.epochs=30", "--methods", "lpt-sr", "--bits", "8,4", "--seeds", "3"]
    command = [sys.executable, "-m", "alpt_ref", *args, "--jobs", "2", "--output", "out"]
    environment = {**os.environ, "PYTHONPATH": str(Path(alpt_ref.__file__).parents[1])}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    )
    cells = tmp_path / "out" / "cells"
    deadline = time.monotonic() + 60
    while not list(cells.glob("*.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == ("Error: interrupted; finished runs are in out, the same command resumes from there")
    assert out == ""
    kept = len(list(cells.glob("*.json")))
    assert 1 <= kept < 9
    assert not (tmp_path / "out" / "results.csv").exists()
    assert all(path.suffix == ".json" and json.loads(path.read_text()) for path in cells.iterdir())
    went_on = run(*args, "--jobs", "1", "--output", "out")
    assert went_on.status == 0, went_on.err
    assert f"{kept} runs finished before, {9 - kept} to go" in went_on.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["train", "--data", "x" * 300], "File name too long"),
        (["data", "encode", "--criteo", "x" * 300, "--output", "y"], "File name too long"),
        (["compare", "--seeds", "1000000000000"], "--seeds must be at most 10000"),
        (["train", "--set", "model.hidden=[]"], "model.hidden must be one or more whole numbers"),
        (["train", "--set", f"train.seed={'9' * 5000}"], "train.seed must be a whole number"),
        (["train", "--set", f"model.hidden={'[' * 3000}"], "model.hidden must be"),
        (["train", "--set", "train.seed=1\nfoo=2"], "train.seed must be a whole number"),
        (["train", "--set", "table.init_std=0"], "table.init_std must be above 0"),
        (["train", "--set", "table.lr=1e39"], "table.lr must be a finite number above 0 (in float32), got 1e+39"),
    ],
)
def test_extreme_values_are_one_sentence(args: Sequence[str], message: str, run: Caller, tmp_path: Path) -> None:
    result = run(*args)
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert message in result.err
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_one_sentence(run: Caller) -> None:
    result = run("train", *TINY, "--quiet", "--set=model.cross_layers=100000000000000")
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert result.err.startswith("Error: out of memory (")


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are arbitrary bytes")
def test_a_file_name_that_is_no_utf8(run: Caller, tmp_path: Path) -> None:
    name = os.fsdecode(b"clicks\xff.txt")
    rows = [f"{number // 3 % 2} {number % 7}:1 {100 + number % 5}:1" for number in range(300)]
    (tmp_path / name).write_text("\n".join(rows) + "\n")
    options = ["--quiet", "--set=model.hidden=[4]", "--set=train.epochs=1", "--set=train.batch_size=50"]
    for _ in range(2):  # trained, then read back
        assert run("train", "--libfm", name, *options, "--output", "run").status == 0
    compared = run("compare", "--libfm", name, *options, "--seeds=1", "--methods=fp32", "--jobs=1", "--output", "all")
    assert (compared.status, compared.err) == (0, "")


def test_a_comparison_does_not_take_the_folder_of_a_run(run: Caller, tmp_path: Path) -> None:
    assert run("train", *TINY, "--quiet", "--output=run").status == 0
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    refused = run("compare", *TINY, "--quiet", "--seeds=1", "--output=run")
    assert refused.status == 2
    assert "holds a config.toml of unknown origin" in refused.err
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()} == before
