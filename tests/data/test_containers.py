"""The same rows in every container: equal coded rows, and one store fingerprint."""

from __future__ import annotations

import csv
import importlib.util
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from alpt_ref.data import RawClicks
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import read_raw
from alpt_ref.data.schema import Schema
from alpt_ref.data.store.ingest import encode_reader

SCHEMA = Schema.from_dict(
    {
        "label": "click",
        "weight": "weight",
        "time": "time",
        "categorical": {"text": {}, "number": {"type": "number"}, "id": {}},
        "numeric": {"price": {"binning": "identity"}, "count": {"binning": "log"}},
        "multi": {"tags": {"separator": "|", "max_values": 5}},
        "order": ["tags", "text", "number", "id", "price", "count"],
    }
)
TEXTS = (
    *("", "a", "A", " a", "a ", "03", "3", "3.0", "nan", "NULL", "true", "é", "点击", "\u00a0", "\U0001f600"),
    *('q"uote', '"', '""', "a,b", "a\tb", "a;b", "two\nlines", "two\r\nlines", "\n", "'", "\\", "#", "\x00", "\x1f"),
    "x" * 300,
)
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\r\ufeff")
TEXT = st.one_of(st.sampled_from(TEXTS), st.text(CHARACTERS, max_size=8))
NUMBER = st.sampled_from([0.0, -0.0, 0.5, 3.0, 1e22, 1e-7, 0.1]) | st.floats(allow_nan=False, allow_infinity=False)
TAG = st.text("ab,;\"' é\n", min_size=1, max_size=3)
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | TEXT,
        "number": st.none() | NUMBER,
        "id": st.none() | st.integers(-(2**63), 2**63 - 1),
        "price": st.none() | st.floats(-1e6, 1e6, width=32),
        "count": st.none() | st.integers(-5, 10**6),
        "tags": st.lists(TAG, max_size=5),
        "click": st.booleans(),
        "weight": st.floats(0, 1e6, width=32),
        "time": st.integers(-(10**9), 10**9),
    }
)  # fmt: skip
COLUMNS = tuple(SCHEMA.columns)


def arrow_of(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows in their own types."""
    types = {
        "text": pa.string(), "number": pa.float64(), "id": pa.int64(), "price": pa.float32(), "count": pa.int32(),
        "tags": pa.list_(pa.string()), "click": pa.bool_(), "weight": pa.float64(), "time": pa.timestamp("ms"),
        "extra": pa.binary(),
    }  # fmt: skip
    columns = {name: [row.get(name) for row in rows] for name in types}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def cell(name: str, value: Any) -> str:
    """A value as a writer of text writes it."""
    if value is None:
        return ""
    if name == "tags":
        return "|".join(value)
    if name == "time":
        return str(np.datetime64(value, "ms")).replace("T", " ")
    return str(np.float32(value)) if name == "price" else str(value)


def text_of(rows: list[dict[str, Any]], delimiter: str, *, order: int = 1, end: str = "\n", quote: int = 0) -> bytes:
    """The rows as delimited text with a header, columns in one order or the reverse."""
    names = ["extra", *COLUMNS][::order]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quote)
    writer.writerow(names)
    writer.writerows([cell(name, row.get(name)) for name in names] for row in rows)
    return out.getvalue().encode()


def compressed(data: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as out:
        out.write(data)
    return bytes(sink.getvalue())


def dictionaries(table: pa.Table) -> pa.Table:
    """The same with the texts as dictionaries that hold values twice, unused ones, and others in another order."""
    place = table.column_names.index("text")
    coded = table["text"].combine_chunks().dictionary_encode()
    turned = pa.concat_arrays([pa.array(["unused"]), coded.dictionary[::-1], coded.dictionary])
    count = len(coded.dictionary)
    indices = pa.array(
        [
            None if one is None else 1 + count + one if row % 2 else count - one  # one copy or the other
            for row, one in enumerate(coded.indices.to_pylist())
        ]
    )
    odd = pa.DictionaryArray.from_arrays(indices.cast(pa.int64()), turned)
    return table.set_column(place, "text", odd)


def _file(name: str, data_of: Callable[[list[dict[str, Any]]], bytes]) -> Callable[[list[dict[str, Any]], Path], Any]:
    def make(rows: list[dict[str, Any]], folder: Path) -> Path:
        (folder / name).write_bytes(data_of(rows))
        return folder / name

    return make


def parquet_bytes(rows: list[dict[str, Any]], **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(arrow_of(rows), sink, row_group_size=max(1, len(rows) // 2), **options)
    return bytes(sink.getvalue())


def arrow_bytes(rows: list[dict[str, Any]], new: Callable[..., Any]) -> bytes:
    table, sink = arrow_of(rows), pa.BufferOutputStream()
    with new(sink, table.schema) as out:
        out.write_table(table, max_chunksize=2)
    return bytes(sink.getvalue())


def two_files(rows: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Half of the rows as text, half as Parquet."""
    half = len(rows) // 2
    (folder / "part0").write_bytes(text_of(rows[:half], "|", quote=csv.QUOTE_ALL))
    (folder / "part1").write_bytes(parquet_bytes(rows[half:], use_dictionary=False))
    return [folder / "part0", folder / "part1"]


CONTAINERS: dict[str, Callable[[list[dict[str, Any]], Path], Any]] = {
    "arrow": lambda rows, folder: arrow_of(rows),
    "csv": _file("csv", lambda rows: text_of(rows, ",")),
    "tsv": _file("tsv", lambda rows: text_of(rows, "\t", order=-1, end="\r\n")),
    "quoted": _file(
        "quoted", lambda rows: b"\xef\xbb\xbf" + text_of(rows, ";", quote=csv.QUOTE_ALL).removesuffix(b"\n")
    ),
    "zstd": _file("zstd", lambda rows: compressed(text_of(rows, ","), "zstd")),
    "gzip": _file("gzip", lambda rows: compressed(text_of(rows, ","), "gzip")),
    "parquet": _file("parquet", parquet_bytes),
    "packed parquet": _file("packed", lambda rows: compressed(parquet_bytes(rows), "zstd")),
    "arrow file": _file("arrow", lambda rows: arrow_bytes(rows, pa.ipc.new_file)),
    "arrow stream": _file("stream", lambda rows: arrow_bytes(rows, pa.ipc.new_stream)),
    "two files": two_files,
    "reader": lambda rows, folder: arrow_of(rows).to_reader(3),
    "dictionary": lambda rows, folder: dictionaries(arrow_of(rows)),
}
if importlib.util.find_spec("pandas"):
    CONTAINERS["pandas"] = lambda rows, folder: arrow_of(rows).to_pandas(integer_object_nulls=True)
if importlib.util.find_spec("polars"):
    CONTAINERS["polars"] = lambda rows, folder: importlib.import_module("polars").from_arrow(arrow_of(rows))


def same(first: RawClicks, second: RawClicks) -> None:
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.codes, second.codes)
    assert first.categories == second.categories
    assert first.slots == second.slots
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.times, second.times)


def one_row(**values: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("text", "number", "id", "price", "count"))
    return {**nothing, "tags": [], "click": True, "weight": 1.0, "time": 0, **values}


PLAIN = [text for text in TEXTS if "\r" not in text]  # after a cell without quotes it would be the line's end


@pytest.mark.filterwarnings("ignore::alpt_ref.data.formats.categories.CategoryWarning")
@settings(max_examples=settings().max_examples // 2)  # each writes and reads several files
@given(
    rows=st.lists(ROW, min_size=1, max_size=6),
    chunk_bytes=st.integers(1, 99),
    names=st.lists(st.sampled_from(sorted(CONTAINERS)), min_size=3, max_size=4, unique=True),
)
@example(
    rows=[one_row(text=text, tags=[text.replace("|", "")] if text else []) for text in PLAIN],
    chunk_bytes=7,
    names=list(CONTAINERS),
)
@example(
    rows=[one_row(text="\r\n"), one_row(text='a"\r\n",b'), one_row(number=2.0**53, id=2**63 - 1)],
    chunk_bytes=3,
    names=list(CONTAINERS),
)
def test_every_container_gives_the_same_rows(rows: list[dict[str, Any]], chunk_bytes: int, names: list[str]) -> None:
    def read(source: Any, **options: Any) -> RawClicks:
        return read_raw(reader_of(source, schema=SCHEMA, times=True, workers=1, **options))

    expected = read(arrow_of(rows))
    assert expected.labels.tolist() == [int(row["click"]) for row in rows]
    field = expected.field_names.index("text")
    texts = [expected.categories[field][code] for code in expected.blocks()[field][:, 0]]
    assert texts == ["" if row["text"] is None else row["text"] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            source = CONTAINERS[name](rows, Path(folder))
            same(read(source, chunk_bytes=chunk_bytes), expected)


@pytest.mark.filterwarnings("ignore::alpt_ref.data.formats.categories.CategoryWarning")
def test_every_container_gives_one_store(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    rows = [
        one_row(
            text=TEXTS[int(random.integers(len(TEXTS) - 2))].replace("\r", ""), number=float(random.integers(9)) / 2,
            id=int(random.zipf(1.5)) % 99, price=float(np.float32(random.random())), count=int(random.integers(99)),
            tags=[str(tag) for tag in random.integers(0, 9, random.integers(4))], click=bool(random.random() < 0.4),
            weight=float(random.random()), time=number,
        )
        for number in range(60)
    ]  # fmt: skip
    stores = {
        name: encode_reader(reader_of(make(rows, tmp_path), schema=SCHEMA), tmp_path / f"{name} store", name="x")
        for name, make in CONTAINERS.items()
    }
    assert len({store.fingerprint for store in stores.values()}) == 1
    first = next(iter(stores.values()))
    assert first.rows == 60
    for store in stores.values():
        np.testing.assert_array_equal(store.ids, first.ids)
        np.testing.assert_array_equal(store.values, first.values)


def test_parts_of_different_kinds_are_read_in_turn(tmp_path: Path) -> None:
    rows = [one_row(text=str(number)) for number in range(6)]
    files = {name: CONTAINERS[name](rows, tmp_path) for name in ("csv", "gzip", "parquet", "arrow stream")}
    table = arrow_of(rows)
    clicks = read_raw(reader_of([files["csv"], table, files["parquet"], files["arrow stream"]], schema=SCHEMA))
    assert clicks.rows == 24
    assert [entry.get("file") for entry in clicks.info["source"]["files"]] == ["csv", None, "parquet", "stream"]
    reader = reader_of({"test": files["csv"], "train": [table, files["gzip"]]}, schema=SCHEMA)
    again = read_raw(reader)
    assert (again.rows, reader.parts, reader.rows_of_sources) == (18, ("train", "train", "test"), [6, 6, 6])
    assert again.categories[again.field_names.index("text")] == [str(number) for number in range(6)]
