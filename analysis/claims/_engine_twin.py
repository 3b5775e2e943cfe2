"""Slow and obvious twin of the Monte Carlo driver: the definition in NumPy, one float32 operation at a time.

    w_{t+1} = clip(w_t + Q(-eta_t (f'(w_t) + noise_t)))

It shares no code with the package: Philox, rounding, losses and noises are written anew, with the same random words,
so that the driver must agree in every bit. Claims E1, E2 and E4 stand on it, and the tests of the driver. `broken`
names the control of a claim, the one line that is then wrong on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.setting import Grid, Noise, Schedule

F = np.float32
ROUNDING, NOISE, ANGLE, SAMPLE = 16, 17, 18, 19
"""What a word is drawn for: part of Philox's counter."""
NOISE_ON_ROUNDING = "noise on the rounding's words"
SAME_WORDS = "every group on the same words"
NO_CLIPPING = "no clipping"
ONE_CODE_MORE = "one code more"
LEFT_KINK = "left slope at a kink"
SAME_PAIR = "one number for both of a pair"
TIES_DOWN = "ties down"
NO_WIDTH = "Huber's slope without its width"
LATE_RATE = "learning rate of the next step"
ONE_STEP_SIZE = "one step size for all"
POWERS = {"constant": 0.0, "inverse-sqrt": 0.5, "inverse": 1.0}
"""Learning rate of step t: the scale over so much of a power of t."""
GROUP = 684
"""Runs of three coordinates that the driver holds in one group: 2048 elements, in whole Philox blocks."""
Floats = NDArray[np.float32]


class Run(NamedTuple):
    """Every iterate (T, runs, d), sampled gradient and clipped coordinate (T - 1, runs, d) of a group of runs."""

    w: Floats
    g: Floats
    clipped: NDArray[np.bool_]


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Philox4x32-10 of numbers or of arrays of uint64 that are below 2**32."""
    a, b, c, d = (np.asarray(x, dtype=np.uint64) for x in counter)
    k0, k1 = key
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p, q = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b, c, d = (q >> half) ^ b ^ np.uint64(k0), q & low, (p >> half) ^ d ^ np.uint64(k1), p & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


def words(count: int, steps: int | Iterable[int], purpose: int, seed: int) -> NDArray[np.uint32]:
    """Words of elements ``0 .. count - 1`` at a step, (count,), or at several, (steps, count)."""
    step = np.asarray(steps if isinstance(steps, int) else list(steps), dtype=np.uint64)[..., None]
    block = np.arange((count + 3) // 4, dtype=np.uint64)
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    counter = (
        block & low,
        block >> half << np.uint64(16),
        step & low,
        step >> half << np.uint64(8) | np.uint64(purpose),
    )
    four = np.stack(np.broadcast_arrays(*philox(counter, (seed & 0xFFFFFFFF, seed >> 32))), axis=-1)
    return np.ascontiguousarray(four.reshape(*four.shape[:-2], -1)[..., :count]).astype(np.uint32)


def horner(coefficients: list[float], x: Floats) -> Floats:
    """``c[0] + x (c[1] + x (...))`` in float32."""
    total = np.full_like(x, F(coefficients[-1]))
    for c in coefficients[-2::-1]:
        total = total * x + F(c)
    return total


def logarithm(x: Floats) -> Floats:
    """Natural logarithm of numbers in (0, 1]."""
    bits = x.view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> 23
    r = (bits - (exponent << 23)).astype(np.int32).view(F) - F(1)
    series = [-0.49999988079071045, 0.3333418667316437, -0.25002074241638184, 0.19956831634044647]
    series += [-0.1656240075826645, 0.14952285587787628, -0.1436680257320404, 0.08722252398729324]
    e = exponent.astype(F)
    return e * F(0.693359375) + (r + (r * r * horner(series, r) + e * F(-2.12194440e-4)))


def exponential(x: Floats) -> Floats:
    """Exponential of numbers that are not positive."""
    x = np.maximum(x, F(-87))
    n = np.trunc(x * F(1.4426950408889634) - F(0.5)).astype(np.int32)
    e = n.astype(F)
    r = (x - e * F(0.693359375)) - e * F(-2.12194440e-4)
    series = [0.49999991059303284, 0.16666410863399506, 0.04166828840970993, 0.008375645615160465]
    series += [0.0013835798017680645]
    value = (r * r * horner(series, r) + r) + F(1)
    return np.asarray(value * ((n + 127) << 23).astype(np.int32).view(F), dtype=F)


def sigmoid(x: Floats) -> Floats:
    """``1/(1 + exp(-x))``."""
    small = exponential(-np.abs(x))
    return np.asarray(np.where(x < 0, small, F(1)) / (F(1) + small), dtype=F)


def normal(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> tuple[Floats, Floats]:
    """Box and Muller's pair: radius from the first word, angle from the second."""
    u = ((first >> np.uint32(8)) + np.uint32(1)).astype(F) * F(2.0**-24)
    radius = np.sqrt(F(-2) * logarithm(u))
    angle = second >> np.uint32(8)
    y = (angle & np.uint32(0x3FFFFF)).astype(F) * F(2.0**-22) - F(0.5)
    z = y * y
    sine = [1.5707963705062866, -0.6459640860557556, 0.07969257980585098, -0.0046812607906758785]
    sine += [0.00015819506370462477]
    cosine = [1.0, -1.2337005138397217, 0.2536691725254059, -0.020859936252236366, 0.0009033629903569818]
    s, c = horner(sine, z) * y, horner(cosine, z)
    quadrant = angle >> np.uint32(22)
    swap, turn = quadrant & np.uint32(1) == 1, quadrant >> np.uint32(1) == 1
    radius = np.where(turn, -radius, radius)
    return radius * np.where(swap, s, c), radius * np.where(swap, c, s)


def uniform(word: NDArray[np.uint32]) -> Floats:
    """Number in [-1, 1) from a word."""
    return word.view(np.int32).astype(F) * F(2.0**-31)


def noises(noise: Noise, count: int, updates: int, seed: int, broken: str | None = None) -> Floats:
    """Noise of every update: float32 (updates, count)."""
    purpose = ROUNDING if broken == NOISE_ON_ROUNDING else NOISE
    t, sigma = range(updates), F(noise.sigma)
    if noise.kind == "two-point":  # a word lasts 32 steps
        shifts = np.array([i % 32 for i in t], np.uint32)[:, None]
        up = words(count, (i // 32 for i in t), purpose, seed) >> shifts & np.uint32(1) == 1
        return np.where(up, sigma, -sigma)
    if noise.kind == "uniform":
        return F(noise.largest) * uniform(words(count, t, purpose, seed))
    if noise.kind == "normal":  # a pair lasts two steps
        pairs = normal(*(words(count, (i // 2 for i in t), p, seed) for p in (purpose, ANGLE)))
        second = np.array([i % 2 for i in t])[:, None] == 1
        return sigma * np.where(second & (broken != SAME_PAIR), pairs[1], pairs[0])
    return np.zeros((updates, count), F)


def round_move(move: Floats, rounding: str, word: NDArray[np.uint32], broken: str | None = None) -> NDArray[np.int64]:
    """The update in steps, rounded: DR with ties up; SR away from zero for so many of the 2**32 words."""
    whole = np.trunc(move)
    rest = move - whole
    if rounding == "dr":
        ties_up = broken != TIES_DOWN
        up = rest >= F(0.5) if ties_up else rest > F(0.5)
        down = rest < F(-0.5) if ties_up else rest <= F(-0.5)
        return np.asarray(whole.astype(np.int64) + up - down)
    away = word < (np.abs(rest) * F(2.0**32)).astype(np.uint32)
    return np.asarray(whole + np.where(away, np.where(rest < 0, -1, 1), 0)).astype(np.int64)


def slope(problem: Separable, w: Floats, broken: str | None = None) -> Floats:
    """Derivative of a separable loss; at a kink the right one."""
    a, b = problem.curvature.astype(F), problem.shape.astype(F)
    e = w - problem.minimum.astype(F)
    if problem.kind == "elastic":
        return a * e + np.where(e > 0 if broken == LEFT_KINK else e >= 0, b, -b)
    if problem.kind == "huber":
        return a * (e if broken == NO_WIDTH else np.clip(e, -b, b))
    base = F(1) + e * e
    return np.asarray(a * e / (base * base), dtype=F)


def reduced_rows(problem: LinearModel) -> tuple[Floats, Floats] | None:
    """d rows and offsets with the gradient of all rows, by Cholesky in float64, row by row; None where they stay."""
    a = np.column_stack([problem.features, problem.offsets])
    rows, d = problem.features.shape
    if problem.loss != "square" or rows <= d:
        return None
    square = np.zeros((d + 1, d + 1))
    for row in a:
        square = square + row[:, None] * row
    factor = np.zeros((d, d + 1))
    for i in range(d):
        left = square[i].copy()
        for k in range(i):
            left = left - factor[k, i] * factor[k]
        if not left[i] > 2.0**-30 * square[i, i]:
            return None
        factor[i, i:] = left[i:] / np.sqrt(left[i])
    scaled = (factor * np.sqrt(d / rows)).astype(F)
    return scaled[:, :d], scaled[:, d]


def product(a: Floats, w: Floats, sampled: bool) -> Floats:
    """``a . w`` of each run: all rows in column order; a sampled one in 16 lanes, which are then added in halves."""
    terms = a * w
    if not sampled:
        total = np.zeros(len(w), F)
        for j in range(terms.shape[1]):
            total = total + terms[:, j]
        return total
    lanes = np.zeros((len(w), 16), F)
    for j in range(terms.shape[1]):
        lanes[:, j % 16] += terms[:, j]
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]


def linear_slope(problem: LinearModel, w: Floats, rows: NDArray[np.int64] | None, broken: str | None = None) -> Floats:
    """Mean gradient over `rows` (runs, batch) at `w` (runs, d), or over all of them, summed in order."""
    a, b, width = problem.features.astype(F), problem.offsets.astype(F), F(problem.width)
    sampled = rows is not None
    if rows is None:
        a, b = reduced_rows(problem) or (a, b)
        rows = np.broadcast_to(np.arange(len(b)), (len(w), len(b)))
    weight = F(1) / F(rows.shape[1])
    g = F(problem.l2) * w
    for i in rows.T:
        z = product(a[i], w, sampled) - b[i]
        if problem.loss == "square":
            s = z
        elif problem.loss == "absolute":
            s = np.where(z > 0 if broken == LEFT_KINK else z >= 0, F(1), F(-1))
        elif problem.loss == "huber":
            s = z if broken == NO_WIDTH else np.clip(z, -width, width)
        else:
            s = -sigmoid(-z)
        g = g + (weight * s)[:, None] * a[i]
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
    batch: int = 1,
    seed: int,
    step_sizes: Any = None,
    broken: str | None = None,
) -> Run:
    """Every iterate ``w_1 .. w_T`` of `runs` runs, as `alpt_ref.theory.simulate` defines them."""
    d = problem.dim
    sizes = np.array([grid.step_size] * d if step_sizes is None or broken == ONE_STEP_SIZE else step_sizes)
    step = sizes.astype(F)
    code = np.broadcast_to(np.asarray(start, np.int64), (runs, d)).copy()
    w = code.astype(F) * step
    lowest, highest = -(2 ** (grid.bits - 1)), 2 ** (grid.bits - 1) - (broken != ONE_CODE_MORE)
    low, high = F(lowest) * step, F(highest) * step
    drawn = noises(noise, runs * d, steps - 1, seed, broken).reshape(-1, runs, d)
    bits = words(runs * d, range(steps - 1), ROUNDING, seed).reshape(-1, runs, d)
    if broken == SAME_WORDS:
        again = np.arange(runs) % GROUP
        drawn, bits = drawn[:, again], bits[:, again]
    if isinstance(problem, LinearModel):
        rows = len(problem.offsets)
        sampled = words(runs * batch, range(steps - 1), SAMPLE, seed).astype(np.uint64)
        picks = (sampled * np.uint64(rows) >> np.uint64(32)).astype(np.int64).reshape(steps - 1, runs, batch)
    rates = schedule.scale / np.arange(1, steps + 1) ** POWERS[schedule.kind]
    history, gradients, clipped = [w.copy()], [], []
    for t in range(steps - 1):
        eta = rates[t + 1] if broken == LATE_RATE else rates[t]
        if isinstance(problem, LinearModel):
            g = linear_slope(problem, w, picks[t] if batch else None, broken) + drawn[t]
        else:
            g = slope(problem, w, broken) + drawn[t]
        if rounding == "full":
            update, here, bottom, top = -F(eta) * g, w, low, high
            w = w + update if broken == NO_CLIPPING else np.clip(w + update, low, high)
        else:
            update, here = -(eta / sizes).astype(F) * g, code.astype(F)
            bottom, top = F(lowest) * np.ones_like(step), F(highest) * np.ones_like(step)
            code = code + round_move(np.clip(update, F(-(2.0**22)), F(2.0**22)), rounding, bits[t], broken)
            code = code if broken == NO_CLIPPING else np.clip(code, lowest, highest)
            w = code.astype(F) * step
        clipped.append((update < bottom - here) | (update > top - here))
        gradients.append(g)
        history.append(w.copy())
    return Run(np.stack(history), np.stack(gradients), np.stack(clipped))
