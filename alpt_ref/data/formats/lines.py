"""From a plain or compressed file to pieces of whole lines, with memory bounded by the piece.

Everything that can be wrong with the file itself (unreadable, cut off, no text) is found here; what can be wrong with a
row is `text`'s business. Reading, hashing and inflating run one piece ahead in a thread of their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import stat
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alpt_ref.data.formats.inflate import DAMAGED
from alpt_ref.data.formats.records import Records, pieces_of, scan_records
from alpt_ref.data.formats.remote import RemoteFile
from alpt_ref.data.formats.sources import Source, text_of
from alpt_ref.errors import InputError

CHUNK_BYTES = 8 << 20
MAX_LINES = 1 << 18
"""Most lines of a piece: what is held for each of them must not grow where lines are short or empty."""
MAX_LINE_BYTES = 64 << 20
Progress = Callable[[int, int, int], None]
"""Called with (bytes of the file read, its size, rows so far)."""
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Lines:
    """Whole lines, each ended by a line feed.

    Parameters
    ----------
    first : int
        1-based number of the first line in its file.
    data : bytes
    records : Records, optional
        The rows, where some of them may be of several lines; None: a row is a line.
    """

    first: int
    data: bytes
    records: Records | None = None


def file_name(path: Source) -> str:
    """The name without its folder; bytes that are no UTF-8 become "?"."""
    name = path.name if isinstance(path, RemoteFile) else Path(path).name
    return name.encode("utf-8", "replace").decode()


class HashedFile(io.RawIOBase):
    """Counts and hashes what is read of a file as it lies on disk or behind a network."""

    def __init__(self, path: Path | RemoteFile) -> None:
        super().__init__()
        self._path = path
        self._file: Any = path.open("rb") if isinstance(path, RemoteFile) else path.open("rb", buffering=0)
        self._before = self._state()
        self.hash = hashlib.sha256()
        self.done = 0

    def _state(self) -> tuple[int, int]:
        if isinstance(self._path, RemoteFile):
            return self._path.state()
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def changed(self) -> bool:
        """Whether the file has been written to since it was opened."""
        if isinstance(self._path, RemoteFile):
            return self._state() != self._before
        regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        return regular and self._state() != self._before

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the file."""
        count = self._file.readinto(buffer) or 0
        self.hash.update(memoryview(buffer)[:count])
        self.done += count
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class LineSource:
    """One pass over a text file.

    Parameters
    ----------
    path : path
        Plain or compressed text, told apart by the first bytes; a byte order mark is dropped.
    chunk_bytes : int
        Text read at a time.

    Raises
    ------
    InputError
        The file is unreadable, no text, cut off or damaged, changes while it is read, or has a line of over 64 MiB.
    """

    def __init__(self, path: Path | RemoteFile, chunk_bytes: int = CHUNK_BYTES) -> None:
        """Check the path; the file is opened by the iteration."""
        self.path = path
        if isinstance(chunk_bytes, bool) or not isinstance(chunk_bytes, int) or chunk_bytes < 1:
            raise InputError(f"chunk_bytes must be a whole number of at least 1, got {chunk_bytes!r}")
        self.chunk_bytes = chunk_bytes
        if isinstance(path, Path) and not os.access(path, os.R_OK):
            raise InputError(f"file {self.path} may not be read; check its rights")
        self.size = path.size if isinstance(path, RemoteFile) else path.stat().st_size
        self._raw: HashedFile | None = None
        self.compression = ""
        """Name of the file's compression, once it is open."""

    @property
    def done(self) -> int:
        """Bytes of the file read so far."""
        return 0 if self._raw is None else self._raw.done

    def describe(self) -> dict[str, Any]:
        """File name (no folder), size and SHA-256, after the pass."""
        if self._raw is None:
            raise RuntimeError("the file has not been read yet")
        return {"file": file_name(self.path), "bytes": self._raw.done, "sha256": self._raw.hash.hexdigest()}

    @contextlib.contextmanager
    def opened(self, binary: bool = False) -> Iterator[Any]:
        """What is inside the file, as a buffered stream; `binary`: also where that is no text.

        Raises
        ------
        InputError
            See `text_of`.
        """
        with contextlib.ExitStack() as open_files:
            try:
                self._raw = HashedFile(self.path)
                stream: Any = open_files.enter_context(io.BufferedReader(self._raw, 1 << 20))
                text, self.compression = text_of(stream, self.path, binary=binary)
            except OSError as error:
                raise InputError(f"cannot read file {self.path} ({reason_of(error)})") from None
            yield stream if text is stream else open_files.enter_context(text)

    def _blocks(self) -> Iterator[bytes]:
        """Text in pieces of any length, the next one being read while the caller works on this one."""
        with self.opened() as stream:
            yield from self.blocks_of(stream)

    def digest(self) -> bytes:
        """SHA-256 of what has been read of the file."""
        return b"" if self._raw is None else self._raw.hash.digest()

    def blocks_of(self, stream: Any, size: int | None = None) -> Iterator[bytes]:
        """The same of what `opened` gave, in blocks of at most `size` bytes (default: `chunk_bytes`)."""
        size = size or self.chunk_bytes
        with contextlib.ExitStack() as open_files:
            ahead = open_files.enter_context(ThreadPoolExecutor(1, thread_name_prefix="alpt_ref_read"))
            following = ahead.submit(stream.read, size)
            while block := self._result(following):
                following = ahead.submit(stream.read, size)
                yield block
            if self._raw is not None and self._raw.changed():
                raise InputError(f"{self.path} changed while it was read; wait until it is complete and start again")

    def _result(self, following: Any) -> bytes:
        try:
            return following.result()  # type: ignore[no-any-return]
        except EOFError:
            raise InputError(
                f"{self.path} is a {self.compression} file that ends too early; fetch or compress it again"
            ) from None
        except DAMAGED as error:
            raise self._damaged(error) from None
        except OSError as error:
            if error.errno is None and self.compression:  # bzip2 and zstd have no exception of their own
                raise self._damaged(error) from None
            raise InputError(f"cannot read file {self.path} ({reason_of(error)})") from None

    def _damaged(self, error: Exception) -> InputError:
        return InputError(f"{self.path} is a damaged {self.compression} file ({error}); fetch or compress it again")

    def check_line(self, size: int, number: int) -> None:
        """InputError where a line is longer than any row."""
        if size > MAX_LINE_BYTES:
            raise InputError(f"{self.path}, line {number}: over {MAX_LINE_BYTES} bytes; this is no click file")

    def records(self, blocks: Iterator[bytes], first: int, delimiter: str, quote: str) -> Generator[Lines, None, None]:
        """Pieces of whole rows of delimited text, which may be of several lines where a value stands in quotes.

        Parameters
        ----------
        blocks : iterator of bytes
            The text from the start of a row on.
        first : int
            Number of its first line.
        delimiter, quote : str
            One character each; an empty quote: a row is a line.
        """
        number, pending, size = first, list[bytes](), 0
        final = False
        while not final:
            block = next(blocks, None)
            if block is None:
                final = True
            else:
                pending.append(block)
                size += len(block)
                if b"\n" not in block:
                    self.check_line(size, number)
                    continue
            data = b"".join(pending)
            if final and data and not data.endswith(b"\n"):
                data += b"\n"
            if quote and quote.encode() in data:
                records = scan_records(data, delimiter, quote, final=final)
                cut = records.size
                for start, part in pieces_of(records, MAX_LINES):
                    piece = data[start : start + part.size]
                    yield Lines(number, piece, part)
                    number += piece.count(b"\n")
            else:
                cut = data.rfind(b"\n") + 1
                for piece, lines in _short_pieces(data[:cut]) if cut else ():
                    yield Lines(number, piece)
                    number += lines
            pending, size = [data[cut:]], len(data) - cut

    def __iter__(self) -> Generator[Lines, None, None]:
        """Pieces of whole lines; a last line without a line feed gets one."""
        number, pending, at_start = 1, [b""], True
        for piece in self._blocks():
            pending.append(piece)
            if at_start:
                pending = [b"".join(pending)]
                if len(pending[0]) < len(BOM):
                    continue  # fewer bytes than a mark has
                pending, at_start = [pending[0].removeprefix(BOM)], False
            cut = pending[-1].rfind(b"\n") + 1
            if not cut:
                self.check_line(sum(map(len, pending)), number)
                continue
            data = b"".join([*pending[:-1], pending[-1][:cut]])
            pending = [pending[-1][cut:]]
            for part, lines in _short_pieces(data):
                yield Lines(number, part)
                number += lines
        rest = b"".join(pending).removeprefix(BOM if at_start else b"")
        if rest:
            yield Lines(number, rest + b"\n")


def reason_of(error: OSError) -> str:
    """The system's words for an error, or the first of its own."""
    return error.strerror or (str(error).splitlines() or [type(error).__name__])[0][:200]


def _short_pieces(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The same lines in pieces of at most `MAX_LINES`, with the number of each piece's lines."""
    lines = data.count(b"\n")
    if lines <= MAX_LINES:
        yield data, lines
        return
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10) + 1
    cuts = [0, *ends[MAX_LINES - 1 : -1 : MAX_LINES].tolist(), len(data)]
    for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
        yield data[start:stop], min(MAX_LINES, lines - number * MAX_LINES)
