"""Every table of the paper kind names runs that exist, for every study, and takes methods from the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.catalog import MODELS, comparison_labels
from alpt_ref.config import RunConfig
from alpt_ref.reproduce import PRESETS, LaidOut, Table, load_tables, preset
from alpt_ref.reproduce.benchmark import BENCHMARKS, check_benchmark
from alpt_ref.reproduce.stored import Data
from alpt_ref.reproduce.table import lay_out
from tests.reproduce.fabricated import STUDY, fabricate

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "tables"
TABLES = {table.id: table for table in load_tables(FOLDER)}
EXPECTED = {"methods", "bits", "dimension", "step_size", "schedule", "optimizer", "backbones", "eta_over_delta"}


def numbers(config: RunConfig) -> dict[str, float]:
    """SR is better than DR by 0.01, more bits are better, and seeds scatter."""
    table = config.table
    worse = 0.01 * (table.label.endswith("dr")) + 0.04 / (table.code_bits or 32)
    scatter = 1e-4 * (config.train.seed % 3)
    return {"auc": 0.7 - worse + scatter, "logloss": 0.5 + worse + 2 * scatter * worse}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LaidOut]:
    stored = fabricate(tmp_path_factory.mktemp("runs"), list(TABLES.values()), numbers)
    return {part.id: part for table in TABLES.values() for part in lay_out(table, stored.plan(table.id))}


def test_the_tables_of_the_paper_are_all_there() -> None:
    assert set(TABLES) >= EXPECTED


@pytest.mark.parametrize("study", sorted(PRESETS))
@pytest.mark.parametrize("name", sorted(TABLES))
def test_lines_name_runs_of_the_plan_and_label_every_head(name: str, study: str) -> None:
    table, chosen = TABLES[name], preset(study)
    runs, lines = table.runs(chosen), table.lines(chosen)
    assert {name for line in lines for name in (line.run, line.against) if name} <= set(runs)
    assert all(len(line.labels) == len(table.heads) for line in lines if line.run)
    assert len({line.run for line in lines if line.run}) == sum(bool(line.run) for line in lines)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_line_has_its_numbers(name: str, filled: dict[str, LaidOut]) -> None:
    part = filled[name]
    assert {"auc", "logloss"} <= set(part.columns)
    assert all(value.number is not None for row in part.values for value in row[:2])


def test_methods_and_backbones_are_those_of_the_catalogue(filled: dict[str, LaidOut]) -> None:
    assert [line.run for line in filled["methods"].lines] == list(comparison_labels())
    assert list(dict.fromkeys(line.labels[0] for line in filled["backbones"].lines)) == list(MODELS)


def test_the_region_where_sr_wins_is_named(filled: dict[str, LaidOut]) -> None:
    sentences = [note for note in filled["eta_over_delta"].notes if "SR is better" in note]
    assert [sentence.split(":")[0] for sentence in sentences] == ["8 bits, logloss", "2 bits, logloss"]
    assert all("SR is better at η/Δ = 0.1, 2 " in sentence for sentence in sentences)


def test_equivalence_and_distance_to_bayes_are_stated(filled: dict[str, LaidOut]) -> None:
    notes = "\n".join(filled["methods"].notes)
    assert "ALPT-SR and FP32 are not shown to be equivalent within 0.001 AUC" in notes
    assert "3 pairs: -0.00375" in notes  # 0.04 / 8 - 0.04 / 32
    assert "logloss above the Bayes optimum" in notes


def benchmark_data(features: int) -> Data:
    return Data("criteo", "", BENCHMARKS["criteo"].parts, 39, features)


def test_benchmark_figures_count_only_for_the_same_rows_and_vocabulary() -> None:
    known, note = check_benchmark("criteo", benchmark_data(910_708))
    assert known is not None
    assert known.results["dcn"] == (0.8144, 0.4376)
    assert note.startswith("Benchmark Criteo_x4_001: same numbers of rows and features")
    known, note = check_benchmark("criteo", benchmark_data(910_707))
    assert known is None
    assert "features 910,707 in place of 910,708" in note
    assert check_benchmark("small", benchmark_data(1)) == (None, "")


@pytest.mark.parametrize(("rows", "shown"), [((36_672_493, 4_584_062, 4_584_062), True), ((320, 40, 40), False)])
def test_benchmark_lines_stand_beside_ours_or_are_left_out(rows: tuple[int, ...], shown: bool, tmp_path: Path) -> None:
    import msgspec

    table: Table = TABLES["backbones"]
    study = msgspec.structs.replace(STUDY, name="criteo")
    runs = fabricate(tmp_path, [table], numbers, study).plan("backbones")
    data = {seed: Data("criteo", "", (rows[0], rows[1], rows[2]), 39, 910_708) for seed in runs.data}
    runs.data = data
    part = lay_out(table, runs)[0]
    beside = {line.labels[0]: row[0].number for line, row in zip(part.lines, part.values, strict=True) if not line.run}
    known = {f"{kind}, Criteo_x4_001": auc for kind, (auc, _) in BENCHMARKS["criteo"].results.items()}
    assert beside == (known if shown else {})
    assert any("Criteo_x4_001" in note for note in part.notes)
