"""One step of low-precision training for a group of independent runs, as passes over flat buffers.

    w_{t+1} = clip_B(Q(w_t - eta_t (f'(w_t) + noise_t)))

Element ``e = run * d + coordinate`` of step ``t`` takes word ``e % 4`` of Philox block ``e // 4``; so a number depends
on (seed, run, coordinate, step, purpose) alone and neither threads nor the size of a group of runs can change a bit.
Each group of runs lives in buffers that fit in the first-level cache; one step is a few passes over them.

The rounding acts on the *update* from a grid point, ``code + Q(-eta g / step_size)``, which is the same random
variable as rounding the sum but keeps every bit of an update that is far smaller than the code. Clipping after
rounding equals clipping before it, since the ends of the range are grid points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.montecarlo_types import (
    FULL,
    NEAREST,
    NOISE_NORMAL,
    NOISE_TWO_POINT,
    NOISE_UNIFORM,
    PURPOSE_ANGLE,
    PURPOSE_NOISE,
    PURPOSE_ROUNDING,
    STOCHASTIC,
    Buffers,
    Method,
)
from alpt_ref.kernels.cpu.random import fill_words
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.elementary import normal_pair, symmetric_uniform
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.rounding import near_dr, saturate, sr

_FAR = np.float32(4194304.0)
"""2**22: no code is farther, and as far as `near_dr` goes."""
_U1 = np.uint32(1)
_U32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@inline
def element_counters(first: int, lanes: int, c0: NDArray[np.uint32], c1: NDArray[np.uint32]) -> None:
    """Philox counters of the blocks of four elements that begin at element `first`, a multiple of four."""
    block = np.uint64(first) >> np.uint64(2)
    for lane in range(lanes):
        index = np.uint64(block + np.uint64(lane))
        c0[lane] = np.uint32(index & _LOW)
        c1[lane] = np.uint32(np.uint64(index >> _U32) << np.uint64(16))


@inline
def place_start(n: int, method: Method, buffers: Buffers) -> None:
    """Every run of the group begins at the start codes."""
    d = method.start.shape[0]
    for i in range(n):
        buffers.code[i] = method.start[i % d]
        buffers.w[i] = mul(np.float32(buffers.code[i]), buffers.step_size[i])


@inline
def one_step_size(method: Method) -> bool:
    """Whether all coordinates have the same step size."""
    same = True
    for j in range(1, method.step_size.shape[0]):
        same = same and method.step_size[j] == method.step_size[0]
    return same


@inline
def rate_of(t: int, j: int, method: Method) -> np.float32:
    """Learning rate of step `t` (1, 2, ...) over coordinate j's step size; in full precision the learning rate."""
    eta = method.learning_rates[t - 1]
    return np.float32(eta if method.rounding == FULL else eta / method.step_size[j])


@inline
def set_rates(t: int, n: int, method: Method, buffers: Buffers) -> None:
    """``buffers.rate`` becomes the `rate_of` each element, unless it is that of the step before."""
    if t > 1 and method.learning_rates[t - 1] == method.learning_rates[t - 2]:
        return
    d = method.start.shape[0]
    if one_step_size(method):  # one division in place of n
        rate = rate_of(t, 0, method)
        for i in range(n):
            buffers.rate[i] = rate
    else:
        for i in range(n):
            buffers.rate[i] = rate_of(t, i % d, method)


@inline
def add_noise(t: int, n: int, method: Method, buffers: Buffers) -> None:
    """Add the noise of step `t` (1, 2, ...) to the gradient; the buffers keep what later steps share.

    Two-point noise spends one bit of a word a step, so a word lasts 32 steps; a normal pair lasts two steps.
    """
    index = t - 1
    lanes = (n + 3) // 4
    sigma, g = method.sigma, buffers.g
    if method.noise == NOISE_TWO_POINT:
        if index % 32 == 0:
            fill_words(
                lanes, buffers.c0, buffers.c1, index // 32, PURPOSE_NOISE, method.k0, method.k1, buffers.noise_bits
            )
        shift = np.uint32(index % 32)
        for i in range(n):
            up = np.uint32(np.uint32(buffers.noise_bits[i] >> shift) & _U1)
            g[i] = g[i] + (sigma if up else -sigma)
    elif method.noise == NOISE_UNIFORM:
        fill_words(lanes, buffers.c0, buffers.c1, index, PURPOSE_NOISE, method.k0, method.k1, buffers.noise_bits)
        for i in range(n):
            g[i] = g[i] + mul(sigma, symmetric_uniform(buffers.noise_bits[i]))
    elif method.noise == NOISE_NORMAL:
        if index % 2 == 0:
            pair, k0, k1 = index // 2, method.k0, method.k1
            fill_words(lanes, buffers.c0, buffers.c1, pair, PURPOSE_NOISE, k0, k1, buffers.noise_bits)
            fill_words(lanes, buffers.c0, buffers.c1, pair, PURPOSE_ANGLE, k0, k1, buffers.angle_bits)
            for i in range(n):
                first, other = normal_pair(buffers.noise_bits[i], buffers.angle_bits[i])
                buffers.pending_noise[i] = other
                g[i] = g[i] + mul(sigma, first)
        else:
            for i in range(n):
                g[i] = g[i] + mul(sigma, buffers.pending_noise[i])


@scalar
def next_code_stochastic(
    code: np.int32, rate: np.float32, g: np.float32, random_bits: np.uint32, low: np.int32, high: np.int32
) -> np.int32:
    """Code after one SGD update with stochastic rounding; `rate` is the learning rate over the step size."""
    update = saturate(mul(-rate, g), -_FAR, _FAR)
    return min(max(np.int32(code + sr(update, random_bits)), low), high)


@scalar
def next_code_nearest(code: np.int32, rate: np.float32, g: np.float32, low: np.int32, high: np.int32) -> np.int32:
    """Code after one SGD update with nearest rounding, ties up."""
    update = saturate(mul(-rate, g), -_FAR, _FAR)
    return min(max(np.int32(code + near_dr(update)), low), high)


@scalar
def next_weight(w: np.float32, rate: np.float32, g: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """Weight after one SGD update in float32, clipped to the same range of values."""
    return saturate(np.float32(w - mul(rate, g)), low, high)


@inline
def update_all(t: int, n: int, method: Method, buffers: Buffers) -> None:
    """The update of step `t` for the whole group, by the chosen rounding, where all step sizes are the same.

    Rate and step size are numbers here and arrays in `update_each`, which is up to twice as slow.
    """
    g, code, w = buffers.g, buffers.code, buffers.w
    rate, step_size = rate_of(t, 0, method), buffers.step_size[0]
    low, high = np.int32(method.low), np.int32(method.high)
    if method.rounding == STOCHASTIC:
        bits = buffers.random_bits
        fill_words((n + 3) // 4, buffers.c0, buffers.c1, t - 1, PURPOSE_ROUNDING, method.k0, method.k1, bits)
        for i in range(n):
            k = next_code_stochastic(code[i], rate, g[i], bits[i], low, high)
            code[i] = k
            w[i] = mul(np.float32(k), step_size)
    elif method.rounding == NEAREST:
        for i in range(n):
            k = next_code_nearest(code[i], rate, g[i], low, high)
            code[i] = k
            w[i] = mul(np.float32(k), step_size)
    else:
        low_value, high_value = mul(np.float32(low), step_size), mul(np.float32(high), step_size)
        for i in range(n):
            w[i] = next_weight(w[i], rate, g[i], low_value, high_value)


@inline
def update_each(t: int, n: int, method: Method, buffers: Buffers) -> None:
    """`update_all` with a step size for each coordinate; needs `set_rates`."""
    rate, g, code, w, step_size = buffers.rate, buffers.g, buffers.code, buffers.w, buffers.step_size
    low, high = np.int32(method.low), np.int32(method.high)
    if method.rounding == STOCHASTIC:
        bits = buffers.random_bits
        fill_words((n + 3) // 4, buffers.c0, buffers.c1, t - 1, PURPOSE_ROUNDING, method.k0, method.k1, bits)
    for i in range(n):
        if method.rounding == FULL:
            low_value, high_value = mul(np.float32(low), step_size[i]), mul(np.float32(high), step_size[i])
            w[i] = next_weight(w[i], rate[i], g[i], low_value, high_value)
            continue
        if method.rounding == STOCHASTIC:
            k = next_code_stochastic(code[i], rate[i], g[i], buffers.random_bits[i], low, high)
        else:
            k = next_code_nearest(code[i], rate[i], g[i], low, high)
        code[i] = k
        w[i] = mul(np.float32(k), step_size[i])
