"""Training on a store larger than the memory that the process may use, against training in memory.

    python -m analysis.benchmarks.mapped --folder SCRATCH [--rows 12000000] [--limit-mb 1500] [--steps 120]
        [--batch 10000] [--output FILE.json]

Three processes in turn, several times: the store read into RAM without a limit; the same store mapped, under a limit
of the memory control group, with each batch gathered by itself (a twentieth of the steps: it is slow); and mapped with
`gather_batches`, which reads the rows of many batches in one pass. The file is dropped from the page cache before each
run. A step is that of 8-bit LPT(SR) with DCN. Needs the right to make a memory control group (root, or a delegated
group); without it nothing is measured.
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
from pathlib import Path
from typing import Any

import numpy as np

from .harness import paired_ratio, write

FIELDS, EACH, DIM = 39, 25_000, 16
CASES = {"in memory": "memory", "mapped, batch by batch": "single", "mapped, gather_batches": "grouped"}


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
    """Train and print samples a second, peak memory and bytes read from disk as JSON."""
    from alpt_ref import make_model, make_table
    from alpt_ref.batches import gather
    from alpt_ref.data import ClickDataset
    from alpt_ref.data.gather import gather_batches
    from alpt_ref.linalg import single_threaded_blas
    from alpt_ref.models.loss import bce_with_logits
    from alpt_ref.optim import make_dense_optimizer

    dataset = ClickDataset.open(folder)
    if case == "memory":
        dataset = ClickDataset(
            "memory", dataset.ids.copy(), dataset.labels.copy(), dataset.split, dataset.field_names, dataset.field_sizes
        )
    order = np.random.default_rng(1).permutation(dataset.rows)[: (steps + 5) * batch]
    table = make_table("lpt", dataset.n, DIM, bits=8, rounding="sr")
    model, dense = (
        make_model("dcn", FIELDS, DIM, hidden=(1024, 512, 256), seed=1),
        make_dense_optimizer("adam", lr=1e-3),
    )

    def batches() -> Iterator[Any]:
        if case == "grouped":
            yield from gather_batches(dataset, order, batch)
        else:
            for start in range(0, len(order), batch):
                yield gather(dataset, order[start : start + batch])

    begin, done = 0.0, -5
    with single_threaded_blas():
        for ids, labels in batches():
            if done == 0:  # after compilation and, where there are groups, the wait for the first
                begin = time.perf_counter()
            flat = ids.reshape(-1).astype(np.int64)
            logits = model.forward(table.lookup(flat).reshape(len(ids), -1), training=True)
            _, dlogits = bce_with_logits(logits, labels)
            table.apply_gradients(flat, model.backward(dlogits).reshape(len(flat), -1))
            dense.step(model.params, model.grads)
            done += 1
    seconds = time.perf_counter() - begin
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
    group = (root if second else root / "memory") / f"alpt-ref-benchmark-{os.getpid()}"
    group.mkdir()
    try:
        (group / ("memory.max" if second else "memory.limit_in_bytes")).write_text(str(limit))
        yield group
    finally:
        group.rmdir()


def measure(folder: Path, case: str, limit: int | None, steps: int, batch: int) -> dict[str, Any]:
    for file in folder.iterdir():  # what another process has cached would be free of charge
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = [sys.executable, "-m", "analysis.benchmarks.mapped", "--child", case, "--folder", str(folder)]
    command += ["--steps", str(steps), "--batch", str(batch)]
    with memory_group(limit) as group:
        enter = "" if group is None else f"echo $$ > {group}/cgroup.procs; "
        done = subprocess.run(["sh", "-c", enter + 'exec "$@"', "sh", *command], stdout=subprocess.PIPE, check=True)
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=12_000_000)
    parser.add_argument("--limit-mb", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output")
    parser.add_argument("--child", choices=tuple(CASES.values()), help=argparse.SUPPRESS)
    options = parser.parse_args()
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
            found[name].append(measure(store, case, limit, steps, options.batch))
    seconds = {name: [1.0 / one["samples_per_s"] for one in values] for name, values in found.items()}
    results = {}
    for name, values in found.items():
        rate = statistics.median(one["samples_per_s"] for one in values)
        share = paired_ratio(seconds, "in memory", name)  # seconds a sample of the one over those of the other
        results[name] = {"samples_per_s": rate, "share_of_in_memory": share, "bytes_read": values[-1]["read"]}
        print(
            f"{name:26s} {rate:10,.0f} samples/s   {share:5.2f} of in memory   {values[-1]['read'] / 1e9:.2f} GB read"
        )
    command = (
        f"python -m analysis.benchmarks.mapped --folder SCRATCH --rows {options.rows} --limit-mb {options.limit_mb} "
        f"--steps {options.steps} --batch {options.batch} --rounds {options.rounds}"
    )
    write(options.output, command, {"ids_bytes": size, "limit_bytes": options.limit_mb * 10**6, "cases": results})


if __name__ == "__main__":
    main()
