"""A software prefetch: the address of a future random row is asked for while the present one is worked on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config
from numba.core import types
from numba.extending import intrinsic

AHEAD = 24
"""Rows of lookahead; a random 64-byte gather costs about 60 ns unprefetched, a row of work a few ns."""


@intrinsic
def _prefetch(typing_context: Any, array: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
    """Prefetch element `offset` (in elements from the start) of a C-contiguous array for reading; never faults."""
    signature = types.void(array, types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        address = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        i32 = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), i32, i32, i32])
        function = builder.module.declare_intrinsic("llvm.prefetch.p0", fnty=function_type)
        builder.call(function, [address, i32(1), i32(3), i32(1)])  # write, keep in all cache levels, data
        return context.get_dummy_value()

    return signature, generate


def _nothing(array: Any, offset: Any) -> None:
    """What a prefetch is without compilation (``NUMBA_DISABLE_JIT=1``)."""


prefetch: Any = _nothing if config.DISABLE_JIT else _prefetch
"""``prefetch(array, offset)`` inside a kernel."""
