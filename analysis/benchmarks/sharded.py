"""One table over the GPUs of a host: time and bytes of a step's exchanges, and a table larger than one GPU.

    torchrun --nproc-per-node 2 -m analysis.benchmarks.sharded [--rows 34000000] [--samples 10000,65536]
        [--fields 39] [--steps 20] [--big 0] [--profile] [--output FILE.json]

Ids are Zipf-distributed in each field (`ids`), other ones on each rank. A step looks its ids up, then updates their
rows by given gradients. Times are medians over steps, the slowest rank's; bytes are what a rank sends to others in a
step. `big` is the number of rows of the second part (2,000,000,000 need two GPUs of 80 GB): 64 columns of
8 bits, SGD, one float32 step size a row, all of them zero at first.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np

from alpt_ref.catalog import TABLES
from alpt_ref.distributed import ShardedTable
from alpt_ref.distributed.shard import method_of
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cuda.available import use_device
from alpt_ref.tables import TableSpec
from alpt_ref.tables.options import AlptOptions, FullOptions, LptOptions

from .ids import zipf_ids
from .timing import arguments, write

METHODS: dict[str, tuple[Any, str]] = {
    "fp32, SGD": (FullOptions(), "sgd"),
    "8-bit LPT(SR), SGD": (LptOptions(init_step=0.001), "sgd"),
    "8-bit LPT(SR), lazy Adam": (LptOptions(init_step=0.001), "adam"),
    "8-bit ALPT(SR), two passes, lazy Adam": (AlptOptions(init_step=0.001), "adam"),
}


def timed(backend: Any, work: Callable[[], Any]) -> float:
    """Milliseconds until the device is done."""
    backend.synchronize()
    start = time.perf_counter()
    work()
    backend.synchronize()
    return 1e3 * (time.perf_counter() - start)


def measure(table: ShardedTable, ids: list[Any], grads: Any, steps: int) -> dict[str, Any]:
    """Medians of a step's halves, and bytes."""
    backend, found, sent = get_backend("cuda"), [], table.sent
    for step in range(steps + 4):
        held = table.checked_ids(ids[step % len(ids)])
        look = timed(backend, lambda held=held: table.lookup(held))  # type: ignore[misc]
        if table.two_pass_capable:

            def update(held: Any = held) -> None:
                pending = table.begin_update(held, grads)
                table.lookup_pending(pending)
                table.finish_update(pending, grads)
        else:

            def update(held: Any = held) -> None:
                table.apply_gradients(held, grads)

        found.append((look, timed(backend, update)))
    looks, updates = zip(*found[4:], strict=True)
    rows = int(np.mean([len(np.unique(backend.to_host(one))) for one in ids]))
    return {
        "lookup_ms": statistics.median(looks), "update_ms": statistics.median(updates),
        "bytes_a_step": (table.sent - sent) / len(found), "unique_rows": rows,
    }  # fmt: skip


def replayed(table: ShardedTable, ids: list[Any], grads: Any, rounds: int, *, profiled: bool) -> dict[str, Any]:
    """Milliseconds of a step as CUDA graphs with room of a fixed size, and the bytes that it sends."""
    from alpt_ref.distributed.static import StaticSteps  # loads CUDA

    backend, positions = get_backend("cuda"), len(ids[0])
    most = 0
    for one in ids:
        owners, _ = table.row_map.find(np.unique(backend.to_host(one)))
        most = max(most, int(np.bincount(owners).max()))
    shared = np.array([most], np.int64)
    table.group.largest(shared)
    steps = StaticSteps(table, positions, int(shared[0]) + 64)
    steps.grads[...] = grads
    batch = positions * table.ranks
    halves = [steps.recorded(steps.queue_lookup)]
    if table.two_pass_capable:
        halves += [steps.recorded(steps.queue_begin), steps.recorded(steps.queue_pending)]
        halves += [steps.recorded(lambda: steps.queue_finish(batch))]
    else:
        halves += [steps.recorded(lambda: steps.queue_update(batch))]
    times = []
    for k in range(rounds + 2):
        steps.ids[...] = ids[k % len(ids)]
        times.append([timed(backend, half) for half in halves])
    steps.check(rounds + 2)

    def many() -> None:
        for k in range(rounds):
            steps.ids[...] = ids[k % len(ids)]
            for half in halves:
                half()

    table.group.share(np.zeros(1, np.int64))
    step = timed(backend, many) / rounds
    steps.check(rounds)
    if profiled:
        found = kernels_of(lambda: [half() for half in halves])
        steps.check(3)
        if table.rank == 0:
            print(found, flush=True)
    parts = [statistics.median(one) for one in zip(*times[2:], strict=True)]
    return {"graph_ms": step, "graph_lookup_ms": parts[0], "graph_update_ms": sum(parts[1:]), "graph_bytes": steps.sent}


def on_one(name: str, rows: int, ids: list[Any], grads: Any, rounds: int) -> dict[str, Any]:
    """Milliseconds of the same step of an unsharded table on this GPU, as a CUDA graph."""
    from alpt_ref.distributed.graphs import recorded  # loads CUDA

    options, optimizer = METHODS[name]
    spec = TableSpec(rows, 16, options, optimizer=optimizer, init_std=0.0, device="cuda")
    table: Any = TABLES[method_of(spec)].load("cuda")(spec)
    backend, batch = table.backend, len(ids[0])
    table.reserve(batch)
    given, values = ids[0].copy(), backend.zeros(grads.shape, np.float32)

    def step() -> None:
        table.queue_unique_rows(given)
        table.queue_lookup(given, values)
        if table.two_pass_capable:
            table.queue_begin(grads, values)
            table.queue_finish(grads, batch)
        else:
            table.queue_update(grads, batch)

    replay = recorded(step, table.guard)

    def many() -> None:
        for k in range(rounds):
            given[...] = ids[k % len(ids)]
            replay()

    timed(backend, many)
    return {"one_gpu_graph_ms": timed(backend, many) / rounds}


def big_table(rows: int, backend: Any) -> dict[str, Any]:
    """A few steps of a table of `rows` rows and 64 columns."""
    spec = TableSpec(rows, 64, LptOptions(init_step=0.001), optimizer="sgd", lr=0.1, init_std=0.0, device="cuda")
    start = time.perf_counter()
    table = ShardedTable(spec)
    backend.synchronize()
    made = time.perf_counter() - start
    rng = np.random.default_rng(table.rank)
    ids = [rng.integers(0, rows, 16384 * 39).astype(np.uint32) for _ in range(2)]
    for one in ids:
        one[:3] = 0, rows - 1, rows // 2
    grads = backend.xp.ones((len(ids[0]), 64), np.float32)
    figures = measure(table, [backend.from_host(one) for one in ids], grads, 4)
    last = backend.to_host(table.lookup(ids[0][:3]))
    free, total = backend.xp.cuda.runtime.memGetInfo()
    return {
        **figures, "rows": rows, "made_s": made, "table_bytes_a_gpu": table.nbytes(), "used_bytes_a_gpu": total - free,
        "moved": bool((last != 0).all()),
    }  # fmt: skip


def main() -> None:
    """Run."""
    given = arguments(__doc__, rows=34_000_000, samples="10000,65536", fields=39, steps=20, big=0, profile=False)
    from torch import distributed

    use_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl", timeout=timedelta(seconds=120))
    rank, size, backend = distributed.get_rank(), distributed.get_world_size(), get_backend("cuda")
    results: dict[str, Any] = {"ranks": size, "rows": given.rows, **backend.description()}
    for samples in (int(one) for one in given.samples.split(",")):
        made = [zipf_ids(given.rows, samples, given.fields, 4 * rank + k).reshape(-1) for k in range(4)]
        ids = [backend.from_host(one) for one in made]
        grads = backend.xp.random.default_rng(0).standard_normal((len(made[0]), 16), dtype=np.float32) * np.float32(
            1e-3
        )
        for name, (options, optimizer) in METHODS.items():
            spec = TableSpec(given.rows, 16, options, optimizer=optimizer, init_std=0.0, device="cuda")
            table = ShardedTable(spec)
            figures: list[Any] = [None] * size
            found = measure(table, ids, grads, given.steps)
            if size > 1:
                found |= replayed(table, ids, grads, given.steps, profiled=given.profile)
            found |= on_one(name, given.rows, ids, grads, given.steps)
            distributed.all_gather_object(figures, found)
            results[f"{name}, {samples}"] = {key: max(one[key] for one in figures) for key in figures[0]}
            if rank == 0:
                print(name, samples, results[f"{name}, {samples}"], flush=True)
            del table
            backend.xp.get_default_memory_pool().free_all_blocks()
    if given.big:
        figures = [None] * size
        distributed.all_gather_object(figures, big_table(given.big, backend))
        results["big"] = figures
        if rank == 0:
            print("big", figures, flush=True)
    if rank == 0 and given.output:
        write(given, results)
    distributed.destroy_process_group()


def kernels_of(work: Callable[[], Any]) -> str:
    """Kernels of three runs of `work` by their time on the device."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as watch:
        for _ in range(3):
            work()
        get_backend("cuda").xp.cuda.Device().synchronize()
    return str(watch.key_averages().table(sort_by="self_cuda_time_total", row_limit=34, max_name_column_width=60))


if __name__ == "__main__":
    main()
