"""Matrix products whose bits do not depend on the number of threads.

A multi-threaded BLAS splits a product by its own thread count and thereby changes the order of its sums. Here the
split is a function of the shapes alone: every block is one single-threaded BLAS call, the blocks run on the
package's own threads, and partial sums over blocks of a long inner dimension are added in ascending order.

The three products of a linear layer, all without copies (b rows in a batch, W of shape (in, out)):

    forward          X @ W       row blocks of X
    data gradient    dY @ W.T    row blocks of dY
    weight gradient  X.T @ dY    blocks of the long inner dimension b, and of the columns of dY
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu.dense import sum_parts
from alpt_ref.kernels.jit import num_threads, run_rows, thread_pool

ROWS = 640
"""Most rows of one row block: enough for BLAS to repack W cheaply, and still 16 blocks in a batch of 10,000."""
INNER = 2560
"""Most terms of one block of the inner dimension in X.T @ dY."""
COLUMNS = 512
"""Most columns of one block in X.T @ dY."""
SMALL = 1 << 18
"""Products of fewer multiplications than this are one block."""

Float = NDArray[np.floating[Any]]
Span = tuple[int, int]


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process, looked up once (a few milliseconds)."""
    return ThreadpoolController().select(user_api="blas")


_lock = threading.Lock()
_depth = 0
_limiter: Any = None
_this_thread = threading.local()


def blas_kernel() -> str:
    """The library that computes matrix products and the processor it was made for, for example ``openblas 0.3.31 Zen``.

    The last bits of a product depend on it, and so do those of a trained dense layer. Products go through NumPy; a
    library of SciPy's own, which is there only once SciPy was imported, does not count.
    """
    every = _blas().info()
    home = Path(np.__file__).parent
    ours = [one for one in every if Path(one["filepath"]).parent in (home.with_name("numpy.libs"), home / ".dylibs")]
    found = sorted(
        " ".join(str(part) for part in (one.get("internal_api"), one.get("version"), one.get("architecture")) if part)
        for one in ours or every
    )
    return ", ".join(dict.fromkeys(found)) or "unknown"


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread inside the ``with`` block; nested uses cost nothing but a counter.

    Enter it once around a training loop: `matmul` enters it by itself otherwise, at some microseconds a call.
    """
    global _depth, _limiter
    with _lock:
        if _depth == 0:
            _let_this_thread_set_limits()
            _limiter = _blas().limit(limits=1)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _let_this_thread_set_limits()  # not always the thread that came first
                _limiter.restore_original_limits()
                _limiter = None
                _let_this_thread_set_limits()


def _let_this_thread_set_limits() -> None:
    """Take the right to set BLAS's limit from whoever had it; `_lock` sees to it that threads take turns.

    From 3.8 on, threadpoolctl heeds one thread alone and ignores the others in silence: a product called from a
    second Python thread would then run on several BLAS threads, many times slower and with other bits.
    """
    for library in _blas().lib_controllers:
        release = getattr(library, "clear_controlling_thread", None)
        if release is not None:
            release(force=True)


def _limit_this_thread() -> None:
    """Repeat the limit where it is a property of the calling thread (BLAS built on OpenMP), once a pool thread."""
    if not getattr(_this_thread, "limited", False):
        for library in _blas().lib_controllers:
            if getattr(library, "threading_layer", None) == "openmp":
                library.set_num_threads(1)
        _this_thread.limited = True


def _spans(length: int, parts: int) -> list[Span]:
    bounds = [length * part // parts for part in range(parts + 1)]
    return list(itertools.pairwise(bounds))


def _even(parts: int) -> int:
    return parts + parts % 2 if parts > 1 else parts


def row_spans(rows: int) -> list[Span]:
    """Row blocks of a product with `rows` rows: a function of `rows` alone."""
    return _spans(rows, max(_even(-(-rows // ROWS)), min(2, rows // 128), 1))


def _run(tasks: list[Callable[[], None]]) -> None:
    """Run the tasks on up to `num_threads` threads, this one included; who runs which does not matter to the bits."""
    workers = min(num_threads(), len(tasks))
    if workers == 1:
        for task in tasks:
            task()
        return
    ticket = itertools.count()  # next() on it is atomic

    def work() -> None:
        while (index := next(ticket)) < len(tasks):
            tasks[index]()

    def work_in_pool() -> None:
        _limit_this_thread()
        work()

    pool = thread_pool()
    others = [pool.submit(work_in_pool) for _ in range(workers - 1)]
    try:
        work()
    finally:
        for other in others:
            other.result()


def _check(a: Float, b: Float, out: Float | None) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise InputError(f"matmul needs shapes (m, k) and (k, n), got {a.shape} and {b.shape}")
    if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        raise InputError(f"matmul needs two arrays of one dtype, float32 or float64, got {a.dtype} and {b.dtype}")
    if out is not None and (
        out.shape != (a.shape[0], b.shape[1]) or out.dtype != a.dtype or not out.flags.c_contiguous
    ):
        raise InputError(
            f"out must be a C-contiguous {a.dtype} array {(a.shape[0], b.shape[1])}, got {out.dtype} {out.shape}"
        )


def matmul(
    a: Float,
    b: Float,
    out: Float | None = None,
    *,
    scratch: Callable[[tuple[int, ...]], Float] | None = None,
) -> Float:
    """Product ``a @ b`` with bit for bit the same for any number of threads.

    Parameters
    ----------
    a, b : float32 or float64 arrays (m, k) and (k, n)
        Either may be a transposed view; nothing is copied if each is contiguous along one of its axes.
    out : array (m, n), optional
        C-contiguous, of the same dtype; must not overlap `a` or `b`.
    scratch : callable, optional
        ``scratch(shape)`` lends an array for partial sums; without it one is allocated.

    Returns
    -------
    array (m, n)
        `out`, or a new array.

    Raises
    ------
    InputError
        If shapes or dtypes do not fit.
    """
    _check(a, b, out)
    if out is None:
        out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    if 0 in out.shape or a.shape[1] == 0:
        out[...] = 0
        return out
    with single_threaded_blas():
        if a.strides[0] < a.strides[1]:
            _transposed_product(a, b, out, scratch)
        else:
            spans = row_spans(len(a)) if a.size * b.shape[1] > SMALL else [(0, len(a))]
            _run([_product(a[lo:hi], b, out[lo:hi]) for lo, hi in spans])
    return out


def _product(a: Float, b: Float, out: Float) -> Callable[[], None]:
    def task() -> None:
        np.matmul(a, b, out=out)

    return task


def _transposed_product(a: Float, b: Float, out: Float, scratch: Callable[[tuple[int, ...]], Float] | None) -> None:
    """``a @ b`` for a transposed `a` = X.T: sum over blocks of X's rows, which packs far better than rows of X.T."""
    inner, columns = b.shape
    if a.size * columns <= SMALL:
        np.matmul(a, b, out=out)
        return
    inner_spans = _spans(inner, _even(-(-inner // INNER)))
    width = COLUMNS if len(inner_spans) > 1 else max(128, min(COLUMNS, columns // 2))
    column_spans = _spans(columns, -(-columns // width))
    shape = (len(inner_spans), *out.shape)
    if len(inner_spans) == 1:
        parts = out[None]
    else:
        parts = scratch(shape) if scratch is not None else np.empty(shape, out.dtype)

    _run(
        [
            _product(a[:, lo:hi], b[lo:hi, left:right], parts[part, :, left:right])
            for part, (lo, hi) in enumerate(inner_spans)
            for left, right in column_spans
        ]
    )
    if len(inner_spans) > 1:
        run_rows(sum_parts, out.size, parts.reshape(len(inner_spans), -1), out.reshape(-1), grain=1 << 14)
