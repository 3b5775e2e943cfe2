"""Raw text clicks, a piece of a file at a time: every line is either encoded or reported as a bad row."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from alpt_ref.data.formats.faulty import MAX_EXAMPLES, FaultyLines
from alpt_ref.data.formats.left_out import Runs, joined
from alpt_ref.data.formats.lines import CHUNK_BYTES, Lines, LineSource, Progress
from alpt_ref.data.formats.parse import CodedRows, TextFormat, code_lines
from alpt_ref.data.formats.sources import Sources, list_files
from alpt_ref.data.store.parallel import ordered_map, worker_count
from alpt_ref.errors import InputError

OnBadRow = Literal["error", "skip"]
MAX_BAD_ROWS = 0.1
"""Largest share of bad rows that ``on_bad_row="skip"`` leaves out, unless told otherwise."""
HEAD_LINES = 1000
HEAD_BYTES = 1 << 20
FormatOf = Callable[[Sequence[str]], TextFormat]
"""First lines of a file (at most `HEAD_LINES`) -> its format; raises InputError with what follows the file's name.

One damaged line must not decide for all others, so what the file is like is what most of these lines are like.
"""


@dataclass(frozen=True)
class Bad:
    """Bad rows of a piece: how many, the first of them with line number and reason, and where they stand in it."""

    count: int
    examples: Sequence[tuple[int, str]]
    runs: Runs | None


@dataclass
class BadRows:
    """Rows left out: how many, the first 20 as (1-based line number, reason), and where (see `left_out`)."""

    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    runs: Runs | None = field(default_factory=list)

    def add(self, bad: Bad, start: int) -> None:
        """Take the bad rows of the next piece of the files, whose first row has the number `start`."""
        self.count += bad.count
        self.examples += bad.examples[: MAX_EXAMPLES - len(self.examples)]
        self.runs = joined(self.runs, bad.runs, start)

    def to_info(self) -> dict[str, Any]:
        """As JSON."""
        examples = [{"line": line, "reason": reason} for line, reason in self.examples]
        where = {"rows": self.runs} if self.count and self.runs is not None else {}
        return {"count": self.count, "examples": examples, **where}


Payload = TypeVar("Payload")
Work = Callable[[TextFormat, int, Lines], tuple[Payload, int, Bad]]
"""(Format, number of the piece, its lines) -> what to make of them, good rows, bad rows."""


def counted(faulty: FaultyLines) -> Bad:
    """The bad rows of a piece."""
    return Bad(faulty.count, faulty.examples, faulty.runs)


def parse_piece(layout: TextFormat, number: int, lines: Lines) -> tuple[CodedRows, int, Bad]:
    """Keep the parsed rows in RAM."""
    rows, faulty = code_lines(layout, lines)
    return rows, len(rows.labels), counted(faulty)


def check_max_bad_rows(share: float) -> float:
    """InputError unless `share` is a number from 0 to 1."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise InputError(f"max_bad_rows must be a share of the rows from 0 to 1, got {share!r}")
    return float(share)


class TextReader:
    """One pass over raw files; then `rows`, `bad_rows`, `format` and `info` describe the whole.

    Raises
    ------
    InputError
        At once: a file that is not there. During `pieces`: one that cannot be read (see `LineSource`), has other fields
        than the first, or changes meanwhile; no good row in all of them; with ``on_bad_row="error"`` the first bad row,
        and with "skip" more of them than the share `max_bad_rows`.
    """

    def __init__(
        self,
        path: Sources,
        format_of: FormatOf,
        *,
        on_bad_row: OnBadRow = "error",
        max_bad_rows: float = MAX_BAD_ROWS,
        chunk_bytes: int = CHUNK_BYTES,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Check the arguments; the files are opened by `pieces`."""
        if on_bad_row not in ("error", "skip"):
            raise InputError(f"on_bad_row must be 'error' or 'skip', got {on_bad_row!r}")
        self.rows = 0
        self.bad_rows = BadRows()
        self.format: TextFormat | None = None
        """Of the first file; the others have the same fields."""
        self._on_bad_row, self._format_of, self._progress = on_bad_row, format_of, progress
        self._max_bad_rows = check_max_bad_rows(max_bad_rows)
        self._workers = worker_count(workers)
        self._files = [LineSource(file, chunk_bytes) for file in list_files(path)]

    @property
    def name(self) -> str:
        """The first file, and how many there are besides."""
        more = len(self._files) - 1
        return f"{self._files[0].path}" + (f" (and {more} more)" if more else "")

    def pieces(self, work: Work[Payload]) -> Generator[Payload, None, None]:
        """What `work` makes of each piece of the files, in order, several pieces at a time."""

        def one(job: tuple[Path, TextFormat, int, Lines]) -> tuple[Path, tuple[Payload, int, Bad]]:
            return job[0], work(*job[1:])

        with (
            contextlib.closing(self._jobs()) as jobs,  # an error must not leave a file open
            contextlib.closing(ordered_map(one, jobs, self._workers)) as results,
        ):
            for file, (payload, rows, bad) in results:
                self._take(file, rows, bad)
                yield payload
        self._judge()

    def _take(self, file: Path, rows: int, bad: Bad) -> None:
        if bad.count and self._on_bad_row == "error":
            line, reason = bad.examples[0]
            raise InputError(
                f"{file}, line {line}: {reason}; mend the file or leave bad rows out with "
                "on_bad_row='skip' (--on-bad-row skip)"
            )
        if len(self._files) > 1:
            examples = [(line, f"{reason} (file {file.name})") for line, reason in bad.examples]
            bad = dataclasses.replace(bad, examples=examples)
        self.bad_rows.add(bad, self.rows + self.bad_rows.count)
        self.rows += rows
        if self._progress is not None:
            done, size = sum(source.done for source in self._files), sum(source.size for source in self._files)
            self._progress(done, size, self.rows)

    def _judge(self) -> None:
        """InputError where the files hold no rows, or too many bad ones."""
        bad, total = self.bad_rows.count, self.rows + self.bad_rows.count
        first = f"line {self.bad_rows.examples[0][0]}: {self.bad_rows.examples[0][1]}" if bad else ""
        if not self.rows:
            why = f"all {bad} rows are bad, {first}" if bad else "it is empty"
            raise InputError(f"{self.name} holds no rows ({why}); name a file of {self._kind} clicks")
        if bad > self._max_bad_rows * total:
            raise InputError(
                f"{self.name}: {bad:,} of {total:,} rows are bad, a share above {self._max_bad_rows:g} ({first}); "
                f"check that this is a file of {self._kind} clicks, or allow more with max_bad_rows (--max-bad-rows)"
            )

    @property
    def _kind(self) -> str:
        return "raw" if self.format is None else self.format.kind

    def _jobs(self) -> Generator[tuple[Path, TextFormat, int, Lines], None, None]:
        number = row = 0
        for source in self._files:
            with contextlib.closing(iter(source)) as pieces:
                begun, broken = _begin(pieces)
                if not begun:
                    if broken is not None:
                        raise broken
                    continue  # an empty file
                layout = self._layout(source.path, head_of(b"".join(lines.data for lines in begun)))
                if layout.header:
                    begun[0] = Lines(2, begun[0].data[begun[0].data.index(b"\n") + 1 :])
                for lines in itertools.chain(begun, pieces):
                    if lines.data:
                        yield source.path, layout, number, dataclasses.replace(lines, row=row)
                        number += 1
                        row += lines.data.count(b"\n")
                if broken is not None:
                    raise broken

    def _layout(self, path: Path, head: Sequence[str]) -> TextFormat:
        try:
            layout = self._format_of(head)
        except InputError as error:
            raise InputError(f"{path}, {error}") from None
        if self.format is None:
            self.format = layout
        elif [rule.name for rule in layout.fields] != [rule.name for rule in self.format.fields]:
            raise InputError(
                f"{path} has {len(layout.fields)} fields, {self._files[0].path} has {len(self.format.fields)}; "
                "read files of one kind together"
            )
        return layout

    def info(self) -> dict[str, Any]:
        """Source, rows and bad rows, as JSON; valid once the files have been read."""
        files = [source.describe() for source in self._files]
        source: dict[str, Any] = {"kind": self._kind, **files[0]}
        if len(files) > 1:
            digest = hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest()
            source |= {"bytes": sum(file["bytes"] for file in files), "sha256": digest, "files": files}
        read = self.rows + self.bad_rows.count
        return {"source": source, "rows_read": read, "rows_encoded": self.rows, "bad_rows": self.bad_rows.to_info()}


def _begin(pieces: Iterator[Lines]) -> tuple[list[Lines], InputError | None]:
    """Pieces from a file's beginning, as many as `head_of` needs, and the fault of the file that follows them."""
    begun, lines, size = list[Lines](), 0, 0
    try:
        for piece in pieces:
            begun.append(piece)
            lines += piece.data.count(b"\n")
            size += len(piece.data)
            if lines >= HEAD_LINES or size >= HEAD_BYTES:
                break
    except InputError as error:  # a bad row before it comes first
        return begun, error
    return begun, None


def head_of(data: bytes) -> list[str]:
    """The first lines of a file, at least one; which ones does not depend on how much of the file `data` is."""
    end = max(data.rfind(b"\n", 0, HEAD_BYTES), data.index(b"\n"))
    lines = data[:end].split(b"\n", HEAD_LINES)[:HEAD_LINES]
    return [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]
