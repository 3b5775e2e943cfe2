"""One process at a time in a folder, by a lock of the operating system, which dies with its process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from alpt_ref.errors import InputError

NAME = ".lock"


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock inside the block; raises `InputError` at once if another process has it.

    A file that a killed process left behind locks nothing. Where the file system has no locks, nothing is held.
    """
    path = folder / NAME
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
