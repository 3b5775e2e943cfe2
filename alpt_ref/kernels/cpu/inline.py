"""How a part of a kernel that takes tuples of arrays is compiled: inlined, without counting references to the arrays.

Numba counts a reference to every array of a tuple whenever the tuple, or one of its arrays, gets a name. In the loop
over the steps of a simulation that took seven times as long as a step of a few elements (370 against 53 ns). Such a
part allocates nothing and returns no array, so the references of the kernel around it are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba.core.cpu import CPUTargetOptions

from alpt_ref.kernels.jit import numba

F = TypeVar("F", bound=Callable[..., Any])


_OPTIONS: dict[str, Any] = {"error_model": "numpy"}
if hasattr(CPUTargetOptions, "_nrt"):  # a Numba without it counts, slowly, with the same results
    _OPTIONS["_nrt"] = False


def inline(function: F) -> F:
    """Compile a function that returns a number or nothing, for the CPU's kernels and the GPU's; always inlined."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)  # type: ignore[no-any-return]


def outline(function: F) -> F:
    """The same for a function that is large and seldom called, so that it is optimised once and not again in place."""
    return numba.njit(nogil=True, **_OPTIONS)(function)  # type: ignore[no-any-return]
