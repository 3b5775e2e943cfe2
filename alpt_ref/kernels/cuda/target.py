"""What numba.cuda needs to run the package's scalar functions: decorators, launches, 128-bit accesses, one product.

NVVM contracts ``a * b + c`` into a fused multiply-add and has no switch for it, so `arith.mul` gets a body of its own
here: a multiplication that is rounded to nearest and never fused. Everything else is the CPU's source, compiled again.

Kernels are launched on CuPy's current stream, so that they queue up behind CuPy's work and can be captured in a CUDA
graph. Under ``NUMBA_ENABLE_CUDASIM=1`` the same modules run in Numba's simulator on NumPy arrays (tests without a GPU);
it has neither vector types nor libdevice, so three functions below have a second, plain body (for warps: `warp`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"

from numba import cuda as _cuda  # noqa: E402

from alpt_ref.kernels.cache import cache_directory, identity, protect  # noqa: E402


class _SimulatedCuda:
    """The simulator's device module while a kernel runs, else ``numba.cuda``.

    The simulator swaps the module in the globals of one function at a time, which fails when two of its threads enter
    functions of another module; what this is looks the same to all of them and is never swapped.
    """

    def __getattr__(self, name: str) -> Any:
        from numba.cuda.simulator import kernel as simulator

        running = simulator._kernel_context
        return getattr(running, name) if running is not None and hasattr(running, name) else getattr(_cuda, name)


cuda: Any = _SimulatedCuda() if SIMULATED else _cuda
BLOCK = 32 if SIMULATED else 256
"""Threads a block, unless a kernel says otherwise."""


def kernel(function: Callable[..., None] | None = None, *, registers: int | None = None) -> Any:
    """Compile a CUDA kernel: IEEE division and square root, no fastmath; cached on disk as the CPU's kernels are.

    `registers` is the most that a thread may take, so that more of them run at once.

    Not cached: a kernel that closes over something that `cache.identity` cannot describe.
    """
    if function is None:
        return functools.partial(kernel, registers=registers)
    options = {} if SIMULATED or registers is None else {"max_registers": registers}
    directory = None if SIMULATED else cache_directory()
    if directory is None or identity(function) is None:
        return cuda.jit(**options)(function)
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(directory)  # read once, while the decorator runs
    try:
        return protect(cuda.jit(cache=True, **options)(function))
    finally:
        _config.CACHE_DIR = before


def device(function: Callable[..., Any]) -> Any:
    """Compile a function of the device that uses threads, shared memory or atomics (plain maths is ``@scalar``)."""
    return cuda.jit(device=True)(function)


if SIMULATED:

    @device
    def load4(array, index):  # type: ignore[no-untyped-def]
        """Four elements from `index`, a multiple of four; one 128-bit load of a 32-bit type."""
        return array[index], array[index + 1], array[index + 2], array[index + 3]

    @device
    def store4(array, index, a, b, c, d):  # type: ignore[no-untyped-def]
        """Store four elements from `index`, a multiple of four; one 128-bit store of a 32-bit type."""
        array[index] = a
        array[index + 1] = b
        array[index + 2] = c
        array[index + 3] = d

    @device
    def low_bits(x):  # type: ignore[no-untyped-def]
        """A whole float32 number between -2**21 and 2**21 as uint32, in its low bits those of the integer."""
        return np.uint32(np.int64(x) & 0xFFFFFFFF)

    @device
    def one_over(x):  # type: ignore[no-untyped-def]
        """``1 / x`` of a float32 number, wrong by at most a unit in the last place."""
        return np.float32(np.float32(1.0) / x)

    @device
    def one_to_two(word):  # type: ignore[no-untyped-def]
        """``1 + floor(word / 2**9) / 2**23`` of a uint32, float32."""
        return np.uint32(np.uint32(word >> np.uint32(9)) | np.uint32(0x3F800000)).view(np.float32)

    @device
    def wide_product(a, b):  # type: ignore[no-untyped-def]
        """The 64 bits of a product of two uint32."""
        return np.uint64(np.uint64(a) * np.uint64(b))

else:
    from llvmlite import ir
    from numba.core import types
    from numba.cuda import config as _config
    from numba.cuda import libdevice
    from numba.cuda.extending import intrinsic, overload

    from alpt_ref.scalar.arith import mul

    # CuPy exports its stream with every array and Numba would wait for it at each launch; we launch on that stream.
    _config.CUDA_ARRAY_INTERFACE_SYNC = 0
    _config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
    _config.CUDA_WARN_ON_IMPLICIT_COPY = 0  # a small host array may be an argument

    @overload(mul, target="cuda")
    def _mul_cuda(a: Any, b: Any) -> Callable[[Any, Any], Any]:
        def single(a: Any, b: Any) -> Any:
            return libdevice.fmul_rn(a, b)

        def double(a: Any, b: Any) -> Any:
            return libdevice.dmul_rn(a, b)

        return single if a == types.float32 and b == types.float32 else double

    def _vector(builder: Any, context: Any, array_type: Any, array: Any, index: Any) -> Any:
        data = context.make_array(array_type)(context, builder, array).data
        address = builder.gep(data, [index])
        element = context.get_data_type(array_type.dtype)
        return builder.bitcast(address, ir.VectorType(element, 4).as_pointer())

    @intrinsic
    def load4(typing_context: Any, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
        """Four elements from `index`, a multiple of four; one 128-bit load of a 32-bit type."""
        result = types.UniTuple(array.dtype, 4)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            vector = builder.load(_vector(builder, context, signature.args[0], *args), align=16)
            lanes = [builder.extract_element(vector, ir.Constant(ir.IntType(32), k)) for k in range(4)]
            return context.make_tuple(builder, signature.return_type, lanes)

        return result(array, types.intp), generate

    @intrinsic
    def store4(
        typing_context: Any, array: Any, index: Any, a: Any, b: Any, c: Any, d: Any
    ) -> tuple[Any, Callable[..., Any]]:
        """Store four elements from `index`, a multiple of four; one 128-bit store of a 32-bit type."""
        one = array.dtype

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            target = _vector(builder, context, signature.args[0], *args[:2])
            vector = ir.Constant(ir.VectorType(context.get_data_type(one), 4), ir.Undefined)
            for k in range(4):
                vector = builder.insert_element(vector, args[2 + k], ir.Constant(ir.IntType(32), k))
            builder.store(vector, target, align=16)
            return context.get_dummy_value()

        return types.void(array, types.intp, one, one, one, one), generate

    @intrinsic
    def one_over(typing_context: Any, x: Any) -> tuple[Any, Callable[..., Any]]:
        """``1 / x`` of a float32 number, wrong by at most a unit in the last place, in one instruction."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(ir.FloatType(), [ir.FloatType()])
            return builder.call(ir.InlineAsm(kind, "rcp.approx.ftz.f32 $0, $1;", "=f,f"), args)

        return types.float32(types.float32), generate

    @intrinsic
    def one_to_two(typing_context: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
        """``1 + floor(word / 2**9) / 2**23`` of a uint32, float32: its bits come out of one shift of 64."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(ir.FloatType(), [ir.IntType(32)])
            return builder.call(ir.InlineAsm(kind, "shf.r.wrap.b32 $0, $1, 127, 9;", "=f,r"), args)

        return types.float32(types.uint32), generate

    @intrinsic
    def wide_product(typing_context: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
        """The 64 bits of a product of two uint32 in one instruction, which the compiler would take apart into two."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(ir.IntType(64), [ir.IntType(32), ir.IntType(32)])
            return builder.call(ir.InlineAsm(kind, "mul.wide.u32 $0, $1, $2;", "=l,r,r"), args)

        return types.uint64(types.uint32, types.uint32), generate

    _MIDDLE = np.float32(12582912.0)  # 1.5 * 2**23: the numbers about it are whole and end with their bits

    @device
    def low_bits(x):  # type: ignore[no-untyped-def]
        """A whole float32 number between -2**21 and 2**21 as uint32, in its low bits those of the integer."""
        return np.float32(x + _MIDDLE).view(np.uint32)


@functools.cache
def _external_stream(pointer: int) -> Any:
    return cuda.external_stream(pointer)


@functools.cache
def multiprocessors() -> int:
    """Multiprocessors of the current device (one in the simulator)."""
    return 1 if SIMULATED else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)


def blocks_for(threads: int, block: int = BLOCK, per_multiprocessor: int = 16) -> int:
    """Blocks of a grid-stride kernel over `threads` work items: enough to fill the device, not more than needed."""
    needed = -(-max(int(threads), 1) // block)
    return max(1, min(needed, multiprocessors() * per_multiprocessor))


instead: Callable[[Any, tuple[Any, ...]], None] | None = None
"""What is done with a kernel and its arguments in a process that does not launch (`training.compile_ahead`)."""


def launch(function: Any, blocks: int, block: int, *args: Any) -> None:
    """Run a kernel with this grid on CuPy's current stream; returns at once."""
    if instead is not None:
        instead(function, args)
        return
    if SIMULATED:
        from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

        # Not the arrays themselves: the simulator would work on copies and write each back, though some overlap.
        function[int(blocks), int(block)](*(FakeCUDAArray(one) if isinstance(one, np.ndarray) else one for one in args))
        return
    import cupy

    stream = cupy.cuda.get_current_stream().ptr
    function[int(blocks), int(block), _external_stream(stream)](*args)


def array_module() -> Any:
    """CuPy, or NumPy in the simulator."""
    if SIMULATED:
        return np
    import cupy

    return cupy
