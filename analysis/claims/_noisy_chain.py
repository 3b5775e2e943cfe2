"""Low-precision SGD with any symmetric gradient noise on a quadratic, as a dense Markov chain over the codes.

`alpt_ref.theory.markov` covers noise with finitely many outcomes, whose matrices are sparse; here normal and uniform
noise too, from closed forms: with v = x + n, x in steps, ``E max(c - v, 0) = (E|v - c| + c - x)/2`` gives the law of SR
(its weight on a code is a second difference), and the distribution function of n gives the law of DR.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from alpt_ref.theory.setting import Grid, Noise

FloatArray = NDArray[np.float64]


def distribution(noise: Noise, x: FloatArray) -> FloatArray:
    """``P(n < x)``, with half of an atom's weight at the atom itself."""
    if noise.sigma == 0.0:
        return np.heaviside(x, 0.5)
    if noise.kind == "normal":
        return np.asarray(special.ndtr(x / noise.sigma))
    if noise.kind == "uniform":
        return np.clip(0.5 + 0.5 * x / noise.largest, 0.0, 1.0)
    return 0.5 * (np.heaviside(x - noise.sigma, 0.5) + np.heaviside(x + noise.sigma, 0.5))


def mean_distance(noise: Noise, x: FloatArray) -> FloatArray:
    """``E|x + n|``; normal noise without the Python loop of `Noise.absolute_mean`."""
    if noise.kind != "normal" or noise.sigma == 0.0:
        return noise.absolute_mean(x)
    z = x / noise.sigma
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return np.asarray(2.0 * noise.sigma * density + x * special.erf(z / math.sqrt(2.0)))


def expected_rounding(x: FloatArray, noise: Noise, reach: int = 60) -> FloatArray:
    """``E DR(x + n)`` in steps, as a sum of probabilities over the thresholds between codes: no Fourier series."""
    edges = np.floor(x)[..., None] + np.arange(-reach, reach + 1) + 0.5
    return np.asarray(np.floor(x) - reach + distribution(noise, x[..., None] - edges).sum(axis=-1))


@dataclass(frozen=True)
class NoisyQuadratic:
    """``lambda/2 (w - w*)^2`` on a grid of step 1 with `rate` = eta lambda and update noise `noise`, in steps."""

    rate: float
    noise: Noise
    minimum: float = 0.3
    bits: int = 8

    @property
    def codes(self) -> FloatArray:
        """All codes."""
        return Grid(1.0, self.bits).values

    @property
    def error2(self) -> FloatArray:
        """``(w - w*)^2`` of each code."""
        return np.asarray((self.codes - self.minimum) ** 2)

    def matrix(self, rounding: str) -> FloatArray:
        """Transition probabilities (codes, codes)."""
        codes = self.codes
        x = (codes - self.rate * (codes - self.minimum))[:, None]
        if rounding == "dr":
            below = distribution(self.noise, codes[None, :-1] + 0.5 - x)  # P(code <= j)
        else:
            ends = codes[None, :]
            shortfall = 0.5 * (mean_distance(self.noise, x - ends) + ends - x)  # E max(c - v, 0)
            below = np.clip(np.diff(shortfall, axis=1), 0.0, 1.0)
        ones, zeros = np.ones((len(codes), 1)), np.zeros((len(codes), 1))
        return np.maximum(np.diff(np.concatenate([zeros, below, ones], axis=1), axis=1), 0.0)

    def law_after(self, rounding: str, start: int, updates: int) -> FloatArray:
        """Law of the code after `updates` updates from code `start`."""
        law = np.zeros(len(self.codes))
        law[start - int(self.codes[0])] = 1.0
        matrix = self.matrix(rounding)
        for _ in range(updates):
            law = law @ matrix
        return np.asarray(law / law.sum())

    def error_after(self, rounding: str, start: int, updates: int) -> float:
        """``E (w - w*)^2`` in squared steps."""
        return float(self.law_after(rounding, start, updates) @ self.error2)
