"""Deterministic and stochastic rounding of a number in grid units to an integer.

``dr(x) = floor(x + 1/2)`` (ties go up) and ``sr(x) = floor(x)`` with probability ``1 - frac(x)``, else
``floor(x) + 1``. Both are exact for every float32 with ``|x| < 2**31``: the part after the point is
``x - trunc(x)``, which a binary float holds without error, whereas ``x - floor(x)`` loses bits just below zero and
``x + 1/2`` rounds 0.49999997 up to 1.

The random word of `sr` is an argument, an integer, and is compared with an integer. Away from zero the rounding goes
for exactly ``floor(|r| 2**32)`` of the ``2**32`` words, ``r = x - trunc(x)``. So the bias of one rounding is at most
``2**-32`` of a step, towards zero; it is exactly zero when ``|r| 2**32`` is whole, as it is for every float32 with
``|x| >= 2**-9``; and a number on the grid never moves.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.jit import scalar

_HALF = np.float32(0.5)
_ZERO = np.float32(0.0)
_WORDS = np.float32(4294967296.0)
_I0 = np.int32(0)
_I1 = np.int32(1)


@scalar
def saturate(x: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """`x` limited to ``[low, high]``; done before a cast to an integer, never after."""
    return min(max(x, low), high)


@scalar
def dr(x: np.float32) -> np.int32:
    """``floor(x + 1/2)`` for ``|x| < 2**31``."""
    whole = np.int32(x)
    rest = x - np.float32(whole)
    up = _I1 if rest >= _HALF else _I0
    down = _I1 if rest < -_HALF else _I0
    return np.int32(whole + up - down)


@scalar
def sr(x: np.float32, word: np.uint32) -> np.int32:
    """Stochastic rounding of `x`, ``|x| < 2**31``, by one uniform 32-bit word."""
    whole = np.int32(x)
    rest = x - np.float32(whole)
    threshold = np.uint32(abs(rest) * _WORDS)
    away = _I1 if word < threshold else _I0
    return np.int32(whole - away) if rest < _ZERO else np.int32(whole + away)
