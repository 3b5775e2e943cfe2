"""What is read: files in the order given, out of names, folders and patterns, and the text inside each of them.

A file's compression is told by its first bytes, never by its name. What holds several files (an archive) or no text in
UTF-8 (UTF-16, a database, a Parquet file where lines are asked for) is refused by its own name: read as lines it would
look like nothing but damaged rows.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alpt_ref.data.formats.inflate import DAMAGED, bzip2_stream, gzip_stream, xz_stream, zstd_stream
from alpt_ref.data.formats.remote import RemoteFile, is_url, remote_files
from alpt_ref.errors import InputError

Source = str | os.PathLike[str]
Sources = Source | Iterable[Source]
"""A file, a folder of files, a glob pattern or a URL (see `remote`), or several of these."""
File = Path | RemoteFile
"""One file, here or behind a URL."""

COMPRESSED: Mapping[bytes, tuple[str, Callable[[Any], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip_stream),
    b"BZh": ("bzip2", bzip2_stream),
    b"\xfd7zXZ\0": ("xz", xz_stream),
    b"\x28\xb5\x2f\xfd": ("zstd", zstd_stream),
}
"""First bytes of a compressed file -> name, and what inflates it; a new compression is one line here."""
_UNPACK = "unpack it and name the click files in it"
_CONVERT = "convert it to UTF-8, for example with `iconv -f UTF-16 -t UTF-8`"
_SCHEMA = "read it with a schema (--schema), or export it as text, one row a line"
_EXPORT = "export it as text, one row a line"
_REFUSED: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"PK\x05\x06", "an empty zip archive", "name the click file itself"),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a rar archive", _UNPACK),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4, which is not read", "unpack it with `unlz4`"),
    (0, b"\x1f\x9d", "compressed with compress, which is not read", "unpack it with `uncompress`"),
    (0, b"\xff\xfe", "UTF-16 text", _CONVERT),
    (0, b"\xfe\xff", "UTF-16 text", _CONVERT),
    (0, b"\0\0\xfe\xff", "UTF-32 text", _CONVERT.replace("16", "32")),
    (0, b"FEA1", "a Feather file of version 1", "write it with version 2, which is an Arrow file"),
    (0, b"Obj\x01", "an Avro file", _EXPORT),
    (0, b"ORC", "an ORC file", _EXPORT),
    (0, b"\x89HDF", "an HDF5 file", _EXPORT),
    (0, b"\x93NUMPY", "a NumPy file", _EXPORT),
    (0, b"SQLite format 3", "a SQLite database", _EXPORT),
    (0, b"\xd0\xcf\x11\xe0", "an old Office document", _EXPORT),
    (0, b"%PDF", "a PDF document", _EXPORT),
    (0, b"\x7fELF", "a program", "name the click file itself"),
    (0, b"\x89PNG", "a picture", "name the click file itself"),
    (0, b"\xff\xd8\xff", "a picture", "name the click file itself"),
    (0, b"\x80\x04\x95", "a Python pickle, which is not read", "write its table as Parquet or text"),
)
"""(Offset, bytes there, what the file is, what to do): no line of a click file looks like these."""
CONTAINERS: Mapping[bytes, tuple[str, str]] = {
    b"PAR1": ("parquet", "a Parquet file"),
    b"ARROW1": ("arrow", "an Arrow file"),
    b"\xff\xff\xff\xff": ("stream", "an Arrow stream"),
}
"""First bytes -> name and words for what a schema reads and a text format does not."""
_HEAD = 512


def list_files(sources: Sources) -> tuple[File, ...]:
    """The files that `sources` name, in the order given.

    Parameters
    ----------
    sources : path or sequence of paths
        A file; a folder, whose files follow in the order of their names, hidden ones (``.x``, ``_x``) left out; or a
        glob pattern (``*``, ``?``, ``[…]``, ``**``), whose matches follow in the order of their names; the same behind
        a URL. A name that exists is taken as it stands.

    Returns
    -------
    tuple of Path and RemoteFile
        At least one, each once.

    Raises
    ------
    InputError
        Nothing is named, a name or pattern matches no file, a folder holds no file, further folders or an encoded
        store, or one file is named twice.
    """
    given = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    if not given:
        raise InputError("no click file is named; give at least one")
    files = [file for source in given for file in _files_of(source)]
    seen: dict[Any, File] = {}
    for file in files:
        if isinstance(file, RemoteFile):
            first = seen.setdefault(str(file), file)
        else:
            status = file.stat()
            first = seen.setdefault((status.st_dev, status.st_ino), file)
        if first is not file:
            also = "" if first == file else f" (also as {first})"
            raise InputError(f"file {file} is named twice{also}; its rows would count twice, name it once")
    return tuple(files)


def _files_of(source: Source) -> Sequence[File]:
    if isinstance(source, RemoteFile):
        return [source]
    if is_url(source):
        return remote_files(str(source))
    path = Path(source)
    if path.is_dir():
        return _files_in(path)
    if path.exists():
        return [path]
    if glob.has_magic(str(path)):
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 (absolute ones too)
        files = [file for file in found if file.is_file()]
        if not files:
            raise InputError(f"pattern {path} matches no file; check it, or name the files")
        return files
    raise InputError(f"file {path} does not exist; check its name")


def _files_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.name[0] not in "._")
    except OSError as error:
        raise InputError(f"cannot read folder {folder} ({error.strerror}); check its rights") from None
    if any(entry.name == "manifest.json" for entry in entries):
        raise InputError(f"{folder} is a folder of encoded data, not of click files; name it with --data")
    deeper = [entry.name for entry in entries if entry.is_dir()]
    if deeper:
        raise InputError(
            f"folder {folder} holds the folder {deeper[0]}, whose files would be left out; name the folders that hold "
            f"the files, or a pattern such as {folder / '**' / '*.txt'}"
        )
    if not entries:
        raise InputError(f"{folder} is a folder without files; name the click file itself")
    return entries


def text_of(file: Any, path: File, *, binary: bool = False) -> tuple[Any, str]:
    """The stream of text inside an open buffered file, and the name of its compression ("": none).

    Parameters
    ----------
    file : buffered binary stream
    path : Path or RemoteFile
        For messages.
    binary : bool
        Take Parquet and Arrow too.

    Raises
    ------
    InputError
        The file, or what is compressed in it, is an archive or is no text in UTF-8.
    """
    head = file.peek(_HEAD)[:_HEAD]
    for magic, (name, inflate) in COMPRESSED.items():
        if head.startswith(magic):
            stream = inflate(file)
            inner = head_of_stream(stream)
            _refuse_foreign(inner, path, "holds", binary)
            if any(inner.startswith(again) for again in COMPRESSED):
                raise InputError(f"{path} is compressed twice; unpack it once")
            return stream, name
    _refuse_foreign(head, path, "is", binary)
    return file, ""


def container_of(head: bytes) -> str:
    """Name of the container whose first bytes these are: "parquet", "arrow" (a file), "stream" (of Arrow) or "text"."""
    return next((name for magic, (name, _) in CONTAINERS.items() if head.startswith(magic)), "text")


def head_of_stream(stream: Any) -> bytes:
    """First bytes of a buffered stream; what is damaged is found by those who read it, where it is named."""
    try:
        return bytes(stream.peek(_HEAD)[:_HEAD])
    except (*DAMAGED, OSError):
        return b""


def _refuse_foreign(head: bytes, path: File, verb: str, binary: bool) -> None:
    for offset, magic, what, then in _REFUSED:
        if head.startswith(magic, offset):
            raise InputError(f"{path} {verb} {what}; {then}")
    for magic, (_, what) in CONTAINERS.items():
        if head.startswith(magic):
            if binary:
                return
            raise InputError(f"{path} {verb} {what}; {_SCHEMA}")
    every_other = head[1::2] if head[:1] != b"\0" else head[::2]
    if len(head) >= 8 and every_other.count(0) > 0.9 * len(every_other):
        raise InputError(f"{path} {verb} UTF-16 text; {_CONVERT}")
    controls = sum(head.count(byte) for byte in _BINARY)
    if len(head) >= 64 and controls + head.decode("utf-8", "replace").count("\ufffd") > len(head) / 4:
        raise InputError(
            f"{path} {verb} neither text in UTF-8 nor Parquet nor Arrow, but binary data of an unknown kind or text in "
            f"another encoding; {_EXPORT}"
        )


_BINARY = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x01\x02\x03\x1c\x1d\x1e\x1f")
"""Control bytes that no text holds many of; some stand between columns."""
