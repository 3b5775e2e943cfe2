"""The encoder that exports carry gives the ids of the readers, for every kind of field and whatever the rows hold."""

from __future__ import annotations

import ast
import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data.fields import FieldPlan, offsets_of
from alpt_ref.data.formats.faulty import FaultyLines
from alpt_ref.data.formats.schema_rows import RowPlan, code_rows
from alpt_ref.data.schema import Schema, schema_of
from alpt_ref.data.vocabulary import build_vocabulary
from alpt_ref.serving import encode, vocabulary_file
from alpt_ref.serving.encode import Encoder

SCHEMA = Schema.from_dict(
    {
        "label": "y",
        "categorical": {"site": {}, "code": {"type": "number"}},
        "numeric": {"log": {}, "same": {"binning": "identity"}, "bins": {"binning": "quantile", "bins": 4}},
        "calendar": {
            "hour": {"column": "when", "part": "hour"},
            "day": {"column": "when", "part": "weekday"},
            "free": {"column": "when", "part": "weekend"},
        },
        "text": {"missing": ["NA"]},
    }
)


def readers_ids(schema: Schema, columns: dict[str, Any], vocabulary: Any) -> tuple[Any, list[int]]:
    """Ids of the rows as the readers code them, and which rows are bad."""
    rows = len(next(iter(columns.values())))
    faulty = FaultyLines(0, rows)
    coded = code_rows(RowPlan(schema, labelled=False), columns, faulty, np.arange(rows), schema.text.missing)
    offsets = offsets_of(vocabulary.field_sizes)
    ids = [
        (offsets[place] + vocabulary.local_ids(place, field.categories))[field.codes]
        for place, field in enumerate(coded.fields)
    ]
    return np.stack(ids, axis=1).tolist() if len(coded.lines) else [], np.flatnonzero(faulty.mask).tolist()


def vocabulary_of(schema: Schema, columns: dict[str, Any]) -> Any:
    """Of those rows' categories, each of which earns a row."""
    rows = len(next(iter(columns.values())))
    faulty = FaultyLines(0, rows)
    coded = code_rows(RowPlan(schema, labelled=False), columns, faulty, np.arange(rows), schema.text.missing)
    texts = [field.categories.to_pylist() for field in coded.fields]
    counts = [np.bincount(field.codes, minlength=len(field.categories)) for field in coded.fields]
    plans = [FieldPlan.of(field) for field in schema.fields]
    return build_vocabulary(schema.field_names, texts, counts, 1, plans)[0]


def compare(schema: Schema, known: dict[str, Any], rows: dict[str, list[Any]]) -> None:
    """Every row alone: the same ids, or refused by both."""
    vocabulary = vocabulary_of(schema, known)
    encoder = Encoder(vocabulary_file.content_of(schema, vocabulary))
    ids, bad = readers_ids(schema, {name: pa.array(values) for name, values in rows.items()}, vocabulary)
    good = iter(ids)
    for number in range(len(next(iter(rows.values())))):
        row = {name: values[number] for name, values in rows.items()}
        if number in bad:
            with pytest.raises(ValueError, match=r"."):
                encoder.ids(row)
        else:
            assert encoder.ids(row) == next(good), row


KNOWN = {
    "site": pa.array(["a", "b", "", "é", " a", "7", "NA"]),
    "code": pa.array(["1", "2", "0.5", "", "7", "-3", "18446744073709551617"]),
    "log": pa.array(["1", "3", "100", "", "-1", "2.5", "0"]),
    "same": pa.array(["1", "2", "0.1", "", "1e-7", "-0.0", "nan"]),
    "bins": pa.array(["-3", "0.5", "2", "2", "7", "100", "1e3"]),
    "when": pa.array(["2014-10-21 23:00", "1970-01-03", "", "86400", "2014-10-25T01:00:00Z", "0", "999999"]),
}
SPELLINGS = [
    "",
    "NA",
    "03",
    "3.0",
    "+3e0",
    " 2 ",
    "-0",
    ".5",
    "5.",
    "1_0",
    "x",
    "inf",
    "1e999",
    "NaN",
    "TRUE",
    "9" * 400,
]
NUMBERS = st.one_of(
    st.sampled_from(SPELLINGS),
    st.integers(-5, 200).map(str),
    st.floats(allow_nan=False, width=32).map(repr),
    st.text("0123456789.e+- ", max_size=5),
)
TEXTS = st.sampled_from(["a", "b", "", "NA", "é", " a", "7"]) | st.text(max_size=3).filter(
    lambda text: "\0" not in text
)
DATES = st.datetimes(datetime.datetime(1980, 1, 1), datetime.datetime(2060, 1, 1)).map(lambda one: one.isoformat(" "))
ODD_TIMES = ["99999999999", "1700000000000", "2024-01-01T05", "2024-W01-1", "0001-01-01", "1677-09-21", "2262-04-12"]
FINE_TIMES = ["2024-01-01 05:06Z", "2024-01-01T05:06:07.123456789+02:00", "2024-01-01 05:06:07 UTC", "1677-09-22"]
TIMES = (
    st.sampled_from(["", "NA", "86400", "0", "-1", "2014-10-21", "x", "2014-13-01", *ODD_TIMES, *FINE_TIMES]) | DATES
)
ROW = st.tuples(TEXTS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, TIMES)


@given(st.lists(ROW, min_size=1, max_size=8))
def test_rows_of_texts(rows: list[Any]) -> None:
    compare(SCHEMA, KNOWN, dict(zip(KNOWN, map(list, zip(*rows, strict=True)), strict=True)))


@given(st.lists(st.tuples(st.none() | st.integers(-9, 9), st.none() | st.floats(-1e3, 1e6)), min_size=2, max_size=8))
def test_rows_of_numbers(rows: list[Any]) -> None:
    whole, fractions = (list(column) for column in zip(*rows, strict=True))
    texts = [value if value is None else str(value) for value in whole]
    columns = {"site": whole, "code": fractions, "log": fractions, "same": whole, "bins": fractions, "when": texts}
    whole_times = [None if text is None else text.replace("-", "") for text in texts]
    compare(SCHEMA, KNOWN, {**columns, "when": whole_times})


def test_every_container_of_a_number_is_one_category() -> None:
    encoder = Encoder(vocabulary_file.content_of(SCHEMA, vocabulary_of(SCHEMA, KNOWN)))
    code, _, edges = encoder.fields[1]
    value: Any
    for value in (1, 1.0, "01", "1.0", True, np.int64(1), np.float32(1), np.bool_(True), Decimal("1.00"), " 1"):
        assert encoder.category(code, edges, value) == "1"
    for value in (0.1, np.float32(0.1), "0.10", Decimal("0.1"), "1e-1"):
        assert encoder.category(code, edges, value) == "0.1"
    site = encoder.fields[0][0]
    for value in ("2024-05-06", b"2024-05-06", datetime.date(2024, 5, 6)):
        assert encoder.category(site, [], value) == "2024-05-06"
    assert encoder.category(code, edges, b"01") == "1"
    absent: tuple[Any, ...] = (None, float("nan"), "", "NA", "nan", np.float32("nan"), Decimal("NaN"))
    for value in absent:
        assert encoder.category(code, edges, value) == ""


@pytest.mark.parametrize("time_format", [None, "%Y%m%d"])
def test_typed_times_are_those_of_the_readers(time_format: str | None) -> None:
    form = {} if time_format is None else {"time_format": time_format}
    schema = Schema.from_dict({"label": "y", "calendar": {"day": {"column": "when", "part": "weekday"}}, **form})
    hours = [datetime.datetime(2024, 5, day) for day in range(6, 13)]
    vocabulary = vocabulary_of(schema, {"when": pa.array(hours)})
    encoder = Encoder(vocabulary_file.content_of(schema, vocabulary))
    number = 20240507.0
    values: list[Any] = [number, np.float32(86400), Decimal("20240507"), datetime.date(2024, 5, 7), hours[1]]
    arrays = [[number], np.array([86400], np.float32), [Decimal("20240507")], values[3:4], values[4:]]
    for value, array in zip(values, arrays, strict=True):
        ids, bad = readers_ids(schema, {"when": pa.array(array)}, vocabulary)
        if bad:
            with pytest.raises(ValueError, match=r"."):
                encoder.ids({"when": value})
        else:
            assert [encoder.ids({"when": value})] == ids, value
    for value in (0.5, True, float("inf")):
        with pytest.raises(ValueError, match=r"."):
            encoder.ids({"when": value})


@pytest.mark.parametrize("value", [0.5, True, [1], b"\xff", 2.0])
def test_a_text_field_refuses_what_has_no_one_text(value: Any) -> None:
    encoder = Encoder(vocabulary_file.content_of(SCHEMA, vocabulary_of(SCHEMA, KNOWN)))
    with pytest.raises((ValueError, TypeError)):
        encoder.ids({"site": value, "code": 1, "log": 1, "same": 1, "bins": 1, "when": 0})


@pytest.mark.parametrize("kind", ["criteo", "avazu"])
def test_the_shipped_schemas(kind: str) -> None:
    schema, rng = schema_of(kind), np.random.default_rng(3)

    def column(name: str) -> list[str]:
        if name == "hour":
            return [f"1410{21 + k % 9:02d}{k % 24:02d}" for k in rng.integers(0, 99, 60)]
        return ["" if k > 90 else str(k) for k in rng.integers(-3, 100, 60)]

    names = RowPlan(schema, labelled=False).needed
    known = {name: pa.array(column(name)) for name in names}
    compare(schema, known, {name: column(name) for name in names})


def test_the_file_is_written_whole_and_read_without_any_package(tmp_path: Path) -> None:
    vocabulary = vocabulary_of(SCHEMA, KNOWN)
    vocabulary_file.write(tmp_path, SCHEMA, vocabulary)
    content = vocabulary_file.content_of(SCHEMA, vocabulary)
    row = {"site": "é", "code": "2", "log": 7, "same": None, "bins": "2.5", "when": "86400"}
    code = f"from encode import Encoder\nprint(Encoder().ids({row!r}))"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ast.literal_eval(done.stdout) == Encoder(content).ids(row)
    with pytest.raises(KeyError, match="when"):
        Encoder(tmp_path / "vocabulary.json").ids({name: value for name, value in row.items() if name != "when"})


def test_the_encoder_is_short_and_needs_the_standard_library_alone() -> None:
    tree = ast.parse(Path(encode.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = {name.name for node in imports if isinstance(node, ast.Import) for name in node.names}
    assert modules <= set(sys.stdlib_module_names)
    assert [node.module for node in imports if isinstance(node, ast.ImportFrom)] == ["typing"]
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node not in imports]
    assert len(statements) <= 60
