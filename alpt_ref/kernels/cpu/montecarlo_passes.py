"""One step of low-precision SGD for a group of independent runs, as passes over flat buffers.

    w_{t+1} = clip_B(Q(w_t - eta_t (f'(w_t) + noise_t)))

Element ``e = run * d + coordinate`` of step ``t`` takes word ``e % 4`` of Philox block ``e // 4``; so a number depends
on (seed, run, coordinate, step, purpose) alone and neither threads nor the size of a group of runs can change a bit.
Each group of runs lives in buffers that fit in the first-level cache; one step is a few passes over them.

The rounding acts on the *move* from a grid point, ``code + Q(-eta g / step)``, which is the same random variable as
rounding the sum but keeps every bit of a move that is far smaller than the code. Clipping after rounding equals
clipping before it, since the ends of the range are grid points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.random import fill_words
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.elementary import normal_pair, symmetric_uniform
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.rounding import dr, saturate, sr

PURPOSE_ROUNDING = 16
PURPOSE_NOISE = 17
PURPOSE_ANGLE = 18
PURPOSE_SAMPLE = 19

ELASTIC, HUBER, SATURATING = 0, 1, 2
FULL, NEAREST, STOCHASTIC = 0, 1, 2
NOISE_NONE, NOISE_TWO_POINT, NOISE_UNIFORM, NOISE_NORMAL = 0, 1, 2, 3

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_FAR = np.float32(4194304.0)
_U1 = np.uint32(1)
_U32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@scalar
def element_counters(first: int, lanes: int, c0: NDArray[np.uint32], c1: NDArray[np.uint32]) -> None:
    """Philox counters of the blocks of four elements that begin at element `first`, a multiple of four."""
    block = np.uint64(first) >> np.uint64(2)
    for lane in range(lanes):
        index = np.uint64(block + np.uint64(lane))
        c0[lane] = np.uint32(index & _LOW)
        c1[lane] = np.uint32(np.uint64(index >> _U32) << np.uint64(16))


@scalar
def loss_value(kind: int, e: np.float32, a: np.float32, b: np.float32) -> np.float32:
    """Loss of one coordinate at distance `e` from its minimum."""
    if kind == ELASTIC:
        return np.float32(mul(mul(mul(_HALF, a), e), e) + mul(b, abs(e)))
    if kind == HUBER:
        inner = mul(mul(mul(_HALF, a), e), e)
        outer = mul(mul(a, b), np.float32(abs(e) - mul(_HALF, b)))
        return np.float32(inner if abs(e) <= b else outer)
    square = mul(e, e)
    return np.float32(mul(mul(_HALF, a), square) / np.float32(_ONE + square))


@scalar
def loss_slope(kind: int, e: np.float32, a: np.float32, b: np.float32) -> np.float32:
    """Derivative of `loss_value`; at a kink the subgradient of the right side."""
    if kind == ELASTIC:
        return np.float32(mul(a, e) + (b if e >= _ZERO else -b))
    if kind == HUBER:
        return np.float32(mul(a, saturate(e, -b, b)))
    base = np.float32(_ONE + mul(e, e))
    return np.float32(mul(a, e) / mul(base, base))


@scalar
def slopes(
    kind: int,
    n: int,
    w: NDArray[np.float32],
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    target: NDArray[np.float32],
    g: NDArray[np.float32],
) -> None:
    """``g`` becomes the exact gradient, element by element; one loop a kind so that each vectorises."""
    if kind == ELASTIC:
        for i in range(n):
            g[i] = loss_slope(ELASTIC, np.float32(w[i] - target[i]), a[i], b[i])
    elif kind == HUBER:
        for i in range(n):
            g[i] = loss_slope(HUBER, np.float32(w[i] - target[i]), a[i], b[i])
    else:
        for i in range(n):
            g[i] = loss_slope(SATURATING, np.float32(w[i] - target[i]), a[i], b[i])


@scalar
def add_noise(
    noise: int,
    sigma: np.float32,
    t: int,
    n: int,
    lanes: int,
    c0: NDArray[np.uint32],
    c1: NDArray[np.uint32],
    k0: np.uint32,
    k1: np.uint32,
    words: NDArray[np.uint32],
    more: NDArray[np.uint32],
    second: NDArray[np.float32],
    g: NDArray[np.float32],
) -> None:
    """Add the noise of step `t` (1, 2, ...) to `g`; `words`, `more` and `second` keep what later steps share.

    Two-point noise spends one bit of a word a step, so a word lasts 32 steps; a normal pair lasts two steps.
    """
    index = t - 1
    if noise == NOISE_TWO_POINT:
        if index % 32 == 0:
            fill_words(lanes, c0, c1, index // 32, PURPOSE_NOISE, k0, k1, words)
        shift = np.uint32(index % 32)
        for i in range(n):
            g[i] = g[i] + (sigma if np.uint32(np.uint32(words[i] >> shift) & _U1) else -sigma)
    elif noise == NOISE_UNIFORM:
        fill_words(lanes, c0, c1, index, PURPOSE_NOISE, k0, k1, words)
        for i in range(n):
            g[i] = g[i] + mul(sigma, symmetric_uniform(words[i]))
    elif noise == NOISE_NORMAL:
        if index % 2 == 0:
            fill_words(lanes, c0, c1, index // 2, PURPOSE_NOISE, k0, k1, words)
            fill_words(lanes, c0, c1, index // 2, PURPOSE_ANGLE, k0, k1, more)
            for i in range(n):
                first, other = normal_pair(words[i], more[i])
                second[i] = other
                g[i] = g[i] + mul(sigma, first)
        else:
            for i in range(n):
                g[i] = g[i] + mul(sigma, second[i])


@scalar
def move_stochastic(
    n: int,
    rate: np.float32,
    step: np.float32,
    low: np.int32,
    high: np.int32,
    words: NDArray[np.uint32],
    g: NDArray[np.float32],
    code: NDArray[np.int32],
    w: NDArray[np.float32],
) -> None:
    """One update with stochastic rounding; `rate` is the learning rate over the step size."""
    for i in range(n):
        move = saturate(mul(-rate, g[i]), -_FAR, _FAR)
        k = min(max(np.int32(code[i] + sr(move, words[i])), low), high)
        code[i] = k
        w[i] = mul(np.float32(k), step)


@scalar
def move_nearest(
    n: int,
    rate: np.float32,
    step: np.float32,
    low: np.int32,
    high: np.int32,
    g: NDArray[np.float32],
    code: NDArray[np.int32],
    w: NDArray[np.float32],
) -> None:
    """One update with nearest rounding, ties up."""
    for i in range(n):
        move = saturate(mul(-rate, g[i]), -_FAR, _FAR)
        k = min(max(np.int32(code[i] + dr(move)), low), high)
        code[i] = k
        w[i] = mul(np.float32(k), step)


@scalar
def move_full(
    n: int, rate: np.float32, low: np.float32, high: np.float32, g: NDArray[np.float32], w: NDArray[np.float32]
) -> None:
    """One update in float32, clipped to the same range of values."""
    for i in range(n):
        w[i] = saturate(np.float32(w[i] - mul(rate, g[i])), low, high)


@scalar
def move_all(
    rounding: int,
    n: int,
    lanes: int,
    t: int,
    rate: np.float32,
    full_rate: np.float32,
    step: np.float32,
    low: np.int32,
    high: np.int32,
    c0: NDArray[np.uint32],
    c1: NDArray[np.uint32],
    k0: np.uint32,
    k1: np.uint32,
    words: NDArray[np.uint32],
    g: NDArray[np.float32],
    code: NDArray[np.int32],
    w: NDArray[np.float32],
) -> None:
    """The update of step `t` for the whole group, by the chosen rounding."""
    if rounding == STOCHASTIC:
        fill_words(lanes, c0, c1, t - 1, PURPOSE_ROUNDING, k0, k1, words)
        move_stochastic(n, rate, step, low, high, words, g, code, w)
    elif rounding == NEAREST:
        move_nearest(n, rate, step, low, high, g, code, w)
    else:
        move_full(n, full_rate, mul(np.float32(low), step), mul(np.float32(high), step), g, w)


@scalar
def place_start(
    n: int, d: int, step: np.float32, start: NDArray[np.int32], code: NDArray[np.int32], w: NDArray[np.float32]
) -> None:
    """Every run of the group begins at the codes `start` (d,)."""
    for i in range(n):
        code[i] = start[i % d]
        w[i] = mul(np.float32(code[i]), step)
