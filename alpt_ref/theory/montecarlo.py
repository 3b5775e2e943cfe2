"""Many independent runs of low-precision SGD in one parallel kernel; the same seed gives the same bits on any machine.

Full precision, stochastic (``sr``) and deterministic (``dr``) rounding, any `Schedule`, noise and problem of
`problems` and `linear`. Iterates are ``w_1 (start), ..., w_T``; ``T = steps`` makes ``T - 1`` updates. Arithmetic is
float32: constants such as w* are rounded once, a relative 6e-8.

Besides the measurements a run returns what the theorems assume, as it was along that very run: how often an update
left the range, the largest squared gradient and the largest distance from the minimum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu import montecarlo as separable_kernel
from alpt_ref.kernels.cpu import montecarlo_linear as linear_kernel
from alpt_ref.kernels.cpu import montecarlo_measure as measure
from alpt_ref.kernels.cpu import montecarlo_passes as passes
from alpt_ref.kernels.device import default_device
from alpt_ref.kernels.jit import run_rows
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.setting import Grid, Noise, Schedule

Rounding = Literal["full", "sr", "dr"]
_ROUNDING = {"full": passes.FULL, "dr": passes.NEAREST, "sr": passes.STOCHASTIC}
_NOISE = {
    "none": passes.NOISE_NONE,
    "two-point": passes.NOISE_TWO_POINT,
    "uniform": passes.NOISE_UNIFORM,
    "normal": passes.NOISE_NORMAL,
}
_SEPARABLE = {"elastic": passes.ELASTIC, "huber": passes.HUBER, "saturating": passes.SATURATING}
_LINEAR = {
    "square": linear_kernel.SQUARE,
    "absolute": linear_kernel.ABSOLUTE,
    "huber": linear_kernel.HUBER_LOSS,
    "logistic": linear_kernel.LOGISTIC,
}
GROUP_ELEMENTS = 2048
"""Coordinates that one group of runs holds at a time, so that its buffers stay in the first-level cache."""


@dataclass(frozen=True)
class Runs:
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
    exceeded : int64 array (runs,)
        Coordinate updates that left the range and were clipped.
    max_sampled_gradient2, max_gradient2, max_distance2 : float64 arrays (runs,)
        Largest ``|g_t|^2`` (with noise), ``|f'(w_t)|^2`` and ``|w_t - w*|^2`` of the run. Of these and `exceeded`
        all iterates are seen only with ``check=True``, else the checkpoints alone (NaN where nothing was seen).
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


def simulate(
    problem: Separable | LinearModel,
    grid: Grid,
    schedule: Schedule,
    *,
    steps: int,
    runs: int,
    start: ArrayLike,
    rounding: Rounding = "sr",
    noise: Noise | None = None,
    batch: int = 1,
    checkpoints: Iterable[int] | None = None,
    averages: bool = False,
    check: bool = False,
    seed: int = 0,
    device: str | None = None,
) -> Runs:
    """Run low-precision SGD `runs` times from the codes `start` (one, or one a coordinate).

    Parameters
    ----------
    batch : int
        Rows a gradient, drawn with replacement (`LinearModel` only; 0 takes all rows).
    checkpoints : ints from 1 to `steps`, optional
        Iterates to record; the last one is always recorded.
    averages, check : bool
        Also average over all iterates; also watch the assumptions at every iterate. Both cost time.
    seed : int
        Key of the counter-based generator, 0 to 2**64 - 1.
    device : {"cpu", "cuda"}, optional
        Where to run; the result is the same in every bit. Without it the process's default counts, and a simulation too
        small for a GPU to gain from (see `alpt_ref.theory.montecarlo_cuda.pays`) stays on the CPU.

    Raises
    ------
    InputError
        If an argument breaks its rule, or the device cannot be used here; nothing has run then.
    """
    noise = noise or Noise()
    points = _checkpoints(checkpoints, steps)
    code = _start(start, problem.dim, grid)
    if rounding not in _ROUNDING:
        raise InputError(f"rounding must be full, sr or dr, got {rounding!r}")
    if isinstance(runs, bool) or runs < 1 or runs * problem.dim >= 1 << 50:
        raise InputError(f"runs must be at least 1 (and runs * d below 2**50), got {runs!r}")
    if isinstance(seed, bool) or not 0 <= seed < 1 << 64:
        raise InputError(f"seed must be a whole number from 0 to 2**64 - 1, got {seed!r}")
    device = _device(device, problem, runs, steps, batch, bool(averages or check))
    rates = schedule.rates(steps)
    scale = noise.largest if noise.kind == "uniform" else noise.sigma
    settings = {
        "start": code,
        "step": np.float32(grid.step_size),
        "low": grid.low_code,
        "high": grid.high_code,
        "rounding": _ROUNDING[rounding],
        "noise": _NOISE[noise.kind],
        "sigma": np.float32(scale),
        "rates": (rates / grid.step_size).astype(np.float32),
        "full_rates": rates.astype(np.float32),
        "checkpoints": points,
        "averages": bool(averages),
        "check": bool(check),
        "k0": np.uint32(seed & 0xFFFFFFFF),
        "k1": np.uint32(seed >> 32),
    }
    if isinstance(problem, LinearModel):
        if isinstance(batch, bool) or not 0 <= batch <= 1 << 20:
            raise InputError(f"batch must be from 0 (all rows) to {1 << 20}, got {batch!r}")
        return _linear(problem, runs, batch, settings, device)
    return _separable(problem, runs, settings, device)


def _group(runs: int, d: int) -> int:
    """Runs a group, a multiple of four so that every group begins at a whole Philox block."""
    wanted = max(GROUP_ELEMENTS // d, 4)
    return int(min(wanted, max(runs, 4)) + 3) // 4 * 4


def _device(
    device: str | None, problem: Separable | LinearModel, runs: int, steps: int, batch: int, watched: bool
) -> str:
    """The device to use: as named, or by default and by size."""
    chosen = default_device() if device is None else device
    if chosen == "cpu":
        return chosen
    if chosen != "cuda":
        raise InputError(f"device must be 'cpu' or 'cuda', got {chosen!r}")
    from alpt_ref.theory import montecarlo_cuda

    rows = 0 if isinstance(problem, Separable) else batch or len(problem.offsets)
    pays = montecarlo_cuda.pays(runs, problem.dim, steps, rows=rows, watched=watched)
    return "cuda" if device is not None or pays else "cpu"


def _separable(problem: Separable, runs: int, settings: dict[str, Any], device: str) -> Runs:
    points, averages, check = settings["checkpoints"], settings["averages"], settings["check"]
    arrays = tuple(array.astype(np.float32) for array in (problem.curvature, problem.shape, problem.minimum))
    kind = _SEPARABLE[problem.kind]
    if device == "cuda":
        from alpt_ref.theory import montecarlo_cuda

        records, limits, final = montecarlo_cuda.separable(kind, runs, arrays, settings)
    else:
        group = _group(runs, problem.dim)
        records, limits = np.zeros((len(points), runs, 5)), np.zeros((runs, 4))
        final = np.empty((runs, problem.dim), np.float32)
        run_rows(
            separable_kernel.simulate_separable, -(-runs // group), group, runs, kind, *arrays, *settings.values(),
            records, limits, final, grain=1,
        )  # fmt: skip
    return Runs(
        checkpoints=points,
        value=records[:, :, measure.VALUE].copy(),
        distance2=records[:, :, measure.DISTANCE2].copy(),
        gradient2=records[:, :, measure.GRADIENT2].copy(),
        average_value=records[:, :, measure.MEAN_VALUE].copy() if averages else None,
        average_gradient2=records[:, :, measure.MEAN_GRADIENT2].copy() if averages else None,
        final=final,
        checked=check,
        exceeded=limits[:, measure.EXCEEDED].astype(np.int64),
        max_sampled_gradient2=limits[:, measure.MAX_SAMPLED_GRADIENT2] if check else np.full(runs, np.nan),
        max_gradient2=limits[:, measure.MAX_GRADIENT2].copy(),
        max_distance2=limits[:, measure.MAX_DISTANCE2].copy(),
    )


def _linear(problem: LinearModel, runs: int, batch: int, settings: dict[str, Any], device: str) -> Runs:
    points, averages, check = settings["checkpoints"], settings["averages"], settings["check"]
    model = (
        _LINEAR[problem.loss], np.float32(problem.width), np.float32(problem.l2),
        problem.features.astype(np.float32), problem.offsets.astype(np.float32), batch,
    )  # fmt: skip
    if device == "cuda":
        from alpt_ref.theory import montecarlo_cuda

        means, limits, iterates = montecarlo_cuda.linear(model, runs, settings)
    else:
        group = _group(runs, problem.dim)
        means, limits = np.zeros((len(points), runs)), np.zeros((runs, 4))
        iterates = np.empty((len(points), runs, problem.dim), np.float32)
        run_rows(
            linear_kernel.simulate_linear, -(-runs // group), group, runs, *model, *settings.values(), means, limits,
            iterates, grain=1,
        )  # fmt: skip
    exact = iterates.astype(np.float64)
    value = np.stack([problem.value(row) for row in exact]) - problem.f_star
    distance2 = np.stack([problem.distance(row) ** 2 for row in exact])
    gradient2 = np.stack([(problem.gradient(row) ** 2).sum(axis=1) for row in exact])
    return Runs(
        checkpoints=points,
        value=value,
        distance2=distance2,
        gradient2=gradient2,
        average_value=means - problem.f_star if averages else None,
        average_gradient2=None,
        final=iterates[-1].copy(),
        checked=check,
        exceeded=limits[:, measure.EXCEEDED].astype(np.int64),
        max_sampled_gradient2=limits[:, measure.MAX_SAMPLED_GRADIENT2] if check else np.full(runs, np.nan),
        max_gradient2=gradient2.max(axis=0),
        max_distance2=np.maximum(limits[:, measure.MAX_DISTANCE2], distance2.max(axis=0)),
    )


def _checkpoints(checkpoints: Iterable[int] | None, steps: int) -> NDArray[np.int64]:
    if isinstance(steps, bool) or steps < 1:
        raise InputError(f"steps must be at least 1, got {steps!r}")
    wanted = sorted({int(t) for t in (checkpoints or ())} | {int(steps)})
    if wanted[0] < 1 or wanted[-1] > steps:
        raise InputError(f"checkpoints must lie from 1 to steps = {steps}, got {wanted[0]} to {wanted[-1]}")
    return np.array(wanted, dtype=np.int64)


def _start(start: ArrayLike, dim: int, grid: Grid) -> NDArray[np.int32]:
    codes = np.asarray(start)
    if codes.shape not in ((), (dim,)) or codes.dtype.kind not in "iu":
        raise InputError(f"start must be one whole code or one for each of the {dim} coordinates, got {start!r}")
    if codes.min() < grid.low_code or codes.max() > grid.high_code:
        raise InputError(f"start must lie from {grid.low_code} to {grid.high_code}, got {codes.min()}..{codes.max()}")
    return np.ascontiguousarray(np.broadcast_to(codes, (dim,)), dtype=np.int32)
