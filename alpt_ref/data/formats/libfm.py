"""libFM / LIBSVM text with one-hot rows: ``label id:1 id:1 …``, the same number of features on every line.

Every position is a field and every id a category of the field at its position. Rows with values other than 1 or with
another number of features are bad: they are no one-hot encoded categories, and nothing says which field they lack.
"""

from __future__ import annotations

import re
from pathlib import Path

from alpt_ref.data.formats.lines import CHUNK_BYTES, Progress
from alpt_ref.data.formats.parse import FieldRule, TextFormat
from alpt_ref.data.formats.text import OnBadRow, TextReader
from alpt_ref.data.raw import RawClicks, read_raw
from alpt_ref.errors import InputError

LABELS = {"1": 1, "+1": 1, "0": 0, "-1": 0}
_FEATURE = re.compile(r"([0-9]{1,18}):\+?1(?:\.0*)?\Z", re.ASCII)
_SPACES = re.compile(rb"[ \t]{2,}|\t")
_ENDS = re.compile(rb"^ | $", re.MULTILINE)


def feature_id(text: str) -> str | None:
    """``"007:1"`` -> ``"7"``; None unless the text is an id with value 1."""
    match = _FEATURE.match(text)
    return None if match is None else str(int(match[1]))


def single_spaces(data: bytes) -> bytes:
    """One space between columns, none at either end of a line."""
    if b"\t" in data or b"  " in data:
        data = _SPACES.sub(b" ", data)
    if b" \n" in data or b"\n " in data or data.startswith(b" "):
        data = _ENDS.sub(b"", data)
    return data


def libfm_format(first_line: str) -> TextFormat:
    """The format whose number of fields is that of the first line."""
    count = len(first_line.split()) - 1
    if count < 1:
        raise InputError("a libfm file must begin with a row `label id:1 id:1 …`, whose length fixes the fields")
    names = tuple(f"field_{number:02d}" for number in range(count))
    rules = tuple(FieldRule(name, name, feature_id, "of the form id:1") for name in names)
    return TextFormat("libfm", " ", ("label", *names), "label", LABELS, rules, tidy=single_spaces)


def read_libfm(
    path: str | Path,
    *,
    on_bad_row: OnBadRow = "error",
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> RawClicks:
    """Read one-hot rows in libFM / LIBSVM form, plain or gzip.

    Parameters
    ----------
    path : path
        One row a line: label 1, +1, 0 or -1, then the same number of ``id:1`` on every line, separated by blanks.
    on_bad_row, chunk_bytes, progress
        As in `read_criteo`.

    Returns
    -------
    RawClicks
        Fields field_00, field_01, … by position.

    Raises
    ------
    InputError
        The file cannot be read, has no good row, or has a bad one.
    """
    return read_raw(TextReader(path, libfm_format, on_bad_row=on_bad_row, chunk_bytes=chunk_bytes, progress=progress))
