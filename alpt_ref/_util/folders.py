"""Folders that are absent or whole, and one process at a time in a folder.

`new_folder` fills a hidden folder beside the target and renames it; `folder_lock` and `claim_file` hold locks of the
operating system, which die with their process. Single files are written in `files`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alpt_ref._util.files import hidden, remove_abandoned, sync_folder
from alpt_ref.errors import InputError

LOCK = ".lock"
WAIT_S = 0.2
"""Between two tries to get a lock that another process has."""


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A hidden folder to fill, which takes the place of `path` if the block ends without an exception."""
    remove_abandoned(path.absolute().parent)
    scratch = hidden(path)
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent.parent)
        scratch.mkdir()
        yield scratch
        sync_folder(scratch)
        if path.exists():
            remove(path)
        scratch.rename(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove(path: Path) -> None:
    """Delete a folder; should that be interrupted, it is gone for readers."""
    away = hidden(path)
    path.rename(away)
    shutil.rmtree(away, ignore_errors=True)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock inside the block; raises `InputError` at once if another process has it.

    A file that a killed process left behind locks nothing. Where the file system has no locks, nothing is held.
    """
    path = folder / LOCK
    handle = _locked(path)
    if handle is None:
        owner = ""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            owner = path.read_bytes()[:32].decode("ascii").strip()
        raise InputError(
            f"output folder {folder} is in use by another process{f' ({owner})' if owner else ''}; wait "
            "until it ends, or choose another folder with --output"
        )
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without its owner's number
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        _release(path, handle)


@contextmanager
def claim_file(path: Path) -> Iterator[bool]:
    """Hold the right to make a file inside the block; False if another process, here or on another machine, has it.

    The lock lies beside the file under a hidden name. Where the file system has no locks everybody gets it: what two
    processes make is then the same file, twice. The folder is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}{LOCK}")
    handle = _locked(lock)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            _release(lock, handle)


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Make `path` inside the block, after any other process that is making it."""
    while True:
        with claim_file(path) as ours:
            if ours:
                yield
                return
        time.sleep(WAIT_S)


def remove_locks(*places: Path) -> None:
    """Take away the lock files of `claim_file` that killed processes left in these folders; they lock nothing."""
    for place in places:
        for lock in place.glob(f".*{LOCK}"):
            with contextlib.suppress(OSError):
                handle = _locked(lock)
                if handle is not None:
                    _release(lock, handle)


def _release(path: Path, handle: int) -> None:
    # While it is held: whoever opened it before finds another file under the name. One that took the place of ours
    # (a user deleted it, or there are no locks here) belongs to a newer owner.
    if os.name == "posix" and _same(path, handle):
        path.unlink(missing_ok=True)
    os.close(handle)


def _locked(path: Path) -> int | None:
    """A handle that holds the lock, None if another process does."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)  # a link's target stays
        try:
            if not _try_lock(handle):
                os.close(handle)
                return None
            if os.name != "posix" or _same(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _same(path: Path, handle: int) -> bool:
    """Whether the locked file still has its name: its last owner may have taken it away in between."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, 1 << 20, os.SEEK_SET)  # beyond the text: Windows keeps others from reading locked bytes
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
