"""Results as they are stored: one line for each rounding that was checked, with versions, command, date and machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from alpt_ref._util.files import write_text
from alpt_ref.errors import InputError

STORED = Path(__file__).resolve().parents[1] / "results" / "peers.json"
Verdict = Literal["holds", "fails", "note", "left out"]


class Example(msgspec.Struct, frozen=True):
    """The shortest reproduction of a breach that the check found."""

    call: str
    """In Python: the array, the number of the draw and the place of the element."""
    result: str
    expected: str


class Check(msgspec.Struct, frozen=True):
    """What became of one property."""

    verdict: Verdict
    text: str
    """The check's own sentence."""
    why: str = ""
    """Why a breach is a note."""
    example: Example | None = None


class Row(msgspec.Struct, frozen=True):
    """One rounding on one lattice."""

    peer: str
    version: str
    case: str
    rounding: str
    lattice: str
    promise: str
    source: str
    checks: dict[str, Check]
    effort: float
    seed: int
    seconds: float
    date: str
    machine: str

    @property
    def failed(self) -> list[str]:
        """Properties that the package promises, or its rounding implies, and that do not hold."""
        return [name for name, check in self.checks.items() if check.verdict == "fails"]


class Missing(msgspec.Struct, frozen=True):
    """A package that was not measured."""

    peer: str
    reason: str


class Record(msgspec.Struct, frozen=True):
    """The file."""

    command: str
    rows: tuple[Row, ...]
    missing: tuple[Missing, ...] = ()


def load(path: Path) -> Record:
    """The stored results.

    Raises
    ------
    InputError
        If the file is none of this command's.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} holds no results of python -m analysis.peers: {error}") from None


def save(path: Path, record: Record) -> None:
    """Write it, readable and in one piece."""
    write_text(path, msgspec.json.format(msgspec.json.encode(record), indent=1).decode() + "\n")


def merged(
    old: Record | None, command: str, rows: Iterable[Row], missing: Sequence[Missing], order: Sequence[str]
) -> Record:
    """New rows in place of the same peer's old ones; old rows of peers that were not measured now stay, as they were.

    A peer with a row of any age is not missing. Every row names the version, date and machine it was measured with.
    """
    fresh = list(rows)
    names = {row.peer for row in fresh}
    kept = [row for row in old.rows if row.peer not in names and row.peer in order] if old else []
    every = sorted([*fresh, *kept], key=lambda row: order.index(row.peer))
    here = {row.peer for row in every}
    told = {one.peer: one for one in (*(old.missing if old else ()), *missing) if one.peer in order}
    absent = tuple(told[name] for name in order if name in told and name not in here)
    return Record(command, tuple(every), absent)
