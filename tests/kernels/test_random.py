"""Blocks of random words against the Python oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels import oracle
from alpt_ref.kernels.cpu.random import compact_rows, fill_words
from alpt_ref.kernels.jit import kernel


@kernel
def _fill(c0: Any, c1: Any, step: int, purpose: int, k0: Any, k1: Any, words: Any) -> None:
    fill_words(c0.size, c0, c1, step, purpose, k0, k1, words)


@kernel
def _compact(words: Any, rows: int, d: int, stride: int) -> None:
    compact_rows(words, rows, d, stride)


def test_a_block_of_words_equals_the_oracle_lane_by_lane() -> None:
    generator = np.random.default_rng(0)
    c0, c1 = generator.integers(0, 2**32, (2, 100), dtype=np.uint32)
    for step, purpose, k0, k1 in ((0, 0, 0, 0), (2**40 + 5, 18, 2**32 - 1, 2**32 - 1), (7, 255, 123456789, 1)):
        words = np.empty(400, np.uint32)
        _fill(c0, c1, step, purpose, np.uint32(k0), np.uint32(k1), words)
        third, fourth = step & 0xFFFFFFFF, (step >> 32) << 8 | purpose
        for lane in range(100):
            counter = (int(c0[lane]), int(c1[lane]), third, fourth)
            assert tuple(words[4 * lane : 4 * lane + 4].tolist()) == oracle.philox4x32(counter, (k0, k1))


def test_rows_are_compacted_without_mixing() -> None:
    for d, stride in ((3, 4), (5, 8), (4, 4), (1, 4)):
        words = np.arange(6 * stride, dtype=np.uint32)
        expected = words.reshape(6, stride)[:, :d].reshape(-1).copy()
        _compact(words, 6, d, stride)
        assert np.array_equal(words[: 6 * d], expected)
