"""Every table of the paper kind names runs that exist, for every study, and takes methods from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from alpt_ref.catalog import MODELS, comparison_labels
from alpt_ref.studies.benchmark import BENCHMARKS, check_benchmark
from alpt_ref.studies.reproduce import PRESETS, FilledTable, Table, load_tables, preset
from alpt_ref.studies.stored import Data, variant_hash
from alpt_ref.studies.table import fill_table
from alpt_ref.training.config import RunConfig
from tests.studies.fabricated import STUDY, fabricate

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "tables"
TABLES = {table.id: table for table in load_tables(FOLDER)}
EXPECTED = {"methods", "bits", "dimension", "step_size", "schedule", "optimizer", "backbones", "eta_over_delta"}
EXPECTED |= {"where_nearest_wins", "answers"}


def numbers(config: RunConfig) -> dict[str, float]:
    """SR is better than DR by 0.01, more bits are better, and seeds scatter."""
    table = config.table
    worse = 0.01 * (table.label.endswith("dr")) + 0.04 / (table.code_bits or 32)
    scatter = 1e-4 * (config.train.seed % 3)
    return {"auc": 0.7 - worse + scatter * (1.0 + worse), "logloss": 0.5 + worse + 2 * scatter * worse}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FilledTable]:
    stored = fabricate(tmp_path_factory.mktemp("runs"), list(TABLES.values()), numbers)
    return {part.id: part for table in TABLES.values() for part in fill_table(table, stored.plan(table.id))}


def test_the_tables_of_the_paper_are_all_there() -> None:
    assert set(TABLES) >= EXPECTED


@pytest.mark.parametrize("study", sorted(PRESETS))
@pytest.mark.parametrize("name", sorted(TABLES))
def test_lines_name_runs_of_the_plan_and_label_every_head(name: str, study: str) -> None:
    table, chosen = TABLES[name], preset(study)
    runs, lines = table.runs(chosen), table.rows(chosen)
    assert {name for line in lines for name in (line.run, line.reference) if name} <= set(runs)
    assert all(len(line.labels) == len(table.label_columns) for line in lines if line.run)
    assert len({line.run for line in lines if line.run}) == sum(bool(line.run) for line in lines)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_line_has_its_numbers(name: str, filled: dict[str, FilledTable]) -> None:
    part = filled[name]
    assert {"auc", "logloss"} <= set(part.columns)
    assert all(value.number is not None for row in part.values for value in row[:2])


def test_methods_and_backbones_are_those_of_the_catalogue(filled: dict[str, FilledTable]) -> None:
    assert [line.run for line in filled["methods"].rows] == list(comparison_labels())
    assert list(dict.fromkeys(line.labels[0] for line in filled["backbones"].rows)) == list(MODELS)


def test_the_region_where_sr_wins_is_named(filled: dict[str, FilledTable]) -> None:
    sentences = [note for note in filled["eta_over_delta"].notes if "SR is better" in note]
    heads = [f"{bits} bits, {metric}" for metric in ("logloss", "AUC") for bits in (8, 2)]
    assert [sentence.split(":")[0] for sentence in sentences] == heads
    for sentence in sentences:  # the size of each difference with its interval
        assert re.search(r"SR is better at η/Δ = 0\.1 \([+-]0\.0100 ± 0\.000\d\*\), 2 \([+-]0\.0100 ±", sentence)


NEAREST = TABLES["where_nearest_wins"]
FIVE = msgspec.structs.replace(STUDY, seeds=(0, 1, 2, 3, 4), few=5)


def of_deficit(deficit: Callable[[str, RunConfig], float]) -> Callable[[RunConfig], dict[str, float]]:
    """Test loglosses with the SR - DR difference that `deficit` gives for a change (a seed's scatter comes on top)."""

    def numbers(config: RunConfig) -> dict[str, float]:
        table, train, base = config.table, config.train, FIVE.base.train
        change = "batch" if train.batch_size > base.batch_size else "decay" if train.milestones else "start"
        change = "range" if table.bits == 8 else change
        scatter = 1e-4 * (train.seed * (2 if table.rounding == "sr" else 3) % 5)
        place = "start decay batch range".index(change)  # so that no difference is the same for all seeds
        scatter += 1e-8 * train.seed**2 * place * (2 if table.rounding == "sr" else 1)
        return {"auc": 0.7, "logloss": 0.5 + scatter + (deficit(change, config) if table.rounding == "sr" else 0.0)}

    return numbers


def judged(folder: Path, deficit: Callable[[str, RunConfig], float]) -> tuple[list[str], list[str]]:
    """Sentences of the settings, and of the explanations."""
    plan = fabricate(folder, [NEAREST], of_deficit(deficit), FIVE).plan(NEAREST.id)
    sentences = list(NEAREST.conclude(plan))
    return sentences[:-3], sentences[-3:]


def test_what_becomes_of_a_deficit_is_computed(tmp_path: Path) -> None:
    after = {"start": 0.01, "decay": -0.01, "batch": 0.005, "range": 0.0}
    settings, (floor, filtered, range_) = judged(tmp_path, lambda change, config: after[change])
    assert len(settings) == 4
    # scatter of the differences 0, -1, 3, -3, 1 in 1e-4: standard deviation √5, half width t(0.975, 4) = 2.776
    assert settings[0].startswith("4 bits, η/Δ = 0.5, logloss SR − DR at a constant rate +0.0100 ± 0.0003*; with a dec")
    for words in ("decaying rate it reverses: -0.0100", "4× batch it shrinks: +0.0050", "8 bits it vanishes: +0.0000"):
        assert all(words in sentence for sentence in settings)
    assert "SR alone -0.0200 ± 0.0000, DR alone +0.0000 ± 0.0000" in settings[0]
    everywhere = "4 bits η/Δ = 0.5, 4 bits η/Δ = 1, 2 bits η/Δ = 0.5, 2 bits η/Δ = 1"
    assert floor.startswith(
        "The runs support a floor of rounding noise that a decaying rate lowers: with a decaying rate"
    )
    assert floor.endswith(f"the deficit is gone everywhere (it reverses at {everywhere}).")
    assert "as a part of the reason" in filtered
    assert range_.endswith(f"gone everywhere (it vanishes at {everywhere}).")


def test_an_explanation_that_the_runs_do_not_support_is_not_claimed(tmp_path: Path) -> None:
    def deficit(change: str, config: RunConfig) -> float:
        grown = {"decay": 0.02, "batch": 0.01, "range": 0.0 if config.table.init_step == 0.01 else 0.01}
        return grown.get(change, 0.01)

    settings, (floor, filtered, range_) = judged(tmp_path, deficit)
    assert "with a decaying rate it grows: +0.0200" in settings[0]
    assert floor.startswith("The runs do not support a floor of rounding noise")
    assert filtered.startswith("The runs do not support gradient noise that nearest rounding filters")
    assert "it does not change significantly at 4 bits η/Δ = 0.5, 4 bits η/Δ = 1" in filtered
    assert "support the narrow range of the codes at 2 of 4 settings alone" in range_


def test_without_a_deficit_there_is_nothing_to_explain(tmp_path: Path) -> None:
    better = fabricate(tmp_path / "better", [NEAREST], of_deficit(lambda change, config: -0.01), FIVE)
    none = "No explanation can be tested: SR has a significant deficit at none of 4 settings."
    assert NEAREST.conclude(better.plan(NEAREST.id)) == [none]
    equal = fabricate(tmp_path / "equal", [NEAREST], of_deficit(lambda change, config: 0.0), FIVE)
    rest, last = NEAREST.conclude(equal.plan(NEAREST.id))
    assert rest.startswith("logloss, SR − DR at a constant rate: 5 seeds cannot tell the 4 comparisons apart (largest ")
    assert last == none
    one_seed = fabricate(tmp_path / "one", [NEAREST], study=msgspec.structs.replace(STUDY, seeds=(0,), few=1))
    assert NEAREST.conclude(one_seed.plan(NEAREST.id)) == []


def test_its_constant_runs_are_those_of_the_sweep_over_eta_and_delta() -> None:
    """So that a study trains them once."""
    study = preset("small")
    shared = {variant_hash(config) for config in TABLES["eta_over_delta"].runs(study).values()}
    ours = NEAREST.runs(study)
    constant = [name for name in ours if name.endswith("constant rate")]
    assert len(constant) == 12
    assert {name for name in ours if variant_hash(ours[name]) in shared} == set(constant)
    assert len({variant_hash(config) for config in ours.values()}) == len(ours) == 28


def test_equivalence_and_distance_to_bayes_are_stated(filled: dict[str, FilledTable]) -> None:
    notes = "\n".join(filled["methods"].notes)
    assert "ALPT-SR and FP32 are not shown to be equivalent within 0.001 AUC" in notes
    assert "3 pairs: -0.00375" in notes  # 0.04 / 8 - 0.04 / 32
    assert "logloss above the Bayes optimum" in notes


LOGS = {32: 0.8047, 16: 0.8046, 8: 0.8054, 4: 0.8075}
"""Best test AUC in the public logs, by bits."""


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
    table: Table = TABLES["backbones"]
    study = msgspec.structs.replace(STUDY, name="criteo")
    runs = fabricate(tmp_path, [table], numbers, study).plan("backbones")
    data = {seed: Data("criteo", "", (rows[0], rows[1], rows[2]), 39, 910_708) for seed in runs.data}
    runs.data = data
    part = fill_table(table, runs)[0]
    beside = {line.labels[0]: row[0].number for line, row in zip(part.rows, part.values, strict=True) if not line.run}
    known = {f"{kind}, Criteo_x4_001": auc for kind, (auc, _) in BENCHMARKS["criteo"].results.items()}
    assert beside == (known if shown else {})
    assert any("Criteo_x4_001" in note for note in part.notes)


@pytest.mark.parametrize(("study", "features", "rows"), [("criteo", 910_708, 4), ("criteo", 1, 0), ("avazu", 1, 0)])
def test_the_low_bit_logs_are_another_models(study: str, features: int, rows: int, tmp_path: Path) -> None:
    table: Table = TABLES["bits"]
    runs = fabricate(tmp_path, [table], numbers, msgspec.structs.replace(STUDY, name=study)).plan("bits")
    runs.data = {seed: benchmark_data(features) for seed in runs.data}
    part = fill_table(table, runs)[0]
    beside = {line.labels: row[0].number for line, row in zip(part.rows, part.values, strict=True) if not line.run}
    assert beside == {("DLRM (another model)", str(bits)): auc for bits, auc in list(LOGS.items())[:rows]}
    (note,) = [note for note in part.notes if "DLRM" in note]
    assert note.startswith("For reference, another model on another split (DLRM on Criteo Kaggle")
    assert "FP32 0.8047 (0.7623); 16 bits 0.8046 (0.7412); 8 bits 0.8054 (0.7606); 4 bits 0.8075 (0.8075)" in note


def test_no_other_study_names_the_low_bit_logs(filled: dict[str, FilledTable]) -> None:
    assert not any("DLRM" in note for name in ("methods", "bits") for note in filled[name].notes)
