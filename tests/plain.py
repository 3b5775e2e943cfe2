"""Compiled functions as the Python that they are written in, with all that they call: no test waits for a compiler."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any


def plain(function: Any) -> Callable[..., Any]:
    """The function without Numba; under ``NUMBA_DISABLE_JIT`` it is that already."""
    return _plain(function, {})


def _plain(function: Any, known: dict[str, dict[str, Any]]) -> Callable[..., Any]:
    body = getattr(function, "py_func", None)
    if not isinstance(body, FunctionType):
        return function  # type: ignore[no-any-return]
    names = _names(sys.modules[body.__module__], known)
    return FunctionType(body.__code__, names, body.__name__, body.__defaults__, body.__closure__)


def _names(module: ModuleType, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the functions of a module see."""
    if module.__name__ not in known:
        known[module.__name__] = {}
        found = {name: _plain(one, known) if hasattr(one, "py_func") else one for name, one in vars(module).items()}
        known[module.__name__].update(found)
    return known[module.__name__]
