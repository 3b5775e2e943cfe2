"""Initial weights of a table, made block by block so that no float32 copy of a low-precision table ever exists."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 8192
"""Rows a block; part of the definition of the initial weights: changing it changes them."""

_PURPOSE = 0x616C7074  # keeps these draws apart from a model's, which may use the same seed


def initial_blocks(
    n: int, d: int, std: float, seed: int, weights: NDArray[np.float32] | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first row, float32 block) of the initial table: N(0, std**2), or the rows of `weights` where given.

    Block ``k`` comes from ``Philox(key=[seed, purpose], counter=[0, 0, k, 0])`` and so depends on the seed and its
    place alone.
    """
    for block, first in enumerate(range(0, n, BLOCK_ROWS)):
        last = min(first + BLOCK_ROWS, n)
        if weights is not None:
            yield first, weights[first:last]
            continue
        bits = np.random.Philox(
            key=np.array([seed, _PURPOSE], np.uint64), counter=np.array([0, 0, block, 0], np.uint64)
        )
        values = np.random.Generator(bits).standard_normal((last - first, d), dtype=np.float32)
        values *= np.float32(std)
        yield first, values


def mean_magnitude(n: int, d: int, std: float, seed: int, weights: NDArray[np.float32] | None = None) -> float:
    """Mean of ``abs(w)`` over the initial table, summed in float64 block by block."""
    total = 0.0
    for _, block in initial_blocks(n, d, std, seed, weights):
        total += float(np.abs(block).sum(dtype=np.float64))
    return total / max(n * d, 1)
