"""Rows of text with quotes against a reader of one character at a time."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alpt_ref.data.formats import records
from alpt_ref.data.formats.records import _by_lines, scan_records

PIECES = (b'"', b'"', b",", b"\n", b"a", b"\r\n", b"\r", b'""', b'"x"', b'"\n"')


def slowly(data: bytes, most: int, *, final: bool) -> tuple[list[int], list[int]]:
    """Ends and broken lines by the definition in `records`."""
    ends: list[int] = []
    broken: list[int] = []
    at = 0
    while at < len(data) and (line := data.find(b"\n", at) + 1):
        limit = max(line, at + most)
        end = _record_end(data[: min(limit, len(data))], at)
        if end is None and limit > len(data) and not final:
            break
        if end is None:
            broken.append(len(ends))
        at = line if end is None else end
        ends.append(at)
    return ends, broken


def _record_end(data: bytes, at: int) -> int | None:
    while True:
        if data[at : at + 1] == b'"':
            at += 1
            while True:
                close = data.find(b'"', at)
                if close < 0:
                    return None
                at = close + 1
                if data[at : at + 1] != b'"':
                    break
                at += 1
            at += data[at : at + 2] == b"\r\n"
        else:
            while at < len(data) and data[at : at + 1] not in (b",", b"\n"):
                at += 1
        if data[at : at + 1] == b"\n":
            return at + 1
        if data[at : at + 1] != b",":
            return None
        at += 1


@given(
    data=st.lists(st.sampled_from(PIECES), max_size=16).map(b"".join),
    final=st.booleans(),
    most=st.sampled_from([12, 1 << 20]),
)
@example(data=b'a,"x\ny",b"c\n', final=True, most=1 << 20)
@example(data=b'"' + b"\n" * 12, final=False, most=12)
def test_rows_end_where_the_definition_says(data: bytes, final: bool, most: int) -> None:
    if final and data and not data.endswith(b"\n"):
        data += b"\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD_BYTES", most)
        ends, broken = slowly(data, most, final=final)
        lines = _by_lines(data, ",", '"', final=final)
        assert (lines.ends.tolist(), lines.broken.tolist()) == (ends, broken)
        found = scan_records(data, ",", '"', final=final)
    count = len(found.ends)
    assert (found.ends.tolist(), found.broken.tolist()) == (ends[:count], [row for row in broken if row < count])
    assert count == len(ends) or not final  # what is not final may be left for later


@given(st.lists(st.lists(st.text('a",;\n\r', max_size=5), min_size=2, max_size=2), max_size=8))
def test_rows_that_a_writer_writes_are_found_whole(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    found = scan_records(out.getvalue().encode(), ",", '"', final=True)
    assert len(found.ends) == len(rows)
    assert not len(found.broken)
