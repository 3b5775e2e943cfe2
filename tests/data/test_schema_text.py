"""Delimited text by a schema: layouts, quotes, missing values, and a reason with a line number for every bad row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import RawClicks, read_avazu, read_criteo
from alpt_ref.data.formats.avazu import HEADER
from alpt_ref.data.formats.pieces import parse_piece
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import read_raw
from alpt_ref.data.schema import Schema, schema_of
from alpt_ref.errors import InputError

from .files import avazu_line, random_criteo, write

PLAIN: dict[str, Any] = {"label": "click", "categorical": ["site"], "numeric": {"price": {"binning": "identity"}}}


def read(path: Path | list[Path], schema: Schema | None = None, **options: Any) -> RawClicks:
    return read_raw(reader_of(path, schema=schema or Schema.from_dict(PLAIN), **options))


def column(clicks: RawClicks, name: str) -> list[str]:
    field = clicks.field_names.index(name)
    return [clicks.categories[field][code] for code in clicks.codes[:, field]]


def skipped(path: Path, schema: Schema | None = None, **options: Any) -> tuple[RawClicks, dict[int, str]]:
    clicks = read(path, schema, on_bad_row="skip", max_bad_rows=1, **options)
    return clicks, dict(clicks.bad_rows.examples)


def test_columns_are_found_by_name_and_others_ignored(tmp_path: Path) -> None:
    first = write(tmp_path / "a", "site,extra,click,price\na,1,1,2.50\nb,,0,\n")
    second = write(tmp_path / "b", "price;click;site\n2.5;true;a\n;false;b\n")
    for path in (first, second, [first, second]):
        clicks = read(path)  # type: ignore[arg-type]
        assert column(clicks, "site")[-2:] == ["a", "b"]
        assert column(clicks, "price")[-2:] == ["2.5", ""]
        assert clicks.labels.tolist()[-2:] == [1, 0]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", " ", "\x01", "~"])
def test_any_delimiter_with_and_without_header(tmp_path: Path, delimiter: str) -> None:
    rows = ["1,a,3", "0,b,4.0"]
    text = "\n".join(row.replace(",", delimiter) for row in rows)
    bare = Schema.from_dict(
        {**PLAIN, "text": {"delimiter": delimiter, "header": False, "columns": ["click", "site", "price"]}}
    )
    named = Schema.from_dict({**PLAIN, "text": {"delimiter": delimiter, "header": True}})
    without = read(write(tmp_path / "a", text), bare)
    with_names = read(write(tmp_path / "b", f"click{delimiter}site{delimiter}price\n{text}\n"), named)
    for clicks in (without, with_names):
        assert (column(clicks, "site"), column(clicks, "price")) == (["a", "b"], ["3", "4"])


def test_texts_that_stand_for_missing(tmp_path: Path) -> None:
    schema = Schema.from_dict({**PLAIN, "text": {"missing": ["NA", "\\N"]}})
    clicks = read(write(tmp_path / "a", 'click,site,price\n1,NA,1\n0,"NA",\\N\n1,\\N,\n1,x,\n'), schema)
    assert column(clicks, "site") == ["", "", "", "x"]
    assert column(clicks, "price") == ["1", "", "", ""]
    assert clicks.categories[0] == ["", "x"]
    assert column(read(write(tmp_path / "b", "click,site,price\n1,NA,1\n")), "site") == ["NA"]


def test_bad_rows_are_named_by_their_line(tmp_path: Path) -> None:
    lines = [
        *("click,site,price", "1,a,1", "2,a,1", "1,a", "1,a,x", "", "1,a\rb,1", '1,"open,1', '1,"two', 'lines",2'),
        *('0,"shut"x,1', '1,a,1,"4', 'columns"', "0,b,inf", "1,c,3"),
    ]
    path = write(tmp_path / "a", "\n".join(lines).encode() + b"\n1,\xff,1\n1,d,1\n")
    clicks, reasons = skipped(path)
    assert column(clicks, "site") == ["a", "two\nlines", "c", "d"]
    wants = {
        3: "label '2' is not one of 1, true, 0, false, -1",
        4: "2 columns instead of 3",
        5: "column price: 'x' is not a finite number",
        6: "an empty line",
        7: "a carriage return inside the line",
        8: "a quote that begins a value has no partner before a delimiter or the line's end",
        11: "a quote that begins a value has no partner before a delimiter or the line's end",
        12: "4 columns instead of 3",
        14: "column price: 'inf' is not a finite number",
        16: "bytes that are not UTF-8",
    }
    assert reasons == wants
    assert clicks.rows + clicks.bad_rows.count == clicks.info["rows_read"]
    for chunk_bytes in (1, 9, 50):
        again, others = skipped(path, chunk_bytes=chunk_bytes)
        assert others == wants
        assert again.info == clicks.info
    with pytest.raises(InputError, match=r"a, line 3: label '2' is not one of .*--on-bad-row skip"):
        read(path)


def test_bad_rows_of_text_without_quotes_are_the_same(tmp_path: Path) -> None:
    good = "click,site,price\n1,a,1\n"
    bad = "3,a,1\n1,a\n\n1,a,1,1\n1,a\rb,2\n"
    _, plain = skipped(write(tmp_path / "a", good + bad))
    _, quoted = skipped(write(tmp_path / "b", good + bad + '1,"b",2\n'))
    assert plain == quoted
    assert list(plain) == [3, 4, 5, 6, 7]


def test_one_stray_quote_does_not_swallow_the_rows_behind_it(tmp_path: Path) -> None:
    rows = "".join(f"{number % 2},s{number},{number}\n" for number in range(200))
    clicks, reasons = skipped(write(tmp_path / "a", f'click,site,price\n1,"a,1\n{rows}'))
    assert clicks.rows == 200
    assert list(reasons) == [2]


def test_quotes_inside_values_are_characters(tmp_path: Path) -> None:
    text = 'click,site,price\n1,5" disk,1\n0,"5"" disk",2\n1,a "b" c,3\n'
    assert column(read(write(tmp_path / "a", text)), "site") == ['5" disk', '5" disk', 'a "b" c']
    off = Schema.from_dict({**PLAIN, "text": {"quote": ""}})
    assert column(read(write(tmp_path / "b", text), off), "site") == ['5" disk', '"5"" disk"', 'a "b" c']


def test_weights_times_and_lists(tmp_path: Path) -> None:
    schema = Schema.from_dict(
        {"label": "y", "weight": "w", "time": "t", "multi": {"tags": {"separator": " ", "max_values": 2}}}
    )
    lines = [
        "y,w,t,tags",
        "1,2,5,a b",
        "0,.5,2014-10-21,",
        "1,-1,5,a",
        "1,nan,5,a",
        "1,1,soon,a",
        "1,1,6,a b c",
        "0,0,7,b  b",
        "1,1e-60,7,a",
        "1,1e60,7,a",
    ]
    clicks, reasons = skipped(write(tmp_path / "a", "\n".join(lines)), schema, times=True)
    assert clicks.weights is not None
    assert clicks.times is not None
    assert clicks.weights.tolist() == [2, 0.5, 0]
    assert clicks.times.tolist() == [5, 1413849600 * 10**9, 7]
    assert clicks.codes.tolist() == [[0, 1], [-1, -1], [1, 1]]
    assert {line: reason.split(":")[0] for line, reason in reasons.items()} == {
        **dict.fromkeys((4, 5, 9, 10), "column w"), 6: "column t", 7: "column tags",
    }  # fmt: skip


def test_labels_that_may_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "price,site\n3,a\n")
    reader = reader_of(path, schema=Schema.from_dict(PLAIN), labelled=None)
    assert read_raw(reader).labels.tolist() == [0]
    assert getattr(reader, "labelled") is False  # noqa: B009 (of this kind of reader only)
    with pytest.raises(InputError, match="click"):
        read(path)
    labelled = write(tmp_path / "b", "price,site,click\n3,a,1\n")
    with pytest.raises(InputError, match=r"has labels and .*a has none"):
        read_raw(reader_of([labelled, path], schema=Schema.from_dict(PLAIN), labelled=None))


def test_no_label_in_a_file_without_header_where_the_schema_names_the_delimiter(tmp_path: Path) -> None:
    """Its lines are not rows with a column too few."""
    schema = Schema.from_dict({"label": "y", "categorical": ["a"], "text": {"columns": ["y", "a"], "delimiter": ","}})
    for name, text in (("bare", "b\nc\n"), ("named", "a\nb\nc\n")):
        reader = reader_of(write(tmp_path / name, text), schema=schema, labelled=None)
        assert read_raw(reader).categories == (["b", "c"],)
        assert getattr(reader, "labelled") is False  # noqa: B009
    full = write(tmp_path / "full", "1,b\nc\n0,c\n")
    with pytest.raises(InputError, match=r"line 2: 1 columns instead of 2"):
        read_raw(reader_of(full, schema=schema, labelled=None))


def test_ids_are_carried_along(tmp_path: Path) -> None:
    schema = Schema.from_dict({**PLAIN, "id": ["id"]})
    path = write(tmp_path / "a", "id,click,site,price\n07,1,a,1\nx,2,a,1\n,0,b,1\n")
    reader = reader_of(path, schema=schema, ids=True, on_bad_row="skip", max_bad_rows=1)
    (rows,) = reader.pieces(parse_piece)
    assert [one.to_pylist() for one in rows.carried or ()] == [["07", ""]]


def test_criteo_and_avazu_as_schemas_give_the_same_categories(tmp_path: Path) -> None:
    criteo = write(tmp_path / "criteo", "\n".join(random_criteo(50)))
    avazu = write(
        tmp_path / "avazu",
        "\n".join(
            [",".join(HEADER), *(avazu_line(click=k % 2, hour=f"1410{21 + k % 7}{k % 24:02d}") for k in range(30))]
        ),
    )
    for path, old, name in ((criteo, read_criteo, "criteo"), (avazu, read_avazu, "avazu")):
        expected, found = old(path), read(path, schema_of(name))
        assert found.field_names == expected.field_names
        assert found.categories == expected.categories
        np.testing.assert_array_equal(found.codes, expected.codes)


def test_a_binary_file_is_named_as_such(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8).tobytes()
    for data, what in (
        (b"\x00" + noise, "binary data of an unknown kind"),
        (b"SQLite format 3\0", "a SQLite database"),
    ):
        with pytest.raises(InputError, match=what):
            read(write(tmp_path / "a", data))
    with pytest.raises(InputError, match=r"(?s)\A(?!.*\n).*holds no rows"):
        read(write(tmp_path / "b", b""))


def test_lines_are_counted_on_behind_rows_of_several_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a", 'click,site,price\n1,"two\nlines",1\n1,"three\n\n",1\nbad\n0,x,y\n')
    for chunk_bytes in (1, 20, 1 << 20):
        assert list(skipped(path, chunk_bytes=chunk_bytes)[1]) == [7, 8]
