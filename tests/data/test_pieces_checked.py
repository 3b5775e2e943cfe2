"""What is checked of rows of several values, of their bins and of stores that were edited."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import RunConfig, train
from alpt_ref.data import ClickDataset
from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.growth import translation
from alpt_ref.data.raw import read_raw
from alpt_ref.data.store.ingest import encode_reader
from alpt_ref.errors import InputError
from tests.data.piece_rows import PLANS, reader, rows_by_hand

from .by_hand import HandReader, Row


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones(39, np.float32)}, r"weights must be float32 of shape \(40,\)"),
        ({"weights": np.ones(40)}, "weights must be float32"),
        ({"values": np.ones((40, 4), np.float32)}, r"values must be float32 of shape \(40, 7\)"),
        ({"slots": (1, 3, 2)}, "slots must be 4 whole numbers of at least 1"),
        ({"slots": (1, 3, 3, 1)}, r"ids must be uint32 of shape \(rows, 8\)"),
        ({"slots": (2, 3, 2, 0)}, "slots must be 4 whole numbers"),
        ({"values": None}, "slots must come with values"),
        ({"split": [0] * 40}, r"split must be a NumPy array, uint8 of shape \(40,\), got a list"),
        ({"weights": [1.0] * 40}, "weights must be a NumPy array, float32"),
        ({"split": None}, "split must be a NumPy array, .* got a NoneType"),
    ],
)
def test_types_and_shapes(change: dict[str, Any], message: str) -> None:
    dataset = read_raw(reader(rows_by_hand(40))).encode()
    with pytest.raises(InputError, match=message):
        dataclasses.replace(dataset, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": np.zeros(40)}, r"times must be int64 of shape \(40,\), got float64"),
        ({"weights": np.ones(39, np.float32)}, r"weights must be float32 of shape \(40,\)"),
        ({"parts": np.zeros((40, 1), np.uint8)}, "parts must be uint8"),
        ({"slots": (1, 3, 2)}, "slots must be 4 numbers"),
        ({"slots": (1, 3, 3, 1)}, r"codes must have the shape \(40, 8\)"),
        ({"factors": np.ones((40, 4), np.float32)}, r"factors must be float32 of shape \(40, 7\)"),
    ],
)
def test_types_and_shapes_of_raw_rows(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(read_raw(reader(rows_by_hand(40))), **change)


def test_contents_are_checked_on_saving(tmp_path: Path) -> None:
    dataset = read_raw(reader(rows_by_hand(40))).encode()
    assert dataset.values is not None
    wrong: list[tuple[str, Any, str]] = [
        ("weights", -1.0, "weights must be finite and at least 0"),
        ("weights", np.nan, "weights must be finite"),
        ("values", np.inf, "values must be finite"),
    ]
    for name, value, message in wrong:
        array = getattr(dataset, name).copy()
        array.reshape(-1)[3] = value
        with pytest.raises(InputError, match=message):
            dataclasses.replace(dataset, **{name: array}).save(tmp_path / "store")
    ids = dataset.ids.copy()
    ids[5, 3] = dataset.field_offsets[2]  # the last slot of genres with an id of words
    with pytest.raises(InputError, match="field's range"):
        dataclasses.replace(dataset, ids=ids).save(tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_what_is_put_into_an_opened_store_is_checked_before_it_is_trained_on(tmp_path: Path) -> None:
    read_raw(reader(rows_by_hand(40))).encode(seed=2).save(tmp_path / "store")
    opened = ClickDataset.open(tmp_path / "store")
    ids, split, labels = opened.ids.copy(), opened.split.copy(), opened.labels.copy()
    ids[3, 0], split[7], labels[39] = opened.n, 3, 2
    opened.validate(stored=False)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"ids": ids}, "ids must lie"),
        ({"split": split}, "split must be 0, 1 or 2"),
        ({"labels": labels}, "labels must be 0 or 1"),
        ({"field_sizes": (1, *opened.field_sizes[1:]), "vocabulary": None}, "ids must lie"),
    ]
    for change, message in changes:
        with pytest.raises(InputError, match=message):
            train(RunConfig(), dataclasses.replace(opened, **change))


def test_bins_in_a_vocabulary(tmp_path: Path) -> None:
    rows = [Row(([(text, 1.0)],), 0) for text in ["3"] * 4 + ["1", "2", "10", "10.5", "", ""]]
    plan = FieldPlan("price", bins=4)
    store = encode_reader(HandReader([rows], [plan], "1"), tmp_path / "store", split=(1, 0, 0))
    opened = ClickDataset.open(tmp_path / "store").vocabulary
    assert store.vocabulary is not None
    assert opened is not None
    assert opened.categories(0) == ["-inf", "3", "10", ""]  # 1 2 | 3 3 3 3 | 10 10.5 | missing
    column = ["-7", "2.9", "3", "9.99", "1000", "", "ten", "1e999", "nan", "2"]
    assert opened.encode([column])[:, 0].tolist() == [1, 1, 2, 2, 3, 4, 0, 0, 0, 1]
    for text, expected in zip(column, opened.encode([column])[:, 0].tolist(), strict=True):
        assert opened.encode([[text]])[0, 0] == expected  # whatever stands beside it
    assert opened.bins(0) is not None
    assert read_raw(HandReader([rows], [FieldPlan("price")], "1")).encode().vocabulary.bins(0) is None  # type: ignore[union-attr]


def test_bins_stay_where_a_vocabulary_grows() -> None:
    rows = [Row(([(text, 1.0)], [(text, 1.0)]), 0) for text in ["1", "2", "3", "4"]]
    plans = [FieldPlan("price", bins=2), FieldPlan("zone")]
    vocabulary = read_raw(HandReader([rows], plans, "11")).encode(split=(1, 0, 0)).vocabulary
    assert vocabulary is not None
    fresh = [["7", "", "2.5"], ["7", "", "2"]]
    grown, growth = vocabulary.extended(fresh, [np.array([3, 2, 9]), np.array([3, 2, 9])])
    assert grown.categories(0) == ["-inf", "3"]
    assert grown.categories(1) == ["1", "2", "3", "4", "7", ""]
    assert growth.added == [0, 2]
    assert grown.bins(0) is not None
    assert grown.encode([["0", "3", "9", ""], ["1", "2", "7", "9"]])[:, 0].tolist() == [1, 2, 2, 0]
    assert translation(vocabulary, grown).tolist() == growth.moved.tolist()


@pytest.mark.parametrize("texts", [["", ""], ["4"], ["", "4", "4"]])
def test_bins_of_hardly_any_numbers(texts: list[str]) -> None:
    rows = [Row(([(text, 1.0)],), 0) for text in texts]
    dataset = read_raw(HandReader([rows], [FieldPlan("price", bins=4)], "1")).encode(split=(1, 0, 0))
    expected = [*(["-inf"] if "4" in texts else []), *([""] if "" in texts else [])]
    assert dataset.vocabulary is not None
    assert dataset.vocabulary.categories(0) == expected
    assert dataset.vocabulary.encode([["5"]]).tolist() == [[1 if "4" in texts else 0]]


def test_the_first_bad_row_is_named() -> None:
    rows = rows_by_hand(9)
    rows[4] = dataclasses.replace(rows[4], label=None)
    with pytest.raises(InputError, match="/data/part-1, row 5: no label; mend the file"):
        read_raw(HandReader([rows[:4], rows], PLANS, "1mf1"))
