"""bfloat16 on the GPU: activations are uint16 arrays of its bits, and kernels read and write them as float32.

A bfloat16 is the upper half of a float32: 8 bits of exponent, 7 of mantissa. Reading is a shift and exact; writing
rounds to the nearest, ties to even (`cvt.rn.bf16x2.f32` on the device, from compute capability 8.0). Any NaN is
written as 0x7FFF, and what is beyond the largest number as infinity. `scalar.bfloat16` is the same on the host.

`load_numbers` and `store_numbers` take float32 arrays too, so that one kernel serves both: Numba compiles it for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.kernels.cuda.target import SIMULATED, cuda, device, kernel
from alpt_ref.scalar.bfloat16 import BF16, rounded


def require_bfloat16() -> None:
    """Raise `InputError` where the current device has no instruction that rounds to bfloat16."""
    found = (9, 0) if SIMULATED else tuple(cuda.get_current_device().compute_capability)
    if found < (8, 0):
        raise InputError(
            f"model.precision = bf16 needs a device of compute capability 8.0 or later, this one has {found[0]}."
            f"{found[1]}; set model.precision=float32"
        )


if SIMULATED:

    @device
    def number(x):  # type: ignore[no-untyped-def]
        """float32 of an element of an array, float32 or bfloat16 bits."""
        return np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32) if isinstance(x, np.uint16) else x

    @device
    def put_number(array, index, value):  # type: ignore[no-untyped-def]
        """Store a float32 in an array of float32 or of bfloat16 bits."""
        array[index] = rounded(np.array([value], np.float32))[0] if array.dtype == BF16 else value

    @device
    def load_numbers(array, index):  # type: ignore[no-untyped-def]
        """Four numbers from `index`, a multiple of four, as float32; one 128-bit or 64-bit load."""
        return number(array[index]), number(array[index + 1]), number(array[index + 2]), number(array[index + 3])

    @device
    def store_numbers(array, index, a, b, c, d):  # type: ignore[no-untyped-def]
        """Store four float32 from `index`, a multiple of four; one 128-bit or 64-bit store."""
        put_number(array, index, a)
        put_number(array, index + 1, b)
        put_number(array, index + 2, c)
        put_number(array, index + 3, d)

    @device
    def store_copy(array, index, a, b, c, d):  # type: ignore[no-untyped-def]
        """`store_numbers` into bfloat16 bits; nothing where `array` is float32, which stands for no copy."""
        if array.dtype == BF16:
            store_numbers(array, index, a, b, c, d)

else:
    from llvmlite import ir
    from numba.core import types
    from numba.cuda.extending import intrinsic

    _I16, _I32, _F32 = ir.IntType(16), ir.IntType(32), ir.FloatType()
    _UPPER, _SHIFT = ir.Constant(_I32, 0xFFFF0000), ir.Constant(_I32, 16)
    Generated = tuple[Any, Callable[..., Any]]

    def _is_half(array_type: Any) -> bool:
        if array_type.dtype not in (types.uint16, types.float32):
            raise TypeError(f"numbers are float32 or the uint16 bits of bfloat16, got {array_type.dtype}")
        return bool(array_type.dtype == types.uint16)

    def _address(builder: Any, context: Any, array_type: Any, array: Any, index: Any) -> Any:
        return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])

    def _pair(builder: Any, low: Any, high: Any) -> Any:
        """Two float32 as the two bfloat16 of a word."""
        convert = ir.InlineAsm(ir.FunctionType(_I32, [_F32, _F32]), "cvt.rn.bf16x2.f32 $0, $1, $2;", "=r,f,f")
        return builder.call(convert, [high, low])

    @intrinsic
    def number(typing_context: Any, x: Any) -> Generated:
        """float32 of an element of an array, float32 or bfloat16 bits."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if signature.args[0] == types.float32:
                return args[0]
            return builder.bitcast(builder.shl(builder.zext(args[0], _I32), _SHIFT), _F32)

        return types.float32(x), generate

    @intrinsic
    def put_number(typing_context: Any, array: Any, index: Any, value: Any) -> Generated:
        """Store a float32 in an array of float32 or of bfloat16 bits."""
        half = _is_half(array)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            target = _address(builder, context, signature.args[0], *args[:2])
            stored = builder.trunc(_pair(builder, args[2], args[2]), _I16) if half else args[2]
            builder.store(stored, target)
            return context.get_dummy_value()

        return types.void(array, types.intp, types.float32), generate

    @intrinsic
    def load_numbers(typing_context: Any, array: Any, index: Any) -> Generated:
        """Four numbers from `index`, a multiple of four, as float32; one 128-bit or 64-bit load."""
        half = _is_half(array)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            address = _address(builder, context, signature.args[0], *args)
            kind = ir.VectorType(_I32, 2) if half else ir.VectorType(_F32, 4)
            vector = builder.load(builder.bitcast(address, kind.as_pointer()), align=8 if half else 16)
            parts = [builder.extract_element(vector, ir.Constant(_I32, k)) for k in range(2 if half else 4)]
            if half:
                words = [word for two in parts for word in (builder.shl(two, _SHIFT), builder.and_(two, _UPPER))]
                parts = [builder.bitcast(word, _F32) for word in words]
            return context.make_tuple(builder, signature.return_type, parts)

        return types.UniTuple(types.float32, 4)(array, types.intp), generate

    def _store(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(builder, context, signature.args[0], *args[:2])
        kind, parts, half = ir.VectorType(_F32, 4), list(args[2:]), _is_half(signature.args[0])
        if half:
            kind = ir.VectorType(_I32, 2)
            parts = [_pair(builder, parts[0], parts[1]), _pair(builder, parts[2], parts[3])]
        vector = ir.Constant(kind, ir.Undefined)
        for k, part in enumerate(parts):
            vector = builder.insert_element(vector, part, ir.Constant(_I32, k))
        builder.store(vector, builder.bitcast(address, kind.as_pointer()), align=8 if half else 16)
        return context.get_dummy_value()

    @intrinsic
    def store_numbers(typing_context: Any, array: Any, index: Any, a: Any, b: Any, c: Any, d: Any) -> Generated:
        """Store four float32 from `index`, a multiple of four; one 128-bit or 64-bit store."""
        _is_half(array)  # a TypeError for anything else
        one = types.float32
        return types.void(array, types.intp, one, one, one, one), _store

    @intrinsic
    def store_copy(typing_context: Any, array: Any, index: Any, a: Any, b: Any, c: Any, d: Any) -> Generated:
        """`store_numbers` into bfloat16 bits; nothing where `array` is float32, which stands for no copy."""
        one, half = types.float32, _is_half(array)

        def nothing(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return context.get_dummy_value()

        return types.void(array, types.intp, one, one, one, one), _store if half else nothing


@kernel
def convert(values, size, out):  # type: ignore[no-untyped-def]
    """``out`` = `values`, both flat arrays of float32 or bfloat16 bits that begin on 16 bytes."""
    for k in range(cuda.grid(1), size // 4, cuda.gridsize(1)):
        a, b, c, d = load_numbers(values, 4 * k)
        store_numbers(out, 4 * k, a, b, c, d)
    place = size // 4 * 4 + cuda.grid(1)
    if place < size:
        put_number(out, place, number(values[place]))
