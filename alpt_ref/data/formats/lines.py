"""From a plain or gzip-compressed file to pieces of whole lines, with memory bounded by the piece.

Everything that can be wrong with the file itself (missing, a folder, cut off, no text) is found here; what can be wrong
with a row is `text`'s business. Reading, hashing and inflating run one piece ahead in a thread of their own.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpt_ref.errors import InputError

CHUNK_BYTES = 8 << 20
MAX_LINE_BYTES = 64 << 20
Progress = Callable[[int, int, int], None]
"""Called with (bytes of the file read, its size, rows so far)."""
_GZIP_MAGIC = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Lines:
    """Whole lines, each ended by a line feed; `first` is the 1-based number of the first."""

    first: int
    data: bytes


def file_name(path: str | Path) -> str:
    """The name without its folder; bytes that are no UTF-8 become "?"."""
    return Path(path).name.encode("utf-8", "replace").decode()


class _HashedFile(io.RawIOBase):
    """Counts and hashes what is read of the file as it lies on disk."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._before = self._state()
        self.hash = hashlib.sha256()
        self.done = 0

    def _state(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def changed(self) -> bool:
        """Whether a file on disk has been written to since it was opened."""
        regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        return regular and self._state() != self._before

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer) or 0
        self.hash.update(memoryview(buffer)[:count])
        self.done += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class LineSource:
    """One pass over a text file.

    Parameters
    ----------
    path : path
        Plain or gzip text, told apart by the first two bytes; a byte order mark is dropped.
    chunk_bytes : int
        Text read at a time.

    Raises
    ------
    InputError
        The file is missing, a folder, unreadable, cut off or damaged, changes while it is read, or has a line of over
        64 MiB.
    """

    def __init__(self, path: str | Path, chunk_bytes: int = CHUNK_BYTES) -> None:
        """Check the path; the file is opened by the iteration."""
        self.path = Path(path)
        if isinstance(chunk_bytes, bool) or not isinstance(chunk_bytes, int) or chunk_bytes < 1:
            raise InputError(f"chunk_bytes must be a whole number of at least 1, got {chunk_bytes!r}")
        self.chunk_bytes = chunk_bytes
        if self.path.is_dir():
            raise InputError(f"{self.path} is a folder, not a file; name the click file itself")
        if not self.path.exists():
            raise InputError(f"file {self.path} does not exist; check its name")
        if not os.access(self.path, os.R_OK):
            raise InputError(f"file {self.path} may not be read; check its rights")
        self.size = self.path.stat().st_size
        self._raw: _HashedFile | None = None

    @property
    def done(self) -> int:
        """Bytes of the file read so far."""
        return 0 if self._raw is None else self._raw.done

    def describe(self) -> dict[str, Any]:
        """File name (no folder), size and SHA-256, after the pass."""
        if self._raw is None:
            raise RuntimeError("the file has not been read yet")
        return {"file": file_name(self.path), "bytes": self._raw.done, "sha256": self._raw.hash.hexdigest()}

    def _blocks(self) -> Iterator[bytes]:
        """Text in pieces of any length, the next one being read while the caller works on this one."""
        with contextlib.ExitStack() as open_files:
            try:
                self._raw = _HashedFile(self.path)
            except OSError as error:
                raise InputError(f"cannot read file {self.path} ({error.strerror})") from None
            stream: Any = open_files.enter_context(io.BufferedReader(self._raw, 1 << 20))
            if stream.peek(2)[:2] == _GZIP_MAGIC:
                stream = open_files.enter_context(gzip.GzipFile(fileobj=stream))
            ahead = open_files.enter_context(ThreadPoolExecutor(1, thread_name_prefix="alpt_ref_read"))
            following = ahead.submit(stream.read, self.chunk_bytes)
            while block := self._result(following):
                following = ahead.submit(stream.read, self.chunk_bytes)
                yield block
            if self._raw.changed():
                raise InputError(f"{self.path} changed while it was read; wait until it is complete and start again")

    def _result(self, following: Any) -> bytes:
        try:
            return following.result()  # type: ignore[no-any-return]
        except EOFError:
            raise InputError(f"{self.path} is a gzip file that ends too early; fetch or compress it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{self.path} is a damaged gzip file ({error}); fetch or compress it again") from None
        except OSError as error:
            raise InputError(f"cannot read file {self.path} ({error.strerror})") from None

    def __iter__(self) -> Generator[Lines, None, None]:
        """Pieces of whole lines; a last line without a line feed gets one."""
        number, pending, at_start = 1, [b""], True
        for piece in self._blocks():
            pending.append(piece)
            if at_start:
                pending = [b"".join(pending)]
                if len(pending[0]) < len(BOM):
                    continue  # too little to tell
                pending, at_start = [pending[0].removeprefix(BOM)], False
            cut = pending[-1].rfind(b"\n") + 1
            if not cut:
                if sum(map(len, pending)) > MAX_LINE_BYTES:
                    raise InputError(f"{self.path}, line {number}: over {MAX_LINE_BYTES} bytes; this is no click file")
                continue
            data = b"".join([*pending[:-1], pending[-1][:cut]])
            pending = [pending[-1][cut:]]
            yield Lines(number, data)
            number += data.count(b"\n")
        rest = b"".join(pending).removeprefix(BOM if at_start else b"")
        if rest:
            yield Lines(number, rest + b"\n")
