"""Blocks of random words against the Python oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels import oracle
from alpt_ref.kernels.cpu.random import compact_rows, fill_words, new_chunk, set_counters, set_counters_range
from alpt_ref.kernels.jit import kernel


@kernel
def _fill(c0: Any, c1: Any, step: int, purpose: int, k0: Any, k1: Any, words: Any) -> None:
    fill_words(c0.size, c0, c1, step, purpose, k0, k1, words)


@kernel
def _compact(words: Any, rows: int, d: int, stride: int) -> None:
    compact_rows(words, rows, d, stride)


@kernel
def _counters(rows: Any, d: int, consecutive: bool) -> Any:
    chunk = new_chunk(d, 64)
    lanes = rows.size * chunk.blocks
    if consecutive:
        set_counters_range(lanes, rows[0], chunk)
    else:
        set_counters(lanes, rows, 0, chunk)
    return chunk.c0[:lanes].copy(), chunk.c1[:lanes].copy()


def test_counters_hold_row_and_block_on_both_sides_of_32_bits() -> None:
    for first in (0, 2**32 - 9, 2**32 - 3, 2**32, 2**47 + 5):
        for d in (16, 5):
            blocks, rows = (d + 3) // 4, first + np.arange(7)
            for consecutive in (True, False):
                c0, c1 = _counters(rows, d, consecutive)
                assert c0.tolist() == [int(row) % 2**32 for row in rows for _ in range(blocks)]
                assert c1.tolist() == [int(row) >> 32 << 16 | block for row in rows for block in range(blocks)]


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
