"""Matrix products by cuBLAS, called directly: with a workspace of our own, so that a CUDA graph can record them.

float32 matrices, exact or with factors rounded to TF32, or bfloat16 factors (`bf16`) with a float32 or bfloat16 result;
sums are float32. CuPy's wrappers reset the workspace to one that cuBLAS allocates by itself, and read as unsupported
during capture in some versions. In the simulator the product is NumPy's.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.target import SIMULATED
from alpt_ref.scalar.bfloat16 import BF16, rounded, widened

WORKSPACE = 32 << 20
"""Bytes of workspace; what cuBLAS's documentation recommends for compute capability 9."""

_FLOAT32, _BFLOAT16, _COMPUTE_FLOAT32, _COMPUTE_TF32, _DEFAULT_ALGORITHM = (
    0,
    14,
    68,
    77,
    -1,
)  # library_types.h, cublas_api.h
_TYPES = {np.dtype(np.float32): _FLOAT32, BF16: _BFLOAT16}
_AS_IT_IS, _TRANSPOSED = 0, 1


class Blas:
    """One cuBLAS handle of the current device."""

    def __init__(self) -> None:
        import cupy

        self._cupy = cupy
        self._library = _library(cupy.cuda.runtime.runtimeGetVersion() // 1000)
        self._library.cublasSetWorkspace_v2.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        self._library.cublasSetStream_v2.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self._library.cublasGemmEx.argtypes = (
            pointer, number, number, number, number, number, pointer, pointer, number, number, pointer, number, number,
            pointer, pointer, number, number, number, number,
        )  # fmt: skip
        self._handle = ctypes.c_void_p()
        self._check("cublasCreate_v2", self._library.cublasCreate_v2(ctypes.byref(self._handle)))
        self._workspace = cupy.empty(WORKSPACE, cupy.uint8)
        self._stream: int | None = None
        self._one, self._zero = ctypes.c_float(1.0), ctypes.c_float(0.0)

    @staticmethod
    def _check(call: str, status: int) -> None:
        if status:
            raise RuntimeError(f"{call} failed with cuBLAS status {status}")

    def _follow_stream(self) -> None:
        stream = self._cupy.cuda.get_current_stream().ptr
        if stream != self._stream:
            self._check("cublasSetStream", self._library.cublasSetStream_v2(self._handle, stream))
            workspace = (self._workspace.data.ptr, WORKSPACE)  # a change of stream resets it
            self._check("cublasSetWorkspace", self._library.cublasSetWorkspace_v2(self._handle, *workspace))
            self._stream = stream

    def matmul(self, a: Any, b: Any, out: Any, *, tf32: bool) -> None:
        """``out = a @ b``: row-major means to cuBLAS ``out.T = b.T @ a.T``."""
        self._follow_stream()
        (m, k), n = a.shape, b.shape[1]
        op_a, lead_a = _layout(a)
        op_b, lead_b = _layout(b)
        factors, result, lead = _TYPES[a.dtype], _TYPES[out.dtype], _layout(out)[1]
        one, zero = ctypes.addressof(self._one), ctypes.addressof(self._zero)
        status = self._library.cublasGemmEx(
            self._handle, op_b, op_a, n, m, k, one, b.data.ptr, factors, lead_b, a.data.ptr, factors, lead_a,
            zero, out.data.ptr, result, lead, _COMPUTE_TF32 if tf32 else _COMPUTE_FLOAT32, _DEFAULT_ALGORITHM,
        )  # fmt: skip
        self._check("cublasGemmEx", status)


def _library(major: int) -> Any:
    """libcublas of CUDA `major`, the one that CuPy uses."""
    import cupy.cublas  # noqa: F401  # loads the library

    name = f"libcublas.so.{major}"
    try:
        return ctypes.CDLL(name)
    except OSError:
        pathfinder = importlib.import_module("cuda.pathfinder")  # comes with numba-cuda
        return ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)


def _layout(array: Any) -> tuple[int, int]:
    """(operation, leading dimension) of a row-major array, or columns of one, or of the transpose of these."""
    if array.flags.c_contiguous:
        return _AS_IT_IS, array.shape[1]
    if array.flags.f_contiguous:
        return _TRANSPOSED, array.shape[0]
    (down, across), one = array.strides, array.itemsize
    if across == one:
        return _AS_IT_IS, down // one
    if down == one:
        return _TRANSPOSED, across // one
    raise ValueError("a matrix product on the GPU takes row-major matrices and transposes of them")


@functools.cache
def _blas(beside: bool) -> Blas:
    return Blas()


def matmul(a: Any, b: Any, out: Any, *, tf32: bool, beside: bool = False) -> None:
    """``out = a @ b``; either factor may be a transposed view. Queued on the current stream.

    Factors are both float32 or both bfloat16 bits; `out` is float32, or in bfloat16 bits as the factors are.
    What runs `beside` other products has a workspace of its own.
    """
    if a.shape[1] != b.shape[0] or out.shape != (a.shape[0], b.shape[1]) or out.strides[1] != out.itemsize:
        raise ValueError(f"matmul needs (m, k), (k, n) and (m, n), got {a.shape}, {b.shape} and {out.shape}")
    if a.dtype != b.dtype or out.dtype not in (a.dtype, np.float32):
        raise ValueError(f"matmul needs factors of one dtype and a float32 sum, got {a.dtype}, {b.dtype}, {out.dtype}")
    if not SIMULATED:
        _blas(beside).matmul(a, b, out, tf32=tf32)
    elif a.dtype == BF16:
        product = widened(a) @ widened(b)
        out[...] = rounded(product) if out.dtype == BF16 else product
    else:
        np.matmul(a, b, out=out)
