"""Where results may be written: decided before any work, so that nothing of the user's is destroyed by it.

A file's output may be ``-`` (standard output), a device, a pipe or a link: what is no regular file is written through
and stays what it is, a link's target is replaced and the link stays. The input itself, by whatever spelling, and
anything inside a run, a store or another folder of this package are refused.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from alpt_ref._util.files import atomic, path_of, require_outside
from alpt_ref.errors import InputError

STDOUT = "-"
_OF_FILES = (
    *(".bin", ".bz2", ".csv", ".gz", ".html", ".json", ".jsonl", ".md", ".npy", ".npz", ".onnx", ".parquet", ".pdf"),
    *(".png", ".pt", ".pth", ".safetensors", ".svg", ".tar", ".toml", ".tsv", ".txt", ".xz", ".zip"),
)
"""Endings that nobody gives to a folder: who writes one expects a file."""


def check_output_file(
    path: str | Path,
    *,
    inputs: Iterable[str | Path] = (),
    endings: Iterable[str] = (),
    option: str = "--output",
    ours: tuple[str, Callable[[Path], bool]] | None = None,
) -> Path:
    """The path, if a result may be written there.

    Parameters
    ----------
    path : where to write; ``-`` is standard output
    inputs : files that are read; none of them may be overwritten
    endings : those that the verb writes, with the dot; a file with another one is refused. None given: any
    option : how the user names the path
    ours : what the verb writes, in words, and whether a file is such a one: another file is not written over

    Raises
    ------
    InputError
        With the reason; nothing has been changed.
    """
    path = path_of(path, option)
    if str(path) == STDOUT:
        return path
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file")
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise InputError(f"folder {path.parent} of {option} does not exist; make it or choose another")
    if is_regular(target) and not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(f"folder {path.parent} of {option} may not be written to; choose another")
    for one in inputs:
        if _same(target, Path(one)):
            raise InputError(f"{option} {path} is the input {one} itself; choose another name")
    require_outside(path, option=option)
    known = tuple(endings)
    if known and is_regular(target) and not path.name.lower().endswith(known):
        raise InputError(f"{option} must end in {' or '.join(known)}, got {path.name!r}")
    if ours is not None and target.exists() and is_regular(target) and target.stat().st_size and not ours[1](target):
        raise InputError(f"{option} {path} exists and holds no {ours[0]}; choose another name or delete it")
    return path


def shows(path: Path, text: str) -> bool:
    """Whether the first 64 kB of a file hold a text."""
    try:
        with path.open("rb") as file:
            return text.encode() in file.read(1 << 16)
    except OSError:
        return False


def is_regular(path: Path) -> bool:
    """Whether writing makes or replaces an ordinary file: a device or a pipe is none."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _same(target: Path, other: Path) -> bool:
    """Whether two paths are one file: by name after links, or by device and inode (hard links)."""
    if Path(os.path.realpath(other)) == target:
        return True
    try:
        return target.samefile(other)
    except OSError:
        return False


@contextmanager
def open_output(path: str | Path) -> Iterator[BinaryIO]:
    """Open a checked path: a regular file appears when the block ends, anything else is written through."""
    path = Path(path)
    if str(path) == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(os.path.realpath(path))
    if is_regular(target):
        with atomic(target) as stream:
            yield stream
    else:
        with target.open("wb") as stream:
            yield stream


def check_results_folder(path: str | Path, *, option: str = "--output", within: Iterable[str] = ()) -> Path:
    """The path, if a verb may put its results into that folder: decided before the work, nothing is made.

    Unlike `check_output_folder`, for folders that appear whole, a mount point will do: files are put into it.

    Parameters
    ----------
    path : folder, absent or present
    option : how the user names it
    within : markers of folders that may hold it, for example ``"reproduce.json"``

    Raises
    ------
    InputError
        It is the root of a file system, a file or below one, lies inside a run, a store or the like, has a file's
        ending or may not be written to.
    """
    if str(path) == STDOUT:
        raise InputError(f"{option} - would be standard output, but the result is a folder; name one")
    path = path_of(path, option)
    target = Path(os.path.realpath(path))
    if path.suffix.lower() in _OF_FILES and not target.exists():
        raise InputError(f"{option} must be a folder, got {path.name!r}; leave the ending {path.suffix} out")
    if target == Path(target.anchor):
        raise InputError(f"{option} {path} is the root of the file system; name a folder below it")
    require_outside(path, option=option, within=within)
    there = next(folder for folder in (target, *target.parents) if os.path.lexists(folder))
    if not there.is_dir():
        place = "is" if there == target else "lies below"
        raise InputError(f"output folder {path} {place} a file; choose another with {option}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"output folder {path} may not be written to; choose another with {option}")
    return path


def check_output_folder(path: str | Path, *, option: str = "--output") -> Path:
    """The folder with its links followed, if one may appear there whole.

    Raises
    ------
    InputError
        As `check_results_folder`, and where it is a mount point, which no other folder can take the place of.
    """
    path = path_of(path, option)
    target = Path(os.path.realpath(path))
    if target == Path(target.anchor) or os.path.ismount(target):
        raise InputError(f"{option} {path} is the root of a file system; name a folder below it")
    check_results_folder(path, option=option)
    return target
