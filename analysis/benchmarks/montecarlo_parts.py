"""What a run and step of SR-SGD on a regression is made of, in nanoseconds of one thread, ours and NumPy's.

`parts_of_a_step` calls the package's own loops on the buffers of four runs, and the operations of `NumpyRegression`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.montecarlo_lanes import ROOM, four_lanes_dots
from alpt_ref.kernels.cpu.montecarlo_passes import next_code_stochastic
from alpt_ref.kernels.cpu.montecarlo_products import BLOCK, add_block, block_dots, set_four_rows, tiles
from alpt_ref.kernels.cpu.random import fill_words
from alpt_ref.scalar.arith import mul

from .timing import thread_clock

F = np.float32
RUNS, CALLS, REPEATS = 4, 500, 5


@njit(error_model="numpy")
def _words(calls: int, c0: NDArray[np.uint32], c1: NDArray[np.uint32], out: NDArray[np.uint32]) -> None:
    for t in range(calls):
        fill_words(c0.shape[0], c0, c1, t, 16, np.uint32(1), np.uint32(2), out)


@njit(error_model="numpy")
def _rounding(
    calls: int, code: NDArray[np.int32], w: NDArray[np.float32], g: NDArray[np.float32], bits: NDArray[np.uint32]
) -> None:
    for _ in range(calls):
        for i in range(code.shape[0]):
            code[i] = next_code_stochastic(code[i], np.float32(1.0), g[i], bits[i], np.int32(-128), np.int32(127))
            w[i] = mul(np.float32(code[i]), np.float32(0.05))


@njit(error_model="numpy")
def _sampled(
    calls: int, x: NDArray[np.float32], rows: NDArray[np.int64], w: NDArray[np.float32], g: NDArray[np.float32],
    lanes: NDArray[np.float32],
) -> None:  # fmt: skip
    for t in range(calls):
        for r in range(rows.shape[1]):
            four, at = (rows[t, r, 0], rows[t, r, 1], rows[t, r, 2], rows[t, r, 3]), r * x.shape[1]
            z0, z1, z2, z3 = four_lanes_dots(x, four, w, at, lanes)
            set_four_rows(x, four, z0, z1, z2, z3, np.float32(0.0), w, g, at)


@njit(error_model="numpy")
def _triangle(
    calls: int, both: bool, columns: NDArray[np.float32], across: NDArray[np.float32], w: NDArray[np.float32],
    g: NDArray[np.float32], kept: NDArray[np.float32], lanes: NDArray[np.float32],
) -> None:  # fmt: skip
    d, runs = columns.shape[1], kept.shape[0] // BLOCK
    for _ in range(calls):
        for begin in range(0, d, BLOCK):
            end = min(begin + BLOCK, d)
            block_dots(runs, begin, end, True, columns, w, 0, lanes, kept)
            if both:
                add_block(runs, begin, end, True, across, d, kept, g, lanes)


def parts_of_a_step(rows: int, d: int) -> dict[str, float]:
    """Nanoseconds a run and step of each part, printed too."""
    rng, n = np.random.default_rng(0), RUNS * d
    x = rng.standard_normal((rows, d), dtype=F) / F(d**0.5)
    triangle = np.triu(x[:d, :d]) if rows >= d else np.zeros((d, d), F)
    columns, across, transposed = tiles(triangle), tiles(triangle.T), np.ascontiguousarray(x.T)
    w, g, u = rng.standard_normal(n, dtype=F), np.zeros(n, F), np.empty(n, F)
    code, bits = np.zeros(n, np.int32), np.zeros(4 * ((n + 3) // 4), np.uint32)
    c0, c1 = np.arange((n + 3) // 4, dtype=np.uint32), np.zeros((n + 3) // 4, np.uint32)
    drawn, lanes = rng.integers(0, rows, (CALLS, RUNS, 4)), np.empty(ROOM, F)
    many, kept = rng.standard_normal((64, d), dtype=F), np.zeros(RUNS * BLOCK, F)
    small = F(1e-6) * w

    def triangular(calls: int, both: bool) -> None:
        _triangle(calls // 10, both, columns, across, small, g, kept, lanes)

    def gathered(calls: int) -> None:
        for t in range(calls):
            taken = x[drawn[t]]
            s = np.matmul(taken, small.reshape(RUNS, d, 1))[:, :, 0]
            np.matmul(s[:, None, :], taken)

    def numpy_rounding(calls: int) -> None:
        for _ in range(calls):
            v = np.clip(w - g, F(-128), F(127))
            low = np.floor(v)
            low + (u < v - low)

    ours: dict[str, Callable[[int], Any]] = {
        "ours: random words": lambda calls: _words(calls, c0, c1, bits),
        "ours: update and rounding": lambda calls: _rounding(calls, code, w, g, bits),
        "ours: products with four sampled rows, both ways": lambda calls: _sampled(calls, x, drawn, small, g, lanes),
        "ours: products with a triangle, one way": lambda calls: triangular(calls, False),
        "ours: products with a triangle, both ways": lambda calls: triangular(calls, True),
        "NumPy: random numbers": lambda calls: [rng.random(dtype=F, out=u) for _ in range(calls)],
        "NumPy: update and rounding": numpy_rounding,
        "NumPy: products with four sampled rows, both ways": gathered,
        "NumPy: products with all rows, one way": lambda calls: [
            many @ transposed for _ in range(max(calls // 160, 1))
        ],
        "NumPy: products with all rows, both ways": lambda calls: [
            (many @ transposed) @ x for _ in range(max(calls // 160, 1))
        ],
    }
    found = {}
    for name, part in ours.items():
        part(10)
        seconds = min(thread_clock(lambda: part(CALLS)) for _ in range(REPEATS))  # noqa: B023
        runs = {"a triangle": CALLS // 10 * RUNS, "all rows": max(CALLS // 160, 1) * 64}
        done = next((count for word, count in runs.items() if word in name), CALLS * RUNS)
        found[name] = seconds / done * 1e9
        print(f"{name:52s} {found[name]:8.0f} ns a run and step")
    return found
