"""Folders that are absent or whole, and one process at a time in a folder.

`new_folder` fills a hidden folder beside the target and renames it; `folder_lock` is a lock of the operating system,
which dies with its process. Single files are written in `files`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alpt_ref._util.files import hidden, remove_abandoned, sync_folder
from alpt_ref.errors import InputError

LOCK = ".lock"


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
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without its owner's number
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        # While it is held: whoever opened it before finds another file under the name. One that took the place of ours
        # (a user deleted it, or there are no locks here) belongs to a newer owner.
        if os.name == "posix" and _same(path, handle):
            path.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)  # a link's target stays
        try:
            if not _try_lock(handle):
                owner = os.read(handle, 32).decode("ascii", "replace").strip()
                raise InputError(
                    f"output folder {path.parent} is in use by another process{f' ({owner})' if owner else ''}; wait "
                    "until it ends, or choose another folder with --output"
                )
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
