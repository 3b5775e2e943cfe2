"""Dense Adam at lazy cost: the moves that a row has missed since its last update, summed.

Without a gradient Adam still moves a row: at step s, j steps after its last update c, by
``lr_s c1(s) b1**j m / (sqrt(v) c2(s) b2**(j/2) + eps)``, with the corrections c1, c2 of the step's number. So the sum
over the missed steps is ``m`` times the mean of ``1 / (sqrt(v) r + eps)`` over the numbers ``r = c2(s) b2**(j/2)`` with
weights ``lr_s c1(s) b1**j``, which depend on (c, now) and not on the row. `move_rules` replaces them by the two nodes
and weights of Gauss's quadrature, which has the same first four moments: two evaluations of Adam's direction stand for
any number of missed steps. One and two steps are exact; how near the rest comes says `EARLY`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import AdamState
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.update import adam_direction

EARLY = 512
"""Rows last updated before this step of the optimiser are replayed step by step. The bias corrections still change much
from step to step there, and two nodes would not do: with b1 = .9, b2 = .999 they are off by up to 2e-2 of the sum after
the first step, 9e-6 after the 100th, 7e-8 after the 512th, whatever the row's moments and epsilon are."""


class Replay(NamedTuple):
    """What is known of the steps since all rows were up to date.

    Attributes
    ----------
    rates : float32 array (k,)
        Learning rates of steps ``base + 1`` to ``base + k``.
    rules : float32 array (k, 4)
        For a row last updated at step ``base + i``: weight, node, weight, node of the moves that it has missed.
    base, step : int
        Step at which all rows were up to date, and the latest step.
    window : int
        Missed steps that are replayed; what comes later is below float32 precision.
    beta1, beta2 : float
    eps : float32
    """

    rates: NDArray[np.float32]
    rules: NDArray[np.float32]
    base: int
    step: int
    window: int
    beta1: float
    beta2: float
    eps: np.float32


@kernel
def move_rules(replay: Replay, corrections: NDArray[np.float32]) -> None:
    """The entries of ``replay.rules`` that the latest step changes: those of its last `window` steps.

    The moments ``u_p = sum of lr_s c1(s) b1**j r**p``, p = 0 to 3, of row c follow from those of row c + 1.
    """
    rates, rules, base, step, window, b1, b2, _ = replay
    root = math.sqrt(b2)
    last = corrections.shape[0] - 1
    u0, u1, u2, u3 = 0.0, 0.0, 0.0, 0.0
    k1 = b1 * root
    k2 = k1 * root
    k3 = k2 * root
    for c in range(step - 1, max(base, step - window) - 1, -1):
        at = min(c + 1, last)
        r = np.float64(corrections[at, 1])
        w0 = np.float64(rates[c - base]) * np.float64(corrections[at, 0])
        w1 = w0 * r
        w2 = w1 * r
        w3 = w2 * r
        u0 = b1 * (w0 + u0)
        u1 = k1 * (w1 + u1)
        u2 = k2 * (w2 + u2)
        u3 = k3 * (w3 + u3)
        i = c - base
        if u0 <= 0.0:  # all rates are zero
            rules[i, 0], rules[i, 1], rules[i, 2], rules[i, 3] = 0.0, 1.0, 0.0, 1.0
            continue
        mean = u1 / u0
        square = u2 / u0
        spread = square - mul(mean, mean)
        if spread <= 1e-13 * square:  # one step, or one of many that counts
            rules[i, 0], rules[i, 1], rules[i, 2], rules[i, 3] = u0, mean, 0.0, mean
            continue
        third = u3 / u0 - mul(mean, mul(3.0, square) - mul(2.0, mul(mean, mean)))
        half = 0.5 * third / spread
        width = math.sqrt(mul(half, half) + spread)
        above = half + width
        below = half - width
        share = -below / (above - below)
        rules[i, 0] = u0 * share
        rules[i, 1] = mean + above
        rules[i, 2] = u0 * (1.0 - share)
        rules[i, 3] = mean + below


@kernel
def missed_moves(
    lo: Int, hi: Int, rows: NDArray[np.int64], state: AdamState, replay: Replay, out: NDArray[np.float32]
) -> None:
    """``out[i]`` = the moves that row ``rows[i]`` has missed, in weight units; nothing else changes."""
    first, second, counts, corrections = state
    rates, rules, base, step, window, b1, b2, eps = replay
    root = math.sqrt(b2)
    last = corrections.shape[0] - 1
    d = out.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(first, rows[i + AHEAD] * d)
            prefetch(second, rows[i + AHEAD] * d)
            prefetch(counts, rows[i + AHEAD])
        row = rows[i]
        c = int(counts[row])
        missed = step - c if c >= base else 0  # a row that is new, or rests, has nothing to catch up with
        if missed > 0 and c >= EARLY:
            w0, r0, w1, r1 = rules[c - base, 0], rules[c - base, 1], rules[c - base, 2], rules[c - base, 3]
            for j in range(d):
                one = adam_direction(first[row, j], second[row, j], w0, r0, eps)
                two = adam_direction(first[row, j], second[row, j], w1, r1, eps)
                out[i, j] = np.float32(one + two)
            continue
        for j in range(d):
            out[i, j] = np.float32(0.0)
        decay, shrink = 1.0, 1.0
        for s in range(c + 1, c + 1 + min(missed, window)):
            decay *= b1
            shrink *= root
            at = min(s, last)
            weight = np.float32(np.float64(rates[s - 1 - base]) * np.float64(corrections[at, 0]) * decay)
            node = np.float32(np.float64(corrections[at, 1]) * shrink)
            for j in range(d):
                out[i, j] += adam_direction(first[row, j], second[row, j], weight, node, eps)


@kernel
def advance_rows(lo: Int, hi: Int, rows: NDArray[np.int64], state: AdamState, replay: Replay, wake: bool) -> None:
    """Moments and step numbers of the rows after the steps that they have missed; with `wake` of those at rest too."""
    first, second, counts, _ = state
    _, _, base, step, _, b1, b2, _ = replay
    d = first.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(first, rows[i + AHEAD] * d)
            prefetch(second, rows[i + AHEAD] * d)
            prefetch(counts, rows[i + AHEAD])
        row = rows[i]
        c = int(counts[row])
        if c < base and not wake:
            continue
        missed = step - c if c >= base else 0
        if missed > 0:
            keep1, keep2 = np.float32(_power(b1, missed)), np.float32(_power(b2, missed))
            for j in range(d):
                first[row, j] = np.float32(first[row, j] * keep1)
                second[row, j] = np.float32(second[row, j] * keep2)
        counts[row] = np.int32(step)


@kernel
def _power(base: float, exponent: int) -> float:
    """``base ** exponent`` by squaring: sums and products alone, the same on every machine."""
    found = 1.0
    while exponent > 0:
        if exponent & 1:
            found *= base
        base *= base
        exponent >>= 1
    return found
