"""Initial weights of a table, made block by block so that no float32 copy of a low-precision table ever exists."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import num_threads, thread_pool

BLOCK_ROWS = 8192
"""Rows per block; part of the definition of the initial weights: changing it changes them."""

_PURPOSE = 0x616C7074  # keeps these draws apart from a model's, which may use the same seed


def initial_blocks(
    n: int, d: int, std: float, seed: int, weights: NDArray[np.float32] | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first row, float32 block) of the initial table: N(0, std**2), or the rows of `weights` where given.

    Block ``k`` comes from ``Philox(key=[seed, purpose], counter=[0, 0, k, 0])`` and so depends on the seed and its
    place alone.
    """
    if weights is not None:
        for first in range(0, n, BLOCK_ROWS):
            yield first, weights[first : min(first + BLOCK_ROWS, n)]
        return
    draw = functools.partial(_draw, n=n, d=d, std=np.float32(std), seed=seed)
    blocks = -(-n // BLOCK_ROWS)
    alive = min(num_threads(), 2 + blocks // 64)  # with the one handed out: however many threads, few beside the table
    if alive == 1:
        for block in range(blocks):
            yield block * BLOCK_ROWS, draw(block)
        return
    drawn = deque(thread_pool().submit(draw, block) for block in range(min(alive, blocks)))
    for block in range(blocks):
        yield block * BLOCK_ROWS, drawn.popleft().result()
        if block + alive < blocks:
            drawn.append(thread_pool().submit(draw, block + alive))


def _draw(block: int, *, n: int, d: int, std: np.float32, seed: int) -> NDArray[np.float32]:
    bits = np.random.Philox(key=np.array([seed, _PURPOSE], np.uint64), counter=np.array([0, 0, block, 0], np.uint64))
    rows = min(BLOCK_ROWS, n - block * BLOCK_ROWS)
    values = np.random.Generator(bits).standard_normal((rows, d), dtype=np.float32)
    values *= std
    return values


def mean_magnitude(n: int, d: int, std: float, seed: int, weights: NDArray[np.float32] | None = None) -> float:
    """Mean of ``abs(w)`` over the initial table, summed in float64 block by block."""
    total = 0.0
    for _, block in initial_blocks(n, d, std, seed, weights):
        total += float(np.abs(block).sum(dtype=np.float64))
    return total / max(n * d, 1)
