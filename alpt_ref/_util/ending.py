"""How this process ends: as usual, or at once where libraries would wait without end for processes that are lost."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import NoReturn

_at_once = False


def is_at_once() -> bool:
    """Whether processes are lost with whom this one shares what it cannot take down."""
    return _at_once


def take_nothing_down() -> None:
    """From now on the process ends without taking down what it shares with processes that are lost.

    Its exit status is what `leave` is given; where the interpreter ends by itself, 1.
    """
    global _at_once
    if not _at_once:
        _at_once = True
        atexit.register(leave, 1)


def leave(status: int) -> NoReturn:
    """End the process with this status."""
    if not _at_once:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or its reader has left
            stream.flush()
    os._exit(status)
