"""Raw text clicks, a piece of the file at a time: every line is either encoded or reported as a bad row."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from alpt_ref.data.formats.lines import CHUNK_BYTES, Lines, LineSource, Progress
from alpt_ref.data.formats.parse import CodedRows, TextFormat, code_lines
from alpt_ref.data.store.parallel import ordered_map, worker_count
from alpt_ref.errors import InputError

OnBadRow = Literal["error", "skip"]
MAX_EXAMPLES = 20
FormatOf = Callable[[str], TextFormat]
"""First line of the file -> its format; raises InputError with a reason that follows "line 1: "."""


@dataclass
class BadRows:
    """Rows left out: how many, and the first 20 as (1-based line number, reason)."""

    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)

    def add(self, rows: Mapping[int, str]) -> None:
        """Take rows of the next piece of the file."""
        self.count += len(rows)
        self.examples += sorted(rows.items())[: MAX_EXAMPLES - len(self.examples)]

    def to_info(self) -> dict[str, Any]:
        """As JSON."""
        return {"count": self.count, "examples": [{"line": line, "reason": reason} for line, reason in self.examples]}


Payload = TypeVar("Payload")
Work = Callable[[TextFormat, int, Lines], tuple[Payload, int, Mapping[int, str]]]
"""(Format, number of the piece, its lines) -> what to make of them, good rows, bad rows."""


def parse_piece(layout: TextFormat, number: int, lines: Lines) -> tuple[CodedRows, int, Mapping[int, str]]:
    """Keep the parsed rows in RAM."""
    rows, bad = code_lines(layout, lines)
    return rows, len(rows.labels), bad


class TextReader:
    """One pass over a raw file; then `rows`, `bad_rows`, `format` and `info` describe the whole.

    Raises
    ------
    InputError
        During `pieces`: a file that cannot be read (see `LineSource`), has no good row, changes meanwhile, or, with
        ``on_bad_row="error"``, its first bad row.
    """

    def __init__(
        self,
        path: str | Path,
        format_of: FormatOf,
        *,
        on_bad_row: OnBadRow = "error",
        chunk_bytes: int = CHUNK_BYTES,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Check the arguments; the file is opened by `pieces`."""
        if on_bad_row not in ("error", "skip"):
            raise InputError(f"on_bad_row must be 'error' or 'skip', got {on_bad_row!r}")
        self.path = Path(path)
        self.rows = 0
        self.bad_rows = BadRows()
        self.format: TextFormat | None = None
        self._on_bad_row, self._format_of, self._progress = on_bad_row, format_of, progress
        self._workers = worker_count(workers)
        self._source = LineSource(path, chunk_bytes)

    def pieces(self, work: Work[Payload]) -> Generator[Payload, None, None]:
        """What `work` makes of each piece of the file, in order, several pieces at a time."""
        with (
            contextlib.closing(iter(self._source)) as lines,  # an error must not leave the file open
            contextlib.closing(ordered_map(lambda job: work(*job), self._jobs(lines), self._workers)) as results,
        ):
            for payload, rows, bad in results:
                self._take(rows, bad)
                yield payload
        if not self.rows:
            why = f"all {self.bad_rows.count} rows are bad" if self.bad_rows.count else "it is empty"
            raise InputError(f"{self.path} holds no rows ({why}); name a file of {self._kind} clicks")

    def _take(self, rows: int, bad: Mapping[int, str]) -> None:
        if bad and self._on_bad_row == "error":
            line, reason = min(bad.items())
            raise InputError(
                f"{self.path}, line {line}: {reason}; mend the file or leave bad rows out with "
                "on_bad_row='skip' (--on-bad-row skip)"
            )
        self.bad_rows.add(bad)
        self.rows += rows
        if self._progress is not None:
            self._progress(self._source.done, self._source.size, self.rows)

    @property
    def _kind(self) -> str:
        return "raw" if self.format is None else self.format.kind

    def _jobs(self, pieces: Iterator[Lines]) -> Iterator[tuple[TextFormat, int, Lines]]:
        for number, piece in enumerate(pieces):
            layout, lines = self._layout(piece)
            yield layout, number, lines

    def _layout(self, lines: Lines) -> tuple[TextFormat, Lines]:
        if self.format is not None:
            return self.format, lines
        end = lines.data.index(b"\n") + 1
        try:
            self.format = self._format_of(lines.data[: end - 1].removesuffix(b"\r").decode("utf-8", "replace"))
        except InputError as error:
            raise InputError(f"{self.path}, line 1: {error}") from None
        return self.format, Lines(2, lines.data[end:]) if self.format.header else lines

    def info(self) -> dict[str, Any]:
        """Source, rows and bad rows, as JSON; valid once the file has been read."""
        source = {"kind": self._kind, **self._source.describe()}
        read = self.rows + self.bad_rows.count
        return {"source": source, "rows_read": read, "rows_encoded": self.rows, "bad_rows": self.bad_rows.to_info()}
