"""Speed of Monte Carlo runs of SR-SGD on a quadratic: NumPy, PyTorch, JAX where installed, and ours in one run.

    python -m analysis.benchmarks.montecarlo [--runs 4096] [--dim 16] [--steps 200] [--repeats 7] [--output FILE.json]
    python -m analysis.benchmarks.montecarlo --device cuda --runs 262144 --steps 10000 --repeats 5
    python -m analysis.benchmarks.montecarlo --regression --dim 512 --steps 100
    python -m analysis.benchmarks.montecarlo --parts --dim 512

All do the same work in float32: gradient of a quadratic with a spectrum plus noise (normal, uniform or none), the
update, clipping to 8 bits, stochastic rounding; the figure is coordinate updates a second. On a GPU ours is timed by
the host's clock around the whole call, results on the host included, PyTorch on the device alone, for 100 steps.
``--regression`` takes least squares of 2,048 rows instead, for 64 and 1,024 runs, in ours, in NumPy whose products
have the same threads, and in NumPy by blocks of runs on as many threads. What ours measures at its last iterate, in
float64 and once a call, is timed apart and left out. ``--busy`` is for a machine with other work: CPU seconds of one
thread each. The triangular
factor by which ours takes all rows of least squares (`alpt_ref.theory.whole_rows`) is computed once a problem, in the
warm-up; NumPy multiplies by all rows, as its twin is written, and would gain as much from the factor. Where its matrix
products alone take more than a fifth of NumPy's time, nothing that makes the same products is five times as fast: that
share is printed. ``--parts`` times what a run and step is made of, ours and NumPy's, on one thread: the floor of
either.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle PyTorch threads must not spin beside ours

from alpt_ref import num_threads, set_num_threads
from alpt_ref.kernels.backend import get_backend

from . import cases as ours
from . import peers
from .montecarlo_parts import parts_of_a_step
from .run import measure
from .timing import arguments, interleaved, medians, paired_ratio, thread_clock, wall_clock, write

NOISES = {"normal": "normal noise", "uniform": "uniform noise", "none": "no noise"}


def cases_of(noise: str, options: argparse.Namespace, threads: int) -> dict[str, Callable[[], Any]]:
    """Every implementation of one noise on a processor."""
    runs, d, steps = options.runs, options.dim, options.steps
    one = ours.montecarlo_cases(get_backend("cpu"), runs, steps, d)[f"Monte Carlo SR-SGD, {NOISES[noise]}"]
    in_numpy, in_jax = peers.NumpyRuns(d, noise), peers.jax_runs(d, noise, runs, steps)

    def with_threads(count: int) -> None:
        set_num_threads(count)
        one.run()

    cases: dict[str, Callable[[], Any]] = {
        "NumPy": lambda: in_numpy.plain(runs, steps),
        "NumPy in place": lambda: in_numpy.in_place(runs, steps),
        "ours, 1 thread": lambda: with_threads(1),
    }
    if threads > 1:
        cases[f"ours, {threads} threads"] = lambda: with_threads(threads)
    torch = peers.torch_module(say=noise == "normal")
    if torch is not None:
        torch.set_num_threads(threads)
        found = peers.montecarlo_cases(torch, "cpu", runs, d, steps)
        cases["PyTorch"] = found[f"PyTorch: Monte Carlo SR-SGD, {NOISES[noise]}"].run
    return cases if in_jax is None else {**cases, "JAX": in_jax}


def on_a_processor(options: argparse.Namespace) -> dict[str, Any]:
    threads = num_threads()
    updates = options.runs * options.dim * options.steps
    fastest = f"ours, {threads} threads" if threads > 1 else "ours, 1 thread"
    results: dict[str, Any] = {"runs": options.runs, "dim": options.dim, "steps": options.steps, "threads": threads}
    for noise in NOISES:
        cases = cases_of(noise, options, threads)
        seconds = interleaved(cases, options.repeats, warmup=1)
        rates = {name: updates / s / 1e6 for name, s in medians(seconds).items()}
        ratios = {name: paired_ratio(seconds, name, fastest) for name in cases if "ours" not in name}
        results[noise] = {"million_updates_per_second": rates, "times_faster_than": ratios}
        print(f"noise {noise}: million coordinate-updates a second")
        for name, rate in rates.items():
            print(
                f"  {name:20s} {rate:8.0f}" + (f"   {fastest} is {ratios[name]:.1f}x as fast" if name in ratios else "")
            )
    return results


ROWS = 2048
SHARES = {"4 rows": 1, "16 rows": 4, "4 rows, average loss": 16, "all rows": 16}
"""A gradient's rows and which iterates the loss is added up of, by the part of the steps that is run of it."""
WORK: dict[str, tuple[Literal["sr", "dr", "full"], int, int]] = {
    "SR, 4 rows": ("sr", 4, 0),
    "SR, 4 rows, average loss of every 64th iterate": ("sr", 4, 64),
    "DR, 4 rows": ("dr", 4, 0),
    "DR, 4 rows, average loss of every 64th iterate": ("dr", 4, 64),
    "full precision, 4 rows": ("full", 4, 0),
    "full precision, 4 rows, average loss of every 64th iterate": ("full", 4, 64),
    "SR, 16 rows": ("sr", 16, 0),
    "SR, 4 rows, average loss": ("sr", 4, 1),
    "SR, all rows": ("sr", 0, 0),
}
"""Rounding, rows of a gradient, and of which iterates the loss is added up."""
FEWER, LEAST_STEPS = 8, 16
"""1,024 runs take this part of the steps; no case takes fewer."""


def on_data(options: argparse.Namespace) -> None:
    from threadpoolctl import threadpool_limits

    threads, d = 1 if options.busy else num_threads(), options.dim
    set_num_threads(threads)
    problem = ours.regression(ROWS, d)
    twin = peers.NumpyRegression(problem.features.astype(peers.F), problem.offsets.astype(peers.F))
    results: dict[str, Any] = {"rows": ROWS, "dim": d, "threads": threads}
    for name, (rounding, batch, every) in WORK.items():
        for runs in (64, 1024):
            steps = options.steps // SHARES.get(name.partition(", ")[2], 1) // (1 if runs == 64 else FEWER)
            steps = max(steps, LEAST_STEPS)
            work = (runs, steps, batch, every)
            with ThreadPoolExecutor(threads) as pool, threadpool_limits(threads, "blas"):
                cases = {
                    "ours": ours.regression_run(problem, *work, rounding),
                    "the end": ours.regression_run(problem, runs, 0, batch, every, rounding),
                    "NumPy": lambda: twin.runs(*work, rounding=rounding),  # noqa: B023
                }
                if every == 1 or not batch:
                    cases["products"] = lambda: twin.products(*work)  # noqa: B023
                if options.busy:
                    cases["NumPy, blocks"] = lambda: _in_blocks(twin, *work, rounding)  # noqa: B023
                else:
                    cases["NumPy, blocks on threads"] = _on_threads(twin, pool, *work, rounding)
                clock = thread_clock if options.busy else wall_clock
                seconds = interleaved(cases, options.repeats, warmup=1, clock=clock)
            end = seconds.pop("the end")
            seconds["ours"] = [whole - last for whole, last in zip(seconds["ours"], end, strict=True)]
            share = paired_ratio(seconds, "products", "NumPy") if "products" in seconds else None
            seconds.pop("products", None)
            found = medians(seconds)
            ratios = {one: paired_ratio(seconds, one, "ours") for one in seconds if one != "ours"}
            rates = {one: runs * d * steps / s / 1e6 for one, s in found.items()}
            results[f"{runs} runs, {name}"] = {
                "steps": steps, "million_updates_per_second": rates, "times_faster_than": ratios,
                "seconds_at_the_last_iterate": medians({"end": end})["end"],
            }  # fmt: skip
            if share is not None:
                results[f"{runs} runs, {name}"]["products_of_numpy"] = share
            shown = ", ".join(f"{ratio:.2f}x {one}" for one, ratio in ratios.items())
            print(f"{runs:5d} runs, {name:58s} ours {rates['ours']:7.1f} M updates/s: {shown}", flush=True)
            if share is not None:
                print(
                    f"{'':12s}NumPy's products alone take {share:.0%} of its time: with the same products nothing is "
                    f"more than {1 / share:.1f} times as fast"
                )
            write(options, results)  # a run that is cut off keeps what it has


def one_blas_thread() -> Any:
    """A context in which a product has one thread."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


def _in_blocks(twin: peers.NumpyRegression, runs: int, steps: int, batch: int, every: int, rounding: str) -> None:
    for seed in range(runs // 32):
        twin.runs(32, steps, batch, every, seed, rounding)


def _on_threads(
    twin: peers.NumpyRegression, pool: ThreadPoolExecutor, runs: int, steps: int, batch: int, every: int, rounding: str
) -> Callable[[], Any]:
    def run() -> None:
        with one_blas_thread():
            twin.in_parts(pool, runs, steps, batch, every, rounding)

    return run


def on_a_gpu(options: argparse.Namespace) -> dict[str, Any]:
    backend = get_backend(options.device)
    cases = ours.montecarlo_cases(backend, options.runs, options.steps, options.dim)
    results = measure(cases, backend, options.repeats, whole_calls=True)
    torch = peers.torch_module(say=True)
    if torch is not None:
        theirs = peers.montecarlo_cases(torch, options.device, options.runs, options.dim, 100)
        results |= measure(theirs, backend, options.repeats)
    for name, found in results.items():
        print(f"{name:48s} {float(found['per_second']) / 1e9:8.1f} G coordinate updates/s")
    return {**backend.description(), "cases": results}


def main() -> None:
    options = arguments(
        __doc__,
        device=("cpu", "cuda"),
        regression=False,
        busy=False,
        parts=False,
        runs=4096,
        dim=16,
        steps=200,
        repeats=7,
    )
    if options.parts:
        with one_blas_thread():
            write(options, parts_of_a_step(ROWS, options.dim))
    elif options.regression:
        on_data(options)
    else:
        write(options, on_a_processor(options) if options.device == "cpu" else on_a_gpu(options))


if __name__ == "__main__":
    main()
