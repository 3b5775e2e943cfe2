"""What a Monte Carlo simulation returns: losses, distances and gradients of each run, and the executed assumptions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class SimulationResult:
    """What happened in each run.

    Attributes
    ----------
    checkpoints : int64 array (c,)
        The iterate numbers t of the rows below.
    value, distance2, gradient2 : float64 arrays (c, runs)
        ``f(w_t) - f*``, ``|w_t - w*|^2`` and ``|f'(w_t)|^2`` (exact gradient).
    average_value, average_gradient2 : float64 arrays (c, runs) or None
        Means over the iterates ``1 .. t``; None unless asked for (``average_gradient2``: separable problems only).
    final : float32 array (runs, d)
        The last iterate.
    checked : bool
        Whether the assumptions were watched at every iterate.
    exceeded : int64 array (runs,)
        Coordinate updates that left the range and were clipped.
    max_sampled_gradient2, max_gradient2, max_distance2 : float64 arrays (runs,)
        Largest ``|g_t|^2`` (with noise), ``|f'(w_t)|^2`` and ``|w_t - w*|^2`` of the run. Of these and `exceeded`
        all iterates are seen only with ``check=True``, else the checkpoints alone (NaN where nothing was seen).

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Schedule, quadratic, simulate
    >>> simulate(quadratic(1.0, 0.0), Grid(0.25, 4), Schedule("constant", 0.5), steps=5, runs=8, start=4, rounding="dr")
    SimulationResult(runs=8, d=1, checkpoints=[5], mean value=0.03125, checked=False)
    """

    checkpoints: NDArray[np.int64]
    value: NDArray[np.float64]
    distance2: NDArray[np.float64]
    gradient2: NDArray[np.float64]
    average_value: NDArray[np.float64] | None
    average_gradient2: NDArray[np.float64] | None
    final: NDArray[np.float32]
    checked: bool
    exceeded: NDArray[np.int64]
    max_sampled_gradient2: NDArray[np.float64]
    max_gradient2: NDArray[np.float64]
    max_distance2: NDArray[np.float64]

    def __repr__(self) -> str:
        """Sizes, and the mean of ``f(w_t) - f*`` over the runs at the last checkpoint."""
        runs, d = self.final.shape
        shown = [int(t) for t in self.checkpoints]
        points = shown if len(shown) <= 4 else f"[{shown[0]}, ... {len(shown)} in all ..., {shown[-1]}]"
        return (
            f"SimulationResult(runs={runs}, d={d}, checkpoints={points}, mean value={self.value[-1].mean():.6g}, "
            f"checked={self.checked})"
        )
