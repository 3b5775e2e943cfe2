"""Training on a store larger than the memory that the process may use, against training in memory.

    python -m analysis.benchmarks.mapped --folder SCRATCH [--rows 12000000] [--limit-mb 1500] [--steps 120]
        [--batch 10000] [--output FILE.json]

Three processes in turn, several times: the store read into RAM without a limit; the store mapped, under a limit of the
memory control group, as a run trains on it (the rows of many batches are read in one pass); and mapped with each batch
gathered by itself (a twentieth of the steps: it is slow). The file is dropped from the page cache before each run. The
steps are those of `CpuEngine.train` with 8-bit LPT(SR) and DCN, timed from the first wait for data to the last step;
compilation is over by then. Needs the right to make a memory control group (root, or a delegated group); without it
nothing is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .timing import arguments, paired_ratio, write

FIELDS, EACH, DIM = 39, 25_000, 16
CASES = {"in memory": "memory", "mapped": "mapped", "mapped, batch by batch": "single"}


def make_store(folder: Path, rows: int) -> None:
    """Write a store of uniform ids, unless it is there."""
    from alpt_ref.data import ClickDataset

    if folder.exists():
        return
    rng = np.random.default_rng(0)
    ids = rng.integers(0, EACH, (rows, FIELDS), dtype=np.uint32)
    ids += np.arange(FIELDS, dtype=np.uint32) * np.uint32(EACH)
    labels = rng.integers(0, 2, rows, dtype=np.uint8)
    split = np.zeros(rows, np.uint8)
    names = tuple(f"field_{number}" for number in range(FIELDS))
    ClickDataset("mapped", ids, labels, split, names, (EACH,) * FIELDS).save(folder)


def child(folder: Path, case: str, steps: int, batch: int) -> None:
    """Train and print samples a second and bytes read from disk as JSON."""
    from alpt_ref.data import ClickDataset
    from alpt_ref.kernels.linalg import single_threaded_blas
    from alpt_ref.training.batch_range import BatchRange
    from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
    from alpt_ref.training.engine import CpuEngine

    dataset = ClickDataset.open(folder)
    if case == "memory":
        dataset = replace(dataset, ids=dataset.ids.copy(), labels=dataset.labels.copy(), files=None)
    elif case == "single":
        dataset = replace(dataset, files=None)
    config = RunConfig(
        model=ModelConfig(kind="dcn", dim=DIM, hidden=(1024, 512, 256), lr=1e-3),
        table=TableConfig(method="lpt", bits=8, rounding="sr"),
        train=TrainConfig(batch_size=batch),
    )
    engine = CpuEngine(config, dataset)
    rates = {"table": config.table.lr, "dense": 1e-3}
    rows = dataset.rows_of("train")

    def run(epoch: int, last: int) -> float:
        begin = time.perf_counter()
        _, done = engine.train(BatchRange(epoch, rows, rates, 0, last, 0, 0.0), lambda rows, loss: False)
        assert done == last
        return time.perf_counter() - begin

    with single_threaded_blas():
        run(1, 3)  # compiles
        seconds = run(2, steps)
    read = [line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("read_bytes")]
    print(json.dumps({"seconds": seconds, "samples_per_s": steps * batch / seconds, "read": int(read[0].split()[1])}))


@contextlib.contextmanager
def memory_group(limit: int | None) -> Iterator[Path | None]:
    """A control group with a memory limit (version 2 or 1), removed afterwards."""
    if limit is None:
        yield None
        return
    root = Path("/sys/fs/cgroup")
    second = (root / "cgroup.controllers").exists()
    if not second:  # below our own group, whose limits go on holding; version 2 gives none to a group with processes
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        root = root / "memory" / next(name for _, kind, name in lines if kind == "memory").lstrip("/")
    group = root / f"alpt-ref-benchmark-{os.getpid()}"
    group.mkdir()
    try:
        (group / ("memory.max" if second else "memory.limit_in_bytes")).write_text(str(limit))
        yield group
    finally:
        group.rmdir()


def measure(folder: Path, case: str, limit: int | None, steps: int, options: argparse.Namespace) -> dict[str, Any]:
    for file in folder.iterdir():  # what another process has cached would be free of charge
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = [sys.executable, "-m", options.module, "--child", case, "--folder", str(folder)]
    command += ["--steps", str(steps), "--batch", str(options.batch)]
    with memory_group(limit) as group:
        enter = "" if group is None else f"echo $$ > {group}/cgroup.procs; "
        done = subprocess.run(["sh", "-c", enter + 'exec "$@"', "sh", *command], stdout=subprocess.PIPE, check=True)
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def main() -> None:
    options = arguments(
        __doc__, folder=Path, rows=12_000_000, limit_mb=1500, steps=120, batch=10_000, rounds=3, child=""
    )
    if options.child:
        child(options.folder, options.child, options.steps, options.batch)
        return
    store = options.folder / f"store-{options.rows}"
    make_store(store, options.rows)
    size = (store / "ids.npy").stat().st_size
    print(f"ids {size / 1e9:.2f} GB, memory limit {options.limit_mb / 1e3:.2f} GB, batches of {options.batch:,}")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CASES}
    for _ in range(options.rounds):
        for name, case in CASES.items():
            limit = None if case == "memory" else options.limit_mb * 10**6
            steps = options.steps if case != "single" else max(3, options.steps // 20)  # a read from disk a row
            found[name].append(measure(store, case, limit, steps, options))
    seconds = {name: [1.0 / one["samples_per_s"] for one in values] for name, values in found.items()}
    results = {}
    for name, values in found.items():
        rate = statistics.median(one["samples_per_s"] for one in values)
        share = paired_ratio(seconds, "in memory", name)  # seconds a sample of the one over those of the other
        results[name] = {"samples_per_s": rate, "share_of_in_memory": share, "bytes_read": values[-1]["read"]}
        print(
            f"{name:26s} {rate:10,.0f} samples/s   {share:5.2f} of in memory   {values[-1]['read'] / 1e9:.2f} GB read"
        )
    write(options, {"ids_bytes": size, "limit_bytes": options.limit_mb * 10**6, "cases": results})


if __name__ == "__main__":
    main()
