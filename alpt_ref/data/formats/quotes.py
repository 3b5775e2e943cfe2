"""Quotes around a value of delimited text: how it was written down, no part of the value."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache
def _quoted(delimiter: bytes) -> re.Pattern[bytes]:
    stop = b"[" + re.escape(delimiter) + b"\\n]"
    text = b'((?:[^"' + re.escape(delimiter) + b'\\n]|"")*)'
    return re.compile(b"(?:^|(?<=" + stop + b'))"' + text + b'"(?=' + stop + b")")


def unquote(data: bytes, delimiter: bytes) -> bytes:
    r"""Whole lines with the quotes of RFC 4180 taken off; lines stay lines, whatever the quotes say.

    A line stays as it is where a quote has no partner or a delimiter stands inside a pair: it then has one column too
    many and is reported.

    Examples
    --------
    >>> unquote(b'1,"a",c"d,"x ""y"" z"' + bytes([10]), b",")
    b'1,a,c"d,x "y" z\n'
    """
    if b'"' not in data:
        return data
    return _quoted(delimiter).sub(lambda found: found[1].replace(b'""', b'"'), data)
