"""Sentences below the tables follow from the runs, and agree with the stars; LaTeX can set every letter of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from alpt_ref.studies.inference import Undecided
from alpt_ref.studies.render import as_latex
from alpt_ref.studies.reproduce import FilledTable, load_tables
from alpt_ref.studies.table import fill_table
from alpt_ref.training.config import RunConfig
from tests.studies.fabricated import STUDY, fabricate

TABLES = {table.id: table for table in load_tables(Path(__file__).resolve().parents[2] / "analysis" / "tables")}


def numbers(config: RunConfig) -> dict[str, float]:
    """SR is better than DR by 0.01, more bits are better, and seeds scatter."""
    worse = 0.01 * (config.table.label.endswith("dr")) + 0.04 / (config.table.code_bits or 32)
    return {"auc": 0.7 - worse + 1e-4 * (config.train.seed % 3) * (1 + worse)}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FilledTable]:
    stored = fabricate(tmp_path_factory.mktemp("runs"), list(TABLES.values()), numbers)
    return {part.id: part for table in TABLES.values() for part in fill_table(table, stored.plan(table.id))}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_latex_takes_every_letter(name: str, filled: dict[str, FilledTable]) -> None:
    """Without a font package LaTeX stops at letters beyond ASCII."""
    text = as_latex(filled[name])
    assert text.isascii(), sorted({letter for letter in text if not letter.isascii()})


def conclusions(name: str, folder: Path, numbers: Callable[[RunConfig], dict[str, float]]) -> tuple[str, FilledTable]:
    part = fill_table(TABLES[name], fabricate(folder, [TABLES[name]], numbers).plan(name))[0]
    return "\n".join(part.sentences), part


@pytest.mark.parametrize(("rescued", "said"), [(True, "the range is the cause"), (False, "not shown to be the cause")])
def test_a_loss_of_fixed_steps_is_blamed_on_their_range_only_if_a_wider_one_helps(
    rescued: bool, said: str, tmp_path: Path
) -> None:
    def of(config: RunConfig) -> dict[str, float]:
        fixed = config.table.label == "lpt-sr" and not (rescued and config.table.init_step == "range")
        return {"auc": 0.7 + 1e-4 * config.train.seed - (0.05 + 1e-4 * config.train.seed) * fixed * (
            config.model.kind == "fm")}  # fmt: skip

    text, part = conclusions("backbones", tmp_path, of)
    assert "fm: LPT-SR loses AUC (-0.0501" in text
    assert "1.0 % of its updates clipped" in text
    assert said in text
    assert "dcn: LPT-SR loses" not in text
    clipped = part.columns.index("clipped")
    assert [row[clipped].number for row in part.values[:2]] == [None, 0.01]


@pytest.mark.parametrize("name", ["methods", "bits", "dimension", "step_size", "optimizer", "backbones"])
def test_sentences_call_significant_what_the_column_stars(name: str, filled: dict[str, FilledTable]) -> None:
    part = filled[name]
    place = part.columns.index("auc_difference")
    stars = sum(row[place].star for row in part.values)
    told = [text for text in part.sentences if text.startswith("AUC significantly")]
    assert sum(text.count("*") for text in told) == stars
    tested = sum(row[place].p is not None for row in part.values)
    (rest,) = [one.comparisons for one in part.sentences if isinstance(one, Undecided) and "the reference" in one] or [
        0
    ]
    assert stars + rest == tested


def test_the_epoch_that_is_tested_is_the_one_that_was_asked_for(filled: dict[str, FilledTable], tmp_path: Path) -> None:
    assert any(text == "The checkpoint with the best validation AUC is tested." for text in filled["methods"].sentences)
    study = msgspec.structs.replace(STUDY, base=STUDY.base.replace("train", test_epoch="last"))
    table = TABLES["methods"]
    part = fill_table(table, fabricate(tmp_path, [table], numbers, study).plan("methods"))[0]
    assert any(text == "The checkpoint after the last epoch is tested." for text in part.sentences)


def test_where_nearest_rounding_wins_with_a_learned_step_is_said(tmp_path: Path) -> None:
    def of(config: RunConfig) -> dict[str, float]:
        wins = config.table.label == "alpt-dr" and not config.train.milestones and config.table.code_bits == 2
        return {"auc": 0.7 + (0.01 + 1e-4 * config.train.seed) * wins + 1e-3 * config.train.seed}

    text, _ = conclusions("schedule", tmp_path, of)
    said = "With a learned step size nearest rounding has a significantly higher AUC than SR"
    assert f"{said} at 2 bits, constant rate (-0.0101 ± 0.0006*)." in text
