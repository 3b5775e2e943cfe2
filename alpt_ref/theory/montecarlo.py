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
from alpt_ref.kernels.device import default_device
from alpt_ref.kernels.jit import num_threads, run_rows
from alpt_ref.theory.gradient_source import LinearSource, ProblemSource, SeparableSource, Source
from alpt_ref.theory.learned_steps import LearnedSteps
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problem import Problem
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.rounding_rule import FewBits, Rounding
from alpt_ref.theory.setting import Grid, Noise, RateFunction, Schedule, require_setting, schedule_of
from alpt_ref.theory.simulation_arguments import (
    checked_points,
    checked_thin,
    require_clip,
    require_device,
    require_minimum_in_box,
    require_numbers,
    require_problem,
    require_rounding,
    sizes_of,
    start_of,
)
from alpt_ref.theory.simulation_result import SimulationResult, of_linear, of_separable
from alpt_ref.theory.update_rules import SGD, UpdateRule, rule_of
from alpt_ref.theory.vectorised import walk
from alpt_ref.theory.vectorised_step import Setup
from alpt_ref.theory.whole_rows import WholeRows, whole_rows

Clipping = Literal["range"]

_ROUNDING = {"full": kinds.FULL, "sr": kinds.STOCHASTIC, "dr": kinds.NEAREST}
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
RUNS_TOGETHER = 16
"""Runs of a group whose steps take all rows of the data: these come from a farther cache once for all of them."""


def simulate(
    problem: Separable | LinearModel | Problem,
    grid: Grid,
    schedule: Schedule | ArrayLike | RateFunction,
    *,
    steps: int,
    runs: int,
    start: ArrayLike,
    update: str | UpdateRule = "sgd",
    rounding: Rounding = "sr",
    clip: Clipping | None = "range",
    step_sizes: ArrayLike | LearnedSteps | None = None,
    noise: Noise | None = None,
    batch: int = 1,
    checkpoints: Iterable[int] | None = None,
    averages: bool = False,
    thin: int = 1,
    check: bool = False,
    minimum_outside: bool = False,
    seed: int = 0,
    device: str | None = None,
) -> SimulationResult:
    """Run low-precision training `runs` times from the codes `start`.

    Parameters
    ----------
    problem : Separable, LinearModel or Problem
        What is minimised; it has ``d`` coordinates.
    grid : Grid
        The step size and the number of bits.
    schedule : Schedule, float, float array (T - 1,) or function
        The learning rates; an array has one for each update, a function of ``t = 1, 2, ...`` gives that of step t.
    steps, runs : int
        Iterates of a run, the start included; number of runs.
    start : int or int array (d,), float or float array (d,)
        Codes of ``w_1``; or, as floats, weights off the grid, which the method's rounding rounds first, for every run
        by itself (in full precision they stay as they are).
    update : {"sgd", "momentum", "adagrad", "adam", "eco", "ef"} or UpdateRule
        Update rule, see `alpt_ref.theory.update_rules`: ``eco`` and ``ef`` feed the rounding error back.
    rounding : {"sr", "dr", "full"}, FewBits or function
        Stochastic, deterministic (ties up), or none: float32 weights. `FewBits` for stochastic with few random bits. A
        function ``fn(x, draw)`` of float32 (runs, d) and the number of the call returns decoded values on the grid; see
        `alpt_ref.theory.vectorised`.
    clip : {"range"} or None
        An iterate is clipped to the codes of `grid`, in full precision to their values. None: never, and an update of
        more than 2^22 steps is refused. A rounding of your own saturates itself.
    step_sizes : float array (d,) or LearnedSteps, optional
        Step size of each coordinate, in the units of the weights; ``grid.step_size`` for all of them if left out.
        `LearnedSteps` begins with that and learns.
    noise : Noise, optional
        Of the gradient; none if left out.
    batch : int
        Rows of a gradient, drawn with replacement; 0 takes all rows (`LinearModel` only: refused elsewhere).
    checkpoints : ints from 1 to `steps`, optional
        Iterates to record; the last one is always recorded.
    averages, check : bool
        Also average over all iterates; also watch the assumptions at every iterate. Both cost time.
    thin : int
        Average over every `thin`-th iterate (`LinearModel` only, whose loss costs ``rows * d`` an iterate): of run r
        those ``t`` with ``(t + r // 4) % thin == 0``, so that the runs together take all iterates alike.
    minimum_outside : bool
        Allow a minimum outside the box, where no theorem holds: clipping then leads away from it.
    seed : int
        Key of the counter-based generator, 0 to 2**64 - 1.
    device : {"cpu", "cuda"}, optional
        Where to run; the result is the same in every bit. Without it the process's default counts, and a simulation too
        small for a GPU to gain from (see `alpt_ref.theory.montecarlo_cuda.pays`) stays on the CPU.

    Returns
    -------
    SimulationResult

    Notes
    -----
    SGD from codes with clipping and rounding by name on a problem of this package runs in the compiled driver, anything
    else in the one in NumPy, `alpt_ref.theory.vectorised`, on the same random numbers. A result depends on neither
    threads nor, unless a function of yours makes it so, on the number of runs.

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
    require_problem(problem)
    require_setting(grid, noise)
    noise = noise or Noise()
    points, rule = checked_points(checkpoints, steps), rule_of(update)
    require_rounding(rounding)
    require_device(device)
    require_clip(clip)
    require_numbers(problem, runs, seed, batch, points)
    steps, runs, seed, batch = int(steps), int(runs), int(seed), int(batch)  # NumPy's of few bits wrap around
    learned = step_sizes if isinstance(step_sizes, LearnedSteps) else None
    sizes = sizes_of(None if isinstance(step_sizes, LearnedSteps) else step_sizes, problem.dim, grid)
    first = start_of(start, problem.dim, grid, sizes, clipped=clip is not None)
    if learned is not None:
        learned.require_rows(problem.dim)
        if not (isinstance(rounding, FewBits) or rounding in ("sr", "dr")):
            raise InputError(
                "learned step sizes go with rounding sr, dr or FewBits(r): no other has a step size to learn"
            )
    if not minimum_outside and clip is not None:
        require_minimum_in_box(problem, grid, sizes)
    rates = schedule_of(schedule).rates(steps)
    every = checked_thin(thin, averages, isinstance(problem, LinearModel))
    watch = kinds.Watch(points, bool(averages), bool(check), every)
    if (
        isinstance(problem, Problem)
        or not isinstance(rounding, str)
        or not isinstance(rule, SGD)
        or clip is None
        or learned is not None
        or first.dtype.kind == "f"
    ):
        if device not in (None, "cpu", "cuda"):
            raise InputError(f"device must be 'cpu' or 'cuda', got {device!r}")
        if device == "cuda":
            raise InputError(
                "device 'cuda' runs SGD with rounding full, sr or dr, clipped, from codes, on a problem of "
                "alpt_ref.theory; leave device out for anything else"
            )
        source, clipped = _source(problem, batch), clip is not None
        return walk(
            Setup(source, grid, runs, first, sizes, rates, rule, rounding, clipped, learned, noise, watch, seed)
        )
    device = _device(device, problem, runs, steps, batch, bool(averages or check))
    method = kinds.Method(
        update=kinds.SGD,
        rounding=_ROUNDING[rounding],
        noise=_NOISE[noise.kind],
        start=first,
        step_size=sizes,
        low=np.int32(grid.low_code),
        high=np.int32(grid.high_code),
        sigma=np.float32(noise.largest if noise.kind == "uniform" else noise.sigma),
        learning_rates=rates,
        k0=np.uint32(seed & 0xFFFFFFFF),
        k1=np.uint32(seed >> 32),
    )
    if isinstance(problem, LinearModel):
        return of_linear(problem, watch, *_run(_linear(problem, batch, averages), runs, method, watch, device))
    return of_separable(watch, *_run(_separable(problem), runs, method, watch, device))


def _source(problem: Separable | LinearModel | Problem, batch: int) -> Source:
    if isinstance(problem, Problem):
        return ProblemSource(problem)
    if isinstance(problem, LinearModel):
        return LinearSource(problem, _linear(problem, batch, False))
    return SeparableSource(problem)


def _separable(problem: Separable) -> kinds.Problem:
    curvature, shape, minimum = (x.astype(np.float32) for x in (problem.curvature, problem.shape, problem.minimum))
    none, empty, rows = np.float32(0.0), np.zeros(0, np.float32), np.zeros((0, problem.dim), np.float32)
    tiles = np.zeros((1, 1, 0), np.float32)
    return kinds.Problem(
        _SEPARABLE[problem.kind], curvature, shape, minimum, rows, empty, rows, empty, tiles, tiles, False, 0.0, none,
        none, 0,
    )  # fmt: skip


def _linear(problem: LinearModel, batch: int, averages: bool) -> kinds.Problem:
    none = np.zeros(0, np.float32)
    width, l2 = np.float32(problem.width), np.float32(problem.l2)
    if batch == 0 or averages:
        whole = whole_rows(problem)
    else:
        no_rows = np.zeros((0, problem.dim), np.float32)
        no_tiles = np.zeros((1, 1, 0), np.float32)
        whole = WholeRows(no_rows, none, no_tiles, no_tiles, False, 0.0)
    if batch == 0:
        features, offsets = whole.features, whole.offsets
    else:
        features, offsets = problem.features.astype(np.float32), problem.offsets.astype(np.float32)
    return kinds.Problem(
        _LINEAR[problem.loss], none, none, none, features, offsets, whole.features, whole.offsets, whole.columns,
        whole.across, whole.triangular, whole.rest, width, l2, batch,
    )  # fmt: skip


def _run(
    problem: kinds.Problem, runs: int, method: kinds.Method, watch: kinds.Watch, device: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """The three arrays of `kernels.cpu.montecarlo_types.Results`."""
    last_only = problem.kind in _SEPARABLE.values()
    if device == "cuda":
        from alpt_ref.theory import montecarlo_cuda

        return montecarlo_cuda.run(runs, problem, method, watch, last_only)
    d, count = len(method.start), len(watch.checkpoints)
    together = problem.kind in _LINEAR.values() and (problem.batch == 0 or (watch.averages and watch.thin == 1))
    group = _group(runs, d, together)
    results = kinds.Results(
        np.zeros((count, runs, 5)), np.zeros((runs, 4)), np.empty((1 if last_only else count, runs, d), np.float32)
    )
    run_rows(driver.simulate_groups, -(-runs // group), group, runs, problem, method, watch, results, grain=1)
    return results


def _group(runs: int, d: int, all_rows: bool) -> int:
    """Runs a group, a multiple of four so that every group begins at a whole Philox block."""
    wanted = max(GROUP_ELEMENTS // d, 4)
    if all_rows:  # as many as read a tile together, unless threads would have no group
        wanted = max(wanted, min(RUNS_TOGETHER, -(-runs // num_threads())))
    return int(min(wanted, max(runs, 4)) + 3) // 4 * 4


def _device(
    device: str | None, problem: Separable | LinearModel, runs: int, steps: int, batch: int, watched: bool
) -> str:
    """The device to use: as named, or by default and by size."""
    chosen = default_device() if device is None else device
    if chosen == "cpu":
        return chosen
    from alpt_ref.theory import montecarlo_cuda

    rows = 0 if isinstance(problem, Separable) else batch or len(problem.offsets)
    pays = montecarlo_cuda.pays(runs, problem.dim, steps, rows=rows, watched=watched)
    return "cuda" if device is not None or pays else "cpu"
