"""Points of a box and quantiles of a noise, to look at constants without the formulas that give them."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import special

from alpt_ref.theory import Grid, Noise
from alpt_ref.theory.linear import LinearModel

MOST_DIMENSIONS = 6
"""Up to so many every corner of the box is looked at, beyond it the two on the diagonal and some others."""
QUANTILES = 4096


def corners(grid: Grid, dim: int) -> NDArray[np.float64]:
    """Corners of the box of `grid`: float64 (points, dim)."""
    if dim <= MOST_DIMENSIONS:
        return np.array(list(itertools.product((grid.low, grid.high), repeat=dim)))
    every = np.arange(dim)
    low = [every < 0, every >= 0, every % 2 == 0, every % 2 == 1, every < dim // 2, every >= dim // 2]
    return np.where(np.array(low), grid.low, grid.high)


def noise_quantiles(noise: Noise) -> NDArray[np.float64]:
    """Equally likely values that stand for the noise of a coordinate."""
    if noise.sigma == 0.0 or noise.kind == "none":
        return np.zeros(1)
    if noise.kind == "two-point":
        return np.array([-noise.sigma, noise.sigma])
    p = (np.arange(QUANTILES) + 0.5) / QUANTILES
    if noise.kind == "uniform":
        return np.asarray(noise.sigma * np.sqrt(12.0) * (p - 0.5))
    return np.asarray(noise.sigma * special.ndtri(p))


def row_slopes(model: LinearModel, w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gradient of each row's loss at `w` of shape (points, d): float64 (rows, points, d)."""
    rows = zip(model.features, model.offsets, strict=True)
    return np.stack([dataclasses.replace(model, features=a[None], offsets=b[None]).gradient(w) for a, b in rows])
