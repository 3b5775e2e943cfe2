"""What `simulate` is given, checked: one sentence for everything that breaks a rule, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref._util.memory import require_memory
from alpt_ref.errors import InputError
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problem import Problem
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.rounding_rule import FewBits
from alpt_ref.theory.setting import Grid, numbers, whole

MOST_BATCH = 1 << 20


def one_of(name: str, value: Any, known: Iterable[str], beside: str = "") -> None:
    """InputError unless `value` is one of the words `known`; `beside` names what else may be given."""
    words = list(known)
    if isinstance(value, str) and value in words:
        return
    *others, last = words
    if isinstance(value, str) or not beside:
        choices = f"{', '.join(others)} or {last}" if others else last
    else:
        choices = f"{', '.join(words)}, {beside}"
    raise InputError(f"{name} must be {choices}, got {value!r}")


def require_device(device: Any) -> None:
    """InputError unless it is a device by name, or None."""
    if device is not None and (not isinstance(device, str) or device not in ("cpu", "cuda")):
        raise InputError(f"device must be 'cpu' or 'cuda', got {device!r}")


def require_rounding(rounding: Any) -> None:
    """InputError unless it is a rounding by name, with few random bits, or a function."""
    if not callable(rounding) and not isinstance(rounding, FewBits):
        one_of("rounding", rounding, ("full", "sr", "dr"), "FewBits(r) or a function of (x, draw)")


def require_numbers(problem: Any, runs: Any, seed: Any, batch: Any, points: NDArray[np.int64]) -> None:
    """InputError unless runs, seed and batch are whole numbers in their ranges, and the results fit into memory."""
    dim = problem.dim
    if not whole(runs) or runs < 1 or int(runs) * dim >= 1 << 50:
        raise InputError(f"runs must be at least 1 (and runs * d below 2**50), got {runs!r}")
    if not whole(seed) or not 0 <= seed < 1 << 64:
        raise InputError(f"seed must be a whole number from 0 to 2**64 - 1, got {seed!r}")
    require_batch(batch, problem)
    kept = len(points) if isinstance(problem, LinearModel) else 1
    require_memory(
        int(runs) * (8 * (5 * len(points) + 4) + 4 * dim * kept),
        f"the results of {runs} runs with {dim} coordinates and {len(points)} checkpoints",
        "take fewer runs or checkpoints",
    )


def require_batch(batch: Any, problem: Any) -> None:
    """InputError unless it is a whole number in its range, and 1 where no gradient has rows."""
    if not whole(batch) or not 0 <= batch <= MOST_BATCH:
        raise InputError(f"batch must be from 0 (all rows) to {MOST_BATCH}, got {batch!r}")
    if batch != 1 and not isinstance(problem, LinearModel):
        raise InputError(
            f"batch={batch} goes with a LinearModel, whose gradient is that of rows; drop it: the gradient of a "
            f"{type(problem).__name__} has none (give Problem sampled_gradient= to draw your own)"
        )


def checked_points(checkpoints: Iterable[int] | None, steps: Any) -> NDArray[np.int64]:
    """The checkpoints in their order, the last iterate among them."""
    if not whole(steps) or steps < 1:
        raise InputError(f"steps must be at least 1, got {steps!r}")
    require_memory(8 * int(steps), f"the learning rates of {steps} steps", "take fewer steps")
    if checkpoints is not None and (isinstance(checkpoints, str) or not isinstance(checkpoints, Iterable)):
        raise InputError(f"checkpoints must be whole numbers from 1 to steps = {steps}, got {checkpoints!r}")
    try:
        given: list[Any] = list(() if checkpoints is None else checkpoints)
    except TypeError:  # an array without dimensions
        given = [checkpoints]
    for t in given:
        if not whole(t):
            raise InputError(f"checkpoints must be whole numbers from 1 to steps = {steps}, got {t!r}")
    wanted = sorted({int(t) for t in given} | {int(steps)})
    if wanted[0] < 1 or wanted[-1] > steps:
        raise InputError(f"checkpoints must lie from 1 to steps = {steps}, got {wanted[0]} to {wanted[-1]}")
    return np.array(wanted, dtype=np.int64)


def start_of(start: ArrayLike, dim: int, grid: Grid, sizes: NDArray[np.float64], *, clipped: bool) -> NDArray[Any]:
    """``w_1``: int32 codes (d,), or float64 weights (d,) where `start` has floats."""
    try:
        given = np.asarray(start)
    except ValueError:  # lists of unequal lengths
        given = np.asarray(None)
    if given.shape not in ((), (dim,)) or given.dtype.kind not in "iuf":
        raise InputError(
            f"start must be one whole code or one for each of the {dim} coordinates (or weights, as floats), got "
            f"{start!r}"
        )
    spread = np.broadcast_to(given, (dim,))
    if given.dtype.kind != "f":
        if given.min() < grid.low_code or given.max() > grid.high_code:
            raise InputError(
                f"start must lie from {grid.low_code} to {grid.high_code}, got {given.min()}..{given.max()}"
            )
        return np.ascontiguousarray(spread, dtype=np.int32)
    low, high = grid.low_code * sizes, grid.high_code * sizes
    if not np.isfinite(given).all() or (clipped and ((spread < low) | (spread > high)).any()):
        raise InputError(
            f"start as weights must lie in the box, from {low.max():g} to {high.min():g}, got {given.min():g}.."
            f"{given.max():g}; codes are whole numbers without a point"
        )
    return np.array(spread, dtype=np.float64)


def require_clip(clip: Any) -> None:
    """InputError unless `clip` is a way of clipping, or None."""
    if clip is not None:
        one_of("clip", clip, ("range",), "or None")


def checked_thin(thin: Any, averages: bool, linear: bool) -> int:
    """InputError unless `thin` is a whole number, and 1 where it means nothing."""
    if not whole(thin) or thin < 1:
        raise InputError(f"thin must be a whole number of at least 1, got {thin!r}")
    if thin > 1 and not (averages and linear):
        raise InputError(
            f"thin={thin} goes with averages=True and a LinearModel; drop it, or average over its iterates"
        )
    return int(thin)


def sizes_of(step_sizes: ArrayLike | None, dim: int, grid: Grid) -> NDArray[np.float64]:
    """The step size of each coordinate: float64 (d,)."""
    sizes = numbers("step_sizes", grid.step_size if step_sizes is None else step_sizes)
    if sizes.shape not in ((), (dim,)) or not (np.isfinite(sizes).all() and (sizes > 0.0).all()):
        raise InputError(f"step_sizes must be one number above 0 for each of the {dim} coordinates, got {step_sizes!r}")
    with np.errstate(over="ignore"):
        smallest, ends = sizes.astype(np.float32), (sizes * grid.low_code).astype(np.float32)
    if not (smallest > 0.0).all() or not np.isfinite(ends).all():
        raise InputError(
            f"step sizes must be above 0 and leave all codes finite in float32, in which runs are simulated, got "
            f"{sizes.min():g}..{sizes.max():g} with {grid.bits} bits; scale the problem"
        )
    return np.array(np.broadcast_to(sizes, (dim,)))


def minimum_outside_box(problem: Any, grid: Grid, sizes: NDArray[np.float64]) -> str:
    """Which coordinate of a known minimum lies outside its box; empty if none does."""
    minimum = getattr(problem, "minimum", None)
    if minimum is None:
        return ""
    return _outside_box(minimum, grid, sizes)


def start_outside_box(start: NDArray[Any], grid: Grid, sizes: NDArray[np.float64]) -> str:
    """Which coordinate of ``w_1`` (of `start_of`) lies outside its box; empty if none does, as for codes."""
    return "" if start.dtype.kind == "i" else _outside_box(start, grid, sizes)


def _outside_box(w: NDArray[np.float64], grid: Grid, sizes: NDArray[np.float64]) -> str:
    low, high = grid.low_code * sizes, grid.high_code * sizes
    outside = np.flatnonzero((w < low) | (w > high))
    if not len(outside):
        return ""
    j = int(outside[0])
    return f"coordinate {j} of it is {w[j]:g} and the box is [{low[j]:g}, {high[j]:g}]"


def require_minimum_in_box(problem: Any, grid: Grid, sizes: NDArray[np.float64]) -> None:
    """InputError unless a known minimum lies in the box of each coordinate: clipping would lead away from it."""
    where = minimum_outside_box(problem, grid, sizes)
    if where:
        raise InputError(
            f"the minimum must lie in the box, but {where}; take more bits, a larger step size or minimum_outside=True"
        )


def require_problem(problem: Any) -> None:
    """InputError unless it is a problem that a driver knows."""
    if not isinstance(problem, (Separable, LinearModel, Problem)):
        raise InputError(
            f"problem must be one of alpt_ref.theory (quadratic, least_squares, ...) or Problem(value, gradient, dim), "
            f"got {type(problem).__name__}"
        )
