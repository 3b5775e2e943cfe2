"""Slow and obvious truth for tests: Python integers, fractions and float64, one element at a time.

Nothing here shares code with the kernels. Rounding is done on exact fractions, so that these functions say what the
definitions say; updates are in float64 and are compared within a stated number of float32 spacings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_MASK = 0xFFFFFFFF


def philox4x32(counter: Sequence[int], key: Sequence[int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 in Python integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & _MASK, (p0 >> 32) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + 0x9E3779B9) & _MASK, (k1 + 0xBB67AE85) & _MASK
    return c0, c1, c2, c3


def random_word(seed: int, row: int, column: int, step: int, purpose: int) -> int:
    """The word of one element, by the counter layout that `scalar.philox` states."""
    counter = (
        row & _MASK,
        (row >> 32) << 16 | column // 4,
        step & _MASK,
        (step >> 32) << 8 | purpose,
    )
    return philox4x32(counter, (seed & _MASK, seed >> 32))[column % 4]


def dr(x: Fraction) -> int:
    """``floor(x + 1/2)``."""
    return math.floor(x + Fraction(1, 2))


def sr(x: Fraction, word: int, word_bits: int = 32) -> int:
    """Stochastic rounding: away from zero for ``floor(|r| 2**word_bits)`` of the words, ``r = x - trunc(x)``."""
    whole = math.trunc(x)
    rest = abs(x - whole)
    away = 1 if word < math.floor(rest * 2**word_bits) else 0
    return whole + away if x >= 0 else whole - away


def code_range(bits: int) -> tuple[int, int]:
    """Smallest and largest code."""
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def value(code: int, step: float) -> Fraction:
    """What the quantiser's code stands for: code times the float32 step size, rounded once to float32."""
    return Fraction(float(np.float32(code * float(np.float32(step)))))  # the product is exact in float64


def quantized(w: float, step: float, bits: int, rounding: str, word: int = 0) -> int:
    """Code of a float32 weight: found among the values of all codes by bisection, compared as fractions."""
    low, high = code_range(bits)
    target = min(max(Fraction(w), value(low, step)), value(high, step))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if value(middle, step) <= target else (low, middle)
    below, above = target - value(low, step), value(high, step) - target
    if rounding == "dr":
        return high if below >= above else low
    if w < 0:
        return low if word * (below + above) < above * 2**32 else high
    return high if word * (below + above) < below * 2**32 else low


def encode(x: Fraction, bits: int, rounding: str, word: int = 0) -> int:
    """Code of the grid-unit value `x`."""
    low, high = code_range(bits)
    x = min(max(x, Fraction(low)), Fraction(high))
    return dr(x) if rounding == "dr" else sr(x, word)


def step_derivative(x: Fraction, bits: int) -> Fraction:
    """``dQ/dstep`` at ``x = w / step`` (theory R5)."""
    low, high = code_range(bits)
    if x < low:
        return Fraction(low)
    if x > high:
        return Fraction(high)
    return dr(x) - x


def pack(codes: Sequence[int], bits: int) -> list[int]:
    """Codes of one row as 32-bit words, low bits first."""
    stream = 0
    for place, code in enumerate(codes):
        stream |= (code % 2**bits) << (place * bits)
    count = -(-len(codes) * bits // 32)
    return [(stream >> (32 * k)) & _MASK for k in range(count)]


def quantize(
    w: NDArray[np.float32], step: float, bits: int, rounding: str, *, seed: int = 0, counter: int = 0, purpose: int = 0
) -> NDArray[np.int64]:
    """Codes of a matrix by `quantized`."""
    out = np.empty(w.shape, np.int64)
    for (i, j), weight in np.ndenumerate(w):
        word = random_word(seed, i, j, counter, purpose) if rounding == "sr" else 0
        out[i, j] = quantized(float(weight), step, bits, rounding, word)
    return out


class RowOracle:
    """One optimiser in float64 on a float64 table: SGD, row-wise Adagrad, lazy momentum or Adam; sums duplicates."""

    def __init__(self, kind: str, weights: NDArray[np.float64], lr: float, decay: float = 0.0) -> None:
        self.kind, self.weights, self.lr, self.decay = kind, weights.astype(np.float64), lr, decay
        n, d = weights.shape
        self.first, self.second = np.zeros((n, d)), np.zeros((n, d))
        self.accumulator, self.count = np.zeros(n), np.zeros(n, np.int64)

    def update(self, row: int, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """``lr * direction`` of one row; advances its state."""
        if self.kind == "sgd":
            return self.lr * gradient
        if self.kind == "adagrad":
            self.accumulator[row] += np.mean(gradient**2)
            return np.asarray(self.lr * gradient / (math.sqrt(self.accumulator[row]) + 1e-8))
        if self.kind == "momentum":
            self.first[row] = 0.9 * self.first[row] + 0.1 * gradient
            return np.asarray(self.lr * self.first[row])
        self.count[row] += 1
        t = int(self.count[row])
        self.first[row] = 0.9 * self.first[row] + 0.1 * gradient
        self.second[row] = 0.999 * self.second[row] + 0.001 * gradient**2
        mean, square = self.first[row] / (1 - 0.9**t), self.second[row] / (1 - 0.999**t)
        return np.asarray(self.lr * mean / (np.sqrt(square) + 1e-8))

    def step(self, ids: Sequence[int], grads: NDArray[np.float64]) -> dict[int, NDArray[np.float64]]:
        """One step on the touched rows; returns their updates by row."""
        total: dict[int, NDArray[np.float64]] = {}
        for position, row in enumerate(ids):
            total[int(row)] = total.get(int(row), np.zeros(grads.shape[1])) + grads[position]
        updates = {row: self.update(row, gradient) for row, gradient in total.items()}
        for row, update in updates.items():
            self.weights[row] -= update + self.lr * self.decay * self.weights[row]
        return updates
