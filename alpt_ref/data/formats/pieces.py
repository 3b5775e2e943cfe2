"""One pass over a source of raw clicks, piece by piece, whatever holds them: every row is encoded or reported as bad.

A reader is a subclass of `PieceReader` that says what its fields are and yields jobs. A job names its piece by
`identity`, so that a run that was killed takes over what it had parsed, and makes `CodedRows` of it in any thread, in
any order. Readers of text, of Parquet files and of tables in memory differ in nothing else; `read_raw` takes all rows
into RAM, `encode_reader` writes a store, both with the same bits.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import PARTS, FieldPlan, Part
from alpt_ref.data.formats.coded import CodedRows
from alpt_ref.data.formats.faulty import MAX_EXAMPLES, FaultyLines
from alpt_ref.data.formats.left_out import Runs, joined
from alpt_ref.data.store.parallel import ordered_map, worker_count
from alpt_ref.errors import InputError

OnBadRow = Literal["error", "skip"]
MAX_BAD_ROWS = 0.1
"""Largest share of bad rows that ``on_bad_row="skip"`` leaves out, unless told otherwise."""
PieceProgress = Callable[[int, int, int], None]
"""Called with (units of the source read, all of them, rows so far)."""


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


def counted(faulty: FaultyLines) -> Bad:
    """The bad rows of a piece."""
    return Bad(faulty.count, faulty.examples, faulty.runs)


class Job(Protocol):
    """A piece of a source that has not been parsed yet. Both methods are called in a thread of a pool."""

    @property
    def source(self) -> int:
        """Which of the reader's `names` the piece is of; jobs come in ascending order of it."""
        ...

    def identity(self) -> bytes:
        """Names the piece by everything that its parsed form depends on: its bytes, the layout, its first line."""
        ...

    def parse(self) -> tuple[CodedRows, FaultyLines]:
        """The good rows, and the bad ones: a function of the piece alone. Good and bad are all rows of the piece."""
        ...


Payload = TypeVar("Payload")
Work = Callable[[int, Job], tuple[Payload, int, Bad]]
"""(Number of the piece, job) -> what to make of it, good rows, bad rows."""


def parse_piece(number: int, job: Job) -> tuple[CodedRows, int, Bad]:
    """Keep the parsed rows in RAM."""
    rows, faulty = job.parse()
    return rows, len(rows.labels), counted(faulty)


class PieceReader(abc.ABC):
    """One pass over a source; then `rows`, `rows_of_sources`, `bad_rows`, `fields` and `info` describe the whole.

    A subclass defines `fields`, `kind`, `_jobs` and `describe`, and may define `_done` and `matches`.

    Parameters
    ----------
    names : sequence of str
        What holds the rows, for messages: the files in the order in which they are read, or one name for a table.
    on_bad_row, max_bad_rows
        As in `read_criteo`.
    workers : int, optional
        Threads; default one a core.
    progress : callable, optional
        See `PieceProgress`.

    Raises
    ------
    InputError
        At once: an argument is outside its range. During `pieces`: no good row in all of the source; with
        ``on_bad_row="error"`` the first bad row, and with "skip" more of them than the share `max_bad_rows`.
    """

    unit = "line"
    """What the numbers of bad rows count, from 1: "line" or "row"."""
    unordered = False
    """A row is a set of categories by the format's own definition, so that one in two fields is worth a warning."""
    min_count: int | None = None
    """Least count of a category that the source's schema asks for; None: the default of its kind."""
    format_name: str | None = None
    """The text format that was asked for by its name; None: a schema was."""
    schema: Mapping[str, Any] | None = None
    """What goes to the dataset as ``info["schema"]``."""
    parts: Sequence[Part] | None = None
    """Where the user says which part of the data each of `names` is: one part a name."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        on_bad_row: OnBadRow = "error",
        max_bad_rows: float = MAX_BAD_ROWS,
        workers: int | None = None,
        progress: PieceProgress | None = None,
    ) -> None:
        """Check the arguments; the source is read by `pieces`."""
        if on_bad_row not in ("error", "skip"):
            raise InputError(f"on_bad_row must be 'error' or 'skip', got {on_bad_row!r}")
        self.names = tuple(names)
        self.rows = 0
        self.rows_of_sources = [0] * len(self.names)
        """Good rows of each of `names`."""
        self.bad_rows = BadRows()
        self.on_bad_row: OnBadRow = on_bad_row
        self.progress = progress
        self._max_bad_rows = check_max_bad_rows(max_bad_rows)
        self.workers = worker_count(workers)

    @property
    @abc.abstractmethod
    def fields(self) -> tuple[FieldPlan, ...]:
        """The fields in store order; known at the latest when the first job has been yielded."""

    @property
    @abc.abstractmethod
    def kind(self) -> str:
        """Kind of the source, as in ``info["source"]["kind"]``."""

    @abc.abstractmethod
    def _jobs(self) -> Generator[Job, None, None]:
        """The pieces in order. Closed early where an error stops the pass: use `with` for what is open."""

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """``info["source"]`` without its kind, as JSON: file name, bytes, SHA-256, …; valid after the pass."""

    def unit_of(self, source: int) -> str:
        """What the numbers of bad rows of one of `names` count."""
        return self.unit

    def _done(self) -> tuple[int, int]:
        """Units of the source that have been read, and all of them (0: not known), for a progress bar."""
        return sum(self.rows_of_sources), 0

    def matches(self, source: Mapping[str, Any]) -> bool:
        """Whether a finished store's ``info["source"]`` was made of this very source, so that nothing need be done."""
        return False

    @property
    def name(self) -> str:
        """The first name, and how many there are besides."""
        more = len(self.names) - 1
        return self.names[0] + (f" (and {more} more)" if more else "")

    def pieces(self, work: Work[Payload]) -> Generator[Payload, None, None]:
        """What `work` makes of each piece of the source, in order, several pieces at a time."""

        def one(numbered: tuple[int, Job]) -> tuple[int, tuple[Payload, int, Bad]]:
            number, job = numbered
            return job.source, work(number, job)

        with (
            contextlib.closing(self._jobs()) as jobs,  # an error must not leave a file open
            contextlib.closing(ordered_map(one, enumerate(jobs), self.workers)) as results,
        ):
            for source, (payload, rows, bad) in results:
                self._take(source, rows, bad)
                yield payload
        self._judge()

    def _take(self, source: int, rows: int, bad: Bad) -> None:
        if bad.count and not self.bad_rows.count:
            self.unit = self.unit_of(source)  # of the first bad row, for what is said of all
        if bad.count and self.on_bad_row == "error":
            line, reason = bad.examples[0]
            raise InputError(
                f"{self.names[source]}, {self.unit} {line}: {reason}; mend the file or leave bad rows out with "
                "on_bad_row='skip' (--on-bad-row skip)"
            )
        if len(self.names) > 1:
            short = self.names[source].rpartition("/")[2]
            bad = dataclasses.replace(bad, examples=[(line, f"{why} (file {short})") for line, why in bad.examples])
        self.bad_rows.add(bad, self.rows + self.bad_rows.count)
        self.rows += rows
        self.rows_of_sources[source] += rows
        if self.progress is not None:
            self.progress(*self._done(), self.rows)

    def _judge(self) -> None:
        """InputError where the source holds no rows, or too many bad ones."""
        bad, total = self.bad_rows.count, self.rows + self.bad_rows.count
        what = f"{self.kind} clicks" if self.schema is None else "clicks that the schema is for"
        first = f"{self.unit} {self.bad_rows.examples[0][0]}: {self.bad_rows.examples[0][1]}" if bad else ""
        if not self.rows:
            why = f"all {bad} rows are bad, {first}" if bad else "it is empty"
            raise InputError(f"{self.name} holds no rows ({why}); name a file of {what}")
        for part in dict.fromkeys(self.parts or ()):
            if not sum(rows for rows, own in zip(self.rows_of_sources, self.parts or (), strict=True) if own == part):
                raise InputError(f"the {part} part has no rows; name files that hold some, or leave {part} out")
        if bad > self._max_bad_rows * total:
            raise InputError(
                f"{self.name}: {bad:,} of {total:,} rows are bad, a share above {self._max_bad_rows:g} ({first}); "
                f"check that this is a file of {what}, or allow more with max_bad_rows (--max-bad-rows)"
            )

    def parts_of_rows(self) -> NDArray[np.uint8] | None:
        """The part of each good row, if the sources were given as parts: uint8 array (rows,); valid after the pass."""
        if self.parts is None:
            return None
        return np.repeat(np.array([PARTS[part] for part in self.parts], dtype=np.uint8), self.rows_of_sources)

    def info(self) -> dict[str, Any]:
        """Source, rows and bad rows, as JSON; valid once the source has been read."""
        parts = {} if self.parts is None else {"parts": list(self.parts)}
        return {
            "source": {"kind": self.kind, **self.describe(), **parts},
            **({} if self.schema is None else {"schema": dict(self.schema)}),
            "rows_read": self.rows + self.bad_rows.count,
            "rows_encoded": self.rows,
            "bad_rows": self.bad_rows.to_info(),
        }


def check_max_bad_rows(share: float) -> float:
    """InputError unless `share` is a number from 0 to 1."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise InputError(f"max_bad_rows must be a share of the rows from 0 to 1, got {share!r}")
    return float(share)
