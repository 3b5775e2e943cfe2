"""Two processes that want the same kernel at the same time: one compiles, the other waits and loads what it made.

Workers of a test run, ranks of a training and processes of a study begin with the same kernels. Without a lock each
would compile them all, and of two that write to a kernel's index at once one would lose its entry.

The locks are advisory and belong to open files, so that a process that is killed leaves none behind. One that is held
for longer than `PATIENCE_S`, or a file system without locks, costs a compilation and nothing else.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: every process compiles for itself
    fcntl = None  # type: ignore[assignment]

PATIENCE_S = 60.0
"""Seconds to wait for another process; its compilation takes one to ten."""
_POLL_S = 0.02
FOLDER = "locks"


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of `path`, a file that is made if need be, against other processes and threads.

    Parameters
    ----------
    path : Path
        Its folder is made, its parent must be there.

    Yields
    ------
    bool
        Whether it is held; False where there are no locks, or after `PATIENCE_S` seconds.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder) / "locks" / "one") as held:
    ...     print(held)
    True
    """
    try:
        if fcntl is None:
            raise OSError
        path.parent.mkdir(exist_ok=True, mode=0o700)
        stream = path.open("ab")
    except OSError:
        yield False
        return
    with stream:
        held = _wait_for(stream)
        try:
            yield held
        finally:
            if held:  # said aloud: a child that was forked meanwhile keeps the file open
                fcntl.flock(stream, fcntl.LOCK_UN)


def _wait_for(stream: Any) -> bool:
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > give_up:
                return False
            time.sleep(_POLL_S)
        except OSError:
            return False


def compile_once(dispatcher: Any, folder: Path, name: str) -> None:
    """Let `dispatcher` hold a lock of `folder`, one for each of its signatures, while it looks for code or makes it.

    Numba's own lock between threads is taken first. Kernels call each other without cycles, so nobody waits in a ring;
    a kernel that calls itself with the same types is already there when it asks a second time.
    """
    from numba.core.compiler_lock import global_compiler_lock

    compile_: Callable[[Any], Any] = dispatcher.compile
    inside: set[Path] = set()

    @functools.wraps(compile_)
    def compile_alone(signature: Any) -> Any:
        short = hashlib.sha256(f"{name} {signature}".encode()).hexdigest()[:16]
        path = folder / FOLDER / short
        with global_compiler_lock:
            if path in inside:
                return compile_(signature)
            inside.add(path)
            try:
                with locked(path):
                    return compile_(signature)
            finally:
                inside.discard(path)

    dispatcher.compile = compile_alone
