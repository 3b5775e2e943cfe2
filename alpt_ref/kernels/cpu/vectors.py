"""Operations on a row as whole vectors, where a row fills them: move, fill, decode.

A loop over the columns of a row is compiled for any number of them: its vectors are wider than a short row, which then
goes element by element, behind checks that the arrays do not overlap. A row of 4, 8, 16 or 32 elements has instructions
of just that width here; others go through a loop. The arithmetic is the same element by element, in every width.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config
from numba.core import types
from numba.core.cgutils import for_range
from numba.extending import intrinsic

WIDTHS = (16, 8, 32, 4)
"""Elements of the rows that have instructions of their own."""
_WORD = ir.IntType(32)
Body = Callable[[Any, Any, Any, Any, Callable[[Any], Any]], Any]
"""New values from (builder, old values, source's values, the number, the type of a row for a type of an element)."""


def splat(builder: Any, value: Any, width: int) -> Any:
    """`value` in every element of a vector."""
    row = ir.VectorType(value.type, width)
    none = ir.Constant(row, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(_WORD, width), None)
    return builder.shuffle_vector(builder.insert_element(none, value, ir.Constant(_WORD, 0)), none, zeros)


def _every(builder: Any, value: Any, of: Callable[[Any], Any]) -> Any:
    """`value` in every element of a row."""
    row = of(value.type)
    return value if row is value.type else splat(builder, value, row.count)


def _row_operation(body: Body) -> Any:
    """``operation(out, to, source, at, value, count)``: `count` elements of C-contiguous arrays, by flat places."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def address(which: int) -> Any:
            data = context.make_array(sig.args[which])(context, builder, args[which]).data
            return builder.gep(data, [args[which + 1]])

        target, origin, value, count = address(0), address(2), args[4], args[5]

        def work(to: Any, at: Any, of: Callable[[Any], Any]) -> None:
            row_to = builder.bitcast(to, of(to.type.pointee).as_pointer())
            row_at = builder.bitcast(at, of(at.type.pointee).as_pointer())
            old, found = builder.load(row_to, align=1), builder.load(row_at, align=1)
            builder.store(body(builder, old, found, value, of), row_to, align=1)

        done, others = builder.append_basic_block("row.done"), builder.append_basic_block("row.any")
        switch = builder.switch(count, others)
        for width in WIDTHS:
            block = builder.append_basic_block(f"row.{width}")
            switch.add_case(ir.Constant(count.type, width), block)
            builder.position_at_end(block)
            work(target, origin, functools.partial(ir.VectorType, count=width))
            builder.branch(done)
        builder.position_at_end(others)
        with for_range(builder, count) as loop:
            work(builder.gep(target, [loop.index]), builder.gep(origin, [loop.index]), lambda element: element)
        builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    def typed(
        typing_context: Any, out: Any, to: Any, source: Any, at: Any, value: Any, count: Any
    ) -> tuple[Any, Callable[..., Any]]:
        return types.void(out, types.intp, source, types.intp, out.dtype, types.intp), generate

    return intrinsic(typed)


def _moved(builder: Any, old: Any, found: Any, value: Any, of: Any) -> Any:
    return found


def _filled(builder: Any, old: Any, found: Any, value: Any, of: Any) -> Any:
    return _every(builder, value, of)


def _added(builder: Any, old: Any, found: Any, value: Any, of: Any) -> Any:
    return builder.fadd(old, found)


def _decoded(builder: Any, old: Any, found: Any, value: Any, of: Any) -> Any:
    return builder.fmul(builder.sitofp(found, of(ir.FloatType())), _every(builder, value, of))


def _widened(builder: Any, old: Any, found: Any, value: Any, of: Any) -> Any:
    return builder.sext(found, of(_WORD))


def _narrowed(builder: Any, old: Any, found: Any, value: Any, of: Any) -> Any:
    return builder.trunc(found, old.type)


def _in_python(step: Callable[[Any, Any, Any], Any]) -> Callable[..., None]:
    """The operation without compilation (``NUMBA_DISABLE_JIT=1``)."""

    def operation(out: Any, to: Any, source: Any, at: Any, value: Any, count: Any) -> None:
        to, at, count = int(to), int(at), int(count)
        row = out.reshape(-1)[to : to + count]
        row[...] = step(row, source.reshape(-1)[at : at + count], value)

    return operation


def _choose(body: Body, step: Callable[[Any, Any, Any], Any]) -> Any:
    return _in_python(step) if config.DISABLE_JIT else _row_operation(body)


move_row: Any = _choose(_moved, lambda row, source, value: source)
"""``out[to:] = source[at:]``; the number is not used."""
fill_row: Any = _choose(_filled, lambda row, source, value: value)
"""``out[to:] = value``; the source is not used."""
add_row: Any = _choose(_added, lambda row, source, value: row + source)
"""``out[to:] += source[at:]`` of floats; the number is not used."""
decode_row: Any = _choose(_decoded, lambda row, source, value: source.astype(np.float32) * value)
"""``out[to:] = float32(source[at:]) * value`` of int8 into float32."""
widen_row: Any = _choose(_widened, lambda row, source, value: source)
"""``out[to:] = int32(source[at:])`` of smaller signed integers; the number is not used."""
narrow_row: Any = _choose(_narrowed, lambda row, source, value: source)
"""The low bits of int32 into smaller integers; the number is not used."""
