"""What the exact engine returns: expectations at every iterate of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Evolution:
    """Exact expectations along a run; entry ``t - 1`` of an array is for iterate ``w_t``.

    Attributes
    ----------
    value, distance2 : float64 arrays (T,)
        ``E f(w_t) - f*`` and ``E|w_t - w*|^2``.
    error : float64 array (T,)
        ``E[w_t - w*]``, summed over coordinates.
    gradient2, gradient1 : float64 arrays (T,)
        ``E|f'(w_t)|^2`` without noise, ``E|g_t|_1`` with noise.
    clipped : float64 array (T,)
        Probability that the update from ``w_t`` leaves the range, summed over coordinates.
    laws : float64 array (d, codes)
        The law of ``w_T`` of each coordinate.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, evolve_separable, quadratic
    >>> evolve_separable(quadratic(1.0, 0.0), Grid(0.25, 4), start=4, rates=[0.5, 0.5, 0.5])
    Evolution(T=3, d=1, average value=0.21875, last value=0.03125)
    """

    value: NDArray[np.float64]
    error: NDArray[np.float64]
    distance2: NDArray[np.float64]
    gradient2: NDArray[np.float64]
    gradient1: NDArray[np.float64]
    clipped: NDArray[np.float64]
    laws: NDArray[np.float64]

    def __repr__(self) -> str:
        """Sizes, and the mean over all iterates and the last of ``E f(w_t) - f*``."""
        return (
            f"Evolution(T={len(self.value)}, d={len(self.laws)}, average value={self.average_value:.6g}, "
            f"last value={self.value[-1]:.6g})"
        )

    @property
    def average_value(self) -> float:
        """``(1/T) sum_t E f(w_t) - f*``, the metric of S1 to S3, D1 and D2."""
        return float(self.value.mean())

    @property
    def average_gradient2(self) -> float:
        """``(1/T) sum_t E|f'(w_t)|^2``, the metric of S5."""
        return float(self.gradient2.mean())
