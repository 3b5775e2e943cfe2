"""libFM / LIBSVM text with one-hot rows: ``label id:1 id:1 …``, the same number of features on every line.

Every position is a field and every id a category of the field at its position. Rows with values other than 1, with
another number of features than most are bad: they are no one-hot encoded categories, and nothing says which field they
lack. In libFM itself a row is a set; ids that stand at several positions of a file, or twice in a row, are therefore
warned about (`warn_of_shared_ids`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from alpt_ref.data.formats.lines import CHUNK_BYTES, Progress
from alpt_ref.data.formats.parse import FieldRule, TextFormat
from alpt_ref.data.formats.sources import Sources
from alpt_ref.data.formats.text import MAX_BAD_ROWS, OnBadRow, TextReader
from alpt_ref.data.raw import RawClicks, read_raw
from alpt_ref.errors import InputError

LABELS = {"1": 1, "+1": 1, "0": 0, "-1": 0}
_FEATURE = re.compile(r"([0-9]{1,39}):\+?1(?:\.0*)?(?:[eE][+-]?0+)?\Z", re.ASCII)
_SPACES = re.compile(rb"[ \t]{2,}|\t")
_ENDS = re.compile(rb"^ | $", re.MULTILINE)


def feature_id(text: str) -> str | None:
    """``"007:1"`` -> ``"7"``; None unless the text is an id (to 128 bits) with value 1."""
    match = _FEATURE.match(text)
    return None if match is None else str(int(match[1]))


def single_spaces(data: bytes) -> bytes:
    """One space between columns, none at either end of a line."""
    if b"\t" in data or b"  " in data:
        data = _SPACES.sub(b" ", data)
    if b" \n" in data or b"\n " in data or data.startswith(b" "):
        data = _ENDS.sub(b"", data)
    return data


def is_labelled(head: Sequence[str]) -> bool:
    """Whether most of a file's first lines begin with a label rather than with an id."""
    firsts = [words[0] for line in head if (words := line.split())]
    return 2 * sum(":" in first for first in firsts) <= len(firsts)


def libfm_format(head: Sequence[str], *, labelled: bool = True) -> TextFormat:
    """The format whose number of fields is that of most of the first lines; the earlier one of two equally frequent."""
    rows = [line.split()[1:] if labelled else line.split() for line in head]
    widths = Counter(len(row) for row in rows if row and all(map(feature_id, row)))
    widths = widths or Counter(len(row) for row in rows if row)
    if not widths:
        raise InputError(
            "line 1: a libfm file must begin with rows `label id:1 id:1 …`, which fix the fields; none of its first "
            f"{len(head)} lines is one"
        )
    names = tuple(f"field_{number:02d}" for number in range(widths.most_common(1)[0][0]))
    rules = tuple(FieldRule(name, name, feature_id, "of the form id:1 (an id of at most 39 digits)") for name in names)
    return TextFormat("libfm", " ", ("label", *names), "label", LABELS, rules, tidy=single_spaces, unordered=True)


def read_libfm(
    path: Sources,
    *,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> RawClicks:
    """Read one-hot rows in libFM / LIBSVM form, plain or compressed (gzip, bzip2, xz, zstd).

    Parameters
    ----------
    path : path or sequence of paths
        As in `read_criteo`. One row a line: label 1, +1, 0 or -1, then the same number of ``id:1`` on every line,
        separated by blanks or tabs.
    on_bad_row, max_bad_rows, chunk_bytes, progress
        As in `read_criteo`.

    Returns
    -------
    RawClicks
        Fields field_00, field_01, … by position.

    Raises
    ------
    InputError
        As `read_criteo`.

    Warns
    -----
    CategoryWarning
        An id stands at several positions: it is another category at each of them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "clicks.libfm"
    >>> _ = file.write_text("1 7:1 12:1\\n-1 8:1 12:1\\n")
    >>> clicks = read_libfm(file)
    >>> clicks.labels.tolist(), clicks.categories
    ([1, 0], (['7', '8'], ['12']))
    """
    return read_raw(
        TextReader(
            path, libfm_format, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, chunk_bytes=chunk_bytes,
            progress=progress,
        )
    )  # fmt: skip
