"""What is read: files in the order given, out of names, folders and patterns, and the text inside each of them.

A file's compression is told by its first bytes, never by its name. What holds several files (an archive) or no text in
UTF-8 (a Parquet file, UTF-16) is refused by its own name: read as lines it would look like nothing but damaged rows.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from alpt_ref.data.formats.inflate import DAMAGED, bzip2_stream, gzip_stream, xz_stream
from alpt_ref.errors import InputError

Source = str | os.PathLike[str]
Sources = Source | Iterable[Source]
"""A file, a folder of files or a glob pattern, or several of these."""

COMPRESSED: Mapping[bytes, tuple[str, Callable[[Any], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip_stream),
    b"BZh": ("bzip2", bzip2_stream),
    b"\xfd7zXZ\0": ("xz", xz_stream),
}
"""First bytes of a compressed file -> name, and what inflates it; a new compression is one line here."""
_UNPACK = "unpack it and name the click files in it"
_CONVERT = "convert it to UTF-8, for example with `iconv -f UTF-16 -t UTF-8`"
_EXPORT = "export it as text, one row a line"
_REFUSED: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"PK\x05\x06", "an empty zip archive", "name the click file itself"),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a rar archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd, which is not read", "unpack it with `unzstd`"),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4, which is not read", "unpack it with `unlz4`"),
    (0, b"\x1f\x9d", "compressed with compress, which is not read", "unpack it with `uncompress`"),
    (0, b"\xff\xfe", "UTF-16 text", _CONVERT),
    (0, b"\xfe\xff", "UTF-16 text", _CONVERT),
    (0, b"\0\0\xfe\xff", "UTF-32 text", _CONVERT.replace("16", "32")),
    (0, b"PAR1", "a Parquet file", _EXPORT),
    (0, b"ARROW1", "an Arrow file", _EXPORT),
    (0, b"Obj\x01", "an Avro file", _EXPORT),
    (0, b"ORC", "an ORC file", _EXPORT),
    (0, b"\x89HDF", "an HDF5 file", _EXPORT),
    (0, b"\x93NUMPY", "a NumPy file", _EXPORT),
    (0, b"SQLite format 3", "a SQLite database", _EXPORT),
    (0, b"\xd0\xcf\x11\xe0", "an old Office document", _EXPORT),
    (0, b"%PDF", "a PDF document", _EXPORT),
)
"""(Offset, bytes there, what the file is, what to do): no line of a click file looks like these."""
_HEAD = 512


def list_files(sources: Sources) -> tuple[Path, ...]:
    """The files that `sources` name, in the order given.

    Parameters
    ----------
    sources : path or sequence of paths
        A file; a folder, whose files follow in the order of their names, hidden ones (``.x``, ``_x``) left out; or a
        glob pattern (``*``, ``?``, ``[…]``, ``**``), whose matches follow in the order of their names. A name that
        exists is taken as it stands.

    Returns
    -------
    tuple of Path
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
    seen: dict[tuple[int, int], Path] = {}
    for file in files:
        status = file.stat()
        first = seen.setdefault((status.st_dev, status.st_ino), file)
        if first is not file:
            also = "" if first == file else f" (also as {first})"
            raise InputError(f"file {file} is named twice{also}; its rows would count twice, name it once")
    return tuple(files)


def _files_of(source: Source) -> list[Path]:
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


def text_of(file: Any, path: Path) -> tuple[Any, str]:
    """The stream of text inside an open buffered file, and the name of its compression ("": none).

    Raises
    ------
    InputError
        The file, or what is compressed in it, is an archive or is no text in UTF-8.
    """
    head = file.peek(_HEAD)[:_HEAD]
    for magic, (name, inflate) in COMPRESSED.items():
        if head.startswith(magic):
            stream = inflate(file)
            inner = _peek(stream)
            _refuse_foreign(inner, path, "holds")
            if any(inner.startswith(again) for again in COMPRESSED):
                raise InputError(f"{path} is compressed twice; unpack it once")
            return stream, name
    _refuse_foreign(head, path, "is")
    return file, ""


def _peek(stream: Any) -> bytes:
    """First bytes of an inflating stream; what is damaged is found by those who read it, where it is named."""
    try:
        return bytes(stream.peek(_HEAD)[:_HEAD])
    except (*DAMAGED, OSError):
        return b""


def _refuse_foreign(head: bytes, path: Path, verb: str) -> None:
    for offset, magic, what, then in _REFUSED:
        if head.startswith(magic, offset):
            raise InputError(f"{path} {verb} {what}; {then}")
    every_other = head[1::2] if head[:1] != b"\0" else head[::2]
    if len(head) >= 8 and every_other.count(0) > 0.9 * len(every_other):
        raise InputError(f"{path} {verb} UTF-16 text; {_CONVERT}")
