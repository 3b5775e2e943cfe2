"""Criteo Display Advertising Challenge: label, 13 integer and 26 hashed categorical columns, tab separated.

An integer ``x > 2`` becomes the category ``⌊ln(x)²⌋``, any other ``int(x)``; an empty column is a category of its own.
That is the convention of the public benchmarks, in which 1, 3 and 4 share the category "1".
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence

from alpt_ref.data.formats.lines import CHUNK_BYTES, Progress
from alpt_ref.data.formats.parse import FieldRule, TextFormat
from alpt_ref.data.formats.quotes import unquote
from alpt_ref.data.formats.sources import Sources
from alpt_ref.data.formats.text import MAX_BAD_ROWS, OnBadRow, TextReader
from alpt_ref.data.raw import RawClicks, read_raw

INTEGERS = tuple(f"I{number}" for number in range(1, 14))
CATEGORIES = tuple(f"C{number}" for number in range(1, 27))
_INTEGER = re.compile(r"-?[0-9]{1,19}\Z", re.ASCII)


@functools.lru_cache(1 << 18)  # a piece of a file has the same integers as the one before
def integer_category(text: str) -> str | None:
    """Category of an integer column's text; None where it is neither empty nor an integer.

    Examples
    --------
    >>> [integer_category(text) for text in ("", "-1", "2", "3", "100", "x")]
    ['', '-1', '2', '1', '21', None]
    """
    if not text:
        return ""
    if not _INTEGER.match(text):
        return None
    value = int(text)
    return str(math.floor(math.log(value) ** 2) if value > 2 else value)


CRITEO = TextFormat(
    kind="criteo",
    delimiter="\t",
    columns=("label", *INTEGERS, *CATEGORIES),
    label="label",
    label_values={"0": 0, "1": 1},
    fields=(
        *(FieldRule(name, name, integer_category, "an integer of at most 19 digits") for name in INTEGERS),
        *(FieldRule(name, name) for name in CATEGORIES),
    ),
    tidy=lambda data: unquote(data, b"\t"),
)


def criteo_format(head: Sequence[str]) -> TextFormat:
    """The format does not depend on the file."""
    return CRITEO


def read_criteo(
    path: Sources,
    *,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> RawClicks:
    """Read Criteo files (the challenge's ``train.txt``), plain or compressed (gzip, bzip2, xz, zstd).

    Parameters
    ----------
    path : path or sequence of paths
        A file, a folder of files or a glob pattern, or several, read in this order. One row a line: label 0 or 1,
        13 integers, 26 categories, separated by tabs, empty where missing; quotes around a value are no part of it.
    on_bad_row : {"error", "skip"}
        Stop at the first bad row, or leave bad rows out and count them.
    max_bad_rows : float
        With "skip": the largest share of the rows that may be left out.
    chunk_bytes : int
        Text parsed at a time; the result does not depend on it.
    progress : callable, optional
        Called with (bytes read, bytes of the file, rows so far).

    Returns
    -------
    RawClicks
        Fields I1 … I13, C1 … C26.

    Raises
    ------
    InputError
        A file is not there, cannot be read or is an archive, holds no good row, or has a bad one or, with "skip", too
        many (file, line number and reason are named).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for day in (0, 1):  # one file a day, of one row
    ...     row = [str(day), *["5"] * 13, *["68fd1e64"] * 26]
    ...     _ = (folder / f"day_{day}.txt").write_text("\\t".join(row))
    >>> clicks = read_criteo(folder / "day_*.txt")
    >>> clicks.rows, clicks.labels.tolist(), clicks.field_names[:2], clicks.categories[0]
    (2, [0, 1], ('I1', 'I2'), ['2'])
    """
    return read_raw(
        TextReader(
            path, criteo_format, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, chunk_bytes=chunk_bytes,
            progress=progress,
        )
    )  # fmt: skip
