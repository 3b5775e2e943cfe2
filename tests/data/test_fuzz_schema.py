"""Text by a schema and sparse text on hostile bytes: every row is encoded or reported, whatever the pieces."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.formats.records import MAX_RECORD_BYTES
from alpt_ref.data.raw import read_raw
from alpt_ref.data.schema import Schema
from alpt_ref.data.store.ingest import encode_reader

from .files import write
from .test_fuzz import outcome
from .test_records import slowly

SCHEMA = Schema.from_dict(
    {
        "label": "y",
        "categorical": {"a": {}, "b": {"type": "number"}},
        "multi": {"c": {"max_values": 3}},
        "weight": "w",
        "text": {"delimiter": ",", "header": True},
    }
)
GOOD = {
    "text": ["1,x,2.0,p|q,1", "0,é,,,0.5", '1,"a,b","3","p""q",1', '0,"two\nlines",1,|,2'],
    "libsvm": ["1 1:0.5 2:1", "-1", " 0\t5:1  2:-1e3 "],
    "libffm": ["1 0:1:0.5 1:2:1", "-1 1:5:1 1:6:1", " 0\t0:1:1 "],
}
PIECES = (
    *(
        b",",
        b" ",
        b":",
        b"\0",
        b"\r",
        b"\n",
        b"\n\n",
        b"\r\n",
        b'"',
        b'""',
        b'","',
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x1f\x8b",
    ),
    *(b"1", b"x", b"1e999", b"nan", b"|"),
)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A kind, and the bytes of a file: good rows, damaged rows and noise."""
    kind = draw(st.sampled_from(sorted(GOOD)))
    good = [row.encode() for row in GOOD[kind]]
    noise = st.one_of(st.binary(max_size=12), st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join))

    def damage(row: bytes) -> st.SearchStrategy[bytes]:
        return st.tuples(st.integers(0, len(row)), noise).map(lambda at: row[: at[0]] + at[1] + row[at[0] :])

    rows = draw(st.lists(st.one_of(st.sampled_from(good), noise, st.sampled_from(good).flatmap(damage)), max_size=12))
    if kind == "text" and draw(st.integers(0, 5)):
        rows.insert(
            0, draw(st.sampled_from([b"y,a,b,c,w", b'w,c,b,"a",y'])) if draw(st.integers(0, 3)) else b"y,a,b,c,w"
        )
    end, mark = draw(st.sampled_from([b"\n", b"\r\n"])), draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return kind, mark + end.join(rows) + draw(st.sampled_from([b"", end]))


def count_rows(kind: str, data: bytes) -> int:
    """Rows of a file by the definition: lines, or what ends outside of quotes; a header is none."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    data += b"" if data.endswith(b"\n") or not data else b"\n"
    if kind != "text":
        return data.count(b"\n")
    return len(slowly(data[data.find(b"\n") + 1 :], MAX_RECORD_BYTES, final=True)[0])


@pytest.mark.filterwarnings("ignore::alpt_ref.data.formats.categories.CategoryWarning")
@given(file=files(), chunk_bytes=st.integers(1, 200))
@example(file=("text", b'y,a,b,c,w\n1,"a\n1,\xff,1,,1\n\xef\xbb\xbf"x",1\n1,a"b,1,,1\n'), chunk_bytes=1)
@example(file=("text", b'y,a,b,c,w\n1,"\r",1,,1\n1,\r,1,"",1\n1,"a\r\n\n",,,1\n\r\n'), chunk_bytes=3)
@example(file=("text", b'y,a,b,c,w\n\xef\xbb\xbf\x801,x,2,p,1\n1,"a",3,,1'), chunk_bytes=1)
@example(file=("libsvm", b"1 1:1\n\t\xef\xbb\xbf1 2:1\n:::\n1 :1\n1 1:"), chunk_bytes=1)
def test_every_row_is_encoded_or_reported(file: tuple[str, bytes], chunk_bytes: int) -> None:
    kind, data = file
    named: dict[str, Any] = {"schema": SCHEMA} if kind == "text" else {"kind": kind}
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "clicks", data)

        def reader(size: int) -> Any:
            return reader_of(path, on_bad_row="skip", max_bad_rows=1, chunk_bytes=size, **named)

        first, second = (
            outcome(functools.partial(lambda size: read_raw(reader(size)), size)) for size in (chunk_bytes, 1 << 20)
        )
        if isinstance(first, str) or isinstance(second, str):
            assert first == second
            return
        assert first.info == second.info
        assert first.rows + first.bad_rows.count == first.info["rows_read"] == count_rows(kind, data)
        np.testing.assert_array_equal(first.codes, second.codes)
        assert first.categories == second.categories
        for codes, texts in zip(
            first.blocks(), first.categories, strict=True
        ):  # no category of a row that was left out
            assert sorted(set(codes.reshape(-1).tolist()) - {-1}) == list(range(len(texts)))
        store = encode_reader(reader(chunk_bytes), Path(folder) / "store", min_count=1)
        assert store.fingerprint == first.encode(min_count=1).fingerprint
