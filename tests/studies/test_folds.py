"""Seeds of a cross-validation: no two test on the same rows, each run has its fold, the notes say what is covered."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from alpt_ref.data import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.studies import cell as cell_module
from alpt_ref.studies.comparison import compare
from alpt_ref.studies.comparison_text import as_text
from alpt_ref.studies.folds import folds_in_words, overlap, require_different_folds
from alpt_ref.studies.seed_data import dataset_store
from alpt_ref.training.config import DataConfig, RunConfig
from alpt_ref.training.sources import load_dataset


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    file = tmp_path / "clicks"
    file.write_text("".join(f"{(row * 7) % 3 % 2} {row % 5}:1 {5 + row % 11}:1\n" for row in range(90)))
    return DataConfig(source="libfm", path=str(file), folds=3)


def test_seeds_that_share_a_fold_are_refused() -> None:
    require_different_folds(0, [0, 0, 10, 20])
    require_different_folds(10, [13, 4, 4, 9])
    with pytest.raises(InputError, match=r"at most 10 seeds .*, but seeds 3 and 13 both test on fold 3"):
        require_different_folds(10, [3, 5, 13])


def test_words() -> None:
    assert folds_in_words(3, [3, 1, 2]) == "3-fold cross-validation: every row is a test row once"
    assert folds_in_words(10, [12, 4]) == (
        "folds 2, 4 of 10-fold cross-validation: the rows of 2 of 10 parts are test rows, once"
    )
    assert folds_in_words(10, [7]).startswith("fold 7 of 10-fold")


def test_the_store_of_a_seed_is_that_of_its_fold(data: DataConfig, tmp_path: Path) -> None:
    stores = [dataset_store(data, seed, tmp_path) for seed in (0, 1, 2, 4)]
    assert len(set(stores)) == 3
    assert stores[1] == stores[3]
    splits = [ClickDataset.open(store).split for store in stores[:3]]
    np.testing.assert_array_equal(sum((split == 2).astype(int) for split in splits), np.ones(90))
    random = msgspec.structs.replace(data, folds=0)
    assert dataset_store(random, 0, tmp_path) not in stores
    with pytest.raises(InputError, match="drawn anew"):
        dataset_store(DataConfig(folds=3), 0, tmp_path)


def test_a_file_that_changed_is_read_again(data: DataConfig, tmp_path: Path) -> None:
    file = Path(str(data.path))
    first = ClickDataset.open(dataset_store(data, 0, tmp_path)).fingerprint
    assert ClickDataset.open(dataset_store(data, 0, tmp_path)).fingerprint == first
    file.write_text(file.read_text().replace("0 ", "1 ", 1))  # of the same size
    assert ClickDataset.open(dataset_store(data, 0, tmp_path)).fingerprint != first
    (marker,) = (tmp_path / "data").glob("*/made_from.json")
    marker.unlink()  # a store of release 0.1 or 0.2
    second = ClickDataset.open(dataset_store(data, 0, tmp_path)).fingerprint
    file.write_text(file.read_text().replace("1 ", "0 ", 1))
    assert ClickDataset.open(dataset_store(data, 0, tmp_path)).fingerprint != second


def test_a_random_split_keeps_the_name_of_its_store(tmp_path: Path) -> None:
    """Computed with the release before, so that stores made then are found."""
    store = dataset_store(DataConfig(rows=20, fields=2, features=10), 4, tmp_path)
    assert store.name == "90622a677f6a44e4"


def test_intervals_for_new_rows_allow_for_the_overlap_of_the_folds() -> None:
    assert overlap(3, 10) == overlap(3)  # 1 test row to 8 training rows either way
    assert overlap(3, 3) == 2.0  # as many test rows as training rows: √(1 + 3)
    assert overlap(10) == 1.5  # √(1 + 10 / 8)


def test_a_comparison_runs_every_seed_on_its_fold(
    data: DataConfig, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = msgspec.structs.replace(config, data=data)
    seen, original = [], cell_module.__dict__["train"]

    def noting(run: RunConfig, dataset: ClickDataset) -> object:
        seen.append((run.train.seed, dataset.info["encoding"]["fold"]))
        return original(run, dataset)

    monkeypatch.setattr(cell_module, "train", noting)
    fold = load_dataset(data)
    found = compare(config, fold, tmp_path / "out", methods=["lpt-sr"], bits=[8], seeds=[3, 1, 2], jobs=1)
    assert seen == [(3, 0), (3, 0), (1, 1), (1, 1), (2, 2), (2, 2)]
    assert "(initial weights, order, rounding); 3-fold cross-validation: every row is a test row once; " in as_text(
        found
    )
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (stored["folds"], len({run["fingerprint"] for run in stored["runs"]})) == (3, 3)
    compare(config, fold, tmp_path / "out", methods=["lpt-sr"], bits=[8], seeds=[3, 1, 2], jobs=1)
    assert len(seen) == 6  # all were kept
    with pytest.raises(InputError, match="seeds 0 and 3 both test on fold 0"):
        compare(config, fold, tmp_path / "no", methods=["lpt-sr"], bits=[8], seeds=range(4), jobs=1)
    plain = load_dataset(msgspec.structs.replace(data, folds=0))
    with pytest.raises(InputError, match=r"dataset must be a fold of data\.folds=3"):
        compare(config, plain, tmp_path / "no", methods=["lpt-sr"], bits=[8], seeds=[0], jobs=1)
    assert not (tmp_path / "no").exists()
