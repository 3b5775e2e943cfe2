"""The page of all stored benchmarks: it is that of the stored files, a loss is named, what is replaced is kept."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from analysis.benchmarks import history, timing

PAGE = Path(__file__).parents[2] / "docs" / "benchmark-history.md"


def test_the_page_is_that_of_the_stored_files() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == history.page(), "run `python -m analysis.benchmarks.history > docs/benchmark-history.md`"
    for file in timing.RESULTS.glob("*.json"):
        assert f"`{file.name}`" in written


def store(folder: Path, name: str, day: str, processor: str = "P", **figures: Any) -> None:
    machine = {"processor": processor, "cores": 2, "python": "3.11.7", "versions": {"numpy": "2.4.6"}, "date": day}
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"command": "python -m x", "machine": machine, **figures}))


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("milliseconds", 10.0, 11.0, "× 0.91 **loss**"),
        ("milliseconds", 10.0, 8.0, "× 1.25"),
        ("milliseconds", 10.0, 10.2, "× 0.98"),
        ("samples_per_s", 100.0, 80.0, "× 0.80 **loss**"),
        ("samples_per_s", 100.0, 150.0, "× 1.50"),
    ],
)
def test_a_loss_on_one_machine_is_named(tmp_path: Path, name: str, before: float, after: float, said: str) -> None:
    store(tmp_path, "x.json", "2026-02-01", **{name: {"a": after}})
    store(tmp_path, "earlier/x_2026-01-01.json", "2026-01-01", **{name: {"a": before}})
    store(tmp_path, "earlier/x_2026-01-15.json", "2026-01-15", processor="Q", **{name: {"a": 1e9}})
    (line,) = [line for line in history.page(tmp_path).splitlines() if line.startswith(f"| {name} / a")]
    assert line.endswith(f"| {said} |")
    assert line.count("|") == 6  # the name, three days, and the latest two of one machine


def test_machines_stand_side_by_side_and_are_not_compared(tmp_path: Path) -> None:
    store(tmp_path, "x_cuda_nvidia_h100.json", "2026-01-01", device="NVIDIA H100", seconds=1.0)
    store(tmp_path, "x_cuda_nvidia_h200.json", "2026-02-01", device="NVIDIA H200", seconds=3.0)
    text = history.page(tmp_path)
    assert "## x\n" in text
    assert "| seconds | 1 | 3 |" in text
    assert "loss**" not in text


def test_figures_that_are_replaced_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    store(tmp_path, "x.json", "2026-01-01", milliseconds=1.0)
    options = argparse.Namespace(output=str(tmp_path / "x.json"), command="python -m x")
    for value in (2.0, 3.0):  # the second is of the same day
        timing.write(options, {"milliseconds": value})
    assert json.loads((tmp_path / "x.json").read_text())["milliseconds"] == 3.0
    (kept,) = (tmp_path / "earlier").iterdir()
    assert kept.name == "x_2026-01-01.json"
    assert json.loads(kept.read_text())["milliseconds"] == 1.0
