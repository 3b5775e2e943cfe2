"""``alpt-ref bench``: every subject runs, figures are consistent, the JSON is whole. No test looks at a speed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from alpt_ref.cli import cli
from analysis.benchmarks import Size, bench, cases, ids, run, table_of
from analysis.benchmarks.cases import Case

TINY = Size(
    elements=4096, table_rows=2600, batch=50, fields=26, runs=16, steps=5, train_rows=600, train_features=200,
    train_batch=64, train_steps=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return bench("cpu", size=TINY, repeats=1, with_peers=False)


def test_every_subject_is_measured(report: dict[str, Any]) -> None:
    assert report["failed"] == {}
    names = " ".join(report["cases"])
    for subject in ("copy", "quantise SR 8", "quantise SR 2", "lookup", "table step", "Monte Carlo", "training"):
        assert subject in names


def test_rates_and_shares_follow_from_seconds(report: dict[str, Any]) -> None:
    copy, four = report["cases"]["copy"], report["cases"]["quantise SR 4 bits"]
    assert copy["share_of_copy"] == 1.0
    assert four["per_second"] == pytest.approx(TINY.elements / four["seconds"])
    assert four["gigabytes_per_second"] == pytest.approx(4.5 * TINY.elements / four["seconds"] / 1e9)
    assert four["share_of_copy"] == pytest.approx(four["gigabytes_per_second"] / copy["gigabytes_per_second"])
    assert len(table_of(report).splitlines()) == len(report["cases"])


def test_a_subject_that_cannot_run_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise RuntimeError("no such thing here")

    monkeypatch.setattr(cases, "table_cases", broken)
    found = bench("cpu", size=TINY, repeats=1, with_peers=False)
    assert found["failed"] == {"table": "RuntimeError: no such thing here"}
    assert "table: not measured (RuntimeError: no such thing here)" in table_of(found)
    assert any("training" in name for name in found["cases"])


def test_the_command_writes_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite: Any = importlib.import_module("alpt_ref.analysis.benchmarks")  # as the command does, in a checkout too
    monkeypatch.setitem(suite.SIZES, "cpu", TINY)
    file = tmp_path / "bench.json"
    done = CliRunner().invoke(cli, ["bench", "--repeats", "1", "--no-peers", "--quiet", "--output", str(file)])
    assert done.exit_code == 0, done.output
    stored = json.loads(file.read_text())
    assert stored["command"] == "alpt-ref bench --device cpu --repeats 1 --no-peers"
    assert {"machine", "size", "cases", "device"} <= set(stored)
    assert done.output.startswith("copy")


def test_figures_of_a_case() -> None:
    found = run.figures(Case(lambda: None, 10.0, "ids"), 2.0)
    assert found == {"seconds": 2.0, "per_second": 5.0, "unit": "ids"}


@pytest.mark.parametrize("law", ids.LAWS)
def test_ids_of_every_law_are_rows_of_the_table_and_repeat(law: str) -> None:
    drawn = ids.LAWS[law](5000, 800, 26, 3, exponent=ids.EXPONENTS[law])
    assert drawn.shape == (800, 26)
    assert drawn.dtype == np.uint32
    assert drawn.max() < 5000
    counts = np.sort(np.unique(drawn, return_counts=True)[1])
    assert counts[-1] > 20 * np.median(counts)
    assert np.array_equal(drawn, ids.LAWS[law](5000, 800, 26, 3, exponent=ids.EXPONENTS[law]))


def test_criteo_ids_keep_to_fields_of_the_published_sizes() -> None:
    drawn = ids.criteo_ids(sum(ids.CRITEO_FIELDS), 2000, 26, seed=1)
    ends = np.cumsum(ids.CRITEO_FIELDS)
    assert (np.searchsorted(ends, drawn, side="right") == np.arange(26)).all()
    assert len(np.unique(drawn[:, 8])) == 3


def test_zipf_ids_stay_in_their_fields_and_favour_few() -> None:
    drawn = ids.zipf_ids(26_000, 5000, 26, seed=0)
    assert drawn.dtype == np.uint32
    assert ((drawn // 1000) == np.arange(26)).all()
    counts = np.sort(np.bincount(drawn[:, 3] - 3000, minlength=1000))[::-1]
    assert counts[0] > 10 * counts[50] > 0
    assert np.array_equal(drawn, ids.zipf_ids(26_000, 5000, 26, seed=0))
