"""Claims M1-M4 read stored runs: what these say decides, and without any the claims do not apply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alpt_ref.errors import InputError
from alpt_ref.studies.reproduce import load_tables
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.runner import load_claims, verify
from tests.studies.fabricated import STUDY, fabricate

ROOT = Path(__file__).resolve().parents[2] / "analysis"
CLAIMS = load_claims(ROOT / "claims")
TABLES = [
    table for table in load_tables(ROOT / "tables") if table.id in ("eta_over_delta", "schedule", "methods", "bits")
]
SEEDS = tuple(range(10))
STUDY_10 = msgspec.structs.replace(STUDY, seeds=SEEDS, few=6, bits=(4, 2))


def scatter(seed: int) -> float:
    """Differs from seed to seed, with mean near 0."""
    return 1e-4 * ((7 * seed) % 5 - 2)


def as_claimed(config: RunConfig) -> dict[str, Any]:
    """Worlds in which the claims hold: each change moves the logloss by 0.01, with a little scatter by seed."""
    table, seed = config.table, config.train.seed
    bits = table.code_bits or 32
    loss = 0.5 + 0.2 / bits + 0.01 * (table.label.endswith("dr")) - 0.01 * (table.method == "alpt")
    own = len(table.label) + 2 * table.label.endswith("dr")
    loss += scatter(seed + bits + own)
    auc = 0.7 + scatter(seed + own) - 0.1 * (bits == 2)
    return {"logloss": loss, "auc": auc}


def opposite(config: RunConfig) -> dict[str, Any]:
    """Worlds in which they do not."""
    table, seed = config.table, config.train.seed
    own = len(table.label) + 2 * table.label.endswith("dr")
    better = 0.01 * (table.label.endswith("dr")) - 0.01 * (table.method == "alpt")
    return {
        "logloss": 0.5 + 0.2 / (table.code_bits or 32) - better + scatter(seed + own),
        "auc": 0.7 + scatter(seed + own) - 0.01 * (table.method == "alpt") - 0.1 * (table.code_bits == 2),
    }


def verdict(name: str, folder: Path) -> ClaimResult:
    """On the runs below `folder`, where there are any."""
    runs = folder / "runs"
    return verify([CLAIMS[name].about(Inputs(runs if runs.exists() else None))], folder, jobs=1)[0]


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., Path]:
    """Store runs with the numbers of a world."""

    def make(numbers: Any = None, **options: Any) -> Path:
        if numbers is not None:
            fabricate(tmp_path / "runs", TABLES, numbers, options.pop("study", STUDY_10), **options)
        return tmp_path

    return make


@pytest.mark.parametrize("name", ["m1", "m2", "m2b", "m3"])
def test_what_the_runs_say_is_the_verdict(name: str, world: Callable[..., Path]) -> None:
    result = verdict(name, world(as_claimed))
    assert result.outcome == "SUPPORTED", [cell.reason for cell in result.cells]
    assert all(control.refuted for control in result.controls)


@pytest.mark.parametrize("name", ["m1", "m2", "m2b", "m3"])
def test_a_claim_that_the_runs_contradict_is_refuted(name: str, world: Callable[..., Path]) -> None:
    assert verdict(name, world(opposite)).outcome == "REFUTED"


@pytest.mark.parametrize("name", ["m1", "m2", "m2b", "m3"])
def test_without_runs_it_does_not_apply(name: str, world: Callable[..., Path]) -> None:
    result = verdict(name, world())
    assert result.outcome == "NOT_APPLICABLE"
    reason = "does not hold: runs of a full `alpt-ref reproduce` are given (--runs)"
    assert [cell.reason for cell in result.cells] == [reason]


@pytest.mark.parametrize(("name", "pairs"), [("m1", 5), ("m2", 5), ("m2b", 5), ("m3", 10)])
def test_too_few_pairs_are_not_judged(name: str, pairs: int, world: Callable[..., Path]) -> None:
    few = msgspec.structs.replace(STUDY_10, seeds=SEEDS[: pairs - 1], few=pairs - 1)
    result = verdict(name, world(as_claimed, study=few))
    assert result.outcome == "NOT_APPLICABLE"
    assert any(f"at least {pairs} pairs of runs" in cell.reason for cell in result.cells)


def test_m1_claims_nothing_where_dr_does_not_stall(world: Callable[..., Path]) -> None:
    result = verdict("m1", world(as_claimed))
    outcomes = {(cell.cell["bits"], cell.cell["ratio"]): cell.outcome for cell in result.cells}
    assert outcomes == {
        (bits, ratio): "SUPPORTED" if ratio < 0.5 else "NOT_APPLICABLE" for bits in (4, 2) for ratio in (0.1, 2.0)
    }


def test_new_runs_are_judged_anew(world: Callable[..., Path]) -> None:
    folder = world()
    assert verdict("m2", folder).outcome == "NOT_APPLICABLE"
    world(as_claimed)
    assert verdict("m2", folder).outcome == "SUPPORTED"


def bytes_of(config: RunConfig) -> dict[str, Any]:
    """Bytes of 30 rows of 4 numbers with lazy Adam, counted by hand: one word of codes and a step size a row."""
    alpt = config.table.method == "alpt"
    return {"serving_bytes": 30 * 8, "training_bytes": 30 * 8 + 30 * 36 + (30 * 12 if alpt else 0)}


def test_m4_counts_tables_and_stored_runs(world: Callable[..., Path]) -> None:
    here = verdict("m4", world())
    assert here.outcome == "SUPPORTED"
    assert {cell.cell["made"] for cell in here.cells} == {"here"}
    eight = msgspec.structs.replace(STUDY_10, bits=(8, 4, 2))
    folder = world(lambda config: bytes_of(config) if config.table.bits < 16 else {}, study=eight)
    stored = [cell for cell in verdict("m4", folder).cells if cell.cell["made"] == "stored"]
    outcomes = {cell.cell["bits"]: cell.outcome for cell in stored}
    assert outcomes == {2: "SUPPORTED", 4: "SUPPORTED", 8: "SUPPORTED", 16: "REFUTED"}  # 16 bits: fabricated bytes
    points = {point.label: point.value for cell in stored for point in cell.points if cell.cell["bits"] == 2}
    assert points["alpt adam row: training"] == 30 * (8 + 36 + 12)


def test_no_verdict_depends_on_the_current_directory(
    world: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that lie in the default output folder of `alpt-ref reproduce` count only where they are named."""
    fabricate(tmp_path / "runs" / "reproduce", TABLES, as_claimed, STUDY_10)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "verify").mkdir()
    found = verify([CLAIMS["m2"], CLAIMS["m4"]], tmp_path / "verify", jobs=1)
    assert found[0].outcome == "NOT_APPLICABLE"
    assert {cell.cell["made"] for cell in found[1].cells} == {"here"}


def test_worker_processes_read_the_runs_that_were_named(world: Callable[..., Path]) -> None:
    runs = world(as_claimed) / "runs"
    about = [CLAIMS[name].about(Inputs(runs)) for name in ("m2", "m3")]
    assert [result.outcome for result in verify(about, runs.parent, jobs=2)] == ["SUPPORTED", "SUPPORTED"]


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"claim m2: .* holds no runs of a study; `alpt-ref reproduce` makes them"):
        CLAIMS["m2"].about(Inputs(tmp_path))
