"""The command ``alpt-ref`` and ``python -m alpt_ref``: signals are heard before anything heavier is loaded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from alpt_ref._util import ending, signals


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    signals.listen()
    _open_standard_streams()
    try:
        from alpt_ref.cli import run

        status = run()
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0" or sys.argv[1:2] != ["train"]:  # a launcher interrupts all its processes
            print("Error: interrupted before anything was done; the same command starts again", file=sys.stderr)
        status = signals.interrupted_status()
    ending.leave(status)


def _open_standard_streams() -> None:
    """Give a closed standard stream (``2>&-``, a service) the null device, or the next file opened would become it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        else:
            if number and not _writable(number):  # a shell's script took the number that was closed
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # open to the end


def _writable(number: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


if __name__ == "__main__":
    main()
