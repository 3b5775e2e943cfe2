"""How much a point may lack to the minimum of a regression: certificates that hold for any scale of the features.

With an l2 term strong convexity bounds it by the gradient, ``|f'(w)|^2/(2 l2)``. Without one Fenchel's inequality does:
for any u with ``A^T u = 0`` (and every ``|u_i|`` at most the loss's largest slope) ``f >= -mean(u_i b_i + phi*(u_i))``
everywhere. Such a u is the slopes of the rows without their part in the span of the columns, which is taken from
columns of unit length, so that a tiny feature counts as much as a large one. Neither assumes where the minimum lies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUNDING = 64.0 * float(np.finfo(np.float64).eps)
"""Allowance for the roundings of a sum over rows, relative to the sum of its magnitudes."""


def gap_by_strong_convexity(features: Floats, slopes: Floats, w: Floats, l2: float) -> float:
    """At least ``f(w) - min f`` of ``mean phi(a_i w - b_i) + l2/2 |w|^2``, from the slopes ``phi'`` at w.

    Examples
    --------
    >>> round(gap_by_strong_convexity(np.array([[1.0]]), np.array([0.5]), np.array([0.5]), 1.0), 9)
    0.5
    """
    rows = len(slopes)
    gradient = features.T @ slopes / rows + l2 * w
    rounding = ROUNDING * (np.abs(features).T @ np.abs(slopes) / rows + l2 * np.abs(w))
    return float(((np.abs(gradient) + rounding) ** 2).sum() / (2.0 * l2))


def gap_by_duality(
    features: Floats, offsets: Floats, value: float, slopes: Floats, *, quadratic: bool, most: float
) -> float:
    """At least ``f(w) - min f`` without an l2 term, from ``value = f(w)`` and slopes of the rows near those at w.

    Parameters
    ----------
    features, offsets, slopes : float64 arrays (rows, d), (rows,), (rows,)
    value : float
    quadratic : bool
        Whether ``phi(z) = z^2/2`` near zero (``phi*(u) = u^2/2``) or ``|z|`` (``phi* = 0``).
    most : float
        Largest slope of a row; infinite for least squares.

    Examples
    --------
    >>> one, tiny = np.array([1.0]), np.array([[1e-9]])
    >>> round(gap_by_duality(tiny, one, 0.5, -one, quadratic=True, most=float("inf")), 9)
    0.5
    """
    largest_in = np.abs(features).max(axis=0, initial=0.0)
    columns = np.ldexp(features, -np.frexp(largest_in)[1])[:, largest_in > 0.0]  # exact; no square underflows
    span = np.linalg.svd(columns / np.linalg.norm(columns, axis=0), full_matrices=False)[0]
    u = slopes - span @ (span.T @ slopes)
    u = u - span @ (span.T @ u)  # twice: the first leaves roundings of the slopes behind
    largest = float(np.abs(u).max(initial=0.0))
    if largest > most:
        u *= most / largest
    conjugate = 0.5 * u * u if quadratic else np.zeros_like(u)
    rounding = ROUNDING * (abs(value) + float((np.abs(slopes) * (np.abs(offsets) + np.abs(slopes))).mean()))
    return max(value + float((u * offsets + conjugate).mean()), 0.0) + rounding
