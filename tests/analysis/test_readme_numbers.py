"""Numbers and tables of the documents come from files and commands: nothing in them is typed by hand."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

import alpt_ref
from alpt_ref.studies.comparison_text import HEADER
from analysis import headline, readme, study_sentences
from tests.analysis.documents import README, ROOT, TEXT, blocks


def table_rows() -> list[list[str]]:
    """Cells of the comparison table."""
    (block,) = blocks(readme.part(TEXT["docs/compare.md"], "table"), "text")
    lines = block.partition("\n\n")[0].splitlines()
    return [re.split(r"\s{2,}", re.sub(r" \*", "", line.strip())) for line in lines]


def test_comparison_table_is_what_the_command_prints() -> None:
    header, rule, *rows = table_rows()
    assert header == list(HEADER)
    assert all(set(cell) == {"-"} for cell in rule)
    assert [tuple(row[:2]) for row in rows] == [
        ("fp32", "32"),
        *((method, bits) for method in ("lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr") for bits in "842"),
    ]
    assert [row[9] for row in rows] == ["1.00x", *(["3.20x", "5.33x", "8.00x"] * 4)]


def test_comparison_table_and_figure_come_from_one_run() -> None:
    with (ROOT / "figures" / "compare.csv").open(encoding="utf-8", newline="") as file:
        stored = list(csv.DictReader(file))
    shown = table_rows()[2:]
    assert len(shown) == len(stored)
    for row, values in zip(shown, stored, strict=True):
        assert row[0] == values["method"]
        assert row[3].split(" ±")[0] == f"{float(values['test_auc']):.4f}"
        assert row[4].split(" ±")[0] == f"{float(values['test_logloss']):.4f}"
        assert row[8] == f"{int(values['serving_bytes']):,}"


def test_parts_from_files_are_those_of_their_files() -> None:
    parts = readme.stored()
    assert {"headline", "first", "studies", *readme.BENCHMARKS, "gpu"} == set(parts)
    for path, text in readme.with_parts(parts).items():
        assert text == TEXT[path], f"{path}: run python -m analysis.readme --stored"


def test_every_marked_part_has_a_page() -> None:
    mark = r"<!-- (\w+):begin \(python -m analysis\.readme"
    marked = {(name, path) for path, text in TEXT.items() for name in re.findall(mark, text)}
    assert set(readme.PARTS.items()) == marked


def test_main_command_is_shown_with_what_it_prints() -> None:
    (block,) = blocks(readme.part(README, "quick"), "text")
    lines = block.splitlines()
    assert len(lines) <= 20
    assert [line[:3] for line in lines if line.startswith("(")] == ["(a)", "(b)", "(c)", "(d)"]
    assert readme.screen(block) == f"```text\n{block.rstrip()}\n```"
    with pytest.raises(SystemExit, match="no four answers"):
        readme.screen("### A table\n")


def test_the_picture_of_the_four_answers_shows_the_numbers_that_are_printed() -> None:
    with (ROOT / "figures" / "four_answers.csv").open(encoding="utf-8", newline="") as file:
        shown = [row for row in csv.DictReader(file) if row["panel"] in ("b", "c", "d")]
    printed = readme.part(README, "quick")
    assert [row["panel"] for row in shown] == ["b", "b", "b", "c", "c", "d"]
    for row in shown:
        half = float(row["high"]) - float(row["value"])
        text = f"{float(row['value']):+.4f} ± {half:.4f}".replace("-", "−")
        assert text in " ".join(printed.split()), f"run python -m analysis.readme: {text} is not printed"


STUDY: dict[str, Any] = {
    "data": ["clicks"],
    "rows": [800, 100, 100],
    "runs": 1234,
    "seeds": 9,
    "few": 5,
    "conclusions": {
        "methods": {"title": "All methods", "sentences": ["A* is B."]},
        "other": {"title": "Other", "sentences": ["Not shown."]},
    },
    "claims": {
        "m1": {"title": "SR | DR", "verdict": "INCONCLUSIVE", "cells": "1 inconclusive", "about_runs": True},
        "r1": {"title": "unbiased", "verdict": "SUPPORTED", "cells": "5 supported", "about_runs": False},
    },
}


def test_studies_are_shown_in_order_and_absent_ones_left_out(tmp_path: Path) -> None:
    for name in ("criteo", "another", "small"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(json.dumps(STUDY), encoding="utf-8")
    (tmp_path / "README.md").write_text("index")
    assert list(study_sentences.studies(tmp_path)) == ["small", "criteo", "another"]


def test_study_is_told_by_its_own_sentences() -> None:
    what = "clicks, 1,000 rows, 1,234 runs, 9 seeds (5 in tables of variants)."
    assert study_sentences.studies_part({"small": STUDY, "old": {**STUDY, "claims": {}}}).splitlines() == [
        f"**[small](../analysis/results/small/README.md)**: {what} 2 claims: 1 INCONCLUSIVE, 1 SUPPORTED.",
        "",
        "- [All methods](../analysis/results/small/tables/methods.md)",
        "  - A\\* is B.",
        "",
        f"**[old](../analysis/results/old/README.md)**: {what} Claims not verified.",
        "",
        "- [All methods](../analysis/results/old/tables/methods.md)",
        "  - A\\* is B.",
        "",
        "| claim on the runs | small | old |",
        "| --- | --- | --- |",
        "| m1: SR \\| DR | INCONCLUSIVE: 1 inconclusive |  |",
    ]
    assert "No study is stored" in study_sentences.studies_part({})


MACHINE: dict[str, Any] = {
    "processor": "P",
    "cores": 2,
    "python": "3.11",
    "versions": {"numpy": "2.4"},
    "date": "2026-01-02",
}
FIGURES: dict[str, dict[str, Any]] = {
    "quantize": {"million_elements_per_second": {"ours": 1234.4}, "times_naive_numpy": {"ours": 11.26}},
    "train_step": {
        "unique_rows": 56789,
        "cases": {"ours": {"milliseconds": 1234.44, "times_torch_sparse_adam": 11.264}},
    },
    "montecarlo": {
        "runs": 4,
        "normal": {"million_updates_per_second": {"ours": 1234.4, "NumPy": 1.0}, "times_faster_than": {"NumPy": 11.26}},
    },
    "montecarlo_regression": {
        "threads": 2,
        "64 runs, SR, 4 rows": {"times_faster_than": {"NumPy": 11.26, "NumPy, blocks on threads": 2.0}},
        "1024 runs, SR, 4 rows": {"times_faster_than": {"NumPy": 3.04, "NumPy, blocks on threads": 4.0}},
        "64 runs, SR, all rows": {
            "times_faster_than": {"NumPy": 5.0, "NumPy, blocks on threads": 6.0},
            "products_of_numpy": 0.8,
        },
    },
}


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("quantize", ["| ours | 1,234 | 11.3 |"]),
        ("train_step", ["| ours | 1,234.4 | 11.26 |"]),
        ("montecarlo", ["| normal | ours | 1,234 |  |", "| normal | NumPy | 1 | 11.3 |"]),
        (
            "montecarlo_regression",
            [
                "| SR, 4 rows | 11.3 | 2.0 | 3.0 | 4.0 | |",
                "| SR, all rows | 5.0 | 6.0 | | | 80%: at most 1.2 |",
            ],
        ),
    ],
)
def test_benchmark_table(name: str, rows: list[str]) -> None:
    text = readme.BENCHMARKS[name]({"command": "python -m x", "machine": MACHINE, **FIGURES[name]})
    assert text.splitlines()[2:-2] == rows
    assert text.endswith("`python -m x` on P, 2 cores, Python 3.11, numpy 2.4; 2026-01-02.")


def test_headline_compares_both_sides_at_their_best() -> None:
    rates = {headline.LPT: 2e6, "PyTorch fp32, SGD": 1e6}
    run = {"device": "D", "machine": {"date": "today"}, "batch": {"10000": {"samples_per_s": rates}}}
    said = "2.0 M samples/s at batches of 10,000, 2.0 times the fastest PyTorch"
    assert headline._gpu(run) == (said, "D, today")
    rates |= {f"{headline.LPT}, bf16": 6e6, "PyTorch fp32 table, CUDA graph, bf16": 4e6}
    said = "6.0 M samples/s (dense part bf16) at batches of 10,000, 1.5 times the fastest PyTorch"
    assert headline._gpu(run) == (said, "D, today")


def test_parts_are_replaced_and_nothing_else() -> None:
    text = "a\n<!-- x:begin (how) -->\nold\n<!-- x:end -->\nb\n"
    assert readme.part(text, "x") == "old\n"
    assert readme.with_part(text, "x", "\\1 new") == text.replace("old", "\\1 new")
    with pytest.raises(SystemExit, match="y:begin"):
        readme.part(text, "y")


def test_version_is_in_the_changelog() -> None:
    assert re.search(rf"^## \[{re.escape(alpt_ref.__version__)}\]", TEXT["CHANGELOG.md"], re.MULTILINE)
