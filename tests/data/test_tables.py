"""Tables in memory: pandas objects of several types, names, refusals; nothing is read that is not needed."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from alpt_ref.data import RawClicks
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import read_raw
from alpt_ref.data.schema import Schema
from alpt_ref.errors import InputError

pandas = pytest.importorskip("pandas")
SCHEMA = Schema.from_dict({"label": "y", "categorical": ["a"]})
NUMBER = Schema.from_dict({"label": "y", "categorical": {"a": {"type": "number"}}})
LISTS = Schema.from_dict({"label": "y", "multi": ["a"]})


def read(source: Any, schema: Schema = SCHEMA, **options: Any) -> RawClicks:
    return read_raw(reader_of(source, schema=schema, **options))


def frame(values: Any, **options: Any) -> Any:
    return pandas.DataFrame({"y": [index % 2 for index in range(len(values))], "a": pandas.Series(values, **options)})


def texts(clicks: RawClicks) -> list[str]:
    return [clicks.categories[0][code] for code in clicks.codes[:, 0]]


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (["3", "x", None], {}),
        (["3", "x", float("nan")], {"dtype": object}),
        ([3, "x", None], {"dtype": object}),
        ([b"3", "x", pandas.NA], {"dtype": object}),
        (["3", "x", None], {"dtype": "category"}),
        (["3", "x", None], {"dtype": "string"}),
        ([np.int8(3), "x", pandas.NaT], {"dtype": object}),
    ],
)
def test_columns_of_objects(values: list[Any], options: dict[str, Any]) -> None:
    assert texts(read(frame(values, **options))) == ["3", "x", ""]


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([3, 0.5, None], {"dtype": object}),
        (["03", "0.50", ""], {}),
        ([3.0, np.float32(0.5), np.nan], {"dtype": object}),
        ([3.0, 0.5, None], {"dtype": "float32"}),
        ([decimal.Decimal(3), decimal.Decimal("0.5"), None], {"dtype": object}),
        ([3, "0.5", None], {"dtype": object}),
    ],
)
def test_columns_of_numbers(values: list[Any], options: dict[str, Any]) -> None:
    assert texts(read(frame(values, **options), NUMBER)) == ["3", "0.5", ""]


def test_whole_numbers_of_any_size() -> None:
    values = [2**70, 2**70 + 1, -(2**80)]
    for schema in (SCHEMA, NUMBER):
        assert texts(read(frame(values, dtype=object), schema)) == [str(value) for value in values]


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([0.5, 1.5], "double values, which have no one text"),
        ([True, "x"], "bool values, which have no one text"),
        ([1, datetime.date(2014, 10, 21)], "date values, which are no category"),
        ([1j, 2j], "complex values, which are no category"),
        ([{"x": 1}, {}], "struct.* values, which are no category"),
    ],
)
def test_values_that_are_no_category_are_refused(values: list[Any], what: str) -> None:
    with pytest.raises(InputError, match=rf"DataFrame \(pandas\): column 'a' .*{what}"):
        read(frame(values, dtype=object))


def test_texts_that_are_no_utf8_are_bad_rows() -> None:
    clicks = read(frame(["x", "\ud800", b"\xff", "y"], dtype=object), on_bad_row="skip", max_bad_rows=1)
    assert texts(clicks) == ["x", "y"]
    assert [row for row, _ in clicks.bad_rows.examples] == [2, 3]


def test_columns_of_lists() -> None:
    values = [["p", "q"], None, [], np.array(["q"]), ("p", None), ["p", 3]]
    clicks = read(frame(values, dtype=object), LISTS)
    assert clicks.codes.tolist() == [[0, 1], [-1, -1], [-1, -1], [1, -1], [0, -1], [0, 2]]
    assert clicks.categories == (["p", "q", "3"],)


def test_names_may_be_numbers_and_other_columns_anything() -> None:
    table = pandas.DataFrame({0: [1, 0], 1: ["u", "v"], 2: [object(), object()]})
    clicks = read(table, Schema.from_dict({"label": "0", "categorical": ["1"]}))
    assert texts(clicks) == ["u", "v"]
    with pytest.raises(InputError, match=r"DataFrame \(pandas\) lacks column 'y', it has a; mend the schema"):
        read(pandas.DataFrame({"a": ["x"]}))


def test_a_record_batch_reader_is_read_once_and_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpt_ref.data.formats.batches.LEAST_ROWS", 1)
    handed_out = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(50):
            handed_out.append(number)
            yield pa.record_batch({"y": [number % 2], "a": [str(number)]})

    kind = pa.schema([("y", pa.int64()), ("a", pa.string())])
    reader = reader_of(pa.RecordBatchReader.from_batches(kind, batches()), schema=SCHEMA, workers=1)
    counts = []
    for rows in reader.pieces(lambda number, job: _count(job)):
        counts.append(rows)
        assert len(handed_out) <= len(counts) + 4  # not all at once
    assert sum(counts) == reader.rows == 50


def _count(job: Any) -> Any:
    from alpt_ref.data.formats.pieces import counted

    rows, faulty = job.parse()
    return len(rows.labels), len(rows.labels), counted(faulty)


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([True, None, False]),
        pa.array([1, None, 0], pa.int8()),
        pa.array([1.0, None, 0.0]),
        pa.array([1.0, float("nan"), 0.0]),
        pa.array(["1", "", "0"]),
        pa.array(["1.0", None, "false"]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_a_missing_label_is_a_bad_row(labels: Any) -> None:
    table = pa.table({"y": labels, "a": ["u", "v", "w"]})
    for source in (table, table.to_pandas()):
        clicks = read(source, on_bad_row="skip", max_bad_rows=1)
        assert (clicks.labels.tolist(), texts(clicks)) == ([1, 0], ["u", "w"])


def test_polars_frames() -> None:
    polars = pytest.importorskip("polars")
    for dtype in (polars.Categorical, polars.Enum(["v", "u"]), polars.String):
        frame = polars.DataFrame(
            {"y": [1, 0, 1], "a": polars.Series(["u", "v", None], dtype=dtype), "o": [{}, None, {}]}
        )
        assert texts(read(frame)) == ["u", "v", ""]
    lists = polars.DataFrame(
        {"y": [1, 0], "a": polars.Series([["u"], ["v", "u"]], dtype=polars.List(polars.Categorical))}
    )
    assert read(lists, LISTS).codes.tolist() == [[0, -1], [1, 0]]
    wide = polars.DataFrame({"y": [1, 0], "a": polars.Series([2**100, 1], dtype=polars.Int128)})
    assert texts(read(wide)) == texts(read(wide, NUMBER)) == [str(2**100), "1"]
    objects = polars.Series([object(), object()], dtype=polars.Object)
    assert texts(read(polars.DataFrame({"y": [1, 0], "a": ["u", "v"], "unused": objects}))) == ["u", "v"]
    with pytest.raises(InputError, match="column 'a' holds object values, which are no category"):
        read(polars.DataFrame({"y": [1, 0], "a": objects}))
    with pytest.raises(InputError, match=r"collect\(\) it"):
        read(wide.lazy())


def test_what_is_no_source_is_refused() -> None:
    for source, message in ((7, "must be files"), ([7], "must be files or tables"), ([], "no click file is named")):
        with pytest.raises(InputError, match=message):
            read(source)
    with pytest.raises(InputError, match="must be train, valid and test, got 'dev'"):
        read({"train": frame(["x"]), "dev": frame(["x"])})
    with pytest.raises(InputError, match="train is missing"):
        read({"test": frame(["x"])})
    with pytest.raises(InputError, match="a table in memory needs a schema"):
        reader_of(frame(["x"]), kind="criteo")
    with pytest.raises(InputError, match="give one of schema and kind"):
        reader_of("a")
