"""What is guessed from the first rows of a log, that it can be read as it stands, and that it says why."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alpt_ref.data import Schema, read
from alpt_ref.data.schema_guess import guess_schema
from alpt_ref.errors import InputError

from .files import random_criteo, write

ROWS = 60


def columns() -> dict[str, list[str]]:
    random = np.random.default_rng(0)

    def pick(texts: list[str]) -> list[str]:
        return [texts[int(place)] for place in random.integers(0, len(texts), ROWS)]

    return {
        "request_id": [f"{1000 + 7 * row:x}" for row in range(ROWS)],
        "isClicked": pick(["0", "0", "0", "1"]),
        "site": pick(["a", "b", "c"]),
        "advertiser_id": [str(int(number)) for number in random.integers(0, 30, ROWS)],
        "duration": [str(int(number)) for number in random.permutation(10 * ROWS)[:ROWS] * 3],
        "age": [("NULL" if row % 9 == 0 else str(row % 12)) for row in range(ROWS)],
        "price": [f"{number:.3f}" for number in random.exponential(10, ROWS)],
        "genres": pick(["drama|crime", "drama", "sf|crime|drama", "sf"]),
        "created_at": [f"2024-03-{1 + row // 24:02d}T{row % 24:02d}:00:00Z" for row in range(ROWS)],
        "market": ["x"] * ROWS,
        "note": [f"all of it, {number}" for number in random.permutation(ROWS)],
        "sample_weight": [f"{1 + row % 3}" for row in range(ROWS)],
    }


def delimited(columns: dict[str, list[str]], delimiter: str, header: bool = True) -> str:
    rows = [*([list(columns)] if header else []), *zip(*columns.values(), strict=True)]
    quoted = [[f'"{text}"' if delimiter in text else text for text in row] for row in rows]
    return "\n".join(map(delimiter.join, quoted)) + "\n"


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_a_log_with_everything(tmp_path: Path, delimiter: str) -> None:
    name = "log.csv.gz" if delimiter == "," else "log.csv"
    guessed = guess_schema(write(tmp_path / name, delimited(columns(), delimiter)))
    schema = guessed.schema()
    assert (guessed.label, schema.label) == ("isClicked", "isClicked")
    assert {field.name: field.kind for field in schema.fields} == {
        "site": "categorical", "advertiser_id": "categorical", "age": "categorical", "duration": "numeric",
        "price": "numeric", "genres": "multi",
    }  # fmt: skip
    by_name = {field.name: field for field in schema.fields}
    assert (by_name["duration"].binning, by_name["price"].binning) == ("log", "quantile")
    assert by_name["genres"].separator == "|"
    assert (schema.time, schema.weight, schema.id) == ("created_at", "sample_weight", ("request_id",))
    assert (schema.text.delimiter, schema.text.header, schema.text.missing) == (delimiter, True, ("NULL",))
    for said in ("by its name and values", "the same value in every row", "no value comes twice"):
        assert said in guessed.toml


def test_a_file_without_a_header(tmp_path: Path) -> None:
    schema = guess_schema(write(tmp_path / "log", delimited(columns(), "\t", header=False))).schema()
    assert schema.text.header is False
    assert schema.text.columns == tuple(f"column_{number}" for number in range(1, 13))
    assert schema.label == "column_2"
    assert {field.name: field.kind for field in schema.fields}["column_8"] == "multi"


def test_types_of_a_parquet_file_decide(tmp_path: Path) -> None:
    rows = 40
    table = pa.table(
        {
            "user": pa.array([f"u{row % 7}" for row in range(rows)]).dictionary_encode(),
            "tags": pa.array([[1, 2], [2], [], [3, 1]] * 10),
            "seen": pa.array([row * 86_400 for row in range(rows)], pa.timestamp("s")),
            "premium": pa.array([True, False] * 20),
            "amount": pa.array([row * 1.25 for row in range(rows)]),
            "code": pa.array([float(row % 3) for row in range(rows)]),
            "raw": pa.array([b"x"] * rows),
            "target": pa.array([row % 5 == 0 for row in range(rows)]),
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    for source in (tmp_path / "log.parquet", table, table.to_pandas()[["user", "target", "premium", "amount"]]):
        schema = guess_schema(source).schema()
        kinds = {field.name: (field.kind, field.type) for field in schema.fields}
        assert schema.label == "target"
        assert kinds["user"] == ("categorical", "text")
        assert kinds["premium"] == ("categorical", "number")
        assert kinds["amount"] == ("numeric", "number")
    schema = guess_schema(tmp_path / "log.parquet").schema()
    kinds = {field.name: (field.kind, field.type) for field in schema.fields}
    assert kinds["tags"][0] == "multi"
    assert kinds["code"] == ("categorical", "number")
    assert schema.time == "seen"
    assert "raw" not in kinds
    assert schema.text == type(schema.text)()


def test_a_label_that_cannot_be_guessed_leaves_a_line_to_fill_in(tmp_path: Path) -> None:
    text = "a,b,c\n" + "".join(f"{row % 2},{row % 3 % 2},{row % 5}\n" for row in range(30))
    guessed = guess_schema(write(tmp_path / "log", text))
    assert guessed.label is None
    assert '# FILL IN the column of the label: columns of 0 and 1 are a, b.\nlabel = ""\n' in guessed.toml
    with pytest.raises(InputError, match="no column could be guessed to be the label"):
        guessed.schema()
    plain = tomllib.loads(guessed.toml)
    assert plain["categorical"] == ["a", "b", "c"]
    assert guess_schema(write(tmp_path / "log", text.replace("b", "clk"))).label == "clk"


@pytest.mark.parametrize(
    ("values", "settings"),
    [(["yes", "no"], {"positive": ["yes"], "negative": ["no"]}), (["True", "False"], {}), (["1", "-1"], {})],
)
def test_labels_in_other_words(tmp_path: Path, values: list[str], settings: dict[str, list[str]]) -> None:
    text = "x,response\n" + "".join(f"{row % 4},{values[row % 2]}\n" for row in range(30))
    guessed = guess_schema(write(tmp_path / "log", text))
    plain = tomllib.loads(guessed.toml)
    assert guessed.label == "response"
    assert {key: plain[key] for key in ("positive", "negative") if key in plain} == settings
    assert "50.0 % positive" in guessed.toml
    assert guessed.schema().label_of(values[0]) == 1


@pytest.mark.parametrize(
    ("name", "value", "time_format"),
    [
        ("hour", "14102{}0{}", "%y%m%d%H"),
        ("ts", "17000000{}{}", None),
        ("event_time", "17000000{}{}000", None),
        ("date", "2024010{}", "%Y%m%d"),
        ("x", "0{}.05.2024", "%d.%m.%Y"),
    ],
)
def test_times(tmp_path: Path, name: str, value: str, time_format: str | None) -> None:
    rows = (f"{row % 2},{value.format(1 + row % 8, row % 9)},{row % 3}\n" for row in range(40))
    text = f"click,{name},c\n" + "".join(rows)
    schema = guess_schema(write(tmp_path / "log", text)).schema()
    assert (schema.time, schema.time_format) == (name, time_format)
    assert schema.field_names == ("c",)


@pytest.mark.parametrize("scale", [1, 1000, 10**6, 10**9])
def test_fields_out_of_a_time_are_proposed_where_they_can_be_read(tmp_path: Path, scale: int) -> None:
    rows = "".join(f"{row % 2},s{row % 3},{(1_700_000_000 + 3600 * row) * scale}\n" for row in range(40))
    path = tmp_path / "log.csv"
    path.write_text("click,site,timestamp\n" + rows)
    toml = guess_schema(path).toml
    assert ("# hour_of_day" in toml) == (scale == 1)
    assert ("need seconds since 1970" in toml) == (scale > 1)
    calendar = '[calendar]\nhour = {column = "timestamp", part = "hour"}\n'
    schema = Schema.from_dict(tomllib.loads(toml.replace("[text]", f"{calendar}[text]")))
    if scale == 1:
        assert read(path, schema).rows == 40
    else:
        with pytest.raises(InputError, match=r"is not a time: seconds since 1970 \(no milliseconds\), or a date"):
            read(path, schema)


@pytest.mark.parametrize(
    ("days", "comment"),
    [
        (range(1, 13), "dates, %d/%m/%Y (or %m/%d/%Y, which reads them all too: say which)"),
        (range(1, 29), "dates, %d/%m/%Y;"),
    ],
)
def test_dates_that_two_forms_read_are_said(tmp_path: Path, days: range, comment: str) -> None:
    rows = "".join(f"{day % 2},s{day % 3},{day:02d}/{1 + day % 3:02d}/2024\n" for day in days)
    path = tmp_path / "log.csv"
    path.write_text("click,site,at\n" + rows)
    assert comment in guess_schema(path).toml


@pytest.mark.parametrize(
    ("header", "left_out"), [(",click,site,price", ""), ("x,click,site,x", "x"), ("x,click,x,price", "x")]
)
def test_a_header_with_an_empty_or_repeated_name_is_one(tmp_path: Path, header: str, left_out: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"{header}\n" + "".join(f"{row},{row % 2},s{row % 3},{row % 7}\n" for row in range(40)))
    guessed = guess_schema(path)
    assert guessed.label == "click"
    assert f"#   {left_out}: the header leaves this name empty or has it twice; rename the column" in guessed.toml
    schema = guessed.schema()
    assert left_out not in schema.field_names
    assert read(path, schema).rows == 40


@pytest.mark.parametrize("first", ["a,,b", "a,NULL,a", "a,null,"])
def test_a_row_with_empty_values_is_no_header(tmp_path: Path, first: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"{first}\n" + "".join(f"s{row % 3},{row % 2},t{row % 4}\n" for row in range(40)))
    assert "header = false" in guess_schema(path).toml


def test_a_file_that_has_a_schema_already_is_known(tmp_path: Path) -> None:
    text = "\n".join(random_criteo(50)) + "\n"
    assert "--schema criteo may be all you need" in guess_schema(write(tmp_path / "train.txt", text)).toml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("a,b\n", "holds a header and no rows"),
        ("one\ntwo\nthree\n", "shows no delimiter"),
        ('{"a": 1}\n{"a": 2}\n', "holds lines of JSON, which are not read; write them as Parquet"),
        ("1 3:1 4:1\n0 3:1 5:1\n", "holds libfm rows.*needs? no schema; read it with --libfm"),
        ("click,x\n" + "1,q\n0,q\n" * 9, "has no column that could be a field .x: the same value in every row"),
    ],
)
def test_refusals(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        guess_schema(write(tmp_path / "log", text))


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "log.parquet", b"PAR1 and nothing else PAR1")
    with pytest.raises(InputError, match=r"log\.parquet cannot be read"):
        guess_schema(path)


MISSING = ("", "NA", "NULL", "-", "?", r"\N", "nan")
KINDS: list[Callable[[np.random.Generator], str]] = [
    lambda random: f"{random.integers(0, 2)}",
    lambda random: f"{random.integers(-50, 5000)}",
    lambda random: f"{random.normal(0, 1e3):.3g}",
    lambda random: f"v{random.integers(0, 20)}",
    lambda random: f"{random.integers(0, 2**40):x}",
    lambda random: "|".join(random.choice(list("abcdef"), random.integers(0, 5))),
    lambda random: f"2024-01-0{random.integers(1, 9)}T0{random.integers(0, 9)}:00:00Z",
    lambda random: f"{1_700_000_000 + random.integers(0, 10**6)}",
    lambda random: "x",
    lambda random: str(random.choice(["a,b", 'c"d', "e;f", "g\th", " lead", "trail ", "line\nend"])),
    lambda random: f"{random.integers(0, 30)}.0",
    lambda random: str(random.choice(["True", "False"])),
    lambda random: f"{random.integers(0, 30):02d}",
    lambda random: f"2401{random.integers(1, 28):02d}{random.integers(0, 24):02d}",
    lambda random: str(random.choice(["1e400", "1", "10", "-inf"])),
]
NAMES = ("ts", "hour", "user_id", "id", "price", "weight", "sample_weight", "a b", "x.y", 'q"z', "é", "group")


@pytest.mark.parametrize("seed", range(12))
def test_a_guess_reads_the_rows_that_it_was_made_from(tmp_path: Path, seed: int) -> None:
    """Logs of columns drawn from everything above, with missing values: no row is bad, none is lost."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(3, 120))
    names = ["click", *random.permutation(NAMES)[: random.integers(1, 8)].tolist()]
    kinds = [KINDS[0], *(KINDS[random.integers(len(KINDS))] for _ in names[1:])]
    gaps = [str(random.choice(MISSING)) if random.random() < 0.5 else None for _ in names]
    path = tmp_path / "log"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(
            file, delimiter=str(random.choice(list(",\t;|"))), lineterminator=str(random.choice(["\n", "\r\n"]))
        )
        if random.random() < 0.7:
            writer.writerow(names)
        for _ in range(rows):
            drawn = [kind(random) for kind in kinds]
            gone = [place and gap is not None and random.random() < 0.1 for place, gap in enumerate(gaps)]
            writer.writerow([gap if lost else one for one, gap, lost in zip(drawn, gaps, gone, strict=True)])
    try:
        guessed = guess_schema(path)
    except InputError as error:
        if "has no column that could be a field" in str(error):
            return
        raise
    toml = guessed.toml if guessed.label else guessed.toml.replace('label = ""', 'label = "no such column"')
    schema = Schema.from_dict(tomllib.loads(toml))
    if guessed.label:
        assert read(path, schema, times=False).rows == rows
