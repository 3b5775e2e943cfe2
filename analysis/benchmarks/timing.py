"""What all benchmarks share: options, cases interleaved in one process, medians, ratios, one JSON with the machine."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from alpt_ref._util.files import write_json

PACKAGES = ("numpy", "numba", "numba-cuda", "cupy-cuda12x", "cupy-cuda13x", "torch", "triton", "scipy", "jax")


RESULTS = Path(__file__).resolve().parent / "results"
"""Stored figures, those that README and pages quote."""
Clock = Callable[[Callable[[], Any]], float]
"""Runs something and says how many seconds it took."""


def wall_clock(run: Callable[[], Any]) -> float:
    """Seconds of `run` by the host's clock."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def thread_clock(run: Callable[[], Any]) -> float:
    """CPU seconds of this thread alone."""
    begin = time.thread_time()
    run()
    return time.thread_time() - begin


def device_clock(run: Callable[[], Any]) -> float:
    """Seconds that a GPU spends on what `run` queues, by two events; waits before and after."""
    cuda = importlib.import_module("cupy").cuda
    begin, end = cuda.Event(), cuda.Event()
    cuda.get_current_stream().synchronize()
    begin.record()
    run()
    end.record()
    end.synchronize()
    return float(cuda.get_elapsed_time(begin, end)) * 1e-3


def interleaved(
    cases: Mapping[str, Callable[[], Any]], repeats: int, warmup: int = 2, clock: Clock = wall_clock
) -> dict[str, list[float]]:
    """Seconds of each case, `repeats` times in turn, so that a change of the machine's speed meets all of them."""
    for _ in range(warmup):
        for run in cases.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, run in cases.items():
            seconds[name].append(clock(run))
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Median seconds of each case."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def paired_ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Median over the rounds of ``slow / fast``: how many times faster `fast` is."""
    return statistics.median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "blas": blas_kernels(),
        "date": date.today().isoformat(),
    }


def blas_kernels() -> list[str]:
    """BLAS libraries in the process and the processor family each was built or dispatched for."""
    from threadpoolctl import threadpool_info

    return [
        f"{info['internal_api']} {info.get('version')} {info.get('architecture', '')}".strip()
        for info in threadpool_info()
        if info.get("user_api") == "blas"
    ]


def arguments(doc: str | None, **defaults: Any) -> argparse.Namespace:
    """The options of the benchmark that runs as a program, by name and default, and ``--output``.

    A False default makes a flag, a tuple choices of which the first is the default, a list several values, `Path` a
    path that must be given. ``child...`` is for the program's own processes and not shown. The result's ``module`` is
    what ``python -m`` was given, ``command`` the line that repeats the run.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        how: dict[str, Any] = {"type": type(default), "default": default}
        if default is False:
            how = {"action": "store_true"}
        elif default is Path:
            how = {"type": Path, "required": True}
        elif isinstance(default, tuple):
            how = {"choices": default, "default": default[0]}
        elif isinstance(default, list):
            how = {"type": type(default[0]), "nargs": "+", "default": default}
        parser.add_argument(_flag(name), **how, help=argparse.SUPPRESS if name.startswith("child") else None)
    parser.add_argument("--output", metavar="FILE.json")
    options = parser.parse_args()
    spec = sys.modules["__main__"].__spec__
    options.module = "" if spec is None else spec.name
    words = ["python -m", options.module]
    for name in defaults:
        value = getattr(options, name)
        if value is not False and not name.startswith("child"):
            words += [_flag(name), *([] if value is True else map(str, value if isinstance(value, list) else [value]))]
    options.command = " ".join(words)
    return options


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def write(options: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Write figures, command and machine as JSON, if a path is given; a ratio to what was not measured is null.

    Figures of an earlier day that the file holds go into the folder ``earlier`` beside it, if it is one of `RESULTS`.
    """
    if options.output is None:
        return
    if Path(options.output).resolve().parent == RESULTS:
        keep_earlier(Path(options.output))
    write_json(options.output, {"command": options.command, "machine": machine(), **_without_nan(figures)})
    print(f"wrote {options.output}")


def keep_earlier(path: Path) -> None:
    """Copy a stored result to ``earlier/NAME_DATE.json``, unless it is of today."""
    if path.exists():
        stored = path.read_text(encoding="utf-8")
        day = json.loads(stored).get("machine", {}).get("date", "unknown")
        if day != date.today().isoformat():
            folder = path.parent / "earlier"
            folder.mkdir(exist_ok=True)
            (folder / f"{path.stem}_{day}.json").write_text(stored, encoding="utf-8")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value
