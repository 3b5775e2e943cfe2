"""Times of rows: whole numbers as they stand, timestamps as nanoseconds since 1970 (UTC), and parts of a day."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.canonical import is_text, refusal, texts_of
from alpt_ref.errors import InputError

_SECOND = 10**9
_HOUR, _DAY = 3600 * _SECOND, 86_400 * _SECOND
_UNITS = {"s": _SECOND, "ms": 10**6, "us": 10**3, "ns": 1}
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)? ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?\Z",
    re.ASCII,
)
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}\Z", re.ASCII)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

SINCE_1970 = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
"""Units of whole numbers that count from 1970, in a second."""
FROM_1990, TO_2040 = 631_152_000, 2_208_988_800
"""In seconds since 1970: a whole number between them, in a unit, is taken for a time in it."""

WANTS = "a time: a whole number, or a date such as 2014-10-21 or 2014-10-21 13:05:59 (fractions and zones may follow)"


def wants(time_format: str | None) -> str:
    """Completes "column C: 'text' is not …"."""
    return WANTS if time_format is None else f"a time of the form {time_format}"


def nanoseconds_of(moment: datetime.datetime) -> int:
    """Since 1970; a moment without a zone is UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds * 1000


@functools.lru_cache(1 << 16)
def time_of(text: str, time_format: str | None = None) -> tuple[int, bool] | None:
    """A time written as a text: its number, and whether it was a whole number (else nanoseconds); None: it is no time.

    Examples
    --------
    >>> time_of("14102123"), time_of("1970-01-02"), time_of("1970-01-01T01:00:00.000000001+01:00")
    ((14102123, True), (86400000000000, False), (1, False))
    >>> time_of("14102123", "%y%m%d%H"), time_of("1.5"), time_of("x", "%y")
    ((1413932400000000000, False), None, None)
    """
    try:
        if time_format is not None:
            return _held(nanoseconds_of(datetime.datetime.strptime(text, time_format)), False)
        if _WHOLE.match(text):
            return _held(int(text), True)
        found = _ISO.match(text)
        if found is None:
            return None
        day, minutes, seconds, fraction, zone = found.groups()
        zone = {None: "+00:00", "Z": "+00:00", "UTC": "+00:00"}.get(zone, zone)
        moment = datetime.datetime.fromisoformat(f"{day}T{minutes or '00:00'}:{seconds or '00'}{zone}")
        return _held(nanoseconds_of(moment) + int((fraction or "0").ljust(9, "0")), False)
    except (ValueError, OverflowError):
        return None


def _held(value: int, whole: bool) -> tuple[int, bool] | None:
    return (value, whole) if -(2**63) <= value < 2**63 else None


def times_of(values: Any, time_format: str | None) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Times of an Arrow array's values: numbers, which of them are whole numbers as they stood, which could be read.

    Raises
    ------
    InputError
        No column of this type is a time; the sentence continues "column C holds".
    """
    import pyarrow as pa

    held, types = values.type, pa.types
    known = values.is_valid().to_numpy(zero_copy_only=False)
    if types.is_timestamp(held) or types.is_date(held):
        unit = _UNITS[held.unit] if types.is_timestamp(held) else 10**6 if types.is_date64(held) else _DAY
        raw = values.cast(pa.int32() if types.is_date32(held) else pa.int64()).cast(pa.int64()).fill_null(0).to_numpy()
        fits = np.abs(raw.astype(np.float64)) <= (2**63 - 1) // unit - 1
        return np.where(fits, raw, 0) * unit, np.zeros(len(raw), bool), known & fits
    if types.is_integer(held) and time_format is None and not types.is_uint64(held):
        return values.cast(pa.int64()).fill_null(0).to_numpy(), np.ones(len(values), bool), known
    if types.is_null(held) or is_text(held) or types.is_integer(held):
        texts: Sequence[str | None] = texts_of(values, "text")
    elif types.is_floating(held) or types.is_decimal(held):  # whole numbers beside missing ones are held as these
        texts = texts_of(values, "number")
    else:
        raise InputError(refusal(str(held), "time", False).replace("no category", "no time"))
    found = [time_of(text, time_format) if text else None for text in texts]
    numbers = np.array([0 if one is None else one[0] for one in found], np.int64)
    whole = np.array([one is not None and one[1] for one in found], bool)
    return numbers, whole, np.array([one is not None for one in found], bool)


def calendar_texts(values: Any, time_format: str | None, part: str) -> list[str | None]:
    """Category of each time: ``hour`` 0 to 23, ``weekday`` (Monday 0), ``weekend`` 0 or 1, all UTC.

    Whole numbers are seconds since 1970. A missing time is the empty text, one that cannot be read None.

    Examples
    --------
    >>> import pyarrow as pa
    >>> hours = pa.array(["14102123", "", "14109999"])
    >>> [calendar_texts(hours, "%y%m%d%H", part) for part in ("hour", "weekday")]
    [['23', '', None], ['1', '', None]]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers, whole, known = times_of(values, time_format)
    if whole.any():
        seconds = np.where(whole, numbers, 0)
        fits = np.abs(seconds.astype(np.float64)) < 9e9
        known &= fits
        numbers = np.where(whole, np.where(fits, seconds, 0) * _SECOND, numbers)
    days = numbers // _DAY
    weekday = (days + 3) % 7  # 1970 began on a Thursday
    parts = {"hour": numbers // _HOUR % 24, "weekday": weekday, "weekend": (weekday >= 5).astype(np.int64)}
    missing = values.is_null().to_numpy(zero_copy_only=False)
    if is_text(values.type):
        empty = pc.equal(values, pa.scalar("", values.type)).fill_null(True)
        missing |= empty.to_numpy(zero_copy_only=False)
    elif pa.types.is_floating(values.type):
        missing |= np.isnan(values.fill_null(0).to_numpy().astype(np.float64))
    return [
        "" if empty else str(number) if fits else None
        for number, fits, empty in zip(parts[part].tolist(), known.tolist(), missing.tolist(), strict=True)
    ]
