"""Text from outside and text for a terminal: byte order marks are understood, control characters are shown."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from collections.abc import Iterable

from alpt_ref.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are the wide forms of the first


def decode_text(content: bytes, name: str) -> str:
    """A text file's content: UTF-8, or whatever Unicode encoding its byte order mark names.

    Raises
    ------
    InputError
        It is neither; `name` is the file's.

    Examples
    --------
    >>> decode_text(b"\\xef\\xbb\\xbfbits = 4", "a.toml")
    'bits = 4'
    """
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} must be UTF-8 text (or have a byte order mark), but byte {error.start} is not: save it as UTF-8"
        ) from None


def printable(text: str) -> str:
    """The text with control and formatting characters as escapes, so that a name cannot steer a terminal.

    Examples
    --------
    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    if text.isprintable():
        return text
    kept = {"\n", "\t"}
    return "".join(
        one
        if one in kept or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in text
    )


def csv_text(text: str) -> str:
    """A text for a CSV cell that a spreadsheet must not take for a formula: it gets a leading apostrophe.

    Numbers stay as they are.

    Examples
    --------
    >>> csv_text("=1+1"), csv_text("-0.5")
    ("'=1+1", '-0.5')
    """
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV text with line feeds; texts in their cells as `csv_text` writes them.

    Examples
    --------
    >>> csv_lines([["name", "auc"], ["@x", 0.5]])
    "name,auc\\n'@x,0.5\\n"
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([csv_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return stream.getvalue()
