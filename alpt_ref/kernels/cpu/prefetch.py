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


def _prefetching(write: int) -> Callable[..., Any]:
    """An intrinsic that asks for element `offset` (from the start) of a C-contiguous array; never faults."""

    def typed(typing_context: Any, array: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
        signature = types.void(array, types.intp)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = context.make_array(sig.args[0])(context, builder, args[0]).data
            address = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
            i32 = ir.IntType(32)
            function_type = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), i32, i32, i32])
            function = builder.module.declare_intrinsic("llvm.prefetch.p0", fnty=function_type)
            builder.call(function, [address, i32(write), i32(3), i32(1)])  # keep in all cache levels, data
            return context.get_dummy_value()

        return signature, generate

    return intrinsic(typed)  # type: ignore[no-any-return]


def _nothing(array: Any, offset: Any) -> None:
    """What a prefetch is without compilation (``NUMBA_DISABLE_JIT=1``)."""


prefetch: Any = _nothing if config.DISABLE_JIT else _prefetching(1)
"""``prefetch(array, offset)`` inside a kernel, for an element that will be written."""
prefetch_read: Any = _nothing if config.DISABLE_JIT else _prefetching(0)
"""The same for one that is only read: threads that ask for the same row do not take it from each other."""
