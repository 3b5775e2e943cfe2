"""How a function of numbers is compiled: for whichever target calls it, always inlined, never with fastmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba as _numba

F = TypeVar("F", bound=Callable[..., Any])

numba: Any = _numba  # its decorators are typed differently from version to version; ours are typed below


def scalar(function: F) -> F:
    """Compile a function of scalars for whichever target calls it; always inlined, or loops do not vectorise."""
    return numba.njit(error_model="numpy", forceinline=True)(function)  # type: ignore[no-any-return]
