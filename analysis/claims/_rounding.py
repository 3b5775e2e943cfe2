"""The package's own rounding as claims R1 to R7 reach it, counted over every random word.

A generator of `bits` random bits hands the kernels the words ``k << (32 - bits)``, ``k = 0 .. 2^bits - 1``, each once:
sums over them are expectations, as integers, without sampling. For values whose fraction has at most `bits` binary
digits they are the expectations under full 32-bit words too.

The functions under test are looked up in the package at every call: a test can put a broken one in their place.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import numba, run_rows
from alpt_ref.scalar import lattice, quantizer
from alpt_ref.scalar.code_range import code_range

Floats32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WORD_BITS = 16
"""Random bits of the small generator where nothing else is said."""
WORD_BIAS = 1 << 24
"""What controls take off every 32-bit word: rounding then goes away from zero too often by 2^-8."""
_COMPILE: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


@functools.cache
def _value_counter(round_one: Any) -> Any:
    """Loop over values and words around `lattice.random_code`; not cached on disk, so never stale."""

    @numba.njit(**_COMPILE)
    def count(
        lo: int, hi: int, x: Any, low: Any, high: Any, bits: int, less: int, sums: Any
    ) -> None:  # pragma: no cover - compiled
        for i in range(lo, hi):
            base = np.int64(np.floor(np.float64(x[i])))
            total, square = np.int64(0), np.int64(0)
            for k in range(1 << bits):
                word = np.uint32(max((k << (32 - bits)) - less, 0))
                steps = np.int64(round_one(x[i], np.float32(1.0), low, high, word)) - base
                total += steps
                square += steps * steps
            sums[i, 0] = total
            sums[i, 1] = square

    return count


@functools.cache
def _move_counter(round_one: Any) -> Any:
    """Loop around ``round_one(code, ratio, move, stochastic, word)``."""

    @numba.njit(**_COMPILE)
    def count(
        lo: int, hi: int, code: Any, ratio: Any, move: Any, base: Any, bits: int, stochastic: bool, less: int, sums: Any
    ) -> None:  # pragma: no cover - compiled
        for i in range(lo, hi):
            total, square = np.int64(0), np.int64(0)
            for k in range(1 << bits):
                word = np.uint32(max((k << (32 - bits)) - less, 0))
                steps = np.int64(round_one(code[i], ratio[i], move[i], stochastic, word)) - base[i]
                total += steps
                square += steps * steps
            sums[i, 0] = total
            sums[i, 1] = square

    return count


def count_values(x: Floats32, code_bits: int, word_bits: int, *, less: int = 0) -> tuple[Floats, Floats]:
    """Bias and variance of quantising `x` under step size 1 by stochastic rounding to `code_bits` bits, over all words.

    Parameters
    ----------
    x : float32 array (n,)
        Inside the code range.
    less : int
        Taken off every word (down to 0): a biased generator.

    Returns
    -------
    float64 arrays (n,)
    """
    sums = np.empty((len(x), 2), np.int64)
    low, high = (np.float32(end) for end in code_range(code_bits))
    run_rows(_value_counter(lattice.random_code), len(x), x, low, high, word_bits, less, sums, grain=1)
    return _moments(sums, x.astype(np.float64), word_bits)


def count_moves(
    code: NDArray[np.int32],
    move: Floats32,
    word_bits: int,
    *,
    ratio: float = 1.0,
    stochastic: bool = True,
    less: int = 0,
) -> tuple[Floats, Floats]:
    """Bias and variance, in steps, of rounding ``code * ratio - move``, the update of low-precision training.

    `code` int32 (n,), `move` float32 (n,) in steps; `ratio` 1 starts on the grid. Without `stochastic` every word
    gives the same code, and the bias is the rounding error.
    """
    target: Floats = code.astype(np.float64) * ratio - move.astype(np.float64)
    base = np.floor(target).astype(np.int64)
    sums = np.empty((len(code), 2), np.int64)
    ratios = np.full(len(code), ratio, np.float32)
    counter = _move_counter(quantizer.moved_code)
    run_rows(counter, len(code), code, ratios, move, base, word_bits, stochastic, less, sums, grain=1)
    return _moments(sums, target, word_bits)


def _moments(sums: Integers, target: Floats, word_bits: int) -> tuple[Floats, Floats]:
    """Bias and variance from sums of ``rounded - floor(target)`` and its square over all words."""
    random_words = float(1 << word_bits)
    mean = sums[:, 0] / random_words
    return mean - (target - np.floor(target)), sums[:, 1] / random_words - mean * mean


def nearest(x: Floats32) -> Integers:
    """The code of each element of `x` by the package's nearest rounding under step size 1, in a range of 23 bits."""
    codes = np.empty(len(x), np.int64)
    run_rows(_nearest_loop(lattice.nearest_code), len(x), x, codes)
    return codes


@functools.cache
def _nearest_loop(round_one: Any) -> Any:
    @numba.njit(**_COMPILE)
    def loop(lo: int, hi: int, x: Any, codes: Any) -> None:  # pragma: no cover - compiled
        low, high = np.float32(-4194304.0), np.float32(4194303.0)
        for i in range(lo, hi):
            codes[i] = round_one(x[i], np.float32(1.0), low, high)

    return loop


def dyadic(generator: np.random.Generator, count: int, low: float, high: float, digits: int) -> Floats32:
    """`count` numbers in ``[low, high]`` with `digits` binary digits after the point: exact in every format here."""
    scale = 1 << digits
    return (generator.integers(round(low * scale), round(high * scale) + 1, count) / scale).astype(np.float32)


def generator_of(seed: int) -> np.random.Generator:
    """The source of everything that a measurement draws."""
    return np.random.Generator(np.random.Philox(key=seed))
