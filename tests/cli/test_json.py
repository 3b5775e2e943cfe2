"""``--json``: one JSON value on standard output and nothing else; people get a last line with the next command."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.cli import FIRST_LINES
from alpt_ref.cli.options import echo_json
from tests.cli.calls import TINY, Call, Caller


def plain(done: Call) -> Any:
    assert (done.status, done.err) == (0, "")
    return json.loads(done.out)


def test_claims_and_figures_are_listed(run: Caller) -> None:
    listed = {one["id"]: one for one in plain(run("verify", "list", "--json"))}
    assert listed["r1"]["kind"] == "identity" or listed["r1"]["title"]
    figures = {one["id"]: one for one in plain(run("figures", "--list", "--json"))}
    assert figures["floors"]["title"].endswith("?")
    assert all(one["alt"] for one in figures.values())
    assert run("figures", "--list").out.splitlines()[0].startswith("accuracy_over_bits")


def test_verdicts(run: Caller) -> None:
    assert run("init", "claim", "own", "--quiet").status == 0
    found = plain(run("verify", "--claims", "own/claims", "--jobs", "1", "--output", "verdicts", "--json"))
    assert [(one["id"], one["outcome"]) for one in found] == [("mine", "SUPPORTED")]
    assert found[0]["controls"] == found[0]["controls_refuted"]


def test_stores(run: Caller) -> None:
    sizes = ("--rows=300", "--fields=3", "--features=30")
    made = plain(run("data", "synth", *sizes, "--output", "drawn", "--json"))
    assert made.pop("output") == "drawn"
    assert made == plain(run("data", "info", "drawn", "--json"))


def test_a_sampled_log_is_compressed_and_its_schema_guessed(run: Caller, tmp_path: Path) -> None:
    done = run("data", "sample", "csv", "--rows=200", "--output", "my log.csv.gz")
    assert done.err.splitlines()[-1].endswith("alpt-ref data schema 'my log.csv.gz' --output 'my log.toml'")
    assert gzip.decompress((tmp_path / "my log.csv.gz").read_bytes()).startswith(b"shown_at,user,")
    done = run("data", "schema", "my log.csv.gz", "--output", "my log.toml")
    assert done.err.splitlines()[-1] == (
        "next, train by it: alpt-ref train --input 'my log.csv.gz' --schema 'my log.toml' --output runs/first"
    )


def test_a_run_its_scores_and_what_is_made_of_it(run: Caller, workshop: Path) -> None:
    trained = plain(run("train", *TINY, "--json"))
    assert trained["config"]["train"]["epochs"] == 2
    assert 0 < trained["test_auc"] < 1
    scored = plain(run("predict", "run", "--data", "store", "--output", "scores.csv", "--json"))
    assert scored["rows"] == 300
    assert scored["output"] == "scores.csv"
    assert plain(run("pack", "run", "--output", "packed", "--json"))
    assert plain(run("export", "run", "--to", "safetensors", "--output", "out", "--json"))["to"] == "safetensors"
    assert plain(run("quantize", "w.npy", "--output", "q", "--json"))["bits"] == 8


@pytest.mark.parametrize("label", ["0", "1"])
def test_metrics_that_labels_of_one_class_do_not_have_are_null(label: str, run: Caller, workshop: Path) -> None:
    lines = [line for line in Path("criteo.txt").read_text().splitlines() if line[:2] == f"{label}\t"]
    Path("one.txt").write_text("\n".join(lines) + "\n")
    scored = plain(run("predict", "run", "--criteo", "one.txt", "--output", "scores.csv", "--json"))
    assert scored["labelled"]
    assert scored["auc"] is scored["quality"]["auc"] is scored["quality"]["ne"] is None
    assert scored["logloss"] == scored["quality"]["logloss"] > 0


def test_no_number_of_json_is_infinite_or_none(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"a": [1.5, float("nan"), (float("inf"), 2)], "b": -float("inf"), "c": "nan"})
    assert json.loads(capsys.readouterr().out) == {"a": [1.5, None, [None, 2]], "b": None, "c": "nan"}


@pytest.mark.parametrize(
    ("args", "following"),
    [
        (("verify", "list"), "alpt-ref verify show "),
        (("verify", "show", "r1"), "alpt-ref verify --claim r1"),
        (("train", *TINY), "alpt-ref compare"),
        (("data", "info", "store"), "alpt-ref train --data store "),
        (("pack", "run", "--output", "packed"), "alpt-ref predict packed FILE "),
        (("quantize", "w.npy", "--output", "q"), "alpt-ref export q "),
        (("predict", "run", "--data", "store", "--output", "s.csv"), "alpt-ref train --init-from run "),
    ],
)
def test_the_last_line_names_the_next_command(
    args: tuple[str, ...], following: str, run: Caller, workshop: Path
) -> None:
    done = run(*args)
    assert done.status == 0
    last = done.err.strip().splitlines()[-1]
    assert last.startswith("next, ")
    assert following in last


def test_a_packed_run_is_not_said_to_be_trained_on(run: Caller, workshop: Path) -> None:
    run("pack", "run", "--output", "served")
    done = run("predict", "served", "--data", "store", "--output", "served.csv")
    assert (done.status, "--init-from" in done.err) == (0, False)


def test_the_command_alone_prints_six_lines(run: Caller) -> None:
    done = run()
    assert (done.status, done.out, done.err) == (0, f"{FIRST_LINES}\n", "")
    assert len(done.out.splitlines()) == 6
