"""A run's folder: every file in it is either absent or whole, and it belongs to one configuration.

Files are written under a temporary name in the same folder, synced and renamed, so that a killed process leaves the
old file or the new one and never half of one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError

KINDS = {
    "comparison.json": "a comparison",
    "verify.json": "a verification",
    "manifest.json": "encoded data",
    "checkpoint.json": "a checkpoint",
    "export.json": "an exported table",
}
"""Files that say what a folder holds (a single run's ``config.toml`` is in a comparison's folder, too)."""


@contextmanager
def atomic(path: str | Path) -> Iterator[BinaryIO]:
    """Open `path` for writing; it appears under its name only if the block ends without an exception."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename is None:  # a full disk is reported without saying where
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


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
    except ValueError:
        raise InputError(f"{path} is not valid JSON; delete it to compute its content again") from None


def write_arrays(path: str | Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write named arrays as an uncompressed ``.npz`` file atomically."""
    with atomic(path) as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # names never collide with savez's own keywords


def writable_folder(path: str | Path) -> Path:
    """Make the folder if need be and prove that a file can be written in it, before any work is done."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"output folder {path} cannot be written ({reason}); choose another with --output") from None
    return path


def claim_folder(path: str | Path, marker: str, holds: Callable[[Path], str | None], own: tuple[str, ...]) -> Path:
    """Take an output folder for one run; raises `InputError` before anything in it changes.

    Parameters
    ----------
    path : folder, made if absent
    marker : name of the file that says whose folder it is
    holds : called with the marker's path where it exists; returns what differs in words, or None if it is ours
    own : names that this run will write; found without a marker they belong to somebody else
    """
    path = Path(path)
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
