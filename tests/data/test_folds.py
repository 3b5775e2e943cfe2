"""Cross-validation: K parts that no seed changes, each the test part once; a random split is what it always was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.data import describe_text, encode_file, read_criteo, read_libfm
from alpt_ref.data.splits import fold_split, random_split
from alpt_ref.errors import InputError
from alpt_ref.training.config import DataConfig
from alpt_ref.training.sources import encode, load_dataset

from .files import random_criteo, write

SIZES = [(3, 3), (10, 3), (10, 10), (103, 10), (1000, 7), (700, 300)]
"""(rows, folds); 300 folds do not fit a byte."""


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    return write(tmp_path / "criteo.txt", "\n".join(random_criteo(103)) + "\n")


@pytest.mark.parametrize(("rows", "folds"), SIZES)
def test_every_row_is_a_test_row_once_and_a_validation_row_once(rows: int, folds: int) -> None:
    splits = np.array([fold_split(rows, folds, seed) for seed in range(folds)])
    assert splits.dtype == np.uint8
    for part in (1, 2):
        np.testing.assert_array_equal((splits == part).sum(axis=0), np.ones(rows))
        sizes = (splits == part).sum(axis=1)
        assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal((splits == 0).sum(axis=0), np.full(rows, folds - 2))


@pytest.mark.parametrize(("rows", "folds"), SIZES)
def test_the_parts_are_the_same_for_every_seed(rows: int, folds: int) -> None:
    """What seed s tests on, seed s - 1 validates on; seeds that differ by `folds` are one fold."""
    for seed in (0, 1, folds - 1):
        tested = np.flatnonzero(fold_split(rows, folds, seed) == 2)
        np.testing.assert_array_equal(np.flatnonzero(fold_split(rows, folds, seed + folds - 1) == 1), tested)
        np.testing.assert_array_equal(fold_split(rows, folds, seed + folds), fold_split(rows, folds, seed))


def test_the_rows_are_shuffled() -> None:
    """No part is a stride of the file: neighbours fall together as often as chance has it."""
    tested = fold_split(20_000, 10, 0) == 2
    together = int((tested[1:] & tested[:-1]).sum())
    assert 130 < together < 270  # binomial(19999, 1/100): mean 200, standard deviation 14; a stride gives 0


@pytest.mark.parametrize(
    ("rows", "folds", "message"),
    [
        (10, 2, "folds must be 0 .a random split. or a whole number of at least 3, got 2"),
        (10, -3, "got -3"),
        (10, True, "got True"),
        (10, 0, "folds must be a whole number of at least 3, got 0"),
        (10, 11, "folds must be at most the number of rows, 10, got 11; ask for fewer folds"),
    ],
)
def test_folds_that_cannot_be(rows: int, folds: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fold_split(rows, folds)


def test_both_ways_of_encoding_give_the_same_fold(clicks: Path, tmp_path: Path) -> None:
    direct = read_criteo(clicks).encode(seed=14, folds=10, min_count=2)
    streamed = encode_file("criteo", clicks, tmp_path / "store", seed=4, folds=10, min_count=2, chunk_bytes=4096)
    assert streamed.fingerprint == direct.fingerprint
    np.testing.assert_array_equal(direct.split, fold_split(103, 10, 4))
    encoding = {key: direct.info["encoding"][key] for key in ("folds", "fold")}
    assert encoding == {"folds": 10, "fold": 4}
    assert not {"seed", "split"} & set(direct.info["encoding"])
    assert "cross-validation: fold 4 of 10 is the test part" in describe_text(direct)


def test_the_vocabulary_is_that_of_the_training_rows_of_the_fold(tmp_path: Path) -> None:
    raw = read_libfm(write(tmp_path / "clicks", "".join(f"{row % 2} {row}:1\n" for row in range(30))))
    fold = raw.encode(folds=3)
    assert fold.n == 10 + 1  # ten training rows, each with a category of its own, and one id for all others
    assert (fold.ids[fold.split != 0] == 0).all()


def test_a_store_of_a_fold_is_not_taken_for_another(clicks: Path, tmp_path: Path) -> None:
    config = DataConfig(source="criteo", path=str(clicks), folds=5, seed=1)
    first = encode(config, tmp_path / "store").fingerprint
    assert encode(DataConfig(source="criteo", path=str(clicks), folds=5, seed=6), tmp_path / "store").rows == 103
    assert load_dataset(config).fingerprint == first
    for other, message in ((DataConfig(folds=5, seed=2), "fold is 1, not 2"), (DataConfig(), "split is None")):
        changed = DataConfig(source="criteo", path=str(clicks), folds=other.folds, seed=other.seed)
        with pytest.raises(InputError, match=f"already holds another store .{message}"):
            encode(changed, tmp_path / "store")


def test_a_random_split_is_what_it_was_before_there_were_folds(tmp_path: Path) -> None:
    """Fingerprint computed with release 0.2.0, by its rule; stores that it wrote and their runs are found by it."""
    text = "".join(f"{row % 3 == 0:d} {row % 7}:1 {7 + row % 5}:1\n" for row in range(200))
    dataset = read_libfm(write(tmp_path / "libfm", text)).encode(seed=5)
    assert replace(dataset, version=1).fingerprint == "086f3bb009574266a9f7bf64c0b37223830b5171fcf50066caf0ead58880babd"
    np.testing.assert_array_equal(dataset.split, random_split(200, (8, 1, 1), 5))


@pytest.mark.parametrize(
    ("source", "message"), [("synthetic", "is drawn anew for every seed"), ("store", "has its split already")]
)
def test_folds_are_for_raw_data(source: str, message: str, tmp_path: Path) -> None:
    config = DataConfig(source=source, path=str(tmp_path), folds=5)
    expected = f"data.folds must be 0 for data.source '{source}', which {message}, got 5"
    with pytest.raises(InputError, match=expected):
        load_dataset(config)
    with pytest.raises(InputError, match=expected):
        encode(config, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_split_beside_folds_is_refused(clicks: Path) -> None:
    with pytest.raises(InputError, match=r"split must be left out with folds, .* got \(6, 2, 2\)"):
        read_criteo(clicks).encode(split=(6, 2, 2), folds=5)
    with pytest.raises(InputError, match=r"data\.folds must be 0 .* got 2"):
        DataConfig(folds=2)
