"""Files that are absent or whole, and an output folder that belongs to one configuration.

Everything that this package keeps is written here: under a hidden temporary name in the folder of the target, which is
random, made for this writer alone and never followed through a link, then synced and renamed. A killed process leaves
the old file or the new one, never half of one; what it was writing is taken away by `remove_parts`. Folders that are
absent or whole are in `folders`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from alpt_ref.errors import InputError

KINDS = {
    "comparison.json": "a comparison",
    "verify.json": "a verification",
    "manifest.json": "encoded data",
    "checkpoint.json": "a checkpoint",
    "export.json": "an exported table",
    "packed.json": "a packed run, which holds no state to train on",
}
"""Files that say what a folder holds (a single run's ``config.toml`` is in a comparison's folder, too)."""
_OURS = (*KINDS, "reproduce.json", "result.json")
"""Files that say that a folder is a run, a store, a study or the like."""

STALE_S = 60.0
"""A temporary file that nobody has touched for so long was left by a killed process, unless large arrays go into it."""


def hidden(path: Path) -> Path:
    """A fresh name beside `path` that no reader looks at and that `remove_parts` knows; a long name is cut off."""
    return path.with_name(f".{path.name[:40]}.{os.getpid()}-{_place()}{secrets.token_hex(4)}.part")


@functools.cache
def _place() -> str:
    """Where process numbers mean what they mean here: host, start of the system and (in containers) their namespace."""
    facts = [platform.node()]
    with contextlib.suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:8]


def _abandoned(part: Path) -> bool:
    """Whether a temporary file's writer is known to have died: a process of this place that is no more."""
    found = re.search(r"\.(\d+)-([0-9a-f]{8})[0-9a-f]{8}\.part$", part.name)
    if found is None or found[2] != _place() or os.name != "posix":
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@functools.cache
def remove_abandoned(folder: Path) -> None:
    """Delete what killed writers left in a folder; looked for once a process and folder."""
    with contextlib.suppress(OSError):  # a folder that cannot be listed: nothing is known
        for part in folder.glob(".*.part"):
            if _abandoned(part):
                _delete(part)


def _delete(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def remove_parts(*places: Path, pid: int | None = None, older_s: float | None = None) -> None:
    """Delete temporary files and folders of killed writers.

    Parameters
    ----------
    places : folders, looked at without those below them; an absent one has nothing to delete
    pid : only those of this process
    older_s : only those that were not touched for so many seconds, or whose writer is known to have died; needed where
        somebody else may be writing
    """
    newest = float("inf") if older_s is None else time.time() - older_s
    for place in places:
        for part in place.glob(".*.part" if pid is None else f".*.{pid}-*.part"):
            try:
                if part.lstat().st_mtime < newest or _abandoned(part):
                    _delete(part)
            except FileNotFoundError:  # its writer was faster
                continue


def sync(stream: IO[Any]) -> None:
    """Bring what was written to an open file onto the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder onto the disk (POSIX; elsewhere the file system does)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checksum(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file: ``{"bytes": ..., "sha256": ...}``."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"bytes": os.fstat(stream.fileno()).st_size, "sha256": digest}


@contextmanager
def atomic(path: str | Path, *, synced: bool = True) -> Iterator[BinaryIO]:
    """Open `path` for writing; it appears under its name only if the block ends without an exception.

    Without `synced` a lost power supply may leave it damaged: only for what carries a checksum and can be made again.
    """
    path = Path(path)
    remove_abandoned(path.absolute().parent)
    temporary = hidden(path)
    try:
        file = temporary.open("xb")  # not through a link, and nobody else's
        try:
            with file as stream:
                yield stream
                if synced:
                    sync(stream)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.filename in (None, str(temporary)):  # a full disk is reported without saying where
            error.filename = str(path)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic(path) as stream:
        stream.write(text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON file atomically; NaN and infinity are refused, because JSON has neither."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any | None:
    """The JSON value in `path`, or None if there is no such file; a damaged file is an `InputError`."""
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise InputError(f"{path} must be a file; move it out of the way")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not valid JSON; delete it to compute its content again") from None


def writable_folder(path: str | Path) -> Path:
    """Make the folder if need be and prove that a file can be written in it, before any work is done."""
    path = Path(path)
    try:
        Path(os.path.realpath(path)).mkdir(
            parents=True, exist_ok=True
        )  # through a link to a folder that is not there yet
        probe = hidden(path / "write")
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"output folder {path} cannot be written ({reason}); choose another with --output") from None
    return path


def path_of(path: object, name: str) -> Path:
    """A path that an argument gives; InputError where it is no path, or the empty text, which is the current folder."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str) or str(path) == "":
        raise InputError(f"{name} must be a path, got {path!r}")
    if "\0" in str(path):
        raise InputError(f"{name} must be a path without a NUL character, got {str(path)!r}")
    return Path(path)


def require_outside(path: str | Path, *, option: str = "--output", within: Iterable[str] = ()) -> None:
    """InputError where a path, its links followed, lies inside a run, a store or another folder of this package.

    Folders with a marker named in `within` may hold it.
    """
    markers = [name for name in _OURS if name not in tuple(within)]
    for folder in Path(os.path.realpath(path)).parents:
        marker = next((name for name in markers if (folder / name).is_file()), None)
        if marker is not None:
            raise InputError(f"{option} {path} lies in {folder}, which belongs to alpt-ref ({marker}); choose another")


def claim_folder(
    path: str | Path,
    marker: str,
    holds: Callable[[Path], str | None],
    own: tuple[str, ...],
    within: Iterable[str] = (),
) -> Path:
    """Take an output folder for one run; raises `InputError` before anything in it changes.

    Parameters
    ----------
    path : folder, made if absent
    marker : name of the file that says whose folder it is
    holds : called with the marker's path where it exists; returns what differs in words, or None if it is ours
    own : names that this run will write; found without a marker they belong to somebody else
    within : markers of folders of this package that may hold it
    """
    path = path_of(path, "output")
    require_outside(path, within=within)
    if path.resolve() == Path(path.resolve().anchor):
        raise InputError(f"output folder {path} is the root of the file system; name a folder below it")
    if path.exists() and not path.is_dir():
        raise InputError(f"output folder {path} is a file; choose another with --output")
    for name, kind in KINDS.items():
        if name != marker and (path / name).exists():
            raise InputError(f"output folder {path} holds {kind} ({name}); choose another with --output")
    if (path / marker).exists():
        difference = holds(path / marker)
        if difference is not None:
            raise InputError(
                f"output folder {path} holds a run with {difference}; choose another with --output, or delete it"
            )
    else:
        found = [name for name in own if (path / name).exists()]
        if found:
            raise InputError(f"output folder {path} holds a {found[0]} of unknown origin; choose another with --output")
    return writable_folder(path)
