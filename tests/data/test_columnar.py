"""Parquet and Arrow: types, row groups, bad rows by their number, damage in one sentence, URLs."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from alpt_ref.data import RawClicks
from alpt_ref.data.formats import batches
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import read_raw
from alpt_ref.data.schema import Schema
from alpt_ref.data.store.ingest import encode_reader
from alpt_ref.errors import InputError

SCHEMA = Schema.from_dict({"label": "y", "categorical": {"a": {}, "b": {"type": "number"}}, "multi": ["tags"]})
TABLE = pa.table(
    {
        "y": pa.array([1, 0, 1, 0], pa.int8()),
        "a": pa.array(["x", "é", None, "x"]),
        "b": pa.array([1.5, None, 2.0, 1.5]),
        "tags": pa.array([["p", "q"], None, [], ["q", None]]),
        "unused": pa.array([{"deep": [1]}] * 4),
    }
)


def read(source: Any, schema: Schema = SCHEMA, **options: Any) -> RawClicks:
    return read_raw(reader_of(source, schema=schema, **options))


def parquet_file(path: Path, table: pa.Table = TABLE, **options: Any) -> Path:
    parquet.write_table(table, path, **options)
    return path


def arrow_bytes(table: pa.Table, new: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with new(sink, table.schema) as out:
        out.write_table(table, max_chunksize=2)
    return bytes(sink.getvalue())


def test_a_parquet_file_of_several_row_groups_and_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read(TABLE)
    assert expected.categories == (["x", "é", ""], ["1.5", "", "2"], ["p", "q"])
    assert expected.codes[:, 2:].tolist() == [[0, 1], [-1, -1], [-1, -1], [1, -1]]
    monkeypatch.setattr(batches, "PIECE_ROWS", 3)
    many = pa.concat_tables([TABLE] * 5)
    path = parquet_file(tmp_path / "a", many, row_group_size=7)
    small = parquet_file(tmp_path / "b", many, row_group_size=1)
    for least in (1, 4, 1000):
        monkeypatch.setattr(batches, "LEAST_ROWS", least)
        for source in (path, small, many.to_reader(2), _written(tmp_path / "c", arrow_bytes(many, pa.ipc.new_stream))):
            clicks = read(source, workers=3)
            np.testing.assert_array_equal(clicks.codes, np.tile(expected.codes, (5, 1)))
            assert clicks.categories == expected.categories
    calls: list[tuple[int, int, int]] = []
    read(path, progress=lambda *call: calls.append(call))
    assert calls[-1] == (path.stat().st_size, path.stat().st_size, 20)


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["a", "b", None]).dictionary_encode(),
        pa.array(["a", "b", None], pa.large_string()),
        pa.array([b"a", b"b", None]),
        pa.array([b"a", b"b", None], pa.binary(1)),
        pa.array(["b", "a", "b", None]).dictionary_encode()[1:],
    ],
    ids=lambda array: str(array.type),
)
def test_texts_of_every_type_are_one(tmp_path: Path, array: Any) -> None:
    table = pa.table({"y": [1, 0, 1], "a": array})
    schema = Schema.from_dict({"label": "y", "categorical": ["a"]})
    for source in (table, parquet_file(tmp_path / "a", table)):
        clicks = read(source, schema)
        assert [clicks.categories[0][code] for code in clicks.codes[:, 0]] == ["a", "b", ""]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([3, 3, None], pa.int8()),
        pa.array([3, 3, None], pa.uint64()),
        pa.array([3, 3, None], pa.float32()),
        pa.array([3, 3, None], pa.int8()).cast(pa.decimal128(30, 2)),
        pa.array(["03", "3.0", ""]),
        pa.array([3.0, 3.0, np.nan], pa.float64()),
        pa.array(np.array([3, 3, np.nan], np.float16)),
    ],
    ids=lambda array: str(array.type),
)
def test_numbers_of_every_type_are_one(array: Any) -> None:
    clicks = read(
        pa.table({"y": [True, False, True], "a": array}),
        Schema.from_dict({"label": "y", "categorical": {"a": {"type": "number"}}}),
    )
    assert [clicks.categories[0][code] for code in clicks.codes[:, 0]] == ["3", "3", ""]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([["p", "q"], ["q"], None]),
        pa.array([["p", "q"], ["q"], []], pa.large_list(pa.large_string())),
        pa.array(["p|q", "q|", None]),
        pa.array([["p", "q"], ["q", None], [None, ""]], pa.list_(pa.string(), 2)),
        pa.array([["p", "q"], ["q", ""], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    ],
    ids=lambda array: str(array.type),
)
def test_lists_of_every_type_are_one(tmp_path: Path, array: Any) -> None:
    table, schema = pa.table({"y": [1, 0, 1], "a": array}), Schema.from_dict({"label": "y", "multi": ["a"]})
    for source in (table, parquet_file(tmp_path / "a", table)):
        clicks = read(source, schema)
        assert (clicks.codes.tolist(), clicks.categories) == ([[0, 1], [1, -1], [-1, -1]], (["p", "q"],))


@pytest.mark.parametrize(
    ("views", "offsets"), [(pa.ListViewArray, pa.int32()), (pa.LargeListViewArray, pa.int64())], ids=["small", "large"]
)
def test_list_views_are_their_lists(tmp_path: Path, views: Any, offsets: Any) -> None:
    values, starts, sizes = (
        pa.array(list("pqrs")),
        pa.array([2, 0, 3, 1, 0], offsets),
        pa.array([2, 3, 0, 1, 4], offsets),
    )
    array = views.from_arrays(starts, sizes, values, mask=pa.array([False] * 3 + [True, False]))
    lists = [["r", "s"], ["p", "q", "r"], [], None, ["p", "q", "r", "s"]]
    assert array.to_pylist() == lists
    schema = Schema.from_dict({"label": "y", "multi": ["a"]})
    table = pa.table({"y": [1, 0, 1, 0, 1], "a": array})
    file = tmp_path / "a.arrow"
    file.write_bytes(arrow_bytes(table, pa.ipc.new_file))
    for source, rows in ((table, slice(None)), (table.slice(1, 4), slice(1, 5)), (file, slice(None))):
        expected = read(
            pa.table({"y": [1, 0, 1, 0, 1][rows], "a": pa.array(lists[rows], pa.list_(pa.string()))}), schema
        )
        clicks = read(source, schema)
        assert (clicks.codes.tolist(), clicks.categories) == (expected.codes.tolist(), expected.categories)


def test_nested_columns_of_several_row_groups(tmp_path: Path) -> None:
    array = pa.array([["p"], ["q", "p"], None, []] * 5, pa.list_(pa.dictionary(pa.int32(), pa.string())))
    table, schema = pa.table({"y": [1, 0, 1, 0] * 5, "a": array}), Schema.from_dict({"label": "y", "multi": ["a"]})
    clicks, expected = read(parquet_file(tmp_path / "a", table, row_group_size=3), schema), read(table, schema)
    assert (clicks.codes.tolist(), clicks.categories) == (expected.codes.tolist(), expected.categories)


def test_what_arrow_cannot_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: Any, **__: Any) -> None:
        raise pa.ArrowNotImplementedError("no such conversion")

    path = parquet_file(tmp_path / "a")
    monkeypatch.setattr(parquet.ParquetFile, "read_row_groups", unable)
    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", unable)
    with pytest.raises(InputError, match=r"a holds what pyarrow .* cannot read \(no such conversion\); write it with"):
        read(path)


def test_bad_rows_are_named_by_their_number(tmp_path: Path) -> None:
    broken = pa.array([b"ok", b"\xff", b"ok", b"ok"]).view(pa.string())
    table = TABLE.set_column(1, "a", broken).set_column(0, "y", pa.array([1, 1, 2, None])).set_column(
        2, "b", pa.array([1.0, 1.0, 1.0, float("inf")])
    )  # fmt: skip
    for source in (
        table,
        parquet_file(tmp_path / "a", table, row_group_size=2),
        _written(tmp_path / "b", arrow_bytes(table, pa.ipc.new_file)),
    ):
        clicks = read(source, on_bad_row="skip", max_bad_rows=1)
        assert clicks.rows == 1
        assert clicks.bad_rows.examples == [
            (2, "column a: '�' is not text in UTF-8"),
            (3, "label 2 is not one of 1, true, 0, false, -1"),
            (4, "label None is not one of 1, true, 0, false, -1"),
        ]
    with pytest.raises(InputError, match=r"a, row 2: column a"):
        read(tmp_path / "a")


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("column", "array", "message"),
    [
        ("a", pa.array([0.5] * 4), r"column 'a' holds double values, which have no one text; give .* type = .number."),
        ("a", pa.array([0.5] * 4, pa.float32()), "column 'a' holds float values, which have no one text"),
        ("a", pa.array(np.full(4, 0.5, np.float16)), "column 'a' holds double values, which have no one text"),
        ("tags", pa.array(np.full(4, 0.5, np.float16)), "column 'tags' holds double values, which have no one text"),
        ("a", pa.array([True] * 4), "column 'a' holds bool values"),
        ("a", pa.array([0] * 4, pa.timestamp("s")), r"column 'a' holds timestamp.* values, which are no category"),
        ("b", pa.array([{"x": 1}] * 4), "column 'b'"),
        ("tags", pa.array([[[1]]] * 4), "column 'tags'"),
    ],
)  # fmt: skip
def test_columns_of_other_types_are_refused(tmp_path: Path, column: str, array: Any, message: str) -> None:
    table = TABLE.set_column(TABLE.column_names.index(column), column, array)
    for source in (table, parquet_file(tmp_path / "file", table)):
        with pytest.raises(InputError, match=message) as caught:
            read(source)
        assert len(str(caught.value).splitlines()) == 1


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    lacking = TABLE.drop_columns(["a", "y"])
    for source in (lacking, parquet_file(tmp_path / "file", lacking)):
        with pytest.raises(InputError, match=r"lacks columns 'y', 'a', it has b, tags, unused; mend the schema"):
            read(source)
    twice = pa.table(
        [TABLE["y"], TABLE["a"], TABLE["a"], TABLE["b"], TABLE["tags"]], names=["y", "a", "a", "b", "tags"]
    )
    with pytest.raises(InputError, match="has column 'a' twice"):
        read(twice)


def test_a_stream_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = arrow_bytes(TABLE, pa.ipc.new_stream)
    assert read(_written(tmp_path / "a", whole)).rows == 4
    for data, message in (
        (whole[:-8], "ends too early"),
        (whole + b"more", "more than one"),
        (whole[:-80], "Arrow stream"),
    ):
        with pytest.raises(InputError, match=message):
            read(_written(tmp_path / "a", data))


def test_a_killed_run_takes_over_pieces_of_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LEAST_ROWS", 1)
    path = parquet_file(tmp_path / "a", pa.concat_tables([TABLE] * 5), row_group_size=4)
    whole = encode_reader(reader_of(path, schema=SCHEMA), tmp_path / "whole", min_count=1)
    parsed = 0

    def dies_late(job: batches.BatchJob, original: Any = batches.BatchJob.parse) -> Any:
        nonlocal parsed
        parsed += 1
        if parsed == 4:
            raise KeyboardInterrupt
        return original(job)

    with monkeypatch.context() as patch:
        patch.setattr(batches.BatchJob, "parse", dies_late)
        with pytest.raises(KeyboardInterrupt):
            encode_reader(reader_of(path, schema=SCHEMA, workers=1), tmp_path / "store", min_count=1)
    again_parsed: list[int] = []
    original = batches.BatchJob.parse

    def counting(job: batches.BatchJob) -> Any:
        again_parsed.append(job.first)
        return original(job)

    monkeypatch.setattr(batches.BatchJob, "parse", counting)
    again = encode_reader(reader_of(path, schema=SCHEMA), tmp_path / "store", min_count=1)
    assert again.fingerprint == whole.fingerprint
    assert len(again_parsed) == 5 - (parsed - 1)


def test_a_parquet_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "a")
    reader = reader_of(path, schema=SCHEMA)
    with contextlib.closing(reader._jobs()) as jobs:
        job = next(jobs)
        os.utime(path, ns=(0, 0))
        with pytest.raises(InputError, match="a changed while it was read"):
            job.parse()


def test_urls(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    parquet_file(tmp_path / "a.parquet")
    expected = read(tmp_path / "a.parquet")
    files = fsspec.filesystem("memory")
    files.pipe("/clicks/a.parquet", (tmp_path / "a.parquet").read_bytes())
    files.pipe("/clicks/b.arrow", arrow_bytes(TABLE, pa.ipc.new_stream))
    for url in (f"file://{tmp_path / 'a.parquet'}", "memory://clicks/a.parquet", "memory://clicks/b.*"):
        np.testing.assert_array_equal(read(url).codes, expected.codes)
    both = read("memory://clicks")
    assert [entry["file"] for entry in both.info["source"]["files"]] == ["a.parquet", "b.arrow"]
    for url, message in (
        ("memory://clicks/none", "does not exist"), ("memory://clicks/z*", "does not exist|matches no file"),
        ("nosuch://a", "cannot read nosuch://a"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            read(url)


def test_urls_without_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"files behind s3:// need fsspec; pip install 'fsspec"):
        read("s3://bucket/clicks.parquet")


def sample(container: str) -> bytes:
    if container == "parquet":
        sink = io.BytesIO()
        parquet.write_table(TABLE, sink, row_group_size=2, compression="none")
        return sink.getvalue()
    return arrow_bytes(TABLE, pa.ipc.new_file if container == "arrow" else pa.ipc.new_stream)


SAMPLES = {container: sample(container) for container in ("parquet", "arrow", "stream")}


@pytest.mark.filterwarnings("ignore::alpt_ref.data.formats.categories.CategoryWarning")
@given(data=st.data(), container=st.sampled_from(sorted(SAMPLES)))
def test_damage_is_one_sentence_or_other_values(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, container: str
) -> None:
    damaged = bytearray(SAMPLES[container])
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 3))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        damaged = damaged[: data.draw(st.integers(0, len(damaged) - 1))]
    path = _written(tmp_path_factory.getbasetemp() / f"damaged-{container}", bytes(damaged))
    try:
        clicks = read(path, on_bad_row="skip", max_bad_rows=1)
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
        assert str(path) in str(error)  # noqa: PT017
        return
    assert clicks.rows + clicks.bad_rows.count == 4
