"""Every verb of the command on small files: what it makes is there and is what the next verb takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from alpt_ref import __version__
from alpt_ref.cli import cli
from tests.cli.calls import SMALL, TINY, Caller

VERBS = (
    "data", "train", "compare", "verify", "figures", "reproduce", "export", "pack", "predict", "quantize", "check",
    "bench", "init", "doctor",
)  # fmt: skip


def test_the_help_names_every_verb_and_each_has_its_own(run: Caller) -> None:
    listed = re.findall(r"^  (\w+) ", run("--help").out.partition("Commands:\n")[2], re.MULTILINE)
    assert sorted(listed) == sorted(VERBS) == sorted(cli.commands)
    for verb in VERBS:
        done = run(verb, "--help")
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith(f"Usage: alpt-ref {verb}")
    assert run("--version").out == f"alpt-ref {__version__}\n"


@pytest.mark.parametrize("given", ["--criteo=criteo.txt", "--criteo=criteo.txt.gz", "--libfm=libfm.txt"])
def test_a_raw_file_becomes_a_store_that_trains(given: str, run: Caller, workshop: Path) -> None:
    assert run("data", "encode", given, "--min-count", "2", "--output", "new", "--quiet").status == 0
    described = run("data", "info", "new", "--verify", "--json")
    assert (described.status, json.loads(described.out)["rows"]) == (0, 300)
    trained = run("train", "--data", "new", *SMALL, "--set=table.method=lpt", "--set=table.rounding=dr", "--quiet")
    assert (trained.status, trained.err) == (0, "")
    assert "lpt-dr 8-bit" in trained.out


def test_generated_text_is_encoded(run: Caller, tmp_path: Path) -> None:
    done = run("data", "generate", "--shape", "avazu", "--rows", "2000", "--output", "avazu.csv.gz", "--quiet")
    assert (done.status, done.err) == (0, "")
    assert run("data", "encode", "--avazu", "avazu.csv.gz", "--output", "avazu", "--quiet").status == 0
    assert json.loads(run("data", "info", "avazu", "--json").out)["rows"] == 2000


def test_a_finished_run_with_checkpoints_is_read(run: Caller, tmp_path: Path) -> None:
    arguments = ("train", *TINY, "--output", "run", "--checkpoint-every", "3", "--quiet")
    first, again = run(*arguments), run(*arguments, "--resume")
    assert (first.status, again.status) == (0, 0)
    assert again.out == first.out


@pytest.mark.parametrize("to", ["safetensors", "torch", "fbgemm"])
def test_a_run_is_exported(to: str, run: Caller, workshop: Path) -> None:
    assert run("export", "run", "--to", to, "--output", "out", "--quiet").status == 0
    assert json.loads((workshop / "out" / "export.json").read_text())["to"] == to


def test_a_run_is_packed_and_scores_a_file(run: Caller, workshop: Path) -> None:
    assert run("pack", "run", "--output", "packed", "--quiet").status == 0
    for source in ("run", "packed"):
        assert run("predict", source, "--criteo", "criteo.txt", "--output", f"{source}.csv", "--quiet").status == 0
    assert (workshop / "packed.csv").read_bytes() == (workshop / "run.csv").read_bytes()


def test_a_run_scores_a_file(run: Caller, workshop: Path) -> None:
    assert run("predict", "run", "--criteo", "criteo.txt", "--output", "scores.csv", "--quiet").status == 0
    lines = (workshop / "scores.csv").read_text().splitlines()
    assert (lines[0], len(lines)) == ("row,label,probability", 301)


def test_an_array_is_quantised_and_exported(run: Caller, workshop: Path) -> None:
    assert run("quantize", "w.npy", "--bits", "4", "--step", "rowmax", "--output", "codes", "--quiet").status == 0
    assert run("export", "codes", "--to", "fbgemm", "--wide", "--output", "rows", "--quiet").status == 0
    assert json.loads((workshop / "rows" / "export.json").read_text())["row_bytes"] == 4 + 8


def test_a_study_and_a_claim_of_the_package_from_any_folder(run: Caller, tmp_path: Path) -> None:
    assert run("verify", "list").out.splitlines()[0].startswith("a1 ")
    verified = run("verify", "--claim", "r2", "--jobs", "1", "--quiet")
    assert (verified.status, verified.err) == (0, "")
    assert (tmp_path / "runs" / "verify" / "report.html").exists()
    arguments = ("--only", "bits", "--seeds", "2", "--no-verify", "--jobs", "1", "--quiet", "--output", "study")
    study = run(
        "reproduce", "--quick", *(one for one in TINY if "preset" not in one), "--set=train.milestones=[1]", *arguments
    )
    assert (study.status, study.err) == (0, "")
    assert (tmp_path / "study" / "tables" / "bits.md").exists()
