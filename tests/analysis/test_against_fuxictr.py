"""The page on accuracy says what its stored runs say, and pairs them by split."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scipy import stats

from analysis.against_fuxictr import report


def run(split: int, seed: int, auc: float) -> dict[str, Any]:
    return {"split": split, "seed": seed, "test_auc": auc}


def test_the_page_holds_the_tables_of_the_stored_runs() -> None:
    page, stored = report.PAGE.read_text(encoding="utf-8"), json.loads(report.STORED.read_text())
    assert report.with_parts(page, stored) == page, "python -m analysis.against_fuxictr.report"


def test_a_table_that_the_page_lacks_is_named() -> None:
    with pytest.raises(SystemExit, match="methods:begin"):
        report.with_parts("", {"runs": {name: [run(0, 0, 0.9) | dict.fromkeys(report.FIGURES, 0.5)]
                                        for name in (report.THEIRS, *report.AGAINST)}})  # fmt: skip


def test_differences_are_paired_by_split_over_the_means_of_its_seeds() -> None:
    runs = {
        "a": [run(0, 0, 0.90), run(0, 100, 0.92), run(1, 1, 0.80), run(2, 2, 0.70), run(9, 9, 0.10)],
        "b": [run(0, 0, 0.93), run(1, 1, 0.80), run(2, 2, 0.72)],
    }
    naive, new_rows, splits = report.difference(runs, "a", "b", "test_auc")
    values = [0.02, 0.0, 0.02]  # split 9 has no partner
    half = stats.t.ppf(0.975, 2) * stats.tstd(values) / 3**0.5
    assert splits == 3
    assert naive.mean == pytest.approx(0.04 / 3)
    assert naive.half_width == pytest.approx(half)
    assert new_rows.half_width == pytest.approx(half * (1 + 3 / 8) ** 0.5)  # test part over training part: 1/8


def test_stored_runs_name_their_file_splits_and_settings() -> None:
    stored = json.loads(report.STORED.read_text())
    assert len(stored["file_sha256"]) == 64
    assert len({parts["train"] for parts in stored["splits"]}) == len(stored["splits"]) == 10
    assert stored["settings"][report.THEIRS]["versions"]["fuxictr"] == "2.3.10"
    assert stored["runs"].keys() <= stored["settings"].keys()
