"""Avazu Click-Through Rate Prediction: comma separated with a header of 24 names.

``id`` is dropped, ``click`` is the label, ``hour`` (YYMMDDHH) becomes three fields, hour of day, weekday (Monday 0) and
weekend (0 or 1); the other 21 columns are categories as they stand.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from alpt_ref.data.formats.lines import CHUNK_BYTES, Progress
from alpt_ref.data.formats.parse import FieldRule, TextFormat
from alpt_ref.data.formats.text import OnBadRow, TextReader
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


def avazu_format(first_line: str) -> TextFormat:
    """The format for a header line; the 24 names may stand in any order."""
    names = tuple(first_line.split(","))
    if sorted(names) != sorted(HEADER):
        missing, extra = sorted(set(HEADER) - set(names)), sorted(set(names) - set(HEADER))
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(extra) or 'a name twice'} too many"
        raise InputError(
            f"the header of an Avazu file must hold the 24 names id, click, hour, …, C21, but {what[:200]}"
        )
    return TextFormat("avazu", ",", names, "click", {"0": 0, "1": 1}, FIELDS, header=True)


def read_avazu(
    path: str | Path,
    *,
    on_bad_row: OnBadRow = "error",
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> RawClicks:
    """Read an Avazu file (Kaggle's ``train.csv``), plain or gzip.

    Parameters
    ----------
    path : path
        Comma separated, header first; quotes have no special meaning.
    on_bad_row, chunk_bytes, progress
        As in `read_criteo`.

    Returns
    -------
    RawClicks
        24 fields: hour_of_day, weekday, weekend, C1, banner_pos, … C21.

    Raises
    ------
    InputError
        The file cannot be read, lacks the header, has no good row, or has a bad one.
    """
    return read_raw(TextReader(path, avazu_format, on_bad_row=on_bad_row, chunk_bytes=chunk_bytes, progress=progress))
