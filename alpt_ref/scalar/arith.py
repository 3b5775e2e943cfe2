"""Products that feed a sum: the only code with one body per target.

A compiler may contract ``a * b + c`` into one fused multiply-add, which rounds once instead of twice and changes the
last bit. LLVM on the CPU does not do so without fastmath; NVVM does and has no switch. So every product whose result
is added, subtracted or rounded goes through `mul`, which the CUDA target overloads with a correctly rounded
multiplication that is never fused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from numba.extending import overload


def mul(a: Any, b: Any) -> Any:
    """Product of two floats of one type, rounded once, never fused into a following addition."""
    return a * b


@overload(mul, target="generic", inline="always")
def _mul_cpu(a: Any, b: Any) -> Callable[[Any, Any], Any] | None:
    if ".cuda." in sys._getframe(1).f_globals.get("__name__", ""):
        return None  # numba-cuda, looking for bodies to inline, asks the overloads of other targets too

    def body(a: Any, b: Any) -> Any:
        return a * b

    return body
