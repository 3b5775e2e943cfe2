"""What cannot fit into the memory of this machine is refused in a sentence, before anything is allocated."""

from __future__ import annotations

import os

from alpt_ref.errors import InputError


def machine_memory() -> int | None:
    """Bytes of memory that this machine has, in use or not; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def require_memory(needed: int, what: str, instead: str) -> None:
    """InputError where `what` needs more bytes than the machine has; `instead` is a way out."""
    memory = machine_memory()
    if memory is not None and needed > memory:
        raise InputError(f"{what} need at least {needed:,} bytes, more than this machine has ({memory:,}): {instead}")
