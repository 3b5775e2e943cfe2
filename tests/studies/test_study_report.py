"""What the command prints at the end: the tables' conclusions in one place, and the verdicts that need a look."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from alpt_ref.studies.inference import Undecided
from alpt_ref.studies.report import BRIEF, summary_text, write_report
from alpt_ref.studies.reproduce import FilledTable
from alpt_ref.studies.table import fill_table
from alpt_ref.studies.verdicts import Verdict
from alpt_ref.verification.figures import load_figures
from alpt_ref.verification.results import ClaimResult
from tests.studies.fabricated import fabricate
from tests.studies.test_answers import TABLE as ANSWERS
from tests.studies.test_answers import as_in_the_paper
from tests.studies.test_tables import numbers, table

SHORT, LONG = "A is better than B.", "C is better than D" + " and E" * BRIEF


def parts(folder: Path, **options: Any) -> list[FilledTable]:
    one = table(note="Read it thus.", times=("samples_per_s",), **options)
    return fill_table(one, fabricate(folder, [one], numbers).plan("tiny"))


def test_conclusions_stand_together_at_the_end_and_long_ones_by_their_table(tmp_path: Path) -> None:
    text = summary_text(parts(tmp_path, conclude=lambda runs: (SHORT, LONG)), [])
    above, _, found = text.partition("### What was found\n\n")
    assert found == f"Tiny:\n- {SHORT}"
    assert all(f"\n{sentence}" in above for sentence in ("Read it thus.", SHORT, LONG))


def test_tables_without_conclusions_leave_nothing_to_say(tmp_path: Path) -> None:
    assert "What was found" not in summary_text(parts(tmp_path), [])


def test_sentences_are_the_conclusions_without_the_note_and_belong_to_the_first_part(tmp_path: Path) -> None:
    first, times = parts(tmp_path, conclude=lambda runs: (SHORT,))
    assert (first.sentences, first.remarks) == ((SHORT,), ("Read it thus.", SHORT))
    assert times.sentences == ()


def test_what_is_undecided_is_counted_in_one_line(tmp_path: Path) -> None:
    undecided = [Undecided(f"AUC: 3 seeds cannot tell the {count} comparisons apart.", count, 3) for count in (20, 40)]
    made = parts(tmp_path, conclude=lambda runs: (SHORT, *undecided))
    found = summary_text(made, []).partition("### What was found\n\n")[2]
    assert found.startswith(f"Tiny:\n- {SHORT}\n3 seeds cannot tell the other 60 comparisons apart, which does not")
    assert all(one in made[0].notes for one in undecided)


def test_verdicts_are_counted_and_all_but_the_supported_named() -> None:
    result = ClaimResult(
        id="", title="", statement="", text="", kind="upper", source="", assumptions=(), alpha=0.05, power=0.95,
        how="t", normal="", budget="quick", seed=0, code="", outcome="", p=None, cells=(), controls=(),
    )  # fmt: skip
    names = {"c0": "SUPPORTED", "c1": "REFUTED", "c2": "SUPPORTED", "c3": "REFUTED"}
    verdicts = [Verdict(replace(result, id=name, outcome=outcome), None) for name, outcome in names.items()]
    assert summary_text([], verdicts).strip() == "4 claims: 2 SUPPORTED, 2 REFUTED (c1, c3)."


def page_of(folder: Path) -> str:
    """The report of a study with a table of answers and another one, no figure drawn, no claim verified."""
    tables = [ANSWERS, table()]
    stored = fabricate(folder, tables, as_in_the_paper)
    made = [part for one in tables for part in fill_table(one, stored.plan(one.id))]
    write_report(folder, made, [one for one in load_figures() if one.id == ANSWERS.picture], [])
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_opens_with_the_answers_then_verdicts_then_tables(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    places = [page.index(f'id="{name}"') for name in ("answers", "claims", "tables", "study")]
    assert places == sorted(places)
    assert page.count("<h3>(") == 4
    assert "Not drawn: its runs are missing." in page
    assert "No claim was put to the test here." in page
    assert str(tmp_path) not in page
    assert len(page.encode()) < 1_000_000


def test_links_of_the_page_lead_somewhere(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "figures").mkdir()
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    for place in re.findall(r'href="([^"]*)"', page):
        assert place[1:] in ids if place.startswith("#") else (tmp_path / place).exists(), place
