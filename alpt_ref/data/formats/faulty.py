"""Lines of a click file that are no rows: found without a loop over them, counted all, and the first ones explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.formats.left_out import Runs, runs_of
from alpt_ref.data.formats.lines import BOM

MAX_EXAMPLES = 20
"""Faulty lines of a piece, and of a file, that are named with their reason; the others are counted."""


class FaultyLines:
    """Which lines of a piece are no rows, and why, for the first of them.

    Attributes
    ----------
    first : int
        Number of the piece's first line in its file.
    mask : bool array (lines,)
    """

    def __init__(self, first: int, lines: int, numbers: NDArray[np.int64] | None = None) -> None:
        self.first = first
        self._numbers = numbers  # where a row may be of several lines: the number of its first one
        self.mask = np.zeros(lines, dtype=bool)
        self._reasons: dict[int, str] = {}

    def add(self, lines: NDArray[Any], reason: str | Callable[[int], str]) -> None:
        """Mark lines of the piece (ascending, from 0); those that were marked before keep their reason."""
        new = lines[~self.mask[lines]]
        self.mask[new] = True
        for line in new[:MAX_EXAMPLES].tolist():
            self._reasons[line] = reason if isinstance(reason, str) else reason(line)

    @property
    def count(self) -> int:
        """Number of faulty lines."""
        return int(np.count_nonzero(self.mask))

    @property
    def examples(self) -> list[tuple[int, str]]:
        """The first faulty lines as (number in the file, reason)."""
        found = sorted(self._reasons.items())[:MAX_EXAMPLES]
        if self._numbers is None:
            return [(self.first + line, reason) for line, reason in found]
        return [(int(self._numbers[line]), reason) for line, reason in found]

    @property
    def runs(self) -> Runs | None:
        """Where the faulty lines stand in the piece, from 0."""
        return runs_of(self.mask)


def mark_unreadable(data: bytes, faulty: FaultyLines, *, nul: bool = False) -> bytes:
    """Drop carriage returns before line feeds; mark the lines that are empty, hold control bytes or broken UTF-8.

    The parser must never see a lone carriage return: it would take it for a line's end, and the numbers would be off.
    With `nul`, a NUL byte is a character like any other.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    for byte, name in ((b"\r", "a carriage return inside the line"), (b"\0", "a NUL byte")):
        if byte in data and not (nul and byte == b"\0"):
            faulty.add(_lines_with(data, byte), name)
            data = data.replace(byte, b"?")
    if data.startswith(b"\n") or b"\n\n" in data:
        faulty.add(np.flatnonzero(np.diff(_ends(data), prepend=-1) == 1), "an empty line")
    return data if data.isascii() else _strict_utf8(data, faulty)


def _strict_utf8(data: bytes, faulty: FaultyLines) -> bytes:
    """Replace what is not UTF-8."""
    try:
        data.decode("utf-8")
        return data
    except UnicodeDecodeError:
        pass
    pieces, changed = data.split(b"\n"), []
    for line, piece in enumerate(pieces):
        fixed = piece.decode("utf-8", "replace").encode()
        if fixed != piece:
            changed.append(line)
            pieces[line] = fixed
    faulty.add(np.array(changed, dtype=np.int64), "bytes that are not UTF-8")
    return b"\n".join(pieces)


def mark_inner_marks(data: bytes, faulty: FaultyLines) -> bytes:
    """Replace a byte order mark at a line's start, which the parser would drop in silence, and mark the line.

    To be called on the very bytes that the parser gets: what was taken off before (blanks, quotes) may have hidden it.
    """
    if not data.startswith(BOM) and b"\n" + BOM not in data:
        return data
    pieces = data.split(b"\n")
    changed = [line for line, piece in enumerate(pieces) if piece.startswith(BOM)]
    for line in changed:
        pieces[line] = b"?" + pieces[line][len(BOM) :]
    faulty.add(np.array(changed, dtype=np.int64), "a byte order mark inside the file")
    return b"\n".join(pieces)


def _ends(data: bytes) -> NDArray[np.int64]:
    return np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)


def _lines_with(data: bytes, byte: bytes) -> NDArray[np.int64]:
    hits = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == byte[0])
    return np.unique(np.searchsorted(_ends(data), hits))


def keep_lines(data: bytes, keep: NDArray[np.bool_]) -> bytes:
    """The lines for which `keep` holds."""
    lengths = np.diff(_ends(data), prepend=-1)
    return np.frombuffer(data, dtype=np.uint8)[np.repeat(keep, lengths)].tobytes()


def line_widths(data: bytes, delimiter: str) -> NDArray[np.int64]:
    """Columns of each line: int64 array (lines,)."""
    ends = _ends(data)
    delimiters = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord(delimiter))
    return np.diff(np.searchsorted(delimiters, ends), prepend=0) + 1
