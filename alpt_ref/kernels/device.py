"""The device of computations that name none, one for each process; whoever starts a process sets it there."""

from __future__ import annotations

_device = "cpu"


def default_device() -> str:
    """``cpu``, or what this process was given.

    Examples
    --------
    >>> default_device()
    'cpu'
    """
    return _device


def set_default_device(device: str) -> None:
    """Let computations of this process that name no device run on `device`."""
    global _device
    _device = device
