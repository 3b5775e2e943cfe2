"""Reductions over the rows of a segment, which stay in registers: largest magnitude, and sum in whole units.

A segment are the rows ``order[first:end]`` of a matrix. In a loop over columns inside one over rows every row would
wait for what the one before has stored; a row of 4, 8, 16 or 32 columns is one vector here (`vectors.WIDTHS`), and the
loop over rows is the only one. Others go through loops (`unique`), and give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import config
from numba.core import types
from numba.extending import intrinsic

from alpt_ref.kernels.cpu.prefetch import AHEAD, fetch
from alpt_ref.kernels.cpu.vectors import WIDTHS, splat

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_F32, _F64 = ir.FloatType(), ir.DoubleType()
CONVERTS = bool(llvm.get_host_cpu_features().get("avx512dq"))
"""Whether the processor turns float64 into int64 in vectors; element by element loops are better at it."""


def _data(context: Any, builder: Any, sig: Any, args: Any, which: int) -> Any:
    return context.make_array(sig.args[which])(context, builder, args[which]).data


def _over_rows(builder: Any, order: Any, first: Any, end: Any, start: Any, step: Callable[[Any, Any, Any], Any]) -> Any:
    """What ``step(place, row, value)`` makes of `start` in the end, over ``order[first:end]``, not empty."""
    before, body = builder.block, builder.append_basic_block("segment.row")
    builder.branch(body)
    builder.position_at_end(body)
    place, value = builder.phi(_I64), builder.phi(start.type)
    place.add_incoming(first, before)
    value.add_incoming(start, before)
    found = step(place, builder.load(builder.gep(order, [place])), value)
    next_place = builder.add(place, ir.Constant(_I64, 1))
    place.add_incoming(next_place, builder.block)
    value.add_incoming(found, builder.block)
    done = builder.append_basic_block("segment.done")
    builder.cbranch(builder.icmp_signed("<", next_place, end), body, done)
    builder.position_at_end(done)
    return found


def _start(builder: Any, data: Any, row: Any, width: int) -> Any:
    """Address of row `row` of a matrix of `width` columns."""
    return builder.gep(data, [builder.mul(row, ir.Constant(_I64, width))])


def _row(builder: Any, data: Any, row: Any, width: int, element: Any) -> Any:
    """The row as one vector."""
    address = _start(builder, data, row, width)
    return builder.load(builder.bitcast(address, ir.VectorType(element, width).as_pointer()), align=4)


def _each_width(builder: Any, d: Any, make: Callable[[int], Any], result: Any) -> Any:
    """``make(width)`` for the width that `d` is; it must be one of `WIDTHS`."""
    out = builder.append_basic_block("segment.out")
    none = builder.append_basic_block("segment.none")
    switch = builder.switch(d, none)
    found = []
    for width in WIDTHS:
        block = builder.append_basic_block(f"segment.{width}")
        switch.add_case(ir.Constant(d.type, width), block)
        builder.position_at_end(block)
        value = make(width)
        found.append((value, builder.block))
        builder.branch(out)
    builder.position_at_end(none)
    builder.branch(out)
    builder.position_at_end(out)
    if result is None:
        return None
    joined = builder.phi(result)
    for value, block in found:
        joined.add_incoming(value, block)
    joined.add_incoming(ir.Constant(result, 0), none)
    return joined


@intrinsic
def _peak(
    typing_context: Any, bits: Any, order: Any, first: Any, end: Any, last: Any, d: Any
) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data, places = (_data(context, builder, sig, args, which) for which in (0, 1))
        first, end, last, d = args[2:]

        def make(width: int) -> Any:
            of = ir.VectorType(_I32, width)
            mask = ir.Constant(of, [0x7FFFFFFF] * width)

            def step(place: Any, row: Any, value: Any) -> Any:
                ahead = builder.add(place, ir.Constant(_I64, AHEAD))
                ahead = builder.select(builder.icmp_signed("<", ahead, last), ahead, place)
                fetch(builder, _start(builder, data, builder.load(builder.gep(places, [ahead])), width))
                size = builder.and_(_row(builder, data, row, width, _I32), mask)
                return builder.select(builder.icmp_signed(">", size, value), size, value)

            found = _over_rows(builder, places, first, end, ir.Constant(of, [0] * width), step)
            largest = ir.FunctionType(_I32, [of])
            function = builder.module.declare_intrinsic(f"llvm.vector.reduce.smax.v{width}i32", fnty=largest)
            return builder.call(function, [found])

        return _each_width(builder, d, make, _I32)

    return types.int32(bits, order, types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def _total(
    typing_context: Any, out: Any, to: Any, grads: Any, order: Any, first: Any, end: Any, scale: Any, unit: Any, d: Any
) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        target, data, places = (_data(context, builder, sig, args, which) for which in (0, 2, 3))
        to, (first, end, scale, unit, d) = args[1], args[4:]

        def make(width: int) -> None:
            doubles, wholes = ir.VectorType(_F64, width), ir.VectorType(_I64, width)

            def step(place: Any, row: Any, value: Any) -> Any:
                grown = builder.fpext(_row(builder, data, row, width, _F32), doubles)
                return builder.add(value, builder.fptosi(builder.fmul(grown, splat(builder, scale, width)), wholes))

            found = _over_rows(builder, places, first, end, ir.Constant(wholes, [0] * width), step)
            sums = builder.fmul(builder.sitofp(found, doubles), splat(builder, unit, width))
            row = ir.VectorType(_F32, width)
            address = builder.bitcast(builder.gep(target, [to]), row.as_pointer())
            builder.store(builder.fptrunc(sums, row), address, align=4)

        _each_width(builder, d, make, None)
        return context.get_dummy_value()

    whole, real = types.int64, types.float64
    return types.void(out, whole, grads, order, whole, whole, real, real, whole), generate


def _python_peak(bits: Any, order: Any, first: Any, end: Any, last: Any, d: Any) -> np.int32:
    return np.int32((bits[order[first:end]] & np.int32(0x7FFFFFFF)).max())


def _python_total(
    out: Any, to: Any, grads: Any, order: Any, first: Any, end: Any, scale: Any, unit: Any, d: Any
) -> None:
    wholes = (grads[order[first:end]].astype(np.float64) * scale).astype(np.int64)
    out.reshape(-1)[to : to + d] = (wholes.sum(0).astype(np.float64) * unit).astype(np.float32)


segment_peak: Any = _python_peak if config.DISABLE_JIT else _peak
"""``segment_peak(bits, order, first, end, last, d)``: bits of the largest magnitude.

Rows at places up to `last` are fetched ahead.
"""
segment_total: Any = _python_total if config.DISABLE_JIT else _total
"""``segment_total(out, to, grads, order, first, end, scale, unit, d)``: the sum, into ``out[to:]``.

Each number times `scale` is cut to an integer; the sum of those times `unit` is the result.
"""
