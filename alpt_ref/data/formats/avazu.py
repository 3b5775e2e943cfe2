"""Avazu Click-Through Rate Prediction: comma separated with a header of 24 names.

``id`` is dropped, ``click`` is the label, ``hour`` (YYMMDDHH) becomes three fields, hour of day, weekday (Monday 0) and
weekend (0 or 1); the other 21 columns are categories as they stand.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from alpt_ref.data.formats.lines import CHUNK_BYTES, Progress
from alpt_ref.data.formats.parse import FieldRule, TextFormat
from alpt_ref.data.formats.quotes import unquote
from alpt_ref.data.formats.sources import Sources
from alpt_ref.data.formats.text import MAX_BAD_ROWS, OnBadRow, TextReader
from alpt_ref.data.raw import RawClicks, read_raw
from alpt_ref.errors import InputError

CATEGORIES = (
    *("C1", "banner_pos", "site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category"),
    *("device_id", "device_ip", "device_model", "device_type", "device_conn_type"),
    *(f"C{number}" for number in range(14, 22)),
)
HEADER = ("id", "click", "hour", *CATEGORIES)
_HOUR = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})\Z", re.ASCII)


def _day(text: str) -> tuple[datetime.date, int] | None:
    match = _HOUR.match(text)
    if match is None or int(match[4]) > 23:
        return None
    try:
        return datetime.date(2000 + int(match[1]), int(match[2]), int(match[3])), int(match[4])
    except ValueError:
        return None


def hour_of_day(text: str) -> str | None:
    """``"14102123"`` -> ``"23"``; None where the text is no YYMMDDHH."""
    day = _day(text)
    return None if day is None else str(day[1])


def weekday(text: str) -> str | None:
    """``"14102123"``, a Tuesday, -> ``"1"`` (Monday is 0)."""
    day = _day(text)
    return None if day is None else str(day[0].weekday())


def weekend(text: str) -> str | None:
    """``"1"`` on Saturday and Sunday, else ``"0"``."""
    day = _day(text)
    return None if day is None else str(int(day[0].weekday() >= 5))


FIELDS = (
    *(FieldRule(rule.__name__, "hour", rule, "a time YYMMDDHH") for rule in (hour_of_day, weekday, weekend)),
    *(FieldRule(name, name) for name in CATEGORIES),
)


def header_names(head: Sequence[str]) -> tuple[str, ...]:
    """The names in a file's first line."""
    return tuple(unquote(f"{head[0]}\n".encode(), b",").decode()[:-1].split(","))


def avazu_format(head: Sequence[str], *, labelled: bool = True) -> TextFormat:
    """The format for a header line; the 24 names (23 where there are no labels) may stand in any order."""
    names = header_names(head) if labelled else ("click", *header_names(head))
    if sorted(names) != sorted(HEADER):
        missing, extra = sorted(set(HEADER) - set(names)), sorted(set(names) - set(HEADER))
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(extra) or 'a name twice'} too many"
        raise InputError(
            f"line 1: the header of an Avazu file must hold the 24 names id, click, hour, …, C21, but {what[:200]}"
        )
    return TextFormat(
        "avazu", ",", names, "click", {"0": 0, "1": 1}, FIELDS, header=True, tidy=lambda data: unquote(data, b",")
    )


def read_avazu(
    path: Sources,
    *,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> RawClicks:
    """Read Avazu files (Kaggle's ``train.csv``), plain or compressed (gzip, bzip2, xz, zstd).

    Parameters
    ----------
    path : path or sequence of paths
        As in `read_criteo`. Comma separated, each file with its header; quotes around a value are no part of it.
    on_bad_row, max_bad_rows, chunk_bytes, progress
        As in `read_criteo`.

    Returns
    -------
    RawClicks
        24 fields: hour_of_day, weekday, weekend, C1, banner_pos, … C21.

    Raises
    ------
    InputError
        As `read_criteo`, or a file lacks the header.

    Examples
    --------
    >>> from alpt_ref.data.formats.avazu import HEADER
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "train.csv"
    >>> _ = file.write_text(",".join(HEADER) + "\\n" + ",".join(["1", "0", "14102123", *["x"] * 21]) + "\\n")
    >>> clicks = read_avazu(file)
    >>> dict(zip(clicks.field_names[:4], (texts[0] for texts in clicks.categories)))
    {'hour_of_day': '23', 'weekday': '1', 'weekend': '0', 'C1': 'x'}
    """
    return read_raw(
        TextReader(
            path, avazu_format, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, chunk_bytes=chunk_bytes,
            progress=progress,
        )
    )  # fmt: skip
