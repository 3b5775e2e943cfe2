"""Text from outside: marks of encodings are understood, control characters and formulas cannot act."""

from __future__ import annotations

import pytest

from alpt_ref._util.text import csv_lines, csv_text, decode_text, printable
from alpt_ref.errors import InputError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(encoding: str) -> None:
    assert decode_text("bits = 4 # é".encode(encoding), "a.toml") == "bits = 4 # é"


def test_big_endian_utf16_with_its_mark() -> None:
    assert decode_text(b"\xfe\xff" + "bits = 4".encode("utf-16-be"), "a.toml") == "bits = 4"


def test_other_bytes_are_one_sentence() -> None:
    with pytest.raises(InputError, match=r"a\.toml must be UTF-8 text .* byte 3 is not"):
        decode_text(b"x =\xe9", "a.toml")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich 東京", "Zürich 東京"),
        ("a\nb\tc", "a\nb\tc"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\rb", "a\\rb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00b\x9bc", "a\\x00b\\x9bc"),
    ],
)
def test_a_name_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1*2", "@x", "\t=1", "\r=1", "\n=1", "\uff1d1+1", "\uff20x"])
def test_a_formula_becomes_text(text: str) -> None:
    assert csv_text(text) == "'" + text


def test_other_text_of_a_cell_stays() -> None:
    assert csv_text("lpt-sr") == "lpt-sr"


def test_no_cell_is_a_formula() -> None:
    rows = [["name", "auc"], ['=HYPERLINK("http://x")', 0.5], ["+x", -0.5], ["-1e-3", None], ["@a", "-"]]
    lines = ["name,auc", '"\'=HYPERLINK(""http://x"")",0.5', "'+x,-0.5", "-1e-3,", "'@a,'-"]
    assert csv_lines(rows).splitlines() == lines
