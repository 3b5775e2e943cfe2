"""Raw text clicks, a piece of a file at a time: every line is either encoded or reported as a bad row."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.formats.coded import CodedRows
from alpt_ref.data.formats.faulty import FaultyLines
from alpt_ref.data.formats.lines import CHUNK_BYTES, Lines, LineSource, Progress
from alpt_ref.data.formats.pieces import MAX_BAD_ROWS as MAX_BAD_ROWS
from alpt_ref.data.formats.pieces import Bad as Bad
from alpt_ref.data.formats.pieces import BadRows as BadRows
from alpt_ref.data.formats.pieces import Job, PieceReader
from alpt_ref.data.formats.pieces import OnBadRow as OnBadRow
from alpt_ref.data.formats.pieces import check_max_bad_rows as check_max_bad_rows
from alpt_ref.data.formats.pieces import counted as counted
from alpt_ref.data.formats.pieces import parse_piece as parse_piece
from alpt_ref.data.formats.sources import File, Sources, list_files
from alpt_ref.errors import InputError

HEAD_LINES = 1000
HEAD_BYTES = 1 << 20


class LineFormat(Protocol):
    """What a reader of lines asks of a format: `TextFormat`, `libsvm.SparseFormat`."""

    @property
    def kind(self) -> str:
        """Its name."""
        ...

    @property
    def header(self) -> bool:
        """Whether the first line is no row."""
        ...

    @property
    def unordered(self) -> bool:
        """Whether a row is a set of categories."""
        ...

    @property
    def of_first(self) -> bool:
        """Whether the format of the first file is that of all."""
        ...

    @property
    def plans(self) -> tuple[FieldPlan, ...]:
        """What becomes of each field."""
        ...

    def key(self) -> list[Any]:
        """What the coded form depends on, beside the text, as JSON."""
        ...

    def code(self, lines: Lines) -> tuple[CodedRows, FaultyLines]:
        """The good rows of whole lines, and what is wrong with the others."""
        ...


FormatOf = Callable[[Sequence[str]], LineFormat]
"""First lines of a file (at most `HEAD_LINES`) -> its format; raises InputError with what follows the file's name.

One damaged line must not decide for all others, so what the file is like is what most of these lines are like.
"""


@dataclass(frozen=True)
class TextJob:
    """Whole lines of a file and their layout."""

    source: int
    layout: LineFormat
    lines: Lines

    def identity(self) -> bytes:
        """Digest of the layout and the text."""
        key = hashlib.blake2b(json.dumps([*self.layout.key(), self.lines.first]).encode(), digest_size=32).digest()
        return hashlib.blake2b(self.lines.data, digest_size=32, key=key).digest()

    def parse(self) -> tuple[CodedRows, FaultyLines]:
        """The good rows, and the others with their reasons."""
        return self.layout.code(self.lines)


class TextReader(PieceReader):
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
        files = list_files(path)
        super().__init__(
            [str(file) for file in files],
            on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, workers=workers, progress=progress,
        )  # fmt: skip
        self.format: LineFormat | None = None
        """Of the first file; the others have the same fields."""
        self._format_of = format_of
        self._files = [LineSource(file, chunk_bytes) for file in files]

    @property
    def fields(self) -> tuple[FieldPlan, ...]:
        """As the format has them."""
        return () if self.format is None else self.format.plans

    @property
    def unordered(self) -> bool:  # type: ignore[override]
        """As the format has it."""
        return self.format is not None and self.format.unordered

    @property
    def kind(self) -> str:
        """Of the format, "raw" before it is known."""
        return "raw" if self.format is None else self.format.kind

    def _done(self) -> tuple[int, int]:
        return sum(source.done for source in self._files), sum(source.size for source in self._files)

    def _jobs(self) -> Generator[Job, None, None]:
        for number, source in enumerate(self._files):
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
                        yield TextJob(number, layout, lines)
                if broken is not None:
                    raise broken

    def _layout(self, path: File, head: Sequence[str]) -> LineFormat:
        if self.format is not None and self.format.of_first:
            return self.format
        try:
            layout = self._format_of(head)
        except InputError as error:
            raise InputError(f"{path}, {error}") from None
        if self.format is None:
            self.format = layout
        elif layout.plans != self.format.plans:
            raise InputError(
                f"{path} has {len(layout.plans)} fields, {self._files[0].path} has {len(self.format.plans)}; "
                "read files of one kind together"
            )
        return layout

    def describe(self) -> dict[str, Any]:
        """Name, size and SHA-256 of the file, or of all and of each."""
        files = [source.describe() for source in self._files]
        if len(files) == 1:
            return files[0]
        digest = hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest()
        return {**files[0], "bytes": sum(file["bytes"] for file in files), "sha256": digest, "files": files}

    def matches(self, source: Mapping[str, Any]) -> bool:
        """Whether the files have the checksums that `source` lists."""
        held = source.get("files", [source])
        return len(self._files) == len(held) and all(
            _sha256(file.path) == entry.get("sha256") for file, entry in zip(self._files, held, strict=True)
        )


def _sha256(path: File) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
