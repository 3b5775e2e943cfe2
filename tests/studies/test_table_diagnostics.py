"""The arrays kept with a cell say what the trained table holds, counted here row by row."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.data import ClickDataset
from alpt_ref.studies.cell import TrainingTask, run_cell
from alpt_ref.studies.table_diagnostics import MAX_DIGESTS, by_frequency, frequencies, table_diagnostics
from alpt_ref.training.config import RunConfig
from alpt_ref.training.results import RunResult
from alpt_ref.training.train import train


def trained(config: RunConfig, dataset: ClickDataset, **table: object) -> RunResult:
    return train(config.replace("table", **table), dataset)


def test_frequencies_count_the_training_part_alone(dataset: ClickDataset) -> None:
    counts = [0] * dataset.n
    for row in range(dataset.rows):
        if dataset.split[row] == 0:
            for one in dataset.ids[row]:
                counts[one] += 1
    assert frequencies(dataset).tolist() == counts


def test_bins_hold_rows_met_from_a_power_of_two_to_the_next() -> None:
    values = np.array([1, 2, 3, 4, 5, 6], np.float32)
    found = by_frequency(values, np.array([0, 1, 2, 3, 4, 1]))
    assert found["count"] == [1, 2, 4]
    assert found["rows"] == [2, 2, 1]
    assert [quantiles[1] for quantiles in found["quantiles"]] == [4.0, 3.5, 5.0]  # medians of {2, 6}, {3, 4}, {5}


@pytest.mark.parametrize("bits", [2, 8])
def test_codes_digests_and_step_sizes_of_a_trained_table(bits: int, config: RunConfig, dataset: ClickDataset) -> None:
    result, counts = trained(config, dataset, method="alpt", bits=bits), frequencies(dataset)
    seen, codes = table_diagnostics(result, counts), result.table.codes()
    assert codes is not None
    lowest = -(2 ** (bits - 1))
    assert seen["codes"] == [int((codes == code).sum()) for code in range(lowest, -lowest)]
    met = [row for row in range(dataset.n) if counts[row]]
    assert seen["digests"] == [zlib.crc32(codes[row].tobytes()) for row in met]
    assert sum(seen["step_size"]["rows"]) == len(met)


def test_what_a_method_does_not_have_is_left_out(config: RunConfig, dataset: ClickDataset) -> None:
    counts = frequencies(dataset)
    assert table_diagnostics(trained(config, dataset, method="fp32"), counts) == {}
    assert set(table_diagnostics(trained(config, dataset, method="lpt", bits=16), counts)) == {"digests", "step_size"}
    assert set(table_diagnostics(trained(config, dataset, granularity="table"), counts)) == {"codes", "digests"}


def test_at_most_so_many_digests_evenly_spread(config: RunConfig, dataset: ClickDataset) -> None:
    result = trained(config, dataset)

    class Many:
        """A table of more rows than digests are kept of."""

        step_size = None

        def codes(self) -> np.ndarray:
            return np.zeros((3 * MAX_DIGESTS, 1), np.int8)

    object.__setattr__(result, "table", Many())
    assert len(table_diagnostics(result, np.ones(3 * MAX_DIGESTS, np.int64))["digests"]) == MAX_DIGESTS


def test_a_cell_keeps_them_beside_its_result(config: RunConfig, dataset: ClickDataset, tmp_path: Path) -> None:
    dataset.save(tmp_path / "store")
    file = tmp_path / "one.json"
    outcome = run_cell(TrainingTask("one", config, tmp_path / "store", file))
    stored = json.loads(file.read_text())
    assert set(stored.pop("observed")) == {"codes", "digests", "step_size"}
    assert RunResult.from_dict(stored) == outcome.result
