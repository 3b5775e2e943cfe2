"""Where the rows of delimited text end when values stand in quotes, within which delimiters and line feeds are text.

A value is quoted if a quote is its first character (RFC 4180): it ends at the next quote that is not doubled, which a
delimiter or a line's end must follow. A quote anywhere else is a character like any other. Where a quote that begins a
value has no such end within `MAX_RECORD_BYTES`, its line alone is no row, and the next line begins one again: one stray
quote must not swallow the rows behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_RECORD_BYTES = 1 << 20
"""Longest row of several lines; what begins as a longer one begins with a quote that has no partner."""
_LF, _CR = 10, 13


class Records(NamedTuple):
    """Whole rows at the beginning of a text.

    Attributes
    ----------
    ends : int64 array (rows,)
        Where each row ends, its line feed included; the text behind the last one is no whole row yet.
    broken : int64 array
        Which of them are single lines with a quote that has no partner.
    """

    ends: NDArray[np.int64]
    broken: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Bytes of the whole rows."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def part(self, first: int, last: int) -> Records:
        """Rows ``first .. last-1``, counted from the first one's start."""
        start = int(self.ends[first - 1]) if first else 0
        broken = self.broken[(self.broken >= first) & (self.broken < last)]
        return Records(self.ends[first:last] - start, broken - first)


def scan_records(data: bytes, delimiter: str, quote: str, *, final: bool) -> Records:
    r"""Where the rows of a text end.

    Parameters
    ----------
    data : bytes
        From the start of a row; where `final`, to the last line feed of the file.
    delimiter, quote : str
        One character each.
    final : bool
        Nothing follows.

    Examples
    --------
    >>> text = b'a,"x' + bytes([10]) + b'y"' + bytes([10]) + b'b,"z' + bytes([10]) + b'c,d' + bytes([10])
    >>> records = scan_records(text, ",", '"', final=True)
    >>> records.ends.tolist(), records.broken.tolist()
    ([8, 13, 17], [1])
    """
    return _by_parity(data, delimiter, quote, final=final) or _by_lines(data, delimiter, quote, final=final)


def _by_parity(data: bytes, delimiter: str, quote: str, *, final: bool) -> Records | None:
    """As if every second quote closed what the one before it opened; None unless that is so."""
    text = np.frombuffer(data, np.uint8)
    quotes, feeds = np.flatnonzero(text == ord(quote)), np.flatnonzero(text == _LF)
    before = np.searchsorted(quotes, feeds)
    ends = feeds[before % 2 == 0] + 1
    size = int(ends[-1]) if len(ends) else 0
    if size < len(data) if final else len(data) - size > MAX_RECORD_BYTES:
        return None
    quotes = quotes[: np.searchsorted(quotes, size)]
    opening, closing = quotes[::2], quotes[1::2]
    previous, following = text[opening - 1], text[closing + 1]  # the first one's previous is looked at below
    doubled = np.zeros(len(opening), bool)
    doubled[1:] = opening[1:] == closing[:-1] + 1
    opens = (previous == ord(delimiter)) | (previous == _LF) | doubled
    opens[opening == 0] = True
    again = np.zeros(len(closing), bool)
    again[:-1] = doubled[1:]
    closes = (following == ord(delimiter)) | (following == _LF) | again
    returns = following == _CR
    closes |= returns & (text[np.minimum(closing + 2, len(text) - 1)] == _LF)
    if not (opens.all() and closes.all()):
        return None
    if len(ends) < len(feeds) and size:
        lengths = np.diff(ends, prepend=0)
        lines = np.diff(np.searchsorted(feeds, ends), prepend=0)
        if (lengths[lines > 1] > MAX_RECORD_BYTES).any():
            return None
    return Records(ends, np.zeros(0, np.int64))


@lru_cache
def _record(delimiter: str, quote: str) -> re.Pattern[bytes]:
    d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
    quoted = q + b"(?:[^" + q + b"]++|" + q + q + b")*+" + q + rb"(?:\r(?=\n))?"
    field = b"(?:" + quoted + b"|(?!" + q + b")[^" + d + rb"\n]*+)"
    return re.compile(b"(?:" + field + d + b")*+" + field + rb"\n")


def _by_lines(data: bytes, delimiter: str, quote: str, *, final: bool) -> Records:
    """One row after the other, where quotes stand inside values or have no partner."""
    pattern, mark, size = _record(delimiter, quote), quote.encode(), len(data)
    feeds = np.flatnonzero(np.frombuffer(data, np.uint8) == _LF) + 1
    parts: list[NDArray[np.int64]] = []
    broken: list[int] = []
    count = at = 0
    while at < size:
        place = data.find(mark, at)
        start = size if place < 0 else max(at, data.rfind(b"\n", at, place) + 1)
        plain = feeds[np.searchsorted(feeds, at, "right") : np.searchsorted(feeds, start, "right")]
        parts.append(plain)
        count += len(plain)
        at = start
        line = data.find(b"\n", at) + 1
        if not line or place < 0:
            break
        limit = max(line, at + MAX_RECORD_BYTES)
        found = pattern.match(data, at, min(limit, size))
        if found is None:
            if limit > size and not final:
                break  # what closes the quote may follow
            broken.append(count)
        at = line if found is None else found.end()
        parts.append(np.array([at], np.int64))
        count += 1
    return Records(np.concatenate([np.zeros(0, np.int64), *parts]), np.array(broken, np.int64))


def cells_outside(record: bytes, delimiter: str, quote: str) -> bytes:
    """A whole row without its quoted values."""
    return _quoted(delimiter, quote).sub(b"", record)


@lru_cache
def _quoted(delimiter: str, quote: str) -> re.Pattern[bytes]:
    d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
    return re.compile(b"(?:^|(?<=" + d + b"))" + q + b"(?:[^" + q + b"]++|" + q + q + b")*+" + q)


def pieces_of(records: Records, most: int) -> Iterator[tuple[int, Records]]:
    """The same rows in pieces of at most `most`: where each begins in the text, and its rows."""
    for first in range(0, len(records.ends), most):
        part = records.part(first, min(first + most, len(records.ends)))
        yield int(records.ends[first - 1]) if first else 0, part
