"""A software prefetch: a line of a future random row is asked for while the present one is worked on.

It asks for the second-level cache. The first level has places for some two dozen lines that are under way: when they
are taken, the next prefetch waits, and with it all that follows it. Asked for in the second level, random lines came at
3 ns each where they took 8 (one core of a Zen 4), and beside arithmetic they took almost no time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config
from numba.core import types
from numba.extending import intrinsic

AHEAD = 64
"""Rows of lookahead: enough for a line to come out of memory, few enough that it is still in the cache when needed."""
_I8, _I32 = ir.IntType(8), ir.IntType(32)
_READ, _SECOND_LEVEL, _DATA = _I32(0), _I32(2), _I32(1)


def fetch(builder: Any, address: Any) -> None:
    """Code that asks for the line of an address; never faults."""
    function_type = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
    function = builder.module.declare_intrinsic("llvm.prefetch.p0", fnty=function_type)
    builder.call(function, [builder.bitcast(address, _I8.as_pointer()), _READ, _SECOND_LEVEL, _DATA])


@intrinsic
def _prefetch(typing_context: Any, array: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        fetch(builder, builder.gep(data, [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _nothing(array: Any, offset: Any) -> None:
    """What a prefetch is without compilation (``NUMBA_DISABLE_JIT=1``)."""


prefetch: Any = _nothing if config.DISABLE_JIT else _prefetch
"""``prefetch(array, offset)`` inside a kernel: asks for the line of element `offset` of a C-contiguous array."""
