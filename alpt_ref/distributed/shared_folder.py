"""Whether all machines of a run see the same output folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from alpt_ref._util.files import hidden
from alpt_ref.errors import InputError
from alpt_ref.training.ranks import Ranks

SEEN_S = 20.0
"""A file system shows other machines what one has made by then."""


def require_shared(ranks: Ranks, folder: Path) -> None:
    """`InputError` on every rank unless all of them see what rank 0 makes in this folder."""
    with contextlib.ExitStack() as stack:
        made = ranks.once(lambda: stack.enter_context(_sign(folder)))
        ranks.each(lambda: _require_seen(made))


@contextlib.contextmanager
def _sign(folder: Path) -> Iterator[Path | None]:
    """A file in the folder inside the block; None where none can be made, as in a run that is only read."""
    path = hidden(folder / "shared")
    try:
        path.touch()
    except OSError:
        yield None
        return
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _require_seen(path: Path | None) -> None:
    end = time.monotonic() + SEEN_S
    while path is not None and not path.exists():
        if time.monotonic() > end:
            raise InputError(
                f"output folder {path.parent} is another one on this machine than on that of rank 0; all machines must "
                "see one folder under this path"
            )
        time.sleep(SEEN_S / 100)
