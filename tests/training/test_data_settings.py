"""The section [data]: what does not fit together is refused before a file is opened, and hashes stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alpt_ref import RunConfig
from alpt_ref.errors import InputError
from alpt_ref.studies.seed_data import dataset_store
from alpt_ref.training.config import DataConfig, config_hash
from alpt_ref.training.config_io import dump_toml, load_toml
from alpt_ref.training.sources import check_folds
from tests.data.files import write

PARTS: dict[str, Any] = {"source": "files", "schema": "s.toml", "train": ("a",), "test": ("b",)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": "files", "schema": "s", "train": "a"}, "data.test must name the files of the test part"),
        ({"source": "files", "schema": "s", "valid": "a", "test": "b"}, "data.train must name the files of the train"),
        ({**PARTS, "path": "c"}, "data.path and data.train are two sources of rows"),
        ({**PARTS, "folds": 5}, "data.folds must be 0 where the files are the split (data.train), got 5"),
        ({**PARTS, "split": "time"}, "data.split must be left out where the files are the split"),
        ({"split": "time", "folds": 5}, "data.split 'time' and data.folds 5 are two splits; leave one out"),
        ({"shares": (7, 1, 2), "folds": 5}, "data.shares must be left out with data.folds"),
        (
            {"stratify": True, "split": "order"},
            "data.stratify is about random splits and folds, not",
        ),
        ({"split": "days"}, "data.split must be random, time or order, got 'days'"),
        ({"shares": (0, 1, 1)}, "data.shares must be three whole numbers of at least 0, the first at least 1"),
        ({"shares": (8, 1)}, "data.shares must be three whole numbers"),
        ({"stratify": "yes"}, "data.stratify must be true or false, got 'yes'"),
    ],
)
def test_settings_that_do_not_fit_together(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        DataConfig(**values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": "files", "path": "a"}, "data.schema must name a schema where data.source is 'files'"),
        ({"source": "criteo", "path": "a", "schema": "criteo"}, "data.schema must name a schema where data.source is"),
        ({"source": "files", "schema": "criteo"}, "data.path must name the file or folder of data.source 'files'"),
        ({"train": ("a",), "test": ("b",)}, "data.train is about raw files, data.source is 'synthetic'"),
        ({"source": "libfm"}, "data.path must name the file or folder of data.source 'libfm'"),
    ],
)
def test_sources_without_what_they_need(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        RunConfig(data=DataConfig(**values))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split": "time"}, "data.split must be random for data.source 'synthetic', which is drawn anew"),
        ({"shares": (7, 1, 2)}, "data.shares must be [8, 1, 1] for data.source 'synthetic'"),
        ({"source": "store", "path": "x", "stratify": True}, "data.stratify must be false for data.source 'store'"),
    ],
)
def test_splits_are_for_raw_files(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_folds(DataConfig(**values))
    assert message in str(caught.value)


def test_the_data_section_is_no_part_of_the_hash_and_survives_toml(tmp_path: Path) -> None:
    config = RunConfig(data=DataConfig(**PARTS, stratify=True, shares=(5, 2, 3)))
    assert config_hash(config) == config_hash(RunConfig())
    assert load_toml(write(tmp_path / "config.toml", dump_toml(config))) == config


def test_seeds_share_a_store_where_the_split_does_not_depend_on_them(tmp_path: Path) -> None:
    """By time, by order or by files there is one split, so that a study encodes it once; stores of old keep names."""
    text = "".join(f"{row % 3 == 0:d} {row % 7}:1 {7 + row % 5}:1\n" for row in range(60))
    path = str(write(tmp_path / "rows.libfm", text))
    by_order = DataConfig(source="libfm", path=path, split="order")
    assert dataset_store(by_order, 0, tmp_path) == dataset_store(by_order, 1, tmp_path)
    at_random = DataConfig(source="libfm", path=path)
    names = [dataset_store(at_random, seed, tmp_path).name for seed in (0, 1)]
    assert names[0] != names[1]
