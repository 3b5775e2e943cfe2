"""Where the arrays live and which kernels work on them. The only module that will know about CUDA, and lazily.

A backend bundles an array module and a kernel namespace, so that tables and models are written once.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np

from .errors import InputError
from .kernels.cpu import lowbit as _lowbit
from .kernels.cpu import quantize as _quantize
from .kernels.cpu import random as _random
from .kernels.cpu import rows as _rows
from .kernels.cpu import table as _table
from .kernels.cpu import unique as _unique

DEVICES = ("cpu",)


class Backend:
    """Array module `xp` and kernels of one device."""

    def __init__(self, name: str, xp: Any, kernels: SimpleNamespace) -> None:
        self.name = name
        self.xp = xp
        self.kernels = kernels


def _namespace(*modules: Any) -> SimpleNamespace:
    names: dict[str, Any] = {}
    for module in modules:
        names.update({key: value for key, value in vars(module).items() if not key.startswith("_")})
    return SimpleNamespace(**names)


_CPU = Backend("cpu", np, _namespace(_random, _quantize, _unique, _rows, _table, _lowbit))


def get_backend(device: str = "cpu") -> Backend:
    """Backend of a device name; this version has ``"cpu"`` only.

    Raises
    ------
    InputError
        If the device is unknown or cannot be used here.
    """
    if device not in DEVICES:
        raise InputError(f"device must be 'cpu' in this version, got {device!r}")
    if sys.byteorder != "little":
        raise InputError("packed codes are little-endian words: this processor's byte order is not supported")
    return _CPU
