"""Compressed streams, read to their end: several may follow one another, and nothing else may follow but zeros.

Python's own readers of bzip2 and xz take whatever follows a whole stream for its end, so that the rows of a damaged
second one would be lost in silence. An error is raised again by every later read: after a look at the first bytes that
failed, a reader must not find the end of the file.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
"""What reading a damaged stream raises, besides bzip2's OSError without a number."""
_PIECE = 1 << 16


class _Inflated(io.RawIOBase):
    """A stream over a function that returns up to so many bytes, b"" at the end."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._error is not None:
            raise self._error
        try:
            data = self._read(len(buffer))
        except (*DAMAGED, OSError) as error:
            self._error = error
            raise
        buffer[: len(data)] = data
        return len(data)


class _Streams:
    """Inflates streams that follow one another; zeros after one of them are padding."""

    def __init__(self, file: Any, new: Callable[[], Any]) -> None:
        self._file, self._new, self._part, self._rest = file, new, new(), b""

    def read(self, size: int) -> bytes:
        while True:
            if self._part.eof:
                self._rest = (self._part.unused_data or self._rest).lstrip(b"\0")
                while not self._rest:
                    piece = self._file.read(_PIECE)
                    if not piece:
                        return b""
                    self._rest = piece.lstrip(b"\0")
                self._part = self._new()
            elif self._part.needs_input and not self._rest:
                self._rest = self._file.read(_PIECE)
                if not self._rest:
                    raise EOFError("the stream ends too early")
            given, self._rest = self._rest, b""
            if data := self._part.decompress(given, size):
                return bytes(data)


def gzip_stream(file: Any) -> io.BufferedReader:
    """What is inside an open gzip file."""
    return io.BufferedReader(_Inflated(gzip.GzipFile(fileobj=file).read1), 1 << 20)


def bzip2_stream(file: Any) -> io.BufferedReader:
    """What is inside an open bzip2 file."""
    return io.BufferedReader(_Inflated(_Streams(file, bz2.BZ2Decompressor).read), 1 << 20)


def xz_stream(file: Any) -> io.BufferedReader:
    """What is inside an open xz file."""
    return io.BufferedReader(_Inflated(_Streams(file, lzma.LZMADecompressor).read), 1 << 20)


def zstd_stream(file: Any) -> io.BufferedReader:
    """What is inside an open zstd file, by way of Arrow: Python's own library has zstd from 3.14 on."""
    import pyarrow as pa

    try:
        stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    except (pa.ArrowException, ValueError) as error:  # Arrow built without it
        raise OSError(None, f"zstd cannot be read here ({error})") from None
    return io.BufferedReader(_Inflated(stream.read), 1 << 20)
