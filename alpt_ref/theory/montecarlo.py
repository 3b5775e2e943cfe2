"""Many independent runs of low-precision training in one parallel kernel, bit for bit reproducible on any machine.

One driver takes the problem (of `problems` or `linear`), the update rule, the rounding (full precision, stochastic or
deterministic), the step size of each coordinate, the clipping and the start. Iterates are ``w_1 (start), ..., w_T``;
``T = steps`` makes ``T - 1`` updates. Arithmetic is float32: constants such as w* are rounded once, a relative 6e-8.

Besides the measurements a run returns what the theorems assume, as it was along that very run: how often an update
left the range, the largest squared gradient and the largest distance from the minimum.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu import montecarlo as driver
from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.kernels.cpu.montecarlo_products import tiles
from alpt_ref.kernels.device import default_device
from alpt_ref.kernels.jit import run_rows
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.setting import Grid, Noise, Schedule
from alpt_ref.theory.simulation_result import SimulationResult, of_linear, of_separable

Rounding = Literal["full", "sr", "dr"]
UpdateRule = Literal["sgd"]
Clipping = Literal["range"]

_UPDATE = {"sgd": kinds.SGD}
_ROUNDING = {"full": kinds.FULL, "sr": kinds.STOCHASTIC, "dr": kinds.NEAREST}
_CLIPPING = ("range",)
_NOISE = {
    "none": kinds.NOISE_NONE,
    "two-point": kinds.NOISE_TWO_POINT,
    "uniform": kinds.NOISE_UNIFORM,
    "normal": kinds.NOISE_NORMAL,
}
_SEPARABLE = {"elastic": kinds.ELASTIC, "huber": kinds.HUBER, "saturating": kinds.SATURATING}
_LINEAR = {
    "square": kinds.SQUARE,
    "absolute": kinds.ABSOLUTE,
    "huber": kinds.HUBER_LOSS,
    "logistic": kinds.LOGISTIC,
}
GROUP_ELEMENTS = 2048
"""Coordinates that one group of runs holds at a time, so that its buffers stay in the first-level cache."""
MOST_BATCH = 1 << 20


def simulate(
    problem: Separable | LinearModel,
    grid: Grid,
    schedule: Schedule,
    *,
    steps: int,
    runs: int,
    start: ArrayLike,
    update: UpdateRule = "sgd",
    rounding: Rounding = "sr",
    clip: Clipping = "range",
    step_sizes: ArrayLike | None = None,
    noise: Noise | None = None,
    batch: int = 1,
    checkpoints: Iterable[int] | None = None,
    averages: bool = False,
    thin: int = 1,
    check: bool = False,
    seed: int = 0,
    device: str | None = None,
) -> SimulationResult:
    """Run low-precision training `runs` times from the codes `start`.

    Parameters
    ----------
    problem : Separable or LinearModel
        What is minimised; it has ``d`` coordinates.
    grid : Grid
        The step size and the number of bits.
    schedule : Schedule
        The learning rates.
    steps, runs : int
        Iterates of a run, the start included; number of runs.
    start : int or int array (d,)
        Codes of ``w_1``.
    update : {"sgd"}
        Update rule.
    rounding : {"sr", "dr", "full"}
        Stochastic, deterministic (ties up), or none: float32 weights.
    clip : {"range"}
        An iterate is clipped to the codes of `grid`, in full precision to their values.
    step_sizes : float array (d,), optional
        Step size of each coordinate, in the units of the weights; ``grid.step_size`` for all of them if left out.
    noise : Noise, optional
        Of the gradient; none if left out.
    batch : int
        Rows of a gradient, drawn with replacement (`LinearModel` only; 0 takes all rows).
    checkpoints : ints from 1 to `steps`, optional
        Iterates to record; the last one is always recorded.
    averages, check : bool
        Also average over all iterates; also watch the assumptions at every iterate. Both cost time.
    thin : int
        Average over every `thin`-th iterate (`LinearModel` only, whose loss costs ``rows * d`` an iterate): of run r those
        ``t`` with ``(t + r // 4) % thin == 0``, so that the runs together take all iterates alike.
    seed : int
        Key of the counter-based generator, 0 to 2**64 - 1.
    device : {"cpu", "cuda"}, optional
        Where to run; the result is the same in every bit. Without it the process's default counts, and a simulation too
        small for a GPU to gain from (see `alpt_ref.theory.montecarlo_cuda.pays`) stays on the CPU.

    Returns
    -------
    SimulationResult

    Raises
    ------
    InputError
        If an argument breaks its rule, or the device cannot be used here; nothing has run then.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Noise, Schedule, quadratic, simulate
    >>> result = simulate(
    ...     quadratic(1.0, 0.0), Grid(step_size=0.25, bits=4), Schedule("constant", 0.5), steps=3, runs=2, start=4,
    ...     rounding="dr",
    ... )
    >>> result.final
    array([[0.25],
           [0.25]], dtype=float32)
    """
    noise = noise or Noise()
    points = _checkpoints(checkpoints, steps)
    codes = _start(start, problem.dim, grid)
    for name, value, known in (
        ("update", update, _UPDATE),
        ("rounding", rounding, _ROUNDING),
        ("clip", clip, _CLIPPING),
    ):
        if value not in known:
            *others, last = known
            choices = f"{', '.join(others)} or {last}" if others else last
            raise InputError(f"{name} must be {choices}, got {value!r}")
    if isinstance(runs, bool) or runs < 1 or runs * problem.dim >= 1 << 50:
        raise InputError(f"runs must be at least 1 (and runs * d below 2**50), got {runs!r}")
    if isinstance(seed, bool) or not 0 <= seed < 1 << 64:
        raise InputError(f"seed must be a whole number from 0 to 2**64 - 1, got {seed!r}")
    device = _device(device, problem, runs, steps, batch, bool(averages or check))
    method = kinds.Method(
        update=_UPDATE[update],
        rounding=_ROUNDING[rounding],
        noise=_NOISE[noise.kind],
        start=codes,
        step_size=_step_sizes(step_sizes, problem.dim, grid),
        low=np.int32(grid.low_code),
        high=np.int32(grid.high_code),
        sigma=np.float32(noise.largest if noise.kind == "uniform" else noise.sigma),
        learning_rates=schedule.rates(steps),
        k0=np.uint32(seed & 0xFFFFFFFF),
        k1=np.uint32(seed >> 32),
    )
    watch = kinds.Watch(points, bool(averages), bool(check), _thin(thin, problem, averages))
    if isinstance(problem, LinearModel):
        if isinstance(batch, bool) or not 0 <= batch <= MOST_BATCH:
            raise InputError(f"batch must be from 0 (all rows) to {MOST_BATCH}, got {batch!r}")
        return of_linear(problem, watch, *_run(_linear(problem, batch, averages), runs, method, watch, device))
    return of_separable(watch, *_run(_separable(problem), runs, method, watch, device))


def _separable(problem: Separable) -> kinds.Problem:
    curvature, shape, minimum = (x.astype(np.float32) for x in (problem.curvature, problem.shape, problem.minimum))
    none = np.float32(0.0)
    return kinds.Problem(
        _SEPARABLE[problem.kind], curvature, shape, minimum, np.zeros((0, problem.dim), np.float32),
        np.zeros((1, 0, 0), np.float32), np.zeros(0, np.float32), none, none, 0,
    )  # fmt: skip


def _linear(problem: LinearModel, batch: int, averages: bool) -> kinds.Problem:
    none = np.zeros(0, np.float32)
    features, offsets = problem.features.astype(np.float32), problem.offsets.astype(np.float32)
    width, l2 = np.float32(problem.width), np.float32(problem.l2)
    columns = tiles(features) if batch == 0 or averages else np.zeros((1, 0, 0), np.float32)
    return kinds.Problem(_LINEAR[problem.loss], none, none, none, features, columns, offsets, width, l2, batch)


def _run(
    problem: kinds.Problem, runs: int, method: kinds.Method, watch: kinds.Watch, device: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """The three arrays of `kernels.cpu.montecarlo_types.Results`."""
    last_only = problem.kind in _SEPARABLE.values()
    if device == "cuda":
        from alpt_ref.theory import montecarlo_cuda

        return montecarlo_cuda.run(runs, problem, method, watch, last_only)
    d, count = len(method.start), len(watch.checkpoints)
    group = _group(runs, d)
    results = kinds.Results(
        np.zeros((count, runs, 5)), np.zeros((runs, 4)), np.empty((1 if last_only else count, runs, d), np.float32)
    )
    run_rows(driver.simulate_groups, -(-runs // group), group, runs, problem, method, watch, results, grain=1)
    return results


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


def _one_of(name: str, value: str, known: Iterable[str]) -> None:
    *others, last = known
    if value not in (*others, last):
        raise InputError(f"{name} must be {', '.join(others)}{' or ' * bool(others)}{last}, got {value!r}")


def _thin(thin: int, problem: Separable | LinearModel, averages: bool) -> int:
    if isinstance(thin, bool) or not isinstance(thin, (int, np.integer)) or thin < 1:
        raise InputError(f"thin must be a whole number of at least 1, got {thin!r}")
    if thin > 1 and not (averages and isinstance(problem, LinearModel)):
        raise InputError(f"thin={thin} goes with averages=True and a linear model: drop it, or set averages=True")
    return int(thin)


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


def _step_sizes(step_sizes: ArrayLike | None, dim: int, grid: Grid) -> NDArray[np.float64]:
    sizes = np.asarray(grid.step_size if step_sizes is None else step_sizes, dtype=np.float64)
    if sizes.shape not in ((), (dim,)) or not (np.isfinite(sizes).all() and (sizes > 0.0).all()):
        raise InputError(f"step_sizes must be one number above 0 for each of the {dim} coordinates, got {step_sizes!r}")
    return np.array(np.broadcast_to(sizes, (dim,)))
