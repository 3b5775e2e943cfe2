"""The random numbers of the vectorised driver: the words, noises and rows that the compiled driver takes.

A word is a function of (seed, step, run, coordinate, purpose) alone, so neither the number of runs nor of threads can
change a number. A user's functions get a number of the call instead (`first_draw`), or a generator keyed by seed, step
and purpose (`generator`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import montecarlo_each as each
from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.kernels.jit import run_rows
from alpt_ref.theory.setting import Noise

_BLOCKS_A_THREAD = 4096
_ELEMENTS_A_THREAD = 16384
_DRAWS = 1 << 30
"""First draws lie below; a run of up to so many steps after them still gives a draw that fits into 31 bits."""


def _halves(seed: int) -> tuple[np.uint32, np.uint32]:
    return np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)


def element_words(count: int, step: int, purpose: int, seed: int) -> NDArray[np.uint32]:
    """Words of the elements ``0 .. count - 1`` at a step (0, 1, ...) for a purpose: uint32 (count,)."""
    blocks = (count + 3) // 4
    out = np.empty(4 * blocks, np.uint32)
    run_rows(each.element_words, blocks, step, purpose, *_halves(seed), out, grain=_BLOCKS_A_THREAD)
    return out[:count]


def first_draw(seed: int) -> int:
    """The number of the call that a user's rounding gets at the first step; it grows by one a step.

    Parameters
    ----------
    seed : int
        Of the simulation, 0 to ``2**64 - 1``.

    Returns
    -------
    int
        1 to ``2**30 - 1``, spread over that range, so that the draws of two seeds overlap with a probability of about
        ``2 steps / 2**30``. A start off the grid is rounded with the number before it.

    Examples
    --------
    >>> first_draw(0) != first_draw(1), 0 < first_draw(7) < 2**30
    (True, True)
    """
    return int(element_words(1, 0, kinds.PURPOSE_ROUNDING, seed)[0]) % (_DRAWS - 1) + 1


def generator(seed: int, step: int, purpose: int) -> np.random.Generator:
    """A generator of its own for a step (1, 2, ...) and a purpose: what a user's stochastic function draws from."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, step, purpose])))


class Noises:
    """Gradient noise of one simulation, step by step."""

    def __init__(self, noise: Noise, runs: int, d: int, seed: int) -> None:
        self._noise, self._shape, self._seed = noise, (runs, d), seed
        self._words: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._drawn: NDArray[np.float32] | None = None
        self._other: NDArray[np.float32] = np.zeros(0, np.float32)

    def _draw(self, step: int, purpose: int) -> NDArray[np.uint32]:
        return element_words(self._shape[0] * self._shape[1], step, purpose, self._seed)

    def add(self, g: NDArray[np.float32], t: int) -> NDArray[np.float32]:
        """`g` (runs, d) plus the noise of step `t`; steps must come in their order, 1, 2, ..."""
        self._drawn = self._next(t)
        return self.again(g)

    def again(self, g: NDArray[np.float32]) -> NDArray[np.float32]:
        """`g` plus the noise of the step before once more."""
        return g if self._drawn is None else np.asarray(g + self._drawn.reshape(self._shape), dtype=np.float32)

    def _next(self, t: int) -> NDArray[np.float32] | None:
        index, kind, sigma = t - 1, self._noise.kind, np.float32(self._noise.sigma)
        if kind == "none":
            return None
        if kind == "two-point":  # a word lasts 32 steps
            if index % 32 == 0:
                self._words = self._draw(index // 32, kinds.PURPOSE_NOISE)
            up = (self._words >> np.uint32(index % 32)) & np.uint32(1) == 1
            return np.where(up, sigma, -sigma)
        if kind == "uniform":
            words = self._draw(index, kinds.PURPOSE_NOISE)
            unit = words.view(np.int32).astype(np.float32) * np.float32(2.0**-31)
            return np.asarray(np.float32(self._noise.largest) * unit)
        if index % 2 == 0:  # a normal pair lasts two steps
            radius, angle = self._draw(index // 2, kinds.PURPOSE_NOISE), self._draw(index // 2, kinds.PURPOSE_ANGLE)
            first, self._other = np.empty(len(radius), np.float32), np.empty(len(radius), np.float32)
            run_rows(each.normal_pairs, len(radius), radius, angle, first, self._other, grain=_ELEMENTS_A_THREAD)
            return np.asarray(sigma * first)
        return np.asarray(sigma * self._other)
