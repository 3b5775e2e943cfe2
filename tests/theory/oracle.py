"""Slow and obvious twin of the Monte Carlo kernels: Philox in Python integers, one float32 operation at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.setting import Grid, Noise, Schedule

F = np.float32
ROUNDING, NOISE, ANGLE, SAMPLE = 16, 17, 18, 19
Floats = NDArray[np.float32]


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k0, q & 0xFFFFFFFF, (p >> 32) ^ d ^ k1, p & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


def words(count: int, step: int, purpose: int, seed: int) -> NDArray[np.uint32]:
    """Words of elements ``0 .. count - 1``."""
    out: list[int] = []
    for block in range((count + 3) // 4):
        counter = (block & 0xFFFFFFFF, block >> 32 << 16, step & 0xFFFFFFFF, step >> 32 << 8 | purpose)
        out += philox(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return np.array(out[:count], dtype=np.uint32)


def horner(coefficients: list[float], x: Floats) -> Floats:
    """``c[0] + x (c[1] + x (...))`` in float32."""
    total = np.full_like(x, F(coefficients[-1]))
    for c in coefficients[-2::-1]:
        total = total * x + F(c)
    return total


def logarithm(x: Floats) -> Floats:
    bits = x.view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> 23
    r = (bits - (exponent << 23)).astype(np.int32).view(F) - F(1)
    series = [-0.49999988079071045, 0.3333418667316437, -0.25002074241638184, 0.19956831634044647]
    series += [-0.1656240075826645, 0.14952285587787628, -0.1436680257320404, 0.08722252398729324]
    e = exponent.astype(F)
    return e * F(0.693359375) + (r + (r * r * horner(series, r) + e * F(-2.12194440e-4)))


def exponential(x: Floats) -> Floats:
    x = np.maximum(x, F(-87))
    n = np.trunc(x * F(1.4426950408889634) - F(0.5)).astype(np.int32)
    e = n.astype(F)
    r = (x - e * F(0.693359375)) - e * F(-2.12194440e-4)
    series = [
        0.49999991059303284,
        0.16666410863399506,
        0.04166828840970993,
        0.008375645615160465,
        0.0013835798017680645,
    ]
    value = (r * r * horner(series, r) + r) + F(1)
    return np.asarray(value * ((n + 127) << 23).astype(np.int32).view(F), dtype=F)


def sigmoid(x: Floats) -> Floats:
    small = exponential(-np.abs(x))
    return np.asarray(np.where(x < 0, small, F(1)) / (F(1) + small), dtype=F)


def normal(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> tuple[Floats, Floats]:
    u = ((first >> np.uint32(8)) + np.uint32(1)).astype(F) * F(2.0**-24)
    radius = np.sqrt(F(-2) * logarithm(u))
    angle = second >> np.uint32(8)
    y = (angle & np.uint32(0x3FFFFF)).astype(F) * F(2.0**-22) - F(0.5)
    z = y * y
    sine = [
        1.5707963705062866,
        -0.6459640860557556,
        0.07969257980585098,
        -0.0046812607906758785,
        0.00015819506370462477,
    ]
    cosine = [1.0, -1.2337005138397217, 0.2536691725254059, -0.020859936252236366, 0.0009033629903569818]
    s, c = horner(sine, z) * y, horner(cosine, z)
    quadrant = angle >> np.uint32(22)
    swap, turn = quadrant & np.uint32(1) == 1, quadrant >> np.uint32(1) == 1
    radius = np.where(turn, -radius, radius)
    return radius * np.where(swap, s, c), radius * np.where(swap, c, s)


def noise_of(noise: Noise, count: int, t: int, seed: int) -> Floats:
    """Noise of the update from ``w_t``."""
    if noise.kind == "two-point":
        up = words(count, (t - 1) // 32, NOISE, seed) >> np.uint32((t - 1) % 32) & np.uint32(1) == 1
        return np.where(up, F(noise.sigma), F(-noise.sigma))
    if noise.kind == "uniform":
        return F(noise.largest) * (words(count, t - 1, NOISE, seed).view(np.int32).astype(F) * F(2.0**-31))
    if noise.kind == "normal":
        pair = normal(words(count, (t - 1) // 2, NOISE, seed), words(count, (t - 1) // 2, ANGLE, seed))
        return F(noise.sigma) * pair[(t - 1) % 2]
    return np.zeros(count, F)


def round_move(move: Floats, rounding: str, t: int, seed: int) -> NDArray[np.int64]:
    whole = np.trunc(move)
    rest = move - whole
    if rounding == "dr":
        return (whole + (rest >= F(0.5)) - (rest < F(-0.5))).astype(np.int64)
    word = words(move.size, t - 1, ROUNDING, seed)
    away = word < (np.abs(rest) * F(2.0**32)).astype(np.uint32)
    return (whole + np.where(away, np.where(rest < 0, -1, 1), 0)).astype(np.int64)


def slope(problem: Separable, w: Floats) -> Floats:
    a, b = problem.curvature.astype(F), problem.shape.astype(F)
    e = w - problem.minimum.astype(F)
    if problem.kind == "elastic":
        return a * e + np.where(e >= 0, b, -b)
    if problem.kind == "huber":
        return a * np.clip(e, -b, b)
    base = F(1) + e * e
    return np.asarray(a * e / (base * base), dtype=F)


def linear_slope(problem: LinearModel, w: Floats, rows: NDArray[np.int64]) -> Floats:
    """Mean gradient of `rows` at one `w` (d,), summed in order."""
    a, b = problem.features.astype(F), problem.offsets.astype(F)
    width, weight = F(problem.width), F(1) / F(len(rows))
    g = F(problem.l2) * w
    for i in rows:
        z = F(0)
        for j in range(w.size):
            z = z + a[i, j] * w[j]
        z = z - b[i]
        if problem.loss == "square":
            s = z
        elif problem.loss == "absolute":
            s = F(1) if z >= 0 else F(-1)
        elif problem.loss == "huber":
            s = min(max(z, -width), width)
        else:
            s = -sigmoid(np.array([-z]))[0]
        g = g + (weight * s) * a[i]
    assert g.dtype == F
    return np.asarray(g, dtype=F)


def simulate(
    problem: Separable | LinearModel,
    grid: Grid,
    schedule: Schedule,
    *,
    steps: int,
    runs: int,
    start: Any,
    rounding: str,
    noise: Noise,
    batch: int,
    seed: int,
    step_sizes: list[float] | None = None,
) -> Floats:
    """Every iterate: float32 (steps, runs, d)."""
    d, sizes = problem.dim, np.array(step_sizes or [grid.step_size] * problem.dim)
    step = sizes.astype(F)
    code = np.broadcast_to(np.asarray(start, np.int64), (runs, d)).copy()
    w = code.astype(F) * step
    low, high = F(grid.low_code) * step, F(grid.high_code) * step
    history = [w.copy()]
    for t, eta in enumerate(schedule.rates(steps)[:-1], start=1):
        if isinstance(problem, Separable):
            g = slope(problem, w)
        else:
            picks = words(runs * batch, t - 1, SAMPLE, seed).astype(np.int64) * len(problem.offsets) >> 32
            every = np.arange(len(problem.offsets))
            g = np.stack(
                [
                    linear_slope(problem, w[r], picks[r * batch : (r + 1) * batch] if batch else every)
                    for r in range(runs)
                ]
            )
        g = g + noise_of(noise, runs * d, t, seed).reshape(runs, d)
        if rounding == "full":
            w = np.clip(w - F(eta) * g, low, high)
        else:
            move = np.clip(-(eta / sizes).astype(F) * g, F(-(2.0**22)), F(2.0**22))
            code = np.clip(
                code + round_move(move.ravel(), rounding, t, seed).reshape(runs, d), grid.low_code, grid.high_code
            )
            w = code.astype(F) * step
        history.append(w.copy())
    return np.stack(history)
