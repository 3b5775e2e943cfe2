"""Where a short training run spends its time, from the process's start to its end, with empty and with full caches.

    python -m analysis.benchmarks.startup [--device cuda] [--repeats 3] [--precision tf32] [--profile]
        [--output FILE.json]

``alpt-ref train --preset quick`` in processes of their own: first with empty caches of compiled kernels (ours and
CuPy's), then `repeats` times with what that one left there. The whole is timed from outside; another process of the
same kind says what it consists of: imports, the CUDA context, and the rest, which is taken apart further. ``--profile``
prints where the last process spent its time by function. Times of the host, in seconds; medians.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .timing import arguments, write

IMPORTS = {
    "cpu": ("alpt_ref.cli.train", "alpt_ref.training.train", "alpt_ref.data.synthetic"),
    "cuda": ("cupy", "numba.cuda", "alpt_ref.cli.train", "alpt_ref.training.train", "alpt_ref.training.engine_cuda",
             "alpt_ref.tables.cuda.alpt", "alpt_ref.models.ops_cuda", "alpt_ref.data.synthetic"),
}  # fmt: skip
"""What the command loads, one after the other, by device."""


def command(device: str, precision: str) -> list[str]:
    """What is timed."""
    words = ["train", "--preset", "quick", "--quiet"]
    return words if device == "cpu" else [*words, "--device", "cuda", "--set", f"model.precision={precision}"]


class Phases:
    """Seconds by name; what runs within something else that is counted is taken out of it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._inside: list[float] = []

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside the block."""
        begin = time.perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            whole = time.perf_counter() - begin
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - self._inside.pop()
            self.calls[name] = self.calls.get(name, 0) + 1
            if self._inside:
                self._inside[-1] += whole

    def watch(self, owner: Any, attribute: str, name: str) -> None:
        """Count the time of every call of a function or method."""
        function: Callable[..., Any] = getattr(owner, attribute)

        @functools.wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            with self.phase(name):
                return function(*args, **options)

        setattr(owner, attribute, timed)


def child(device: str, precision: str, started: float, profile: bool) -> None:
    """The run, taken apart, in a process of its own; prints one line of JSON."""
    import importlib

    phases = Phases()
    phases.seconds["imports: Python and what this benchmark needs"] = time.time() - started
    for module in IMPORTS[device]:
        with phases.phase(f"imports: {module}"):
            importlib.import_module(module)
    if device == "cuda":
        _watch_cuda(phases)
    from alpt_ref.cli import train as verb
    from alpt_ref.training import checkpoint, sources, trainer
    from alpt_ref.training import train as training
    from alpt_ref.training.engine import CpuEngine

    phases.watch(sources, "load_dataset", "draw the data")
    phases.watch(training, "make_engine", "build table, model and engine")
    phases.watch(checkpoint, "write_checkpoint", "save checkpoints")
    phases.watch(checkpoint, "write_folder", "save the final state")
    phases.watch(trainer.Trainer, "_evaluate", "evaluate")
    phases.watch(CpuEngine, "moment", "snapshots")
    phases.watch(trainer.Trainer, "_train", "train")
    profiler: Any = None
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    with phases.phase("everything else"), contextlib.redirect_stdout(io.StringIO()):
        verb.train_command.main(command(device, precision)[1:], standalone_mode=False)
    if profiler is not None:
        import pstats

        profiler.disable()
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).sort_stats("cumulative").print_stats(45)
        pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(25)
        print(text.getvalue(), file=sys.stderr)
    print(json.dumps({"seconds": phases.seconds, "calls": phases.calls, "whole": time.time() - started}))


def _watch_cuda(phases: Phases) -> None:
    import cupy
    from numba import cuda
    from numba.cuda.dispatcher import CUDADispatcher, _Kernel

    with phases.phase("context: CuPy"):
        cupy.cuda.runtime.free(0)
    with phases.phase("context: Numba"):
        cuda.current_context()
    from alpt_ref.kernels.cuda import blas
    from alpt_ref.training.engine_cuda import CudaEngine

    phases.watch(_Kernel, "__init__", "kernels: type, lower, NVVM")
    phases.watch(_Kernel, "bind", "kernels: link and load")
    phases.watch(CUDADispatcher, "compile", "kernels: look up in the cache, load and store")
    phases.watch(cupy.cuda.compiler, "_compile_module_with_cache", "CuPy's kernels")
    phases.watch(blas.Blas, "__init__", "cuBLAS: load and begin")
    phases.watch(CudaEngine, "_queue_step", "first steps: queue")


def _once(device: str, precision: str, environment: dict[str, str]) -> float:
    begin = time.perf_counter()
    words = [sys.executable, "-m", "alpt_ref", *command(device, precision)]
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def _taken_apart(device: str, precision: str, environment: dict[str, str], profile: bool) -> dict[str, Any]:
    begin = time.time()
    words = [sys.executable, "-m", "analysis.benchmarks.startup", "--device", device, "--precision", precision]
    words += ["--child-started", repr(begin), *(["--profile"] if profile else [])]
    found = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    parts: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    parts["process"] = time.time() - begin
    return parts


def summary(parts: dict[str, Any]) -> dict[str, float]:
    """The three figures: imports, the CUDA context, the rest of the process."""
    seconds = parts["seconds"]
    imports = sum(value for name, value in seconds.items() if name.startswith("imports"))
    context = sum(value for name, value in seconds.items() if name.startswith("context"))
    return {"imports": imports, "context": context, "rest": parts["process"] - imports - context}


def show(name: str, whole: float, parts: dict[str, Any]) -> None:
    """Print a start and what it consists of."""
    figures = summary(parts)
    print(f"{name}: {whole:.2f} s from outside; " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items()))
    for part, value in sorted(parts["seconds"].items(), key=lambda item: -item[1]):
        times = parts["calls"].get(part, 1)
        if value >= 0.005:
            print(f"    {part:48s} {value:7.3f} s" + (f"  {times} times" if times > 1 else ""))


def main() -> None:
    options = arguments(__doc__, device=("cuda", "cpu"), repeats=3, precision="tf32", profile=False, child_started=0.0)
    if options.child_started:
        return child(options.device, options.precision, options.child_started, options.profile)
    how = (options.device, options.precision)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="alpt_ref_startup_") as folder:

        def fresh(name: str) -> dict[str, str]:
            caches = {"ALPT_REF_CACHE_DIR": "ours", "CUPY_CACHE_DIR": "cupy", "CUDA_CACHE_PATH": "driver"}
            return {**os.environ, **{key: f"{folder}/{name}/{value}" for key, value in caches.items()}}

        warm = fresh("a")
        for name in "ab":
            Path(folder, name).mkdir(mode=0o700)
        cold = _once(*how, warm)
        results["cold"] = {"seconds": cold, "parts": _taken_apart(*how, fresh("b"), False)}
        seconds = [_once(*how, warm) for _ in range(options.repeats)]
        apart = [
            _taken_apart(*how, warm, options.profile and turn == options.repeats - 1) for turn in range(options.repeats)
        ]
        results["warm"] = {"seconds": statistics.median(seconds), "runs": seconds, "parts": apart[0]}
        for name, found in results.items():
            found["summary"] = summary(found["parts"])
            show(name, found["seconds"], found["parts"])
    device = {"device": options.device}
    if options.device == "cuda":
        from alpt_ref.kernels.backend import get_backend

        device = get_backend("cuda").description()
    write(options, {**device, "training": " ".join(["alpt-ref", *command(*how)]), "starts": results})
    return None


if __name__ == "__main__":
    main()
