"""SIGTERM ends a command the way Ctrl-C does: through `finally`, so that nothing half-written or temporary is left."""

from __future__ import annotations

import signal
from types import FrameType

_seen: list[int] = []


def listen() -> None:
    """From here on SIGTERM raises `KeyboardInterrupt`, unless a parent process had it ignored (``nohup``)."""
    try:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, _note)
    except ValueError:  # not the main thread: the program around us decides
        return


def terminated() -> bool:
    """Whether the interruption was a SIGTERM."""
    return signal.SIGTERM in _seen


def forget() -> None:
    """Start anew: no signal has been seen."""
    _seen.clear()


def interrupted_status() -> int:
    """Exit status of an interrupted command: 143 after SIGTERM, else 130."""
    return 143 if terminated() else 130


def note(number: int) -> None:
    """Remember a signal that a handler of its own has heard."""
    _seen.append(number)


def _note(number: int, frame: FrameType | None) -> None:
    note(number)
    raise KeyboardInterrupt
