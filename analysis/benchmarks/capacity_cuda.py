"""How large a table trains on one GPU: a billion rows of 64 dimensions at 8 bits, a DCN around it.

    python -m analysis.benchmarks.capacity_cuda [--rows 1000000000] [--dim 64] [--steps 200] [--output FILE.json]

In float32 the weights alone would take ``4 * rows * dim`` bytes (256 GB at the default). The codes begin at zero
(initial weights of standard deviation 0), because drawing 64 billion normal numbers is not what is measured here. Says
how much memory the table takes by its arrays and by the driver's count, and how fast it trains.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from alpt_ref.kernels.backend import get_backend
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.engine import make_engine

from .timing import arguments, write
from .train_cuda import HIDDEN, clicks


def main() -> None:
    options = arguments(
        __doc__, rows=1_000_000_000, dim=64, fields=25, batch=10_000, steps=200, optimizer=("adagrad", "sgd")
    )
    backend = get_backend("cuda")
    runtime = backend.xp.cuda.runtime
    free, total = runtime.memGetInfo()
    rows = options.rows // options.fields * options.fields
    dataset = clicks(backend.xp, rows, options.fields, options.batch * options.steps)
    backend.xp.get_default_memory_pool().free_all_blocks()
    table = TableConfig(method="lpt", optimizer=options.optimizer, init_std=0.0, init_step=0.001)
    train = TrainConfig(batch_size=options.batch, eval_batch_size=options.batch, device="cuda")
    model = ModelConfig(hidden=HIDDEN, dim=options.dim, precision="tf32")
    engine: Any = make_engine(RunConfig(model=model, table=table, train=train), dataset, "cuda")
    losses: list[float] = []
    order = np.arange(options.batch * options.steps)

    def run(first: int, last: int) -> float:
        begin = time.perf_counter()
        rates = {"table": 1e-3, "dense": 1e-3}
        span = BatchRange(1, order, rates, first, last, first, 0.0)
        losses.append(engine.train(span, lambda rows, loss: False)[0] / (options.batch * (last - first)))
        backend.synchronize()
        return time.perf_counter() - begin

    run(0, 20)  # compiles and records
    seconds = run(20, options.steps)
    used = free - runtime.memGetInfo()[0]
    changed = int((engine.table.packed[:1_000_000] != 0).any(axis=1).sum())
    figures = {
        "rows": rows,
        "dim": options.dim,
        "optimizer": options.optimizer,
        "table_bytes": engine.table.nbytes("training"),
        "serving_bytes": engine.table.nbytes("serving"),
        "fp32_weight_bytes": 4 * rows * options.dim,
        "device_bytes_used": int(used),
        "device_bytes": int(total),
        "steps": options.steps,
        "samples_per_s": options.batch * (options.steps - 20) / seconds,
        "mean_loss_first_20_and_rest": losses,
        "rows_changed_of_the_first_million": changed,
    }
    for name, value in figures.items():
        print(f"{name:34s} {value:,}" if isinstance(value, int) else f"{name:34s} {value}")
    write(options, {**backend.description(), **figures})


if __name__ == "__main__":
    main()
