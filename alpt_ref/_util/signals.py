"""SIGTERM ends a command the way Ctrl-C does: through `finally`, so that nothing half-written or temporary is left."""

from __future__ import annotations

import signal
from types import FrameType

_seen: list[int] = []


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM.

    CPython remembers a plain `KeyboardInterrupt` that leaves ``exec`` of a text (as dataclasses, NumPy and Numba call
    it) for unhandled, whoever catches it later, and ends the process by SIGINT instead of with its exit status.
    """


def listen() -> None:
    """From here on SIGTERM and Ctrl-C raise `Stopped`, unless a parent process had them ignored (``nohup``)."""
    try:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, _note)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _note)
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
    raise Stopped
