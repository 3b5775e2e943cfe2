"""What the earlier states of a run take, in memory and time: of the whole table, and of the rows that training names.

    python -m analysis.benchmarks.snapshots [--device cpu] [--rows 4000000] [--samples 100000] [--output FILE.json]

8-bit LPT(SR) with lazy Adam, embeddings of dimension 16, 8 fields, uniform ids. A run keeps the last good epoch's state
and the best one's. Each case trains three epochs in a process of its own, of which the first is the best one, so that
both are kept: peak resident memory of the process less that of one that trains and keeps none, bytes of one state, and
the time that taking one needs. On a GPU states stay in its memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from .timing import arguments, write

FIELDS, DIM, EPOCHS = 8, 16, 3
CASES = ("none", "whole table", "rows that training names")


def child(device: str, rows: int, samples: int, case: str) -> None:
    """One case in this process; prints one line of JSON."""
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.batch_range import BatchRange
    from alpt_ref.training.build import rates
    from alpt_ref.training.config import RunConfig, TableConfig
    from alpt_ref.training.engine import make_engine

    each = rows // FIELDS
    generator = np.random.Generator(np.random.Philox(key=1))
    ids = generator.integers(0, each, (samples, FIELDS), dtype=np.uint32) + np.arange(FIELDS, dtype=np.uint32) * each
    labels, split = (generator.random(samples) < 0.25).astype(np.uint8), np.zeros(samples, np.uint8)
    split[-10:-5], split[-5:] = 1, 2
    names = tuple(f"f{k}" for k in range(FIELDS))
    dataset = ClickDataset("uniform", ids.astype(np.uint32), labels, split, names, (each,) * FIELDS)
    config = RunConfig(table=TableConfig(method="lpt")).replace("model", dim=DIM, hidden=(64,))
    config = config.replace("train", batch_size=10_000, device=device)
    engine: Any = make_engine(config, dataset, device)
    if case == "whole table":
        engine._changing = None
    seconds: list[float] = []
    trained = dataset.rows_of("train")
    batches = -(-len(trained) // 10_000)
    best = last = None if case == CASES[0] else engine.moment()
    for epoch in range(1, EPOCHS + 1):
        span = BatchRange(epoch, trained, rates(config, 1), 0, batches, (epoch - 1) * batches, 0.0)
        engine.train(span, lambda rows, loss: False)
        if best is not None:
            begin = time.perf_counter()
            last = engine.moment(last if last is not best else None)
            if device == "cuda":
                engine.stream.synchronize()
            seconds.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {"peak": peak, "seconds": sorted(seconds)[len(seconds) // 2] if seconds else 0.0}
    print(json.dumps({**found, "bytes": best.table.nbytes if best else 0, "table": engine.table.nbytes("training")}))


def main() -> None:
    options = arguments(__doc__, device=("cpu", "cuda"), rows=4_000_000, samples=100_000, child_case="")
    if options.child_case:
        return child(options.device, options.rows, options.samples, options.child_case)
    found: dict[str, dict[str, float]] = {}
    for case in CASES:
        words = ["--device", options.device, "--rows", str(options.rows), "--samples", str(options.samples)]
        command = [sys.executable, "-m", "analysis.benchmarks.snapshots", *words, "--child-case", case]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[case] = json.loads(done.stdout.splitlines()[-1])
    base = found.pop(CASES[0])
    table = base["table"]
    print(f"{options.rows:,} rows, {table / 1e6:,.0f} MB in training, {options.samples:,} samples x {FIELDS} ids")
    cases = {}
    for case, one in found.items():
        more = max(0.0, one["peak"] - base["peak"])
        cases[case] = {
            "state_bytes": one["bytes"], "share_of_table": one["bytes"] / table,
            "milliseconds_a_state": one["seconds"] * 1e3, "peak_bytes_more": more,
        }  # fmt: skip
        print(
            f"{case:28s} {one['bytes'] / 1e6:8.1f} MB a state, {one['seconds'] * 1e3:8.2f} ms to take one, "
            f"{more / 1e6:8.1f} MB more of host memory at the peak"
        )
    device: dict[str, Any] = {"device": options.device}
    if options.device == "cuda":
        from alpt_ref.kernels.backend import get_backend

        device = get_backend("cuda").description()
    write(options, {**device, "table_bytes": table, "cases": cases})
    return None


if __name__ == "__main__":
    main()
