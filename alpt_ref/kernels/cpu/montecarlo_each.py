"""The Monte Carlo driver's random words, noises, gradients of data and roundings, one pass over all runs at a time.

`alpt_ref.theory.vectorised` walks in NumPy, because it calls a user's functions at every step. What it shares with the
compiled driver (`montecarlo`) is taken from here: the same scalar functions on the same words, so the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.montecarlo_lanes import ROOM
from alpt_ref.kernels.cpu.montecarlo_losses import add_all_rows, begin_gradient, sampled_gradient
from alpt_ref.kernels.cpu.montecarlo_types import Problem
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.elementary import normal_pair
from alpt_ref.scalar.philox import counter_1, counter_2, counter_3, philox4x32
from alpt_ref.scalar.rounding import dr, sr

_ONE = np.float32(1.0)
_U32 = np.uint64(32)


@kernel
def element_words(
    lo: Int, hi: Int, step: Int, purpose: Int, k0: np.uint32, k1: np.uint32, out: NDArray[np.uint32]
) -> None:
    """Words of the elements of blocks ``lo..hi`` of four each: ``out[4 * block + i]``."""
    c2, c3 = counter_2(step), counter_3(step, purpose)
    zero = np.uint32(0)
    for block in range(lo, hi):
        low = np.uint32(np.uint64(block) & np.uint64(0xFFFFFFFF))
        r0, r1, r2, r3 = philox4x32(low, counter_1(block, zero), c2, c3, k0, k1)
        out[4 * block] = r0
        out[4 * block + 1] = r1
        out[4 * block + 2] = r2
        out[4 * block + 3] = r3


@kernel
def normal_pairs(
    lo: Int,
    hi: Int,
    radius: NDArray[np.uint32],
    angle: NDArray[np.uint32],
    first: NDArray[np.float32],
    other: NDArray[np.float32],
) -> None:
    """Both numbers of the normal pair of each two words."""
    for i in range(lo, hi):
        first[i], other[i] = normal_pair(radius[i], angle[i])


@kernel
def row_gradients(
    lo: Int, hi: Int, problem: Problem, words: NDArray[np.uint32], w: NDArray[np.float32], g: NDArray[np.float32]
) -> None:
    """Mean gradient of the rows that runs ``lo..hi`` draw, or of all; `w` and `g` are flat, a run after the other."""
    d, batch = problem.features.shape[1], problem.batch
    lanes = np.empty(ROOM, np.float32)
    for r in range(lo, hi):
        if batch > 0:
            sampled_gradient(r, r * batch, np.float32(_ONE / np.float32(batch)), problem, words, w, g, lanes)
        else:
            begin_gradient(r * d, (r + 1) * d, problem.l2, w, g)
            add_all_rows(r, problem, w, g)


@kernel
def nearest_moves(lo: Int, hi: Int, update: NDArray[np.float32], out: NDArray[np.int64]) -> None:
    """Updates in steps, rounded to the nearest whole number, ties up."""
    for i in range(lo, hi):
        out[i] = dr(update[i])


@kernel
def stochastic_moves(
    lo: Int, hi: Int, update: NDArray[np.float32], words: NDArray[np.uint32], out: NDArray[np.int64]
) -> None:
    """Updates in steps, rounded stochastically by a word each."""
    for i in range(lo, hi):
        out[i] = sr(update[i], words[i])


@kernel
def few_bit_moves(
    lo: Int, hi: Int, update: NDArray[np.float32], words: NDArray[np.uint32], bits: Int, out: NDArray[np.int64]
) -> None:
    """Updates in steps, rounded by the top r = `bits` bits of a word: ``floor(2^r p)`` of ``2^r`` go away from zero."""
    shift = np.uint32(32 - bits)
    scale = np.float32(np.uint64(1) << np.uint64(bits))
    for i in range(lo, hi):
        size = np.float32(abs(update[i]))
        count = np.int64(size)
        away = np.float64(words[i] >> shift) < np.floor(np.float64(np.float32(size - np.float32(count)) * scale))
        count += 1 if away else 0
        out[i] = -count if update[i] < np.float32(0.0) else count
