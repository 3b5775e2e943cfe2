"""Answers are computed from runs: estimates, intervals, sentences, the file, and what comes from the stored study."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.studies import four_answers
from alpt_ref.studies.answers import Answers, Estimate, answers_text, mean_of, stored_difference, write_answers
from alpt_ref.studies.reproduce import Runs, Table, answering, load_tables
from alpt_ref.studies.table import fill_table
from alpt_ref.training.config import RunConfig
from tests.studies.fabricated import STUDY, fabricate
from tests.tolerances import CLOSED_FORM

TABLE = next(one for one in load_tables() if one.answers is not None)
KEYS = ["question", "estimate", "low", "high", "n", "source", "unit", "sentence", "parts"]


def as_in_the_paper(config: RunConfig) -> dict[str, Any]:
    """SR far better where DR stalls and equal elsewhere, learned step sizes better, ALPT near FP32; seeds scatter."""
    table = config.table
    ratio = table.lr / table.init_step if isinstance(table.init_step, float) else None
    auc = 0.79
    if table.method == "lpt" and ratio is not None:
        auc = 0.53 if ratio < 0.5 and table.rounding == "dr" else 0.79
    elif table.method == "lpt":
        auc = 0.78
    scatter = 1e-4 * (config.train.seed % 3) * (1 + (table.method == "alpt") + 2 * (table.rounding == "sr"))
    return {"auc": auc + scatter}


def runs(folder: Path, numbers: Any = as_in_the_paper, table: Table = TABLE) -> Runs:
    return fabricate(folder, [table], numbers).plan(table.id)


def test_the_exact_gap_is_that_of_a_walk_counted_in_fractions() -> None:
    """From code 20 down with probability 1/5 an update, to and fro between the codes beside 0; DR stays."""
    law = {20: Fraction(1)}
    for _ in range(four_answers.UPDATES):
        after: dict[int, Fraction] = {}
        for code, weight in law.items():
            step = -1 if code >= 0 else 1  # the subgradient at 0 is 1
            after[code] = after.get(code, Fraction(0)) + weight * Fraction(4, 5)
            after[code + step] = after.get(code + step, Fraction(0)) + weight * Fraction(1, 5)
        law = after
    gap = float(sum(abs(code) * weight for code, weight in law.items()) / 20)
    found = four_answers.gaps("sr")
    assert found[0] == pytest.approx(1.0, rel=CLOSED_FORM)
    assert found[-1] == pytest.approx(gap, rel=CLOSED_FORM)
    assert round(gap, 3) == 0.025
    assert set(four_answers.gaps("dr").tolist()) == {found[0]}


def test_every_difference_has_the_t_interval_of_its_pairs(tmp_path: Path) -> None:
    one = mean_of("x", [1.0, 2.0, 4.0])
    half = 4.302652729911275 * math.sqrt(7 / 3) / math.sqrt(3)  # t(0.975, 2) and the standard error
    assert [one.low, one.estimate, one.high] == pytest.approx([7 / 3 - half, 7 / 3, 7 / 3 + half])
    assert one.n == 3
    assert one.sign == 0
    assert mean_of("x", [1.0, 2.0], widen=2.0).high == pytest.approx(1.5 + 2.0 * 12.706204736432095 * 0.5)
    assert mean_of("x", [1.0]).high is None
    found = runs(tmp_path)
    assert four_answers.rounding_gain(found, 8, 0.1).estimate == pytest.approx(
        0.2601, abs=CLOSED_FORM
    )  # mean scatter of seeds 0 and 1
    assert four_answers.rounding_gain(found, 8, 0.1).n == len(STUDY.few_seeds)
    assert four_answers.learning_gain(found, 4).n == len(STUDY.seeds)
    assert four_answers.learning_gain(found, 4).estimate == pytest.approx(0.0101, abs=CLOSED_FORM)


def test_sentences_say_what_the_numbers_show_and_no_more(tmp_path: Path) -> None:
    found = four_answers.answers(runs(tmp_path / "as"))
    assert found.answers[1].sentence.endswith("With 8 bits η/Δ decides; at 0.1 SR is better with 2 bits too.")
    assert "DR 0.53, SR 0.79" in found.answers[1].sentence
    flat = four_answers.answers(runs(tmp_path / "flat", lambda config: {"auc": 0.7 + 1e-3 * config.train.seed}))
    assert flat.answers[1].sentence.endswith("These runs do not show that η/Δ alone decides.")
    assert "not shown to be equal" in flat.answers[3].sentence


@pytest.mark.parametrize(("left", "gone"), [(0.0, True), (0.1, False)])
def test_bits_are_ruled_out_only_where_the_difference_goes(tmp_path: Path, left: float, gone: bool) -> None:
    """At the large η/Δ a third of the difference at the small one is no reason to say that η/Δ alone decides."""

    def numbers(config: RunConfig) -> dict[str, Any]:
        table, made = config.table, as_in_the_paper(config)
        large = isinstance(table.init_step, float) and table.lr / table.init_step > 1
        return {"auc": made["auc"] - left * (table.method == "lpt" and large and table.rounding == "dr")}

    assert ("η/Δ decides" in four_answers.answers(runs(tmp_path, numbers)).answers[1].sentence) == gone


@pytest.mark.parametrize(("shift", "equal"), [(2e-4, True), (9e-4, False)])
def test_equality_asks_for_an_interval_within_the_margin(tmp_path: Path, shift: float, equal: bool) -> None:
    """Differences of `shift` ± 0.0001: the half width is 0.00025, so that 0.0009 is within and its interval is not."""

    def numbers(config: RunConfig) -> dict[str, Any]:
        learned = config.table.method == "alpt" and config.table.bits == 8
        return {"auc": 0.79 + learned * (shift + 1e-4 * (config.train.seed % 3 - 1))}

    sentence = four_answers.answers(runs(tmp_path, numbers)).answers[3].sentence
    assert sentence.endswith("equal within 0.001." if equal else "not shown to be equal within 0.001.")
    assert ("not shown" in sentence) == (not equal)


def test_one_line_says_what_is_not_told_with_the_stored_answer(tmp_path: Path) -> None:
    import msgspec

    assert four_answers.answers(runs(tmp_path / "other")).untold == ""
    quick = fabricate(tmp_path / "q", [TABLE], as_in_the_paper, msgspec.structs.replace(STUDY, name="quick"))
    untold = four_answers.answers(quick.plan(TABLE.id)).untold
    stored = stored_difference(
        "x", "small", "schedule", {"bits": "4", "learning rate": "decaying", "method": "ALPT-SR"}
    )
    assert stored is not None
    assert stored.source == "stored"
    assert (
        f"STORED, from the full study of 500,000 clicks that comes with the package: (c) {stored.text()} at 4" in untold
    )
    assert stored_difference("x", "small", "schedule", {"bits": "5"}) is None
    assert stored_difference("x", "nobody's", "schedule", {}) is None


def test_the_answers_fill_a_screen_and_a_file(tmp_path: Path) -> None:
    found = four_answers.answers(runs(tmp_path))
    lines = answers_text(found).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 120
    assert [line[:3] for line in lines if line.startswith("(")] == ["(a)", "(b)", "(c)", "(d)"]
    write_answers(tmp_path, [found])
    written = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))
    assert [list(one) for one in written] == [KEYS] * 4
    assert written[1]["estimate"] == written[1]["parts"][0]["estimate"]
    assert {one["source"] for one in written} == {"run"}


def test_a_diverged_run_leaves_fewer_pairs(tmp_path: Path) -> None:
    stored = fabricate(tmp_path, [TABLE], as_in_the_paper, skip=4)
    found = stored.plan(TABLE.id)
    assert four_answers.rounding_gain(found, 8, 0.1).n == len(STUDY.few_seeds) - 1


def test_the_sentences_of_the_table_are_its_answers(tmp_path: Path) -> None:
    (filled,) = fill_table(TABLE, runs(tmp_path))
    told = four_answers.answers(runs(tmp_path / "again")).answers
    assert filled.sentences == tuple(f"{one.question} {one.sentence}" for one in told)


def test_tables_with_answers_are_chosen_with_their_pictures() -> None:
    assert answering([TABLE]) == ("answers", "four_answers")
    assert answering([one for one in load_tables() if one.id != TABLE.id]) == ()


def test_a_number_without_interval_has_no_sign_and_no_half_width() -> None:
    one = Estimate(what="x", estimate=-0.25, low=None, high=None, n=1)
    assert (one.sign, one.text()) == (0, "−0.2500")
    assert Estimate(what="x", estimate=-0.25, low=-0.3, high=-0.2, n=2).sign == -1
    assert answers_text(Answers(about="On what.", answers=())) == "On what."
