"""Folders that release 0.1.0 wrote (`tests/written_by_0_1`): study, comparison and verification are read as they are.

They come from its commands on 400 synthetic clicks: two methods, two seeds, one table, one claim.
"""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from alpt_ref import cli
from alpt_ref.cli.reproduce import reproduce_command
from alpt_ref.data import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.studies.comparison import compare
from alpt_ref.studies.render import as_csv
from alpt_ref.studies.reproduce import Row, Stored, Table
from alpt_ref.studies.table import fill_table
from alpt_ref.training.config_io import load_toml
from alpt_ref.verification.results import Results

FORMER = Path(__file__).parents[1] / "written_by_0_1"
LABELS = ("fp32", "lpt-sr")
TINY = Table(
    id="tiny",
    title="Tiny",
    label_columns=("method",),
    runs=lambda study: {label: study.run(label, 8) for label in LABELS},
    rows=lambda study: [Row((label,), label, "fp32") for label in LABELS],
    columns=("auc", "auc_difference", "serving_ratio", "epochs"),
)
TABLE_FILE = """
from alpt_ref.studies.reproduce import Row, Table

LABELS = ("fp32", "lpt-sr")
TABLE = Table(
    id="tiny", title="Tiny", label_columns=("method",), runs=lambda study: {l: study.run(l, 8) for l in LABELS},
    rows=lambda study: [Row((l,), l, "fp32") for l in LABELS],
    columns=("auc", "auc_difference", "serving_ratio", "epochs"),
)
"""


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A copy that may be written to."""
    return Path(shutil.copytree(FORMER, tmp_path / "former"))


def test_its_runs_give_its_table_byte_for_byte() -> None:
    (part,) = fill_table(TINY, Stored(FORMER / "study").plan("tiny"))
    assert as_csv(part) == (FORMER / "study" / "tables" / "tiny.csv").read_text()


def test_a_study_is_redrawn_from_its_runs(former: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "tiny.py").write_text(TABLE_FILE)
    before = (former / "study" / "tables" / "tiny.csv").read_bytes()
    (former / "study" / "tables" / "tiny.csv").unlink()
    options = ["--redraw", "--no-verify", "--only=tiny", f"--tables={tmp_path / 'tables'}"]
    result = CliRunner().invoke(reproduce_command, [*options, f"--output={former / 'study'}"])
    assert result.exit_code == 0, result.output
    assert (former / "study" / "tables" / "tiny.csv").read_bytes() == before
    shown = (former / "study" / "tables" / "tiny.md").read_text()
    assert "Trained by an earlier release (bits of version 0.1), which did not record its libraries." in shown


def test_a_comparison_goes_on_in_its_folder_with_the_same_columns(former: Path) -> None:
    folder = former / "comparison"
    before = list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))
    config, dataset = load_toml(folder / "config.toml"), ClickDataset.open(folder / "dataset")
    said: list[str] = []
    compare(config, dataset, folder, methods=["lpt-sr"], bits=[8], seeds=[0, 1], jobs=1, log=said.append)
    assert said == [  # other sources: nothing old is taken for new
        "0 runs finished before, 4 to go, 1 at a time",
        "0 cells reused, 4 measured",
    ]
    after = list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))
    assert [list(row) for row in after] == [list(row) for row in before]
    kept = ("method", "bits", "seeds", "failed", "training_bytes", "serving_bytes", "serving_ratio")
    assert [[row[key] for key in kept] for row in after] == [[row[key] for key in kept] for row in before]


def test_a_study_is_not_taken_for_a_comparison(former: Path) -> None:
    folder = former / "comparison"
    config, dataset = load_toml(folder / "config.toml"), ClickDataset.open(folder / "dataset")
    with pytest.raises(InputError, match=r"study holds a runs.json of unknown origin; choose another with --output"):
        compare(config, dataset, former / "study", seeds=[0], jobs=1)


def test_its_verdicts_are_refused_because_they_were_reached_by_other_rules(former: Path) -> None:
    for folder in ("verify", "study/verify"):
        stored = Results(FORMER / folder)
        with pytest.raises(InputError, match=r"c0\.json was not written by this version; run 'alpt-ref verify"):
            stored["c0"]


def test_the_command_line_says_it_in_one_sentence(former: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (former / "study" / "runs.json").write_text('{"study": {"name": "other"}}')
    with pytest.raises(SystemExit) as caught:
        cli.main(["reproduce", "--redraw", "--no-verify", f"--output={former / 'study'}"])
    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert err.count("\n") == 1
    assert "runs.json cannot be used" in err
