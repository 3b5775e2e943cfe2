"""Processes of the same machine: whether one that was there has ended, without a connection to it."""

from __future__ import annotations

import os
from pathlib import Path

UNKNOWN = "-"


def own_word() -> str:
    """This process among all, as a word: machine, numbering of its processes, number, when it began.

    `UNKNOWN` where the system does not say, or numbers processes otherwise in /proc than here (`unshare --pid`).
    """
    try:
        if Path("/proc/self").readlink() != Path(str(os.getpid())):
            return UNKNOWN
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        numbering = Path("/proc/self/ns/pid").readlink()
        return f"{boot}/{numbering}/{os.getpid()}/{_stat(os.getpid())[1]}"
    except (OSError, ValueError):
        return UNKNOWN


def has_ended(word: str) -> bool:
    """Whether the process of this word is of this machine and not there any more."""
    place, _, began = word.rpartition("/")
    machine, _, number = place.rpartition("/")
    if not machine or machine != own_word().rpartition("/")[0].rpartition("/")[0]:
        return False
    try:
        state, found = _stat(int(number))
    except (FileNotFoundError, ProcessLookupError):
        return True
    except (OSError, ValueError):
        return False
    return state in "ZX" or found != began


def _stat(number: int) -> tuple[str, str]:
    """A process's state and when it began: fields 3 and 22 of proc_pid_stat(5)."""
    text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20:
        raise ValueError(text)
    return fields[0], fields[19]
