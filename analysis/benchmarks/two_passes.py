"""Two-pass ALPT beside LPT on a GPU: whole training steps of both in turn, and their ratio, in less than a minute.

    python -m analysis.benchmarks.two_passes [--rows 34000000] [--fields 39] [--batches 10000,65536] [--repeats 9]
        [--precisions tf32,bf16] [--output FILE.json]

The two cases of `train_cuda`, with its network and ids, without PyTorch, floors and parts. Initial codes are drawn on
the device, since nobody trains these tables to an end; some processes compile the kernels meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from alpt_ref.kernels.backend import get_backend
from alpt_ref.training.config import ModelConfig, RunConfig, TrainConfig
from alpt_ref.training.config_io import dump_toml

from .timing import arguments, interleaved, medians, wall_clock, write
from .train_cuda import ALPT, HIDDEN, LPT, METHODS, PRECISIONS, Ours, clicks, comparisons

SAMPLES = 400_000
PROCESSES = 5
"""That compile for each method and precision."""


def draw_codes(table: Any) -> None:
    """In place of the `_fill` of a table of 8 bits: codes from -16 to 15, each of a mixed number of its place."""
    xp, shape = table.backend.xp, table.packed.shape
    words = xp.arange(shape[0] * shape[1], dtype=xp.uint32)
    for factor in (0x9E3779B1, 0x85EBCA6B):
        words *= xp.uint32(factor)
        words ^= words >> xp.uint32(15)
    codes = (words.view(xp.uint8) & xp.uint8(31)) - xp.uint8(16)
    table.packed[...] = codes.view(xp.uint32).reshape(shape)


def compile_ahead(precisions: list[str], folder: Path) -> list[subprocess.Popen[bytes]]:
    """Begin to compile the kernels of every case."""
    begun = []
    for precision in precisions:
        for name in (LPT, ALPT):
            model: Any = {"hidden": HIDDEN, "precision": precision}
            config = RunConfig(model=ModelConfig(**model), table=METHODS[name], train=TrainConfig(device="cuda"))
            file = folder / f"{precision}-{METHODS[name].method}.toml"
            file.write_text(dump_toml(config), encoding="utf-8")
            for part in range(PROCESSES):
                words = ["-m", "alpt_ref.training.compile_ahead", str(file), str(part), str(PROCESSES)]
                begun.append(subprocess.Popen([sys.executable, *words]))
    return begun


def pair(precision: str, dataset: Any, batch: int) -> dict[str, Ours]:
    """LPT and two-pass ALPT by their names in `train_cuda`."""
    title = next(title for title, value in PRECISIONS.items() if value == precision)
    steps = min(40, SAMPLES // batch)
    return {f"{name}, {title}": Ours(METHODS[name], precision, dataset, batch, steps) for name in (LPT, ALPT)}


def main() -> None:
    options = arguments(__doc__, rows=34_000_000, fields=39, batches="10000,65536", precisions="tf32,bf16", repeats=9)
    from alpt_ref.tables.cuda.tables import CudaLowPrecisionTable

    backend, precisions = get_backend("cuda"), options.precisions.split(",")
    with tempfile.TemporaryDirectory() as folder:
        begun = compile_ahead(precisions, Path(folder))
        dataset = clicks(backend.xp, options.rows, options.fields, SAMPLES)
        for process in begun:
            process.wait()
    setattr(CudaLowPrecisionTable, "_fill", draw_codes)  # noqa: B010
    results: dict[str, Any] = {}
    for batch in [int(part) for part in options.batches.split(",")]:
        cases: dict[str, Any] = {}
        for precision in precisions:
            cases |= pair(precision, dataset, batch)
        seconds = medians(interleaved(cases, options.repeats, warmup=2, clock=wall_clock))
        speed = {name: batch * cases[name].steps / value for name, value in seconds.items()}
        print(f"batch {batch:,}: million samples a second")
        for name, value in speed.items():
            print(f"    {name:50s} {value / 1e6:7.2f}", flush=True)
        results[str(batch)] = {"samples_per_s": speed, "ratios": comparisons(speed, {}, batch)}
        del cases
        backend.xp.get_default_memory_pool().free_all_blocks()
    write(options, {**backend.description(), "fields": options.fields, "batch": results})


if __name__ == "__main__":
    main()
