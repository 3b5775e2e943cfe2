"""What a Monte Carlo simulation returns: losses, distances and gradients of each run, and the executed assumptions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.montecarlo_types import (
    DISTANCE2,
    EXCEEDED,
    GRADIENT2,
    MAX_DISTANCE2,
    MAX_GRADIENT2,
    MAX_SAMPLED_GRADIENT2,
    MEAN_GRADIENT2,
    MEAN_VALUE,
    VALUE,
    Watch,
)
from alpt_ref.theory.linear import LinearModel


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
        Coordinate updates that left the range (and were clipped, unless ``clip=None``).
    max_sampled_gradient2, max_gradient2, max_distance2 : float64 arrays (runs,)
        Largest ``|g_t|^2`` (with noise), ``|f'(w_t)|^2`` and ``|w_t - w*|^2`` of the run. Of these and `exceeded`
        all iterates are seen only with ``check=True``, else the checkpoints alone (NaN where nothing was seen).
    f_star : float or None
        What `value` is counted from; None where the problem's infimum is unknown and `value` is ``f(w_t)`` itself.
        Without a known minimum distances are NaN.
    step_sizes : float64 array (runs, d) or None
        Of the last iterate, where they are learned.

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
    f_star: float | None = 0.0
    step_sizes: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        """Sizes, and the mean of ``f(w_t) - f*`` over the runs at the last checkpoint."""
        runs, d = self.final.shape
        shown = [int(t) for t in self.checkpoints]
        points = shown if len(shown) <= 4 else f"[{shown[0]}, ... {len(shown)} in all ..., {shown[-1]}]"
        return (
            f"SimulationResult(runs={runs}, d={d}, checkpoints={points}, mean value={self.value[-1].mean():.6g}, "
            f"checked={self.checked})"
        )


def of_separable(
    watch: Watch, records: NDArray[np.float64], limits: NDArray[np.float64], iterates: NDArray[np.float32]
) -> SimulationResult:
    """The result of a separable problem from the arrays that the kernels fill."""
    return SimulationResult(
        checkpoints=watch.checkpoints,
        value=records[:, :, VALUE].copy(),
        distance2=records[:, :, DISTANCE2].copy(),
        gradient2=records[:, :, GRADIENT2].copy(),
        average_value=records[:, :, MEAN_VALUE].copy() if watch.averages else None,
        average_gradient2=records[:, :, MEAN_GRADIENT2].copy() if watch.averages else None,
        final=iterates[-1],
        max_gradient2=limits[:, MAX_GRADIENT2].copy(),
        max_distance2=limits[:, MAX_DISTANCE2].copy(),
        **_checked(watch, limits),
    )


def of_linear(
    problem: LinearModel,
    watch: Watch,
    records: NDArray[np.float64],
    limits: NDArray[np.float64],
    iterates: NDArray[np.float32],
) -> SimulationResult:
    """The result of a linear problem: all but averages and checks comes from its iterates, in float64."""
    exact = iterates.astype(np.float64)
    distance2 = np.stack([problem.distance(row) ** 2 for row in exact])
    losses, gradients = zip(*(problem.value_and_gradient(row) for row in exact), strict=True)
    gradient2 = np.stack([(gradient**2).sum(axis=1) for gradient in gradients])
    return SimulationResult(
        checkpoints=watch.checkpoints,
        value=np.stack(losses) - problem.f_star,
        distance2=distance2,
        gradient2=gradient2,
        average_value=records[:, :, MEAN_VALUE] - problem.f_star if watch.averages else None,
        average_gradient2=None,
        final=iterates[-1].copy(),
        max_gradient2=gradient2.max(axis=0),
        max_distance2=np.maximum(limits[:, MAX_DISTANCE2], distance2.max(axis=0)),
        f_star=problem.f_star,
        **_checked(watch, limits),
    )


def _checked(watch: Watch, limits: NDArray[np.float64]) -> dict[str, Any]:
    seen = limits[:, MAX_SAMPLED_GRADIENT2] if watch.check else np.full(len(limits), math.nan)
    return {
        "checked": watch.check,
        "exceeded": limits[:, EXCEEDED].astype(np.int64),
        "max_sampled_gradient2": seen,
    }
