"""Collected studies are judged from their tables as from their runs; what tables do not show is not made up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from alpt_ref._util.statistics import estimates, new_rows_factor, t_interval
from alpt_ref.studies.collected import Collected, CollectedRuns, Summary, is_collected, with_moments
from alpt_ref.studies.inference import equivalence
from alpt_ref.studies.paired_runs import OfStored, study_runs
from alpt_ref.studies.reproduce import Stored, choose, draw, load_tables
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.ledger import read_verdicts
from alpt_ref.verification.runner import load_claims, verify
from analysis.judge_again import judge_again
from tests.studies.fabricated import STUDY, fabricate
from tests.tolerances import CLOSED_FORM

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
RESULTS = ANALYSIS / "results"
PLANS = ("methods", "bits", "schedule", "eta_over_delta")
TABLES = [one for one in load_tables(ANALYSIS / "tables") if one.id in PLANS]
TEN = msgspec.structs.replace(STUDY, seeds=tuple(range(10)), few=6, bits=(4, 2))


def numbers(config: RunConfig) -> dict[str, Any]:
    """Every run has numbers of its own."""
    table, seed = config.table, config.train.seed
    digits = sum(map(ord, f"{table.label}{table.bits}{table.init_step}{config.train.milestones}"))
    scatter = np.random.Generator(np.random.Philox(key=digits * 100 + seed)).normal(size=2).tolist()
    worse = 0.02 * table.label.endswith("dr") - 0.01 * (table.method == "alpt")
    return {"auc": 0.7 - worse + 1e-4 * scatter[0], "logloss": 0.5 + worse + 1e-4 * scatter[1]}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stored, Path]:
    """A study on disk, and what a collection keeps of it."""
    folder = tmp_path_factory.mktemp("study")
    stored = fabricate(folder / "runs", TABLES, numbers, TEN)
    draw(folder / "runs", choose(TABLES, ()))
    shutil.copytree(folder / "runs" / "tables", folder / "kept" / "tables")
    plain = json.loads(msgspec.json.encode(stored.index))
    settings = {"study": plain["study"], "data": plain["data"], "intervals": "new rows"}
    (folder / "kept" / "settings.json").write_text(json.dumps(settings))
    return stored, folder / "kept"


def test_a_difference_that_a_table_shows_is_that_of_the_runs(kept: tuple[Stored, Path]) -> None:
    stored, folder = kept
    assert is_collected(folder)
    assert not is_collected(stored.folder)
    for pair in (("methods", "alpt-sr", "fp32"), ("methods", "fp32", "alpt-sr"), ("bits", "lpt-dr 2-bit", "fp32")):
        for metric in ("auc", "logloss"):
            ours, theirs = (of.differences(pair, metric) for of in (Collected(folder), OfStored(stored)))
            for number in (np.mean, lambda values: np.std(values, ddof=1)):
                assert number(ours.values) == pytest.approx(number(theirs.values), rel=1e3 * CLOSED_FORM)
            assert (len(ours.values), ours.seeds, ours.widen) == (len(theirs.values), theirs.seeds, theirs.widen)


def test_of_other_differences_the_scatter_is_at_most_what_is_taken(kept: tuple[Stored, Path]) -> None:
    stored, folder = kept
    pair = ("bits", "lpt-sr 2-bit", "lpt-sr 4-bit")
    ours, theirs = (of.differences(pair, "logloss") for of in (Collected(folder), OfStored(stored)))
    assert np.mean(ours.values) == pytest.approx(np.mean(theirs.values), rel=1e3 * CLOSED_FORM)
    assert np.std(ours.values, ddof=1) >= np.std(theirs.values, ddof=1)
    with pytest.raises(LookupError, match="does not show"):
        CollectedRuns(Collected(folder), "bits").paired_differences("lpt-sr 2-bit", "lpt-sr 4-bit", "logloss")


@pytest.mark.parametrize("name", ["m1", "m2", "m2b", "m3"])
def test_the_verdict_on_a_collected_study_is_that_on_its_runs(
    name: str, kept: tuple[Stored, Path], tmp_path: Path
) -> None:
    stored, folder = kept
    found = []
    for place, runs in enumerate((stored.folder, folder)):
        (tmp_path / str(place)).mkdir()
        claim = load_claims(ANALYSIS / "claims", only=[name])[name].about(Inputs(runs))
        found.append(verify([claim], tmp_path / str(place), jobs=1)[0])
    assert found[0].outcome == found[1].outcome
    assert found[0].p == pytest.approx(found[1].p, rel=1e6 * CLOSED_FORM, abs=1e-30)
    assert [one.outcome for one in found[0].cells] == [one.outcome for one in found[1].cells]
    for runs, ledger in ((stored.folder, stored.folder / "verify"), (folder, folder)):
        assert [one.outcome for one in read_verdicts(ledger)[name]] == [found[0].outcome], runs


def test_values_of_given_moments() -> None:
    values = with_moments(Summary(7, -0.25, 0.5))
    assert [np.mean(values), np.std(values, ddof=1)] == pytest.approx([-0.25, 0.5], rel=CLOSED_FORM)


@pytest.mark.parametrize(
    ("name", "naive", "new"), [("small", 0.00018, 0.00018), ("frappe", 0.00079, 0.00112), ("criteo", 0.00088, 0.00115)]
)
def test_the_margin_of_equivalence_in_the_collected_studies(name: str, naive: float, new: float) -> None:
    """As the sentences of version 0.1 had both, from single runs."""
    (sentence,) = equivalence(CollectedRuns(Collected(RESULTS / name), "methods"), "alpt-sr", "fp32", 0.001)
    assert f"smallest margin {new:.5f}" in sentence
    assert ("are equivalent" in sentence) == (name == "small")
    assert name == "small" or f"over splits of these rows alone: smallest margin {naive:.5f})" in sentence


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("small", {"m1": "INCONCLUSIVE", "m2": "SUPPORTED", "m2b": "SUPPORTED", "m3": "SUPPORTED"}),
        ("frappe", {"m1": "INCONCLUSIVE", "m2": "INCONCLUSIVE", "m2b": "INCONCLUSIVE", "m3": "INCONCLUSIVE"}),
        ("criteo", {"m1": "SUPPORTED", "m2": "SUPPORTED", "m2b": "INCONCLUSIVE", "m3": "INCONCLUSIVE"}),
    ],
)
def test_judging_a_collected_study_again_changes_nothing_but_the_ledger(
    name: str, outcomes: dict[str, str], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(RESULTS / name, tmp_path / name))
    assert {key: value for key, value in judge_again(copy).items() if key != "m4"} == outcomes
    once = Path(shutil.copytree(copy, tmp_path / "once"))
    judge_again(copy)
    judged, again = (json.loads((one / "summary.json").read_text())["judged"] for one in (once, copy))

    def told(folder: Path, about: dict[str, str]) -> dict[str, str]:
        files = (one for one in folder.rglob("*.*") if one.suffix in (".md", ".csv", ".json", ".tex"))
        texts = {one.relative_to(folder).as_posix(): one.read_text() for one in files}
        return {key: text.replace(about["version"], "V").replace(about["date"], "D") for key, text in texts.items()}

    assert told(copy, again) == told(once, judged)
    before, after = ((folder / "ledger.jsonl").read_bytes() for folder in (once, copy))
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 4


def test_a_collected_table_carries_the_bits_of_its_release() -> None:
    for file in RESULTS.glob("*/tables/*.md"):
        if not file.stem.endswith("_times"):
            assert "Trained with alpt_ref " in file.read_text(), file


def test_study_runs_takes_either(kept: tuple[Stored, Path]) -> None:
    stored, folder = kept
    assert isinstance(study_runs(stored.folder), OfStored)
    assert isinstance(study_runs(folder), Collected)


def test_corrected_estimates_are_those_of_single_runs(kept: tuple[Stored, Path]) -> None:
    """Ten splits with 1 test row to 8 training rows: half-widths 1.5 times the naive ones, by a plain computation."""
    values = [0.1, 0.4, -0.2, 0.3, 0.0, 0.2, 0.1, 0.5, -0.1, 0.2]
    widen: Callable[[int], float] = lambda n: new_rows_factor(n, 1 / 8)  # noqa: E731
    naive = t_interval(values).half_width
    assert naive is not None
    assert estimates({"a": values}, widen)["a"].half_width == pytest.approx(1.5 * naive, rel=CLOSED_FORM)
