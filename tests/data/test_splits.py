"""Splits by time, by order, by files and stratified ones: their rules against brute force, in RAM and streamed."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from alpt_ref.data import Schema, describe_text, encode_file, read
from alpt_ref.data.encoding import SplitWarning
from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.raw import read_raw
from alpt_ref.data.split_time import cut_times, order_statistic, time_split
from alpt_ref.data.splits import fold_split, order_split, split_counts, stratified_split
from alpt_ref.data.store.ingest import encode_reader
from alpt_ref.errors import InputError

from .by_hand import HandReader, Row

TIME = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))
SHARES = st.sampled_from([(8, 1, 1), (1, 1, 1), (1, 0, 1), (2, 1, 0), (1, 0, 0), (1, 8, 1)])


def slow_time_split(times: list[int], shares: tuple[int, int, int]) -> list[int]:
    """Try every edge between two times, the earliest first."""
    train, valid, _ = split_counts(len(times), shares)
    edges = [sum(time <= edge for time in times) for edge in sorted(set(times))]  # rows up to each moment
    first = min(edges, key=lambda rows: (abs(rows - train), rows))
    second = min([0, *edges], key=lambda rows: (abs(rows - train - valid), rows))
    ranks = [sum(other <= time for other in times) for time in times]
    return [0 if rank <= first else 1 if rank <= second else 2 for rank in ranks]


@settings(deadline=None, max_examples=30)
@given(times=st.lists(TIME, min_size=1, max_size=30), shares=SHARES)
def test_time_split_against_every_edge(times: list[int], shares: tuple[int, int, int]) -> None:
    array = np.array(times, dtype=np.int64)
    found = time_split(array, shares)
    assert found.tolist() == slow_time_split(times, shares)
    halves = [array[: len(array) // 2], array[len(array) // 2 :]]
    cuts = cut_times(lambda: halves, len(array), shares)
    assert cuts == cut_times(lambda: [array], len(array), shares)
    ascending = sorted(times)
    for rank in {0, len(times) // 3, len(times) - 1}:
        assert order_statistic(lambda: halves, rank) == ascending[rank]


def test_time_split_puts_no_moment_into_two_parts() -> None:
    times = np.repeat([5, 3, 9, 1], [40, 30, 10, 20])  # in time: 20 of 1, 30 of 3, 40 of 5, 10 of 9
    parts = time_split(times, (8, 1, 1))
    assert {(int(time), int(part)) for time, part in zip(times, parts, strict=True)} == {(1, 0), (3, 0), (5, 0), (9, 2)}
    with pytest.raises(InputError, match="times must be whole numbers"):
        time_split(times / 2)


@settings(deadline=None, max_examples=30)
@given(labels=st.lists(st.sampled_from([0, 0, 0, 1]), min_size=30, max_size=200), seed=st.integers(0, 3))
def test_stratified_split_gives_each_class_its_shares(labels: list[int], seed: int) -> None:
    array, counts = np.array(labels, dtype=np.uint8), Counter(labels)
    if any(0 < counts[label] < 10 for label in (0, 1)):
        return
    parts = stratified_split(array, (8, 1, 1), seed)
    for label in set(labels):
        assert tuple(np.bincount(parts[array == label], minlength=3)) == split_counts(counts[label], (8, 1, 1))
    np.testing.assert_array_equal(parts, stratified_split(array, (8, 1, 1), seed))
    if len(labels) > 60:
        assert (parts != stratified_split(array, (8, 1, 1), seed + 1)).any()


@pytest.mark.parametrize("folds", [3, 7])
def test_stratified_folds(folds: int) -> None:
    labels = (np.random.default_rng(1).random(101) < 0.3).astype(np.uint8)
    splits = np.array([fold_split(101, folds, seed, labels) for seed in range(folds)])
    np.testing.assert_array_equal((splits == 2).sum(axis=0), np.ones(101))
    np.testing.assert_array_equal((splits == 1).sum(axis=0), np.ones(101))
    for rows in (labels == 0, labels == 1, np.ones(101, bool)):
        sizes = (splits[:, rows] == 2).sum(axis=1)
        assert sizes.max() - sizes.min() <= 1


def rows_of(count: int, seed: int = 0) -> list[Row]:
    """Rows of one field, out of order in time."""
    random = np.random.default_rng(seed)
    return [
        Row(([(f"c{k % 9}", 1.0)],), int(random.random() < 0.4), 1.0, int(random.integers(12))) for k in range(count)
    ]


def reader(sources: list[list[Row]], step: int = 4, parts: Any = None) -> HandReader:
    found = HandReader(sources, [FieldPlan("a")], "1", step)
    found.parts = parts
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"by": "time"}, {"split": [8, 1, 1], "by": "time"}),
        ({"by": "order", "split": (3, 1, 1)}, {"split": [3, 1, 1], "by": "order"}),
        ({"by": "random", "seed": 4}, {"split": [8, 1, 1], "seed": 4}),
        ({"stratify": True, "seed": 4}, {"split": [8, 1, 1], "seed": 4, "stratify": True}),
        ({"folds": 5, "seed": 6, "stratify": True}, {"folds": 5, "fold": 1, "stratify": True}),
    ],
)
def test_streamed_rows_are_split_as_those_in_memory(
    options: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    rows = rows_of(80)
    labels = np.array([row.label for row in rows], dtype=np.uint8)
    times = np.array([row.time for row in rows])
    direct = read_raw(reader([rows])).encode(min_count=1, **options)
    stored = encode_reader(reader([rows], 7), tmp_path / "store", min_count=1, **options)
    assert stored.fingerprint == direct.fingerprint
    shared = {"min_count", "vocabulary", "categories_seen"}
    assert {key: value for key, value in stored.info["encoding"].items() if key not in shared} == expected
    wanted = {
        "time": lambda: time_split(times),
        "order": lambda: order_split(80, (3, 1, 1)),
    }
    if options.get("by") in wanted:
        np.testing.assert_array_equal(direct.split, wanted[options["by"]]())
    elif options.get("stratify") and not options.get("folds"):
        np.testing.assert_array_equal(direct.split, stratified_split(labels, seed=4))
    elif options.get("folds"):
        np.testing.assert_array_equal(direct.split, fold_split(80, 5, 1, labels))
    again = encode_reader(reader([rows], 7), tmp_path / "store", min_count=1, **options)
    assert again.fingerprint == stored.fingerprint
    assert stored.info["time"] == direct.info["time"]
    for part, (low, high) in stored.info["time"].items():
        inside = times[stored.rows_of(part)]
        assert (low, high) == (inside.min(), inside.max())
        assert f"times {low} to {high}" in describe_text(stored)


def test_files_that_are_the_split(tmp_path: Path) -> None:
    rows = rows_of(60)
    sources = [rows[:30], rows[30:40], rows[40:45], rows[45:]]
    parts = ("train", "test", "train", "valid")
    expected = [0] * 30 + [2] * 10 + [0] * 5 + [1] * 15
    direct = read_raw(reader(sources, parts=parts)).encode(min_count=1)
    assert direct.split.tolist() == expected
    assert direct.info["encoding"]["by"] == "files"
    assert not {"split", "seed"} & set(direct.info["encoding"])
    stored = encode_reader(reader(sources, 3, parts), tmp_path / "store", min_count=1)
    assert stored.fingerprint == direct.fingerprint


def test_another_division_of_the_same_files_is_another_store(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    for number, file in enumerate(files):
        file.write_text("".join(f"{(row + number) % 2} {row % 5}:1\n" for row in range(20)))
    a, b, c = files
    first = encode_file("libfm", {"train": [a, b], "test": c}, tmp_path / "store")
    again = encode_file("libfm", {"train": [a, b], "test": c}, tmp_path / "store")
    assert again.fingerprint == first.fingerprint
    assert "split as the files were given, shares 8:1:1" in describe_text(first)
    for other in ({"train": a, "test": [b, c]}, {"train": [a, b], "valid": c}, [a, b, c]):
        with pytest.raises(InputError, match="already holds another store"):
            encode_file("libfm", other, tmp_path / "store")


@pytest.mark.parametrize("stratify", [False, True])
def test_without_files_to_validate_on_some_training_rows_are_taken(tmp_path: Path, stratify: bool) -> None:
    rows = rows_of(100)
    sources, parts = [rows[:90], rows[90:]], ("train", "test")
    direct = read_raw(reader(sources, parts=parts)).encode(seed=3, stratify=stratify)
    assert np.bincount(direct.split).tolist() == [80, 10, 10]
    assert direct.split[90:].tolist() == [2] * 10
    assert direct.info["encoding"]["seed"] == 3
    stored = encode_reader(reader(sources, 7, parts), tmp_path / "store", seed=3, stratify=stratify)
    assert stored.fingerprint == direct.fingerprint
    other = read_raw(reader(sources, parts=parts)).encode(seed=4, stratify=stratify)
    assert (other.split != direct.split).any()


@pytest.mark.parametrize(
    ("options", "parts", "message"),
    [
        ({"by": "hour"}, None, "by must be one of random, order, time, files, got 'hour'"),
        ({"by": "files"}, None, "by='files' needs files that are given as train, valid and test"),
        ({"by": "time", "folds": 3}, None, "folds are drawn at random; leave out by='time' or folds"),
        ({"by": "time", "stratify": True}, None, "stratify is for rows that are drawn at random, not for"),
        ({"stratify": 1}, None, "stratify must be True or False, got 1"),
        ({"by": "random"}, ("train", "test"), "are the split themselves; leave out by='random'"),
        ({"folds": 3}, ("train", "test"), "are the split themselves; leave out folds"),
        ({"stratify": True}, ("train", "valid"), "not for a split by files"),
        ({}, ("valid", "test"), "no file is given as the training part; name at least one with train"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(options: dict[str, Any], parts: Any, message: str, tmp_path: Path) -> None:
    rows = rows_of(20)
    with pytest.raises(InputError, match=message):
        read_raw(reader([rows[:9], rows[9:]], parts=parts)).encode(**options)
    with pytest.raises(InputError, match=message):
        encode_reader(reader([rows[:9], rows[9:]], parts=parts), tmp_path / "store", **options)
    assert list(tmp_path.iterdir()) == []


def labelled(labels: str, times: str = "") -> list[Row]:
    moments = times or "0123456789" * 9
    return [Row(([("a", 1.0)],), int(label), 1.0, int(time)) for label, time in zip(labels, moments, strict=False)]


@pytest.mark.parametrize(
    ("labels", "times", "options", "message"),
    [
        ("0101", "", {"by": "order", "split": (8, 1, 1)}, r"the test part without rows .*\(4 rows in all"),
        ("0101010101", "1111111111", {"by": "time"}, "by time leaves the valid part without rows"),
        ("0" * 8 + "11", "", {"by": "order"}, "train part of a split by order has labels of one class, 0, from"),
        ("0" * 20 + "1" * 5, "", {"stratify": True}, "class 1 has 5 rows, too few for one in every part of 8:1:1"),
        ("0" * 20 + "1" * 5, "", {"stratify": True, "folds": 6}, "class 1 has 5 rows, fewer than the 6 folds"),
    ],
)  # fmt: skip
def test_splits_that_cannot_be(labels: str, times: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_raw(reader([labelled(labels, times)])).encode(**options)
    with pytest.raises(InputError, match=message):
        encode_reader(reader([labelled(labels, times)]), tmp_path / "store", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_part_to_evaluate_on_of_one_class_is_warned_about() -> None:
    with pytest.warns(SplitWarning, match="test part of a split by order has labels of one class, 1, so"):
        read_raw(reader([labelled("0101010111")])).encode(by="order", split=(6, 2, 2))


def test_a_part_whose_files_are_empty() -> None:
    with pytest.raises(InputError, match="the valid part has no rows; name files that hold some, or leave valid out"):
        read_raw(reader([rows_of(9), [], rows_of(3)], parts=("train", "valid", "test")))


def test_rows_of_weight_0_fill_no_part(tmp_path: Path) -> None:
    rows = [dataclasses.replace(row, weight=float(k < 16)) for k, row in enumerate(labelled("01" * 10))]
    message = r"leaves the valid part without rows of weight above 0 \(20 rows"
    with pytest.raises(InputError, match=message):
        read_raw(reader([rows])).encode(by="order")
    with pytest.raises(InputError, match=message):
        encode_reader(reader([rows], 3), tmp_path / "store", by="order")


def test_no_times() -> None:
    raw = read_raw(reader([rows_of(20)]))
    object.__setattr__(raw, "times", None)
    with pytest.raises(InputError, match="needs a time of every row; name the time's column in the schema"):
        raw.encode(by="time")


@pytest.mark.parametrize("kinds", ["in one file", "in two files", "in two types"])
def test_whole_numbers_and_dates_have_no_common_order(kinds: str, tmp_path: Path) -> None:
    schema = Schema.from_dict({"label": "click", "categorical": ["site"], "time": "at"})
    dates = [f"2024-03-01 00:00:{second:02d}" for second in range(40)]
    numbers = [str(1709251240 + second) for second in range(40)]
    rows = [f"{row % 3 == 0:d},s{row % 5}" for row in range(40)]
    first = "click,site,at\n" + "".join(f"{row},{date}\n" for row, date in zip(rows, dates, strict=True))
    second = "".join(f"{row},{number}\n" for row, number in zip(rows, numbers, strict=True))
    files = [tmp_path / "a.csv"]
    files[0].write_text(first + second if kinds == "in one file" else first)
    if kinds == "in two files":
        files.append(tmp_path / "b.csv")
        files[1].write_text("click,site,at\n" + second)
    elif kinds == "in two types":
        table = {"click": [row % 3 == 0 for row in range(40)], "site": ["s1"] * 40, "at": list(map(int, numbers))}
        files.append(tmp_path / "b.parquet")
        parquet.write_table(pa.table(table), files[1])
    message = "a split by time needs times of one kind, these are whole numbers in some rows and dates in others"
    with pytest.raises(InputError, match=message):
        read(files, schema).encode(by="time")
    with pytest.raises(InputError, match=message):
        encode_file(None, files, tmp_path / "store", schema=schema, by="time", chunk_bytes=200)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.name for file in files)
    read(files, schema).encode(by="order")
    files[0].write_text(first)
    read(files[:1], schema).encode(by="time")


@pytest.mark.parametrize("warned", [True, False])
def test_whole_numbers_of_two_units_are_warned_about(warned: bool, tmp_path: Path) -> None:
    scale = 1000 if warned else 1
    rows = labelled("01" * 20)
    rows = [dataclasses.replace(row, time=(1_700_000_000 + k) * (scale if k > 30 else 1)) for k, row in enumerate(rows)]
    message = (
        "by their size times are seconds since 1970 in 31 rows, milliseconds since 1970 in 9 rows: a split by time"
    )
    for streamed in (False, True):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            if streamed:
                encode_reader(reader([rows], 7), tmp_path / "store", by="time")
            else:
                read_raw(reader([rows])).encode(by="time")
        assert [str(one.message)[: len(message)] for one in found] == [message] * warned


def test_every_pair_of_rules_gives_another_store(tmp_path: Path) -> None:
    """A store that was split by one rule is not taken for one that was split by another."""
    rules: list[dict[str, Any]] = [{"seed": 0}, {"by": "time"}, {"by": "order"}, {"stratify": True}, {"folds": 3}]
    rows = rows_of(80)
    for number, rule in enumerate(rules):
        encode_reader(reader([rows]), tmp_path / f"{number}", **rule)
    for number, other in itertools.permutations(range(len(rules)), 2):
        with pytest.raises(InputError, match="already holds another store"):
            encode_reader(reader([rows]), tmp_path / f"{number}", **rules[other])
