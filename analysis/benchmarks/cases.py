"""What is measured: one function a subject, which prepares arrays on a device and returns its cases.

On a GPU a case queues work and returns; on a processor it computes. Data rotate or are larger than the last cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from alpt_ref.kernels.backend import Backend
from alpt_ref.quantizer import QuantSpec, quantize, seed_words, words_per_row


@dataclass(frozen=True)
class Case:
    """A thing to time: `amount` of `unit` a call; `bytes` of memory it moves at least, if that is its limit."""

    run: Callable[[], Any]
    amount: float
    unit: str
    bytes: float = 0.0


Cases = dict[str, Case]


def copy_case(backend: Backend, elements: int) -> Cases:
    """A copy of float32 numbers within the memory: the limit of everything that streams."""
    source, target = backend.zeros(elements, np.float32), backend.zeros(elements, np.float32)
    source += np.float32(1.0)

    def run() -> None:
        target[...] = source

    return {"copy": Case(run, elements, "elements", 8.0 * elements)}


def weights(backend: Backend, elements: int, d: int) -> Any:
    """Normal weights (elements / d, d) of standard deviation 0.3, a block of them repeated."""
    block = np.random.Generator(np.random.Philox(key=1)).standard_normal((min(elements, 1 << 22) // d, d)) * 0.3
    rows = elements // d
    values = backend.zeros((rows, d), np.float32)
    part = backend.from_host(block.astype(np.float32))
    for first in range(0, rows, len(part)):
        values[first : first + len(part)] = part[: rows - first]
    return values


_QUANTIZERS: tuple[tuple[int, Literal["sr", "dr"], bool], ...] = (
    (8, "sr", False),
    (4, "sr", False),
    (2, "sr", False),
    (8, "dr", False),
    (8, "sr", True),
)
"""Bits, rounding, whether every row has a step size of its own."""


def quantize_cases(backend: Backend, elements: int, d: int = 16, step: float = 0.01) -> Cases:
    """Stochastic rounding to packed 8, 4 and 2 bits, nearest rounding, a step size a row."""
    w = weights(backend, elements, d)
    steps = backend.from_host(np.full(len(w), step, np.float32))
    cases: Cases = {}
    for bits, rounding, each in _QUANTIZERS:
        name = f"quantise {rounding.upper()} {bits} bits" + (", step a row" if each else "")
        run = _quantize_run(backend, w, steps if each else np.full(1, step, np.float32), QuantSpec(bits, rounding))
        moved = w.size * (4.0 + bits / 8.0) + (steps.size * 4.0 if each else 0.0)
        cases[name] = Case(run, w.size, "elements", moved)
    return cases


def _quantize_run(backend: Backend, w: Any, steps: Any, spec: QuantSpec) -> Callable[[], Any]:
    if backend.name == "cpu":
        step = steps if len(steps) > 1 else float(steps[0])
        return lambda: quantize(w, step, spec, packed=spec.bits < 8)
    from alpt_ref.kernels.cuda import quantize as kernels

    out = backend.empty((w.shape[0], words_per_row(spec.bits, w.shape[1])), np.uint32)
    flags, key = backend.zeros(1, np.int32), seed_words(1)

    def run() -> None:
        stochastic = spec.rounding == "sr"
        kernels.quantize(w, steps, spec.bits, stochastic, 0, 0, 0, *key, out, flags, packed=True)

    return captured(backend, run)


def table_cases(backend: Backend, rows: int, ids: list[Any], d: int = 16, *, methods: Any = None) -> Cases:
    """Lookup, and lookup and update, of tables: all batches of `ids` in one call, replayed as a graph on a GPU."""
    from alpt_ref.tables import make_table

    generator = np.random.Generator(np.random.Philox(key=2))
    grads = (generator.standard_normal((len(ids[0]), d)) * 1e-3).astype(np.float32)
    cases: Cases = {}
    for name, (method, bits, optimizer) in (methods or {"8-bit LPT(SR) lazy Adam": ("lpt", 8, "adam")}).items():
        fixed: dict[str, Any] = {} if bits is None else {"init_step": 1e-3, "init_std": 0.0}
        table = make_table(method, rows, d, bits=bits, optimizer=optimizer, device=backend.name, **fixed)
        make = _table_runs_cpu if backend.name == "cpu" else _table_runs_cuda
        look, update, both = make(backend, table, ids, grads)
        amount = float(sum(one.size for one in ids))
        cases[f"lookup, {name}"] = Case(look, amount, "ids")
        cases[f"table update, {name}"] = Case(update, amount, "ids")
        cases[f"table step (lookup and update), {name}"] = Case(both, amount, "ids")
    return cases


Run = Callable[[], Any]


def _table_runs_cpu(backend: Backend, table: Any, ids: list[Any], grads: Any) -> tuple[Run, Run, Run]:
    def look() -> None:
        for one in ids:
            table.lookup(one)

    def update() -> None:
        for one in ids:
            table.apply_gradients(one, grads)

    def both() -> None:
        look()
        update()

    return look, update, both


def _table_runs_cuda(backend: Backend, table: Any, ids: list[Any], grads: Any) -> tuple[Run, Run, Run]:
    device_ids = [backend.from_host(one) for one in ids]
    gradients = backend.from_host(grads)
    out = backend.zeros(grads.shape, np.float32)
    table.reserve(len(grads))
    table.set_rates(1e-3)

    def look() -> None:
        for one in device_ids:
            table.queue_lookup(one, out)

    def update() -> None:
        for one in device_ids:
            table.queue_unique_rows(one)
            table.queue_update(gradients, len(grads))

    def both() -> None:
        for one in device_ids:
            table.queue_lookup(one, out)
            table.queue_unique_rows(one)
            table.queue_update(gradients, len(grads))

    return captured(backend, look), captured(backend, update), captured(backend, both)


def captured(backend: Backend, run: Run) -> Run:
    """`run` as a CUDA graph: what it launches, without the time that launching takes."""
    run()  # compiles and allocates
    backend.synchronize()
    stream = backend.xp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        run()
        graph = stream.end_capture()

    def replay() -> None:
        graph.launch(backend.xp.cuda.get_current_stream())

    replay.keeps = run  # type: ignore[attr-defined]  # the arrays that the graph knows by address alone
    return replay


NOISES = {"no noise": ("none", 0.0), "uniform noise": ("uniform", 3.0**-0.5), "normal noise": ("normal", 1.0)}
"""Noise of a simulated run: kind and standard deviation."""


def montecarlo_cases(backend: Backend, runs: int, steps: int, d: int = 16) -> Cases:
    """SR-SGD on a quadratic, the whole call, results on the host included."""
    from alpt_ref.theory import Grid, Noise, Schedule, quadratic, simulate

    problem, grid, schedule = quadratic(np.linspace(0.1, 2.0, d), 0.1), Grid(0.01, 8), Schedule("constant", 0.005)

    def run_of(noise: Noise) -> Callable[[], Any]:
        return lambda: simulate(
            problem, grid, schedule, steps=steps + 1, runs=runs, start=50, noise=noise, device=backend.name
        )

    return {
        f"Monte Carlo SR-SGD, {name}": Case(run_of(Noise(kind, sigma)), float(runs) * d * steps, "coordinate updates")  # type: ignore[arg-type]
        for name, (kind, sigma) in NOISES.items()
    }


def regression(rows: int, d: int) -> Any:
    """Least squares with normal features; its minimum is not needed and not computed."""
    from alpt_ref.theory.linear import LinearModel

    generator = np.random.Generator(np.random.Philox(key=1))
    features, offsets = generator.standard_normal((rows, d)) / d**0.5, generator.standard_normal(rows)
    return LinearModel("square", features, offsets, np.zeros(d), 0.0, 0.0)


def regression_run(
    problem: Any, runs: int, steps: int, batch: int, every: int, rounding: Literal["sr", "dr", "full"] = "sr"
) -> Callable[[], Any]:
    """SGD on a regression: `batch` rows a gradient (0: all), the average loss of every `every`-th iterate."""
    from alpt_ref.theory import Grid, Schedule, simulate

    watched: dict[str, Any] = {"averages": True, "thin": every} if every else {}
    grid, schedule = Grid(0.05, 8), Schedule("constant", 0.05)
    return lambda: simulate(
        problem, grid, schedule, steps=steps + 1, runs=runs, start=3, rounding=rounding, batch=batch, device="cpu",
        **watched,
    )  # fmt: skip


def training_cases(backend: Backend, rows: int, features: int, batch: int, steps: int) -> Cases:
    """Training steps of a DCN with an 8-bit LPT table on synthetic clicks, by the engine that `train` uses."""
    from alpt_ref.data import synthetic_clicks
    from alpt_ref.training.batch_range import BatchRange
    from alpt_ref.training.build import rates
    from alpt_ref.training.config import PRESETS
    from alpt_ref.training.engine import make_engine

    dataset = synthetic_clicks(rows, fields=24, features=features, seed=1)
    config = PRESETS["quick"].replace("table", method="lpt", bits=8).replace("train", batch_size=batch)
    engine = make_engine(config, dataset, backend.name)
    training = np.flatnonzero(np.asarray(dataset.split) == 0).astype(np.int64)
    steps = min(steps, len(training) // batch)
    done = itertools.count()

    def run() -> None:
        engine.train(
            BatchRange(1, training, rates(config, 1), 0, steps, next(done) * steps, 0.0), lambda rows, loss: False
        )

    return {f"training, DCN, batch {batch:,}": Case(run, float(steps * batch), "samples")}
