"""A problem and a rounding as a user would write them in a module."""

from __future__ import annotations

from typing import Any

import numpy as np


def value(w: Any) -> Any:
    """Half the squared distance from (0.1, -0.2)."""
    return 0.5 * ((w - np.array([0.1, -0.2])) ** 2).sum(axis=-1)


def gradient(w: Any) -> Any:
    """Its gradient."""
    return w - np.array([0.1, -0.2])


def add_and_floor(x: Any, draw: int) -> Any:
    """Stochastic rounding to multiples of 1/4 by adding a random part of a step."""
    u = np.random.default_rng(draw).random(x.shape, dtype=np.float32)
    return np.clip(np.floor(x * np.float32(4.0) + u), -16, 15) * np.float32(0.25)
