"""What cannot fit is refused before it is allocated."""

from __future__ import annotations

import os

import pytest

from alpt_ref._util import memory
from alpt_ref.errors import InputError


def test_what_fits_is_not_refused_and_what_does_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 1000)
    memory.require_memory(1000, "ten numbers", "take fewer")
    with pytest.raises(
        InputError,
        match=r"^ten numbers need at least 1,001 bytes, more than this machine has \(1,000\): take fewer$",
    ):
        memory.require_memory(1001, "ten numbers", "take fewer")


def test_a_system_that_does_not_say_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = memory.machine_memory()
    assert found is None or found > 1 << 24
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory.machine_memory() is None
    memory.require_memory(1 << 80, "more numbers than there are", "take fewer")
