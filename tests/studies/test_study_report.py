"""What the command prints at the end: the tables' conclusions in one place, and the verdicts that need a look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from alpt_ref.studies.inference import Undecided
from alpt_ref.studies.report import BRIEF, summary_text
from alpt_ref.studies.reproduce import FilledTable
from alpt_ref.studies.table import fill_table
from alpt_ref.studies.verdicts import Verdict
from alpt_ref.verification.results import ClaimResult
from tests.studies.fabricated import fabricate
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
