"""The ledger keeps every verdict: appended, never rewritten, whole after a crash, shown in the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alpt_ref.verification.ledger import LEDGER, history_text, read_verdicts
from alpt_ref.verification.report import write_report
from alpt_ref.verification.runner import choose, load_claims, verify

Toys = Callable[..., Path]


def test_every_verdict_is_appended_and_none_rewritten(toys: Toys, tmp_path: Path) -> None:
    chosen = choose(load_claims(toys("good_mean", "bad_raises")), [])
    results = verify(chosen, tmp_path, jobs=1)
    first = (tmp_path / LEDGER).read_bytes()
    verify(chosen, tmp_path, jobs=1)
    again = (tmp_path / LEDGER).read_bytes()
    assert again.startswith(first)
    assert again.count(b"\n") == 2 * first.count(b"\n") == 4
    entries = read_verdicts(tmp_path)
    assert [entry.outcome for entry in entries["bad"]] == ["ERROR", "ERROR"]
    (good,) = (one for one in results if one.id == "good")
    for entry in entries["good"]:
        assert (entry.p, entry.outcome, entry.code) == (good.p, "SUPPORTED", good.code)
        assert (entry.budget, entry.seed, set(entry.versions)) == ("quick", 0, {"python", "numpy", "scipy", "numba"})


def test_a_line_that_a_killed_process_left_is_skipped_and_harms_no_other(toys: Toys, tmp_path: Path) -> None:
    chosen = choose(load_claims(toys("good_mean")), [])
    verify(chosen, tmp_path, jobs=1)
    whole = (tmp_path / LEDGER).read_bytes()
    (tmp_path / LEDGER).write_bytes(whole + whole[: len(whole) // 2])
    verify(chosen, tmp_path, jobs=1)
    assert len(read_verdicts(tmp_path)["good"]) == 2
    lines = (tmp_path / LEDGER).read_bytes().splitlines()
    assert [lines[0], lines[1]] == [whole.rstrip(b"\n"), whole[: len(whole) // 2]]


def test_the_report_says_how_often_a_claim_was_judged_and_when_the_verdict_changed(toys: Toys, tmp_path: Path) -> None:
    folder = toys("bad_raises")
    output = tmp_path / "out"
    output.mkdir()
    chosen = choose(load_claims(folder), [])
    verify(chosen, output, jobs=1)
    (folder / "repaired").touch()
    write_report(output, verify(chosen, output, jobs=1), chosen)
    text = (output / "report.md").read_text()
    assert "- ledger: 2 verdicts in this folder, on the same data; ERROR -> SUPPORTED 20" in text
    assert "2 verdicts in this folder" in (output / "report.html").read_text()


def test_looks_at_other_data_are_counted(toys: Toys, tmp_path: Path) -> None:
    chosen = choose(load_claims(toys("open_mean")), [])
    for seed in range(3):
        verify(chosen, tmp_path, jobs=1, seed=seed)
    assert history_text(read_verdicts(tmp_path)["open"]).startswith("3 verdicts in this folder, on 3 different data")
    assert read_verdicts(tmp_path / "elsewhere") == {}
    assert history_text([]) == ""


def test_report_json_does_not_depend_on_how_often_it_was_judged(toys: Toys, tmp_path: Path) -> None:
    chosen = choose(load_claims(toys("open_mean")), [])
    texts = []
    for _ in range(2):
        write_report(tmp_path, verify(chosen, tmp_path, jobs=1), chosen)
        texts.append((tmp_path / "report.json").read_bytes())
    assert texts[0] == texts[1]
